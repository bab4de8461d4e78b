"""Every policy that a deployment would attach, in the eyes of parliament and of the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.function_spec import FunctionSpec
from chalicelib.functions import functions_of, grants_of
from chalicelib.settings import Stage
from ops.config.loader import LOCAL, load
from ops.config.rules_subscribers_grants import GrantTable, grantable
from ops.generate import render
from ops.generate.check import mistakes, policy_faults, registered_by_app
from ops.generate.registered_functions import otherwise, undeclared
from ops.naming import AwsLocation
from ops.templates import rules_subscribers_grants

ROOT = Path(__file__).resolve().parent.parent.parent
STAGES = load(ROOT)
PLACES = (
    AwsLocation("aws", "eu-central-1", "123456789012"),
    AwsLocation("aws-cn", "cn-north-1", "123456789012"),
    AwsLocation("aws-us-gov", "us-gov-west-1", "123456789012"),
)
LOGS = {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}


def documents() -> Iterator[tuple[str, str, str]]:
    """Function, where, text."""
    for name, config in STAGES.items():
        for where in PLACES:
            for path, text in render.policies(config.stage, where).items():
                yield path.stem.removeprefix(f"policy-{name}-"), f"{name} in {where.partition}", text
    for path in sorted((ROOT / ".chalice").glob("policy-local-*.json")):
        yield path.stem.removeprefix("policy-local-"), f"committed {path.name}", path.read_text(encoding="utf-8")


def declared(function: str, where: str) -> tuple[FunctionSpec, Stage]:
    """The function's declaration, and the stage of such a place."""
    stage = STAGES[where.split()[0] if where.split()[0] in STAGES else LOCAL].stage
    (spec,) = (spec for spec in functions_of(stage) if spec.name == function)
    return spec, stage


DOCUMENTS = list(documents())
IDS = [f"{function}, {where}" for function, where, _ in DOCUMENTS]


@pytest.mark.parametrize(("function", "where", "text"), DOCUMENTS, ids=IDS)
def test_parliament_finds_no_fault_and_there_is_no_wildcard(function: str, where: str, text: str) -> None:
    reasons = [grant.sid for grant in declared(function, where)[0].all_grants if grant.wildcard]
    assert policy_faults(text, reasons) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"Action": ["sns:*"]}, "wildcard"),
        ({"Action": ["sns:Publsih"]}, "UNKNOWN_ACTION"),
        ({"Resource": ["*"]}, "wildcard"),
        ({"Resource": ["arn:aws:sns:eu-central-1:123456789012:*"]}, "wildcard"),
        ({"Resource": ["arn:aws:sns:*:123456789012:herald-dev-messages"]}, "wildcard"),
        ({"Resource": ["arn:aws:s3:::bucket"]}, "RESOURCE_MISMATCH"),
    ],
)
def test_a_policy_at_fault_would_be_found(change: dict[str, Any], fault: str) -> None:
    arn = "arn:aws:sns:eu-central-1:123456789012:herald-dev-messages"
    assert policy_faults(statement("sns:Publish", arn)) == []
    assert any(fault in found for found in policy_faults(statement("sns:Publish", arn, **change)))


def statement(action: str, arn: str, **change: Any) -> str:
    found = {"Sid": "Read", "Effect": "Allow", "Action": [action], "Resource": [arn]}
    return json.dumps({"Version": "2012-10-17", "Statement": [found | change]})


@pytest.mark.parametrize(
    ("action", "below"),
    [
        ("s3:GetObject", "arn:aws:s3:::bucket/*"),
        ("s3:PutObject", "arn:aws:s3:::bucket/photos/*.jpg"),
        ("dynamodb:GetRecords", "arn:aws:dynamodb:eu-central-1:123456789012:table/mine/stream/*"),
        ("dynamodb:Query", "arn:aws:dynamodb:eu-central-1:123456789012:table/mine/index/*"),
        ("kinesis:SubscribeToShard", "arn:aws:kinesis:eu-central-1:123456789012:stream/mine/consumer/its:*"),
        ("execute-api:ManageConnections", "arn:aws:execute-api:eu-central-1:123456789012:id/prod/POST/*"),
        ("states:StopExecution", "arn:aws:states:eu-central-1:123456789012:execution:machine:*"),
        ("logs:PutLogEvents", "arn:aws:logs:eu-central-1:123456789012:log-group:/mine:*"),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mine-??????"),
        # No wildcard, but colons that parliament takes for more than a name.
        ("dynamodb:GetRecords", "arn:aws:dynamodb:eu-central-1:123456789012:table/mine/stream/2026-01-02T03:04:05.678"),
        ("s3:GetObject", "arn:aws:s3:::bucket/a:b/c:d"),
        ("kinesis:GetRecords", "arn:aws:kinesis:eu-central-1:123456789012:stream/mine"),
    ],
)
def test_what_lies_below_a_named_resource_needs_no_name_of_its_own(action: str, below: str) -> None:
    assert policy_faults(statement(action, below)) == []


@pytest.mark.parametrize(
    ("action", "arn"),
    [
        ("s3:GetObject", "arn:aws:s3:::*/*"),
        ("s3:GetObject", "arn:aws:s3:::buck*/*"),
        ("s3:GetObject", "arn:aws:s3:::bucket*"),
        ("s3:ListBucket", "arn:aws:s3:::buck?t"),
        ("dynamodb:GetRecords", "arn:aws:dynamodb:eu-central-1:123456789012:table/*/stream/*"),
        ("dynamodb:GetRecords", "arn:aws:dynamodb:eu-central-1:*:table/mine/stream/*"),
        ("dynamodb:GetItem", "arn:aws:dynamodb:eu-central-1:123456789012:table/mine*"),
        ("kinesis:GetRecords", "arn:aws:kinesis:eu-central-1:123456789012:stream/*"),
        ("ssm:GetParameter", "arn:aws:ssm:eu-central-1:123456789012:parameter/herald/*"),
        ("logs:PutLogEvents", "arn:aws:logs:eu-central-1:123456789012:log-group:*"),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mine*"),
        ("cloudwatch:PutMetricData", "*"),
    ],
)
def test_any_other_wildcard_needs_a_reason(action: str, arn: str) -> None:
    assert f"Read: {arn} is a resource with a wildcard" in "\n".join(policy_faults(statement(action, arn)))


def test_a_wildcard_with_a_reason_is_no_fault_but_what_parliament_finds_still_is() -> None:
    text = statement("s3:GetObject", "arn:aws:s3:::*")
    assert policy_faults(text) != []
    assert policy_faults(text, ["Read"]) == []
    assert "UNKNOWN_ACTION" in "\n".join(policy_faults(statement("s3:GetObjekt", "arn:aws:s3:::*"), ["Read"]))


@pytest.mark.parametrize(("function", "where", "text"), DOCUMENTS, ids=IDS)
def test_a_policy_allows_exactly_the_actions_of_the_manifest_and_logs(function: str, where: str, text: str) -> None:
    spec, stage = declared(function, where)
    statements = json.loads(text)["Statement"]
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    allowed = {action for statement in statements for action in statement["Action"]}
    assert allowed == {action for grant in grants_of(spec, stage) for action in grant.actions} | LOGS


def test_each_function_of_each_stage_has_a_policy_and_chalice_is_told_of_it() -> None:
    config = json.loads((ROOT / ".chalice/config.json").read_text())
    assert config["autogen_policy"] is False
    for name, it in STAGES.items():
        functions = config["stages"][name]["lambda_functions"]
        assert set(functions) == {spec.name for spec in functions_of(it.stage)}
        policies = {path.name for path in render.policies(it.stage, PLACES[0])}
        assert {options["iam_policy_file"] for options in functions.values()} == policies
        assert "iam_policy_file" not in config["stages"][name], "it would silently override the others"


@pytest.mark.full
def test_what_is_generated_is_current_and_declared() -> None:
    assert list(mistakes(ROOT, STAGES, {})) == []


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_app_py_registers_what_the_manifest_declares(stage: str) -> None:
    found, specs = registered_by_app(ROOT, stage), functions_of(STAGES[stage].stage)
    assert undeclared(found, [spec.name for spec in specs]) == []
    assert otherwise(found, {spec.name: spec.trigger.kind for spec in specs}) == []


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_parliament_finds_nothing_in_a_grant_of_everything_and_it_fits_a_managed_policy(partition: str) -> None:
    """6,144 characters: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    stage = STAGES[LOCAL].stage
    everything = GrantTable(functions=grantable(stage))
    where = AwsLocation(partition, "eu-central-1", "123456789012")
    text = json.dumps(rules_subscribers_grants.policy(everything, stage, where))
    assert policy_faults(text) == []
    assert len(text) < 6144
