"""The examples are sound: templates and state machine by AWS's own linter, programs by the compiler."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.adapters import herald_client
from chalicelib.functions import FUNCTIONS
from chalicelib.logic.message import Message
from chalicelib.logic.published_notification import read
from tests import needs
from tests.contracts import validator
from tests.fakes import NOW, stage

CLIENT = """
class CallError(Exception):
    pass

class Herald:
    def __init__(self, stage):
        pass

    def notify(self, title, message, **_):
        print(title, message, sep="\\n")
"""
ROLE = "arn:aws:iam::123456789012:role/notify"


@pytest.fixture(scope="module")
def machine(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "examples/state-machine/notify.asl.json").read_text(encoding="utf-8"))
    return found


def linted(template: str) -> list[str]:
    # Imported here alone: it takes a second, in each of the processes that collect this file.
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    return [str(match) for match in lint(template, config=ManualArgs(regions=["eu-central-1"]))]


def faults(definition: dict[str, Any]) -> list[str]:
    names = {name: "herald" for name in ("Notifier", "Topic") if f"${{{name}}}" in json.dumps(definition)}
    properties = {"RoleArn": ROLE, "Definition": definition, "DefinitionSubstitutions": names}
    resources = {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}
    return linted(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}))


@pytest.mark.full
def test_the_state_machines_are_of_the_states_language(machine: dict[str, Any], root: Path) -> None:
    assert faults(machine) == []
    publishes = json.loads((root / "examples/state-machine/publish.asl.json").read_text(encoding="utf-8"))
    assert faults(publishes) == []
    broken = json.loads(json.dumps(machine))
    broken["States"]["Notify"]["Retry"][0]["IntervalSeconds"] = "soon"
    assert faults(broken)


def test_the_state_machine_asks_as_the_contract_says_and_knows_every_error_of_it(machine: dict[str, Any]) -> None:
    task = machine["States"]["Notify"]
    request = {key.removesuffix(".$"): value for key, value in task["Parameters"]["Payload"].items()}
    validator("notify", "request").validate(request)
    kinds = [kind["const"] for kind in validator_errors()]
    caught = [name for each in task["Catch"] for name in each["ErrorEquals"]]
    assert set(kinds) - set(caught) == {"ChannelUncertainError"}, "which States.ALL is for"
    repeated = task["Retry"][0]["ErrorEquals"]
    assert "ChannelUncertainError" not in repeated
    assert task["Catch"][0]["Next"] == "Not delivered"
    assert set(repeated) <= set(task["Catch"][0]["ErrorEquals"]), "what is repeated has delivered nothing"
    assert (
        task["TimeoutSeconds"] == herald_client.READ_TIMEOUT > max(spec.timeout for spec in FUNCTIONS if spec.channel)
    )


def validator_errors() -> list[dict[str, Any]]:
    from ops.generate.invoke_contracts import contracts

    found: list[dict[str, Any]] = contracts()["notify.v1.json"]["$defs"]["error"]["properties"]["errorType"]["oneOf"]
    return found


# What is published


def checked(published: str) -> Message:
    """The message that ``destined`` makes of what an example publishes."""
    validator("notification", "request").validate(json.loads(published))
    return read(published, "sns-1", NOW, stage())


@pytest.mark.full
def test_the_alarms_template_is_sound(root: Path) -> None:
    template = (root / "examples/alarm/template.yaml").read_text(encoding="utf-8")
    assert linted(template) == []
    assert linted(template.replace("Handler:", "Entry:"))


@pytest.mark.parametrize(
    ("name", "state", "reason", "title", "priority"),
    [
        ("cpu", "ALARM", "Threshold Crossed", "ALARM: cpu", "high"),
        ("cpu", "OK", "", "OK: cpu", "low"),
        ("n" * 255, "INSUFFICIENT_DATA", "r" * 1023, f"INSUFFICIENT_DATA: {'n' * 231}", "low"),
    ],
)
def test_an_alarm_of_cloudwatch_becomes_a_notification(
    root: Path, name: str, state: str, reason: str, title: str, priority: str
) -> None:
    """The longest are CloudWatch's: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html"""
    text = (root / "examples/alarm/template.yaml").read_text(encoding="utf-8")
    code = re.search(r"ZipFile: \|\n(.*?)\n\n  Permission", text, re.DOTALL)
    assert code is not None
    module: dict[str, Any] = {}
    exec(textwrap.dedent(code[1]).replace('sns = boto3.client("sns")', ""), module)  # noqa: S102 - the example itself
    alarm = {"AlarmName": name, "NewStateValue": state, "NewStateReason": reason}
    found = checked(json.dumps(module["notification"](alarm, "sns-of-the-alarm")))
    assert (found.fields["title"], found.fields["priority"]) == (title, priority)
    assert found.has_idempotency_key


@pytest.mark.parametrize(
    ("command", "status", "why"),
    [("missing", 127, "No such file or directory"), ("not-executable", 126, "Permission denied")],
)
def test_a_job_of_cron_that_cannot_be_run_is_notified_as_one_that_fails(
    root: Path, tmp_path: Path, command: str, status: int, why: str
) -> None:
    """Beside a stand-in for the client, which prints what it is asked."""
    shutil.copy(root / "examples/cron/watch.py", tmp_path)
    (tmp_path / "not-executable").touch(0o644)
    (tmp_path / "herald_client.py").write_text(CLIENT)
    words = [sys.executable, "watch.py", "dev", "backup", "--", f"./{command}"]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (ran.returncode, ran.stderr) == (status, "")
    printed, title, message = ran.stdout.splitlines()
    assert (title, message) == (f"backup failed on {platform.node()}", printed) == (title, f"./{command}: {why}")


def test_a_step_of_github_signs_in_and_publishes(root: Path, tmp_path: Path) -> None:
    """With stand-ins for curl, which gets GitHub's token, and for the AWS CLI; jq is the real one."""
    workflow = yaml.safe_load((root / "examples/github/notify.yml").read_text(encoding="utf-8"))
    step = workflow["jobs"]["notify"]["steps"][0]
    programs = {"curl": 'echo \'{"value": "token"}\'', "aws": 'printf "%s\\n" "$@" > "$RUNNER_TEMP/called"'}
    for name, does in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    environ = {
        "PATH": f"{tmp_path}:{Path(needs.jq()).parent}:/usr/bin:/bin",
        "RUNNER_TEMP": str(tmp_path),
        "ACTIONS_ID_TOKEN_REQUEST_URL": "https://x",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x",
        "TOPIC": "arn:topic",
        "TITLE": 'Build "main" failed ' + "x" * 300,
        "TEXT": "ada/site, it's\nbroken",
        "LINK": "https://github.com/ada/site/actions/runs/1",
        "KEY": "1-2-1",
    }
    assert set(step["env"]) - set(environ) == {"AWS_ROLE_ARN", "AWS_REGION"}
    ran = subprocess.run(
        ["/bin/bash", "-eo", "pipefail", "-c", step["run"]], env=environ, capture_output=True, text=True, timeout=30
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "token").read_text() == "token\n"
    message = f"file://{tmp_path}/notification.json"
    called = ["sns", "publish", "--topic-arn", "arn:topic", "--message", message]
    assert (tmp_path / "called").read_text().splitlines() == called
    found = checked((tmp_path / "notification.json").read_text())
    assert (found.fields["message"], len(found.fields["title"])) == ("ada/site, it's\nbroken", 250)


def test_a_state_machine_publishes_what_is_accepted(root: Path) -> None:
    states = json.loads((root / "examples/state-machine/publish.asl.json").read_text(encoding="utf-8"))["States"]
    asked = {key.removesuffix(".$"): value for key, value in states["Compose"]["Parameters"].items()}
    assert checked(json.dumps(asked)).has_idempotency_key


@pytest.mark.full
def test_what_stands_beside_cdk_and_sam_is_sound(root: Path) -> None:
    page = (root / "docs/cdk-sam-terraform.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    assert set(blocks) == {"yaml", "python", "hcl"}
    assert linted(blocks["yaml"]) == []
    assert linted(blocks["yaml"].replace("CodeUri", "Code"))
    compile(blocks["python"], "page", "exec")
