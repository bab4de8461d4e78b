"""The examples, run as their readers run them, with what they are granted and without."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import owner
from tests.e2e.conftest import ROOT
from tests.e2e.harness import Harness, marker, wait_for

pytestmark = pytest.mark.full

Statement = dict[str, Any]


def statements(herald: Harness, grant: str) -> list[Statement]:
    """What the entry of a grant renders, as it was deployed."""
    iam, arn = herald.account.client("iam"), herald.urls[f"grant {grant}"]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    found: list[Statement] = document["Statement"]
    return found


@pytest.fixture
def granted(herald: Harness) -> list[Statement]:
    """The policy that the entry of README.md renders."""
    # The entry of this stage allows more, for other tests.
    functions = [
        each for each in statements(herald, "report") if re.search(r":function:|/functions/", each["Resource"][0])
    ]
    assert len(functions) == 4
    return functions


def run(
    herald: Harness, folder: Path, example: str, granted: list[Statement], *words: str
) -> subprocess.CompletedProcess[str]:
    """Run an example program beside its copy of the client."""
    program = shutil.copy(ROOT / "examples" / example, folder)
    shutil.copy(ROOT / "chalicelib/adapters/herald_client.py", folder)
    with herald.program(*granted) as environ:
        return subprocess.run(
            [sys.executable, program, herald.stage.name, *words],
            cwd=folder,
            env=environ | {"PATH": "", "AWS_EC2_METADATA_DISABLED": "true"},
            capture_output=True,
            text=True,
            timeout=60,
        )


REPORT = ("urgent", "pushover", "pushover")


def test_the_report_is_sent_with_the_grant_of_its_readme(
    herald: Harness, tmp_path: Path, granted: list[Statement]
) -> None:
    message_id = herald.accepted(marker(), "/contact/urgent")
    herald.line("on_success", message_id=message_id, action="delivered")
    herald.clear()
    # A report is of what came before its own second.
    received_at = int(herald.item(message_id)["received_at"]["N"])
    wait_for(lambda: time.time() >= received_at + 1, "next second")
    ran = run(herald, tmp_path, "report/report.py", granted, *REPORT)
    assert (ran.returncode, ran.stderr) == (0, "")
    (push,) = herald.pushes("delivered")
    assert push["title"] == "urgent: the last 24 hours"
    assert any(str(line.get("correlation_id")).startswith("report-") for line in herald.lines("list_messages"))


@pytest.mark.parametrize("left_out", range(4))
def test_without_one_of_its_statements_nothing_is_sent_and_the_program_says_why(
    herald: Harness, tmp_path: Path, granted: list[Statement], left_out: int
) -> None:
    missing = granted.pop(left_out)
    ran = run(herald, tmp_path, "report/report.py", granted, *REPORT)
    assert ran.returncode == 75
    assert "AccessDenied" in ran.stderr
    (resource,) = missing["Resource"]
    assert resource.rpartition(":")[2].removeprefix("parameter") in ran.stderr
    assert herald.provider_requests() == 0


@pytest.fixture(scope="module")
def state_role(deployed: Harness) -> Iterator[str]:
    """A role for state machines, without rights: the local stack's Step Functions don't ask it."""
    yield owner.add_role(deployed.account, "state-machine", {"Service": "states.amazonaws.com"})
    deployed.account.client("iam").delete_role(RoleName="state-machine")


# What publishes


def test_a_job_of_cron_that_fails_twice_a_day_rings_once(herald: Harness, tmp_path: Path) -> None:
    word, may_publish = marker(), statements(herald, "publish")

    def watch(granted: list[Statement]) -> subprocess.CompletedProcess[str]:
        fails = (sys.executable, "-c", f"print('{word}'); raise SystemExit(3)")
        return run(herald, tmp_path, "cron/watch.py", granted, word, "--", *fails)

    for _ in range(2):
        ran = watch(may_publish)
        assert (ran.returncode, ran.stdout, ran.stderr) == (3, f"{word}\n", "")

    def handled() -> list[str]:  # Twice: each line of the log is of a message, of other tests too.
        ids = Counter(str(line["message_id"]) for line in herald.lines("destined") if line.get("message") == "Handled")
        return [message_id for message_id, times in ids.items() if times == 2]

    assert len(wait_for(handled, "two runs")) == 1
    (push,) = herald.pushes(word)
    assert push["title"] == f"{word} failed on {platform.node()}"
    for left_out in range(len(may_publish)):
        rest = [statement for number, statement in enumerate(may_publish) if number != left_out]
        ran = watch(rest)
        assert (ran.returncode, ran.stdout) == (3, f"{word}\n")
        assert "The owner was not notified" in ran.stderr


def test_an_alarm_of_cloudwatch_rings_by_a_topic_of_the_owners(herald: Harness) -> None:
    stacks, word = herald.account.cloudformation, marker()
    given = {"Topic": herald.account.where.arn("sns", herald.stage.topic), "Grant": herald.urls["grant publish"]}
    stacks.create_stack(
        StackName="alarms",
        TemplateBody=(ROOT / "examples/alarm/template.yaml").read_text(encoding="utf-8"),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    try:
        stacks.get_waiter("stack_create_complete").wait(
            StackName="alarms", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        (output,) = stacks.describe_stacks(StackName="alarms")["Stacks"][0]["Outputs"]
        # As CloudWatch has it in https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
        alarm = {"AlarmName": word, "NewStateReason": "Threshold Crossed", "OldStateValue": "OK"}
        alarm["NewStateValue"] = "ALARM"
        herald.account.sns.publish(TopicArn=output["OutputValue"], Subject="ALARM", Message=json.dumps(alarm))
        (push,) = wait_for(lambda: herald.pushes("Threshold Crossed"), "push")
        assert (push["title"], push["priority"]) == (f"ALARM: {word}", "1")
    finally:
        stacks.delete_stack(StackName="alarms")


def end_of(states: Any, execution: str) -> dict[str, Any]:
    """Wait for the end of an execution."""

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = states.describe_execution(executionArn=execution)
        return found if found["status"] != "RUNNING" else None

    return wait_for(ended, "end of the execution")


def test_a_state_machine_publishes(herald: Harness, state_role: str) -> None:
    states, word = herald.account.client("stepfunctions"), marker()
    definition = (ROOT / "examples/state-machine/publish.asl.json").read_text(encoding="utf-8")
    definition = definition.replace("${Topic}", herald.account.where.arn("sns", herald.stage.topic))
    made = states.create_state_machine(name="publish", definition=definition, roleArn=state_role)["stateMachineArn"]
    try:
        asked = json.dumps({"title": "From a state machine", "message": word})
        execution = states.start_execution(stateMachineArn=made, name=word, input=asked)["executionArn"]
        (push,) = wait_for(lambda: herald.pushes(word), "push")
        assert push["title"] == "From a state machine"
        ended = end_of(states, execution)
        published = {"version": 1, "id": json.loads(ended["output"])["published"]["MessageId"]}
        message, _ = herald.ask("get_message", published)
        assert (ended["status"], message["state"]) == ("SUCCEEDED", "delivered")
    finally:
        states.delete_state_machine(stateMachineArn=made)


# The state machine


@pytest.fixture(scope="module")
def machine(deployed: Harness, state_role: str) -> Iterator[Callable[[dict[str, str]], dict[str, Any]]]:
    """Starts an execution and waits for its end.

    The pause between two attempts is a second instead of five; and of this stage's channels one has to be named.
    """
    states = deployed.account.client("stepfunctions")
    definition = (ROOT / "examples/state-machine/notify.asl.json").read_text(encoding="utf-8")
    arn = deployed.account.where.arn("lambda", f"function:{deployed.stage.function('notify_pushover')}")
    definition = definition.replace("${Notifier}", arn).replace('"IntervalSeconds": 5', '"IntervalSeconds": 1')
    definition = definition.replace('"version": 1,', '"version": 1, "channel": "pushover",')
    made = states.create_state_machine(name="notify", definition=definition, roleArn=state_role)["stateMachineArn"]

    def start(asked: dict[str, str]) -> dict[str, Any]:
        return end_of(states, states.start_execution(stateMachineArn=made, input=json.dumps(asked))["executionArn"])

    yield start
    states.delete_state_machine(stateMachineArn=made)


def asked(word: str) -> dict[str, str]:
    return {"id": f"id-{time.time_ns()}", "title": "From a state machine", "message": word}


Start = Callable[[dict[str, str]], dict[str, Any]]


@pytest.mark.parametrize(
    ("faults", "status", "output", "calls"),
    [
        pytest.param([], "SUCCEEDED", "delivered", 1, id="notifies"),
        pytest.param([503], "SUCCEEDED", "delivered", 2, id="tries again what delivered nothing"),
        pytest.param([502], "SUCCEEDED", "uncertain", 1, id="does not ring twice where the first may have rung"),
        pytest.param([400], "FAILED", "ChannelRejectedError", 1, id="fails with the error of the contract"),
    ],
)
def test_a_state_machine_handles_each_outcome(
    herald: Harness, machine: Start, faults: list[int], status: str, output: str, calls: int
) -> None:
    word = marker()
    herald.faults(*({"do": "status", "status": fault} for fault in faults))
    ended = machine(asked(word))
    assert (ended["status"], herald.provider_requests()) == (status, calls)
    if status == "FAILED":
        assert ended["error"] == json.loads(ended["cause"])["errorType"] == output
        return
    references = [{"reference": push["request"]} for push in herald.pushes(word)]
    assert len(references) == (output == "delivered")
    notified = {"status": output} | (references[0] if references else {})
    assert json.loads(ended["output"])["notified"] == notified


def test_a_state_machine_fails_at_a_request_that_is_wrong(machine: Start) -> None:
    ended = machine({"id": "x", "title": " ", "message": "x"})
    assert ended["error"] == json.loads(ended["cause"])["errorType"] == "InvalidRequestError"
