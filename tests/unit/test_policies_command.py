"""``./herald policies``: what it prints is what is deployed, and no account is asked for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalicelib.functions import functions_of
from ops.cli.main import main
from ops.config.loader import load
from ops.naming import PSEUDO_PARAMETERS
from ops.templates.function_policies import AWS_ITSELF, policy
from tests.own_functions import without_own_functions

ARN = "arn:${AWS::Partition}:%s:${AWS::Region}:${AWS::AccountId}:%s"


def run(root: Path, *words: str, columns: int = 250) -> Result:
    return CliRunner().invoke(main, ["policies", "--project", str(root), *words], env={"COLUMNS": str(columns)})


def shown(root: Path, *words: str) -> Any:
    ran = run(root, "--json", *words)
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


@pytest.mark.parametrize("stage", ["dev", "local"])
def test_each_function_is_shown_with_the_very_statements_of_its_policy(root: Path, stage: str) -> None:
    it = load(root)[stage].stage
    found = shown(root, "--stage", stage)["functions"]
    assert list(found) == [spec.name for spec in functions_of(it)]
    for spec in functions_of(it):
        deployed = policy(spec, it, PSEUDO_PARAMETERS)["Statement"]
        assert [_as_deployed(each) for each in found[spec.name]] == deployed
        assert all(each["why"] and each["used_by"] in ("code", "AWS") for each in found[spec.name])


def _as_deployed(shown: Mapping[str, Any]) -> dict[str, Any]:
    deployed = {"Sid": shown["grant"], "Effect": "Allow", "Action": shown["actions"], "Resource": shown["resources"]}
    return deployed | ({"Condition": shown["condition"]} if "condition" in shown else {})


def test_what_aws_itself_uses_is_told_from_what_the_code_calls(root: Path) -> None:
    by = {
        (function, each["grant"]): each["used_by"]
        for function, statements in shown(root, "--stage", "local")["functions"].items()
        for each in statements
    }
    assert {grant for (_, grant), who in by.items() if who == "AWS"} == {"WriteLogs", "SendOutcome", "KeepFailedRuns"}
    assert by["destined", "InvokeNotifiers"] == "code"
    assert all(page.startswith("https://docs.aws.amazon.com/") for page in AWS_ITSELF.values())


@pytest.mark.parametrize(("stage", "has_send_event"), [("dev", False), ("local", True)])
def test_who_is_let_in_follows_from_the_templates_and_the_triggers(
    root: Path, tmp_path: Path, stage: str, has_send_event: bool
) -> None:
    text = (root / "herald.toml").read_text(encoding="utf-8")
    (tmp_path / "herald.toml").write_text(without_own_functions(text), encoding="utf-8")
    (tmp_path / "infra").symlink_to(root / "infra")
    prefix = f"herald-{stage}"
    rule, topic = ARN % ("events", f"rule/{prefix}"), ARN % ("sns", f"{prefix}-messages")
    role = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/" + f"{prefix}-send-event"

    def invoke(service: str, function: str, source: str) -> tuple[str, ...]:
        arn = ARN % ("lambda", f"function:{prefix}{function}")
        return f"{service}.amazonaws.com", "lambda:InvokeFunction", arn, f"ArnLike aws:SourceArn {source}"

    def send(service: str, queue: str, condition: str, source: str) -> tuple[str, ...]:
        arn = ARN % ("sqs", f"{prefix}-{queue}")
        return f"{service}.amazonaws.com", "sqs:SendMessage", arn, f"{condition} aws:SourceArn {source}"

    expected = {
        invoke("apigateway", "", ARN % ("execute-api", "<api>/*")),
        invoke("sns", "-destined", topic),
        invoke("events", "-retry_due", f"{rule}-retry_due-event"),
        invoke("events", "-on_success", f"{rule}/{prefix}-on_success"),
        invoke("events", "-on_failure", f"{rule}/{prefix}-on_failure"),
        send("sns", "topic-dead-letters", "ArnEquals", topic),
        send("events", "failed-events", "ArnEquals", f"{rule}/{prefix}-failed-events"),
        send("events", "rule-dead-letters", "ArnLike", f"{rule}/*"),
    }
    if has_send_event:
        expected |= {("apigateway.amazonaws.com", "sts:AssumeRole", role, ""), (role, "sns:Publish", topic, "")}
    found = shown(tmp_path, "--stage", stage)["permissions"]
    allowed = {(each["who"], *each["actions"], each["on"], each["only"]) for each in found if each["effect"] == "Allow"}
    assert allowed == expected
    denied = [each for each in found if each["effect"] == "Deny"]
    assert {each["who"] for each in denied} == {"*"}
    assert (denied[0]["actions"], denied[0]["on"]) == (["sns:Publish", "sns:Subscribe"], topic)
    releases = f"arn:${{AWS::Partition}}:s3:::{prefix}-releases-${{AWS::AccountId}}-<…>"
    insecure = {(each["on"], each["only"]) for each in denied[1:]}
    assert insecure == (set() if has_send_event else {(f"{releases}, {releases}/*", "Bool aws:SecureTransport false")})


def test_one_function_alone_is_shown_with_who_may_have_it_run(root: Path) -> None:
    found = shown(root, "--stage", "dev", "--function", "on_failure")
    assert list(found["functions"]) == ["on_failure"]
    assert [each["made_by"] for each in found["permissions"]] == ["wiring: OnFailurePermission"]


def test_the_table_has_each_action_and_name_whole_and_leaves_out_what_they_have_in_common(root: Path) -> None:
    said = run(root, "--stage", "local").output
    for function, statements in shown(root, "--stage", "local")["functions"].items():
        assert function in said
        for each in statements:
            for text in (each["grant"], each["why"], *each["actions"]):
                assert text in said
            for arn in each["resources"]:
                assert arn.rpartition("${AWS::AccountId}:")[2] in said
    assert "arn:" not in said
    narrow = run(root, "--stage", "local", columns=80).output
    assert "…" not in narrow, "half a name would be worse than two lines"


def test_a_function_that_the_stage_lacks_is_told_with_those_that_it_has(root: Path) -> None:
    ran = run(root, "--stage", "dev", "--function", "notify_email")
    assert ran.exit_code == 1
    assert "stage dev has no function 'notify_email'; it has: api_handler, destined" in ran.stderr
