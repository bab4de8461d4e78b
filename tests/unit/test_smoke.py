"""What the smoke test asks of IAM's policy simulator, which the local stack has in part only."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.stub import Stubber

from chalicelib.functions import functions_of
from ops.naming import AwsLocation
from ops.operations.smoke import Check, Smoke, context, of_others, to_add
from ops.operations.stage_operations import Operations
from ops.templates.function_policies import Statement, statements
from tests.fakes import mailing_stage, stage
from tests.unit.test_chalice_state import RECORD, answer, packed

Stubbed = Callable[[str], tuple[Any, Stubber]]
WHERE = AwsLocation("aws", "eu-central-1", "123456789012")


def smoke(iam: Any, it: Any) -> Smoke:
    account = SimpleNamespace(where=WHERE, client=lambda service: iam)
    return Smoke(cast(Operations, SimpleNamespace(stage=it, account=account)), {}, patience=0, pause=0)


def decides(stub: Stubber, role: str, actions: list[str], resources: list[str], entries: list[Any], *said: str) -> None:
    """Stub one answer of the simulator: what is said of each resource, or the same of all."""
    of_each = [
        {"EvalResourceName": resource, "EvalResourceDecision": decision}
        for resource, decision in zip(resources, said if len(said) > 1 else said * len(resources), strict=True)
    ]
    # What stands above is of all resources together: https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html
    results = [
        {"EvalActionName": action, "EvalDecision": "implicitDeny", "ResourceSpecificResults": of_each}
        for action in actions
    ]
    asked = {"PolicySourceArn": f"arn:aws:iam::123456789012:role/herald-dev-{role}", "ActionNames": actions}
    asked |= {"ResourceArns": resources, "ContextEntries": entries}
    stub.add_response("simulate_principal_policy", {"EvaluationResults": results, "IsTruncated": False}, asked)


@pytest.mark.parametrize(
    ("own", "others", "well"),
    [("allowed", "implicitDeny", True), ("implicitDeny", "implicitDeny", False), ("allowed", "allowed", False)],
)
def test_what_each_role_may_is_allowed_and_what_others_may_is_not(
    stubbed: Stubbed, own: str, others: str, well: bool
) -> None:
    iam, stub = stubbed("iam")
    it = mailing_stage()
    asked = {spec.name: list(statements(spec, it, WHERE)) for spec in functions_of(it)}
    for name, found in asked.items():
        for each in found:
            decides(stub, name, list(each.actions), list(each.resources), context(each.condition), own)
        for action, resources, condition in of_others(asked, name):
            decides(stub, name, [action], list(resources), context(condition), others)
    checks = list(smoke(iam, it).permissions())
    assert [check.name for check in checks] == [f"permissions of {name}" for name in asked]
    assert {check.well for check in checks} == {well}


def test_each_action_of_others_is_asked_on_what_they_may_use_it_on_and_own_rights_are_not() -> None:
    def one(*actions: str, on: str) -> Statement:
        return Statement("Sid", actions, (on,), "")

    asked = {
        "mine": [one("sqs:SendMessage", on="queue"), one("ses:SendEmail", on="*")],
        "other": [one("sqs:SendMessage", "sqs:ReceiveMessage", on="queue"), one("sqs:SendMessage", on="elsewhere")],
        "third": [one("ses:SendEmail", on="identity"), one("sqs:ReceiveMessage", on="elsewhere")],
    }
    assert list(of_others(asked, "mine")) == [
        ("sqs:ReceiveMessage", ("queue", "elsewhere"), {}),
        ("sqs:SendMessage", ("elsewhere",), {}),
    ]


def test_one_resource_of_several_that_is_allowed_is_wrong(stubbed: Stubbed) -> None:
    iam, stub = stubbed("iam")
    it = stage()
    first, *_ = functions_of(it)
    asked = {spec.name: list(statements(spec, it, WHERE)) for spec in functions_of(it)}
    for each in asked[first.name]:
        decides(stub, first.name, list(each.actions), list(each.resources), context(each.condition), "allowed")
    several = 0
    for action, resources, condition in of_others(asked, first.name):
        decisions = ["implicitDeny"] * (len(resources) - 1) + ["allowed" if len(resources) > 1 else "implicitDeny"]
        several += len(resources) > 1
        decides(stub, first.name, [action], list(resources), context(condition), *decisions)
    check = next(smoke(iam, it).permissions())
    assert not check.well
    assert check.found.count("is allowed") == several > 0


def test_a_condition_is_asked_with_the_request_that_it_allows() -> None:
    condition = {
        "StringEquals": {"ses:FromAddress": ["from@example.com"]},
        "ForAllValues:StringEquals": {"ses:Recipients": ["a@example.com", "b@example.com"]},
    }
    assert context(condition) == [
        {"ContextKeyName": "ses:FromAddress", "ContextKeyValues": ["from@example.com"], "ContextKeyType": "string"},
        {
            "ContextKeyName": "ses:Recipients",
            "ContextKeyValues": ["a@example.com", "b@example.com"],
            "ContextKeyType": "stringList",
        },
    ]
    assert context({}) == []


def test_what_goes_into_the_readme_says_what_was_looked_at_and_what_failed() -> None:
    checks = [
        Check("GET /health", True, "200"),
        Check("GET /SendEvent reaches on_success", True, "not checked: this stage has no send_event"),
        Check("permissions of destined", True, ""),
        Check("permissions of retry_due", False, "…"),
    ]
    assert to_add(checks, stage(), WHERE, "2026-01-02") == (
        "- 2026-01-02, eu-central-1: `make deploy`, then `make smoke` (GET /health, permissions of 2 functions): "
        "failed: permissions of retry_due."
    )


@pytest.mark.parametrize(
    ("settings", "tags", "backups", "well"),
    [
        ({"*/*": {"throttlingRateLimit": 10.0, "throttlingBurstLimit": 20}}, "dev", "ENABLED", [True, True, True]),
        ({}, "dev", "ENABLED", [False, True, True]),
        ({"*/*": {"throttlingRateLimit": 10.0, "throttlingBurstLimit": 20}}, "prod", "DISABLED", [True, False, False]),
    ],
)
def test_what_a_deployment_has_set_is_still_there_or_the_check_fails(
    stubbed: Stubbed, settings: Any, tags: str, backups: str, well: list[bool]
) -> None:
    (ssm, parameters), (apis, gateway), (dynamodb, table) = stubbed("ssm"), stubbed("apigateway"), stubbed("dynamodb")
    parameters.add_response("get_parameter", answer(packed(RECORD)), {"Name": "/herald/dev/deployed"})
    gateway.add_response("get_stage", {"methodSettings": settings}, {"restApiId": "abc123", "stageName": "api"})
    tagged = {"app": "herald", "stage": tags}
    gateway.add_response("get_rest_apis", {"items": [{"id": "abc123", "name": "herald", "tags": tagged}]}, {})
    recovery = {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": backups}}
    described = {"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED", **recovery}}
    table.add_response("describe_continuous_backups", described, {"TableName": "herald-dev-messages"})
    account = SimpleNamespace(endpoint=None, ssm=ssm, apis=apis, dynamodb=dynamodb)
    it = Smoke(cast(Operations, SimpleNamespace(stage=stage("dev"), account=account)), {})
    assert [check.well for check in it.kept()] == well
