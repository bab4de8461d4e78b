"""A stage's whole life: interrupted in each step and mended, compared, put back, destroyed."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from chalicelib.functions import functions_of
from chalicelib.logic.image_cleaning import cleaned
from chalicelib.settings import Stage
from ops.aws import account_guard, cloudformation
from ops.aws.account import Account, environment
from ops.config.loader import load, named
from ops.deploy import lock
from ops.deploy.release_history import bucket
from ops.operations.smoke import Smoke
from ops.operations.stage_operations import Operations
from ops.templates import pipeline_roles
from tests.e2e.conftest import ROOT
from tests.e2e.harness import Harness, marker, wait_for
from tests.e2e.interruption import interrupted
from tests.e2e.test_commands import fresh_clone, inventory, ops, running, shell, succeeds
from tests.e2e.test_files import keys, send
from tests.images import photo
from tests.rehearsal import amount

STAGE = ("--stage", "dev")

DEPLOYING = (
    # The call after which it is killed, and the step that it belongs to.
    ("ssm PutParameter .*deployed/lock", "Stage dev"),
    ("cloudformation CreateStack .*herald-dev-data", "data"),
    ("cloudformation CreateStack .*herald-dev-foundation", "foundation"),
    ("apigateway POST /restapis ", "functions"),
    ("lambda POST /2015-03-31/functions .*herald-dev-get_message_url", "functions"),
    ("iam CreateRole .*herald-dev-destined", "functions"),
    ("apigateway POST /restapis/[^/]+/deployments", "functions"),
    ("apigateway PUT /restapis/[^/]+/gatewayresponses", "attributes"),
    ("cloudformation CreateStack .*herald-dev-wiring", "wiring"),
)


OTHER_CODE = """\
from aws_lambda_powertools.utilities.data_classes import LambdaFunctionUrlEvent

    return {"status": LambdaFunctionUrlEvent({"rawPath": "changed"}).raw_path}
"""
"""It needs more of a library than what was packed until then."""

CHANGED = """\
[stages.dev]
function_url = true
send_event = true
throttle = { rate = 7, burst = 8 }"""

DESTROYING = (
    "cloudformation DeleteStack .*herald-dev-wiring",
    "lambda DELETE .*herald-dev-destined",
    "logs DeleteLogGroup",
)


@pytest.fixture
def clone(tmp_path: Path, checkout: Path) -> Path:
    return fresh_clone(tmp_path / "herald", checkout)


def here(statements: list[dict[str, Any]], account: Account) -> list[dict[str, Any]]:
    """Statements of a template, with this account in them."""
    where, text = account.where, json.dumps(statements)
    for name, value in (("Partition", where.partition), ("Region", where.region), ("AccountId", where.account)):
        text = text.replace(f"${{AWS::{name}}}", value)
    found: list[dict[str, Any]] = json.loads(text)
    return found


def granted(herald: Harness, statements: list[dict[str, Any]]) -> AbstractContextManager[dict[str, str]]:
    """The environment of a role with these rights. What CloudFormation does for it nobody asks here."""
    found = here(statements, herald.account)
    for each in found:
        if "iam:PermissionsBoundary" in str(each.get("Condition")):
            del each["Condition"]  # IAM here doesn't know this key: docs/local-stack.md
    # Here the rules of the default bus have other ARNs than AWS gives them, or none: docs/local-stack.md
    actions = [f"events:{name}" for name in ("PutRule", "PutTargets", "RemoveTargets", "DeleteRule")]
    return herald.program(*found, {"Effect": "Allow", "Action": actions, "Resource": ["*"]})


def add_boundary(account: Account, stage: Stage) -> str:
    """What an administrator makes together with the roles of a pipeline; its ARN."""
    document = json.dumps({"Version": "2012-10-17", "Statement": here(pipeline_roles.bounding(stage), account)})
    name = pipeline_roles.name(stage, "boundary")
    arn: str = account.client("iam").create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
    return arn


def boundaries(account: Account, stage: Stage) -> set[str | None]:
    """Those of the functions' roles, and what the foundation was told: CloudFormation gives a role none here."""
    iam, told = (
        account.client("iam"),
        cloudformation.parameters(account.cloudformation, cloudformation.foundation(stage))["RoleBoundary"],
    )
    roles = (iam.get_role(RoleName=stage.role(spec.name))["Role"] for spec in functions_of(stage))
    return {role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") for role in roles} | {told or None}


def says(urls: dict[str, str]) -> str:
    """What the API's own code answers."""
    return str(requests.get(f"{urls['api']}/health", timeout=60).json()["status"])


def throttle(account: Account, urls: dict[str, str]) -> tuple[float, int]:
    api = urls["api"].split("/restapis/")[1].partition("/")[0]
    settings = account.apis.get_stage(restApiId=api, stageName="api")["methodSettings"]["*/*"]
    return settings["throttlingRateLimit"], settings["throttlingBurstLimit"]


def undo(account: Account) -> Callable[[], list[bool]]:
    """Take away by hand what CloudFormation made and doesn't look at again; returns what tells whether it is back."""
    functions, events = account.functions, account.client("events")
    # That of the topic is of Chalice's making, who leaves it alone while the subscription stands.
    for name in ("herald-dev-on_failure", "herald-dev-destined"):
        for each in json.loads(functions.get_policy(FunctionName=name)["Policy"])["Statement"]:
            functions.remove_permission(FunctionName=name, StatementId=each["Sid"])
    functions.delete_function_event_invoke_config(FunctionName="herald-dev-destined", Qualifier="$LATEST")
    events.disable_rule(Name="herald-dev-failed-events", EventBusName="herald-dev")

    def back() -> list[bool]:
        config = functions.get_function_event_invoke_config(FunctionName="herald-dev-destined", Qualifier="$LATEST")
        policy = functions.get_policy(FunctionName="herald-dev-on_failure")["Policy"]
        rule = events.describe_rule(Name="herald-dev-failed-events", EventBusName="herald-dev")
        return [
            set(config["DestinationConfig"]) == {"OnSuccess", "OnFailure"},
            "rule/herald-dev/herald-dev-on_failure" in policy,
            rule["State"] == "ENABLED",
            "herald-dev-messages" in functions.get_policy(FunctionName="herald-dev-destined")["Policy"],
        ]

    return back


def of_dev(found: dict[str, list[str]], *kinds: str) -> dict[str, list[str]]:
    """What belongs to the stage, by its name; of all kinds unless some are named."""
    return {kind: [name for name in found[kind] if "dev" in name] for kind in kinds or found}


@pytest.mark.full
@pytest.mark.rehearse(
    "killed after each of 9 calls of a deployment and 3 of its undoing",
    "a deployment that can't go on after it was killed",
)
def test_a_stage_is_interrupted_mended_changed_put_back_and_destroyed(herald: Harness, clone: Path) -> None:
    environ = environment(herald.config, shell(herald.stack.ports))
    ports, account = herald.stack.ports, Account(environ)
    before = inventory(account)
    plain = (clone / "herald.toml").read_text(encoding="utf-8")
    # While it is interrupted, the stage is to have one function more than in the end: none of it may be left.
    (clone / "herald.toml").write_text(plain.replace("[stages.dev]", "[stages.dev]\nfunction_url = true"))
    for at, step in DEPLOYING[:: amount(4, 1)]:
        said = interrupted(clone, environ, ports, at, "deploy", *STAGE)
        assert step in said.splitlines()[-1], said
        shutil.rmtree(clone / ".chalice" / "deployed", ignore_errors=True)  # The account alone knows what was made.
    (clone / "herald.toml").write_text(plain)
    stopped = interrupted(clone, environ, ports, "iam PutRolePolicy", "deploy", *STAGE, by=signal.SIGTERM)
    assert "Stopped at: functions, which may be done in part" in stopped
    assert "Not begun:  attributes, wiring" in stopped
    assert "Run next:   make deploy STAGE=dev" in stopped

    succeeds(clone, environ, "deploy", *STAGE)
    found = inventory(account)
    stage = named(load(clone), "dev").stage
    names = {spec.name for spec in functions_of(stage)}
    assert of_dev(found, "functions", "roles") == {
        "functions": sorted(stage.function(name) for name in names),
        "roles": sorted(stage.role(name) for name in names),
    }
    assert len(found["apis"]) == len(before["apis"]) + 1
    assert len(of_dev(found)["subscriptions"]) == 1
    # A pipeline comes to a stage that stands: from now on its roles stand within the boundary.
    assert boundaries(account, stage) == {None}
    boundary = add_boundary(account, stage)
    with granted(herald, pipeline_roles.deploying(stage)) as role:
        succeeds(clone, environ | role, "deploy", *STAGE)
    assert boundaries(account, stage) == {boundary}
    account.client("events").create_event_bus(Name="owners")
    (clone / "herald.toml").write_text(f'{plain}\n[[rule]]\nname = "on"\nto = "events:owners"\n')
    beyond = ops(clone, environ, "deploy", *STAGE)
    account.client("events").delete_event_bus(Name="owners")
    (clone / "herald.toml").write_text(plain)
    assert (beyond.returncode, "rule.on.to: events:owners" in beyond.stderr) == (1, True), beyond.stderr
    assert inventory(account) == found

    # Neither two at once, nor into another account than the stage's.
    with lock.held(account.ssm, stage, "deploy", print):
        second = ops(clone, environ, "deploy", *STAGE)
    assert second.returncode == 1
    assert "stage dev is being worked on: deploy by" in second.stderr
    recorded_where = clone / account_guard.file("dev")
    before_that = recorded_where.read_text(encoding="utf-8")
    recorded_where.write_text('{"account": "999999999999", "region": "us-east-1"}', encoding="utf-8")
    elsewhere = ops(clone, environ, "deploy", *STAGE)
    assert elsewhere.returncode == 1
    assert "account 999999999999" in elsewhere.stderr
    assert f"account {account.where.account}" in elsewhere.stderr
    # Nor into a second region, whatever the record says: both would have the same roles.
    recorded_where.unlink()
    next_door = environ | dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), "eu-west-1")
    for command in (["deploy"], ["rollback"], ["destroy", "--yes"]):
        moved = ops(clone, next_door, *command, *STAGE)
        assert (moved.returncode, f"serve {account.where.region}, and this is eu-west-1" in moved.stderr) == (1, True)
    assert inventory(account) == found
    recorded_where.write_text(before_that, encoding="utf-8")

    # What was deployed before comes back: code, configuration and wiring.
    app = clone / "app.py"
    code = app.read_text(encoding="utf-8")
    app.write_text(code.replace('return {"status": "ok"}', OTHER_CODE), encoding="utf-8")
    (clone / "herald.toml").write_text(plain.replace("[stages.dev]", CHANGED))
    undone = undo(account)
    with granted(herald, pipeline_roles.comparing(stage)) as role:
        seen = ops(clone, environ | role, "diff", *STAGE, "--json", "--exit-code")
    assert seen.returncode == 4, seen.stderr
    lines = {each["name"]: each["lines"] for each in json.loads(seen.stdout)}
    assert "+- app.py" in next(found for name, found in lines.items() if name.startswith("since "))
    assert lines["throttle"] == ["- 10 a second, burst 20", "+ 7 a second, burst 8"]
    assert "+ parameter SendEvent = on" in lines["herald-dev-foundation"]
    assert lines["herald-dev-wiring: drift"] == [
        "- DestinedOutcome is gone",
        "- OnFailurePermission is gone",
        "- the rule herald-dev-failed-events is disabled",
    ]
    assert any(line.startswith("+ Allow dynamodb:GetItem on arn:aws:") for line in lines["herald-dev-get_message_url"])
    assert inventory(account) == found
    changed = succeeds(clone, environ, "deploy", *STAGE)
    urls = json.loads(succeeds(clone, environ, "urls", *STAGE, "--json"))
    assert says(urls) == "changed"
    assert undone() == [True, True, True, True], changed
    assert succeeds(clone, environ, "diff", *STAGE, "--exit-code").endswith("\nnothing\n")
    assert "herald-dev-send-event" in inventory(account)["roles"]
    assert boundaries(account, stage) == {boundary}
    changed_found, s3, where = inventory(account), account.client("s3"), bucket(account, stage)
    target = json.loads(succeeds(clone, environ, "releases", *STAGE, "--json"))[1]["release"]
    package = {"Bucket": where, "Key": f"releases/{target}/package.zip"}
    whole = s3.get_object(**package)["Body"].read()
    s3.put_object(**package, Body=whole + b"!")
    tampered = ops(clone, environ, "rollback", *STAGE)
    assert tampered.returncode == 1
    assert f"{package['Key']} in the bucket {where} was changed after it was deployed" in tampered.stderr
    assert (says(urls), inventory(account)) == ("changed", changed_found)
    s3.put_object(**package, Body=whole)
    interrupted(clone, environ, ports, "cloudformation UpdateStack .*herald-dev-foundation", "rollback", *STAGE)
    with granted(herald, pipeline_roles.deploying(stage)) as role:
        succeeds(clone, environ | role, "rollback", *STAGE)
    assert says(urls) == "ok"
    assert inventory(account) == found
    assert throttle(account, urls) == (10, 20)
    # A deployment that broke off is undone as well, by what stood before it and not by what came before that.
    interrupted(clone, environ, ports, "lambda PUT .*herald-dev-retry_due.*configuration", "deploy", *STAGE)
    succeeds(clone, environ, "rollback", *STAGE)
    assert says(urls) == "ok"
    assert inventory(account) == found

    for at in DESTROYING[: amount(1, len(DESTROYING))]:
        interrupted(clone, environ, ports, at, "destroy", *STAGE, "--yes")
    with granted(herald, [*pipeline_roles.deploying(stage), *pipeline_roles.destroying(stage)]) as person:
        succeeds(clone, environ | person, "destroy", *STAGE, "--yes", "--data", "delete")
    assert inventory(account) == before
    account.client("iam").delete_policy(PolicyArn=boundary)


MOST_SENT = 30
"""Messages that are enough, however long a deployment takes."""


@pytest.mark.full
def test_nothing_that_was_accepted_during_a_deployment_is_lost_nor_its_files(herald: Harness, clone: Path) -> None:
    """A run that is under way is killed here when its function changes, which AWS doesn't do. What it had claimed is
    left to the scheduled retry then, as after any other kill."""
    environ = environment(herald.config, shell(herald.stack.ports))
    sent: dict[str, str] = {}
    # One at a time, and sent faster than they are handled: what Lambda queues under one release runs under the next.
    with (
        herald.reserved(1, "destined"),
        running(clone, ["-m", "ops", "deploy", "--stage", "local"], environ) as (process, lines),
    ):
        while process.poll() is None:
            if len(sent) == MOST_SENT:
                process.wait()
                break
            word = marker()
            answer = send(herald, word, ("a.jpg", photo(), "image/jpeg"))
            if answer.status_code != 202:
                continue  # The visitor sees that; but none may be told "accepted" whose message is gone.
            sent[answer.json()["id"]] = word
            with suppress(AssertionError):
                wait_for(partial(herald.pushes, word), "push", seconds=0.5)
        assert process.wait() == 0, "".join(lines)
    assert len(sent) >= 3
    for message_id, word in sent.items():
        if wait_for(partial(whereabouts, herald, message_id, word), f"trace of {message_id}") == "due":
            wait_no_longer(herald, message_id)
            herald.run_retry_due()
        (push,) = wait_for(partial(herald.pushes, word), f"push of {message_id}")
        assert push["attachment"]["bytes"] == len(cleaned(photo()))
        assert f"files/filed/{message_id}/1" in keys(herald, message_id)


def whereabouts(herald: Harness, message_id: str, word: str) -> str:
    """Whether a message was delivered, or the scheduled retry will look at it; empty for neither yet."""
    if herald.pushes(word):
        return "delivered"
    return "due" if "due" in herald.item(message_id) else ""


def wait_no_longer(herald: Harness, message_id: str) -> None:
    """Let the times be over until which a message is left alone: that of a claim, and that of the next attempt."""
    times = ("due_at", "deliveries.pushover.claimed_until", "deliveries.pushover.next_attempt_at")
    herald.change(message_id, dict.fromkeys(times, int(time.time()) - 1))


@pytest.mark.full
def test_the_smoke_test_finds_a_deployed_stage_well_and_a_missing_permission(herald: Harness) -> None:
    """The local simulator knows no condition, so of e-mail it can't say that it is allowed."""
    smoke = Smoke(Operations(herald.stage, herald.account), herald.urls, patience=30, pause=0.1)
    checks = {check.name: check for check in smoke.checks()}
    assert {name for name, check in checks.items() if not check.well} == {
        "permissions of autoreply",
        "permissions of notify_email",
    }
    assert checks["the message is stored and delivered"].found.endswith("delivered")
    assert checks["the bus runs on_success"].found == "delivered"
    assert checks["GET /SendEvent?mode=fail reaches on_failure"].found == "RetriesExhausted"
    permissions = {f"permissions of {spec.name}" for spec in functions_of(herald.stage)}
    listed = re.findall(r"^\| `(.+?)` \|", (ROOT / "docs/aws-readiness.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(checks) == {*listed, *permissions} - {"permissions of …"}
    with herald.without_statement("retry_due", "FindDue"):
        wrong = {check.name: check for check in smoke.permissions() if not check.well}
    assert "dynamodb:Query" in wrong["permissions of retry_due"].found
