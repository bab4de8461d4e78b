"""A domain of one's own: its template, what the pipeline may do for it, and what a person is told."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ops.aws import cloudformation
from ops.aws.account import Account
from ops.config.loader import ConfigError, StageConfig, load
from ops.deploy import api_domain
from ops.errors import OpsError
from ops.generate.check import policy_faults
from ops.templates import domain, pipeline_roles
from tests.fakes import stage
from tests.infrastructure.test_pipeline import WHERE, WRONGLY_FOUND, allows, resolved, schema
from tests.infrastructure.test_templates import cfn_lint

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = "herald-dev-domain"
ARN = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
VARIANTS = {
    "printed records": 'name = "forms.example.com"',
    "a hosted zone": 'name = "forms.example.com"\nhosted_zone = "Z0123456789ABC"',
    "a certificate": f'name = "forms.example.com"\ncertificate = "{ARN}"\ndefault_address = false',
}


def configured(folder: Path, table: str, options: str = "", name: str = "dev") -> StageConfig:
    text = (ROOT / "herald.toml").read_text(encoding="utf-8")
    text = text.replace("[stages.dev]", f"[stages.dev]\n{options}") + f"\n[stages.{name}.domain]\n{table}\n"
    (folder / "herald.toml").write_text(text, encoding="utf-8")
    return load(folder)[name]


@pytest.mark.full
def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    paths = []
    for number, table in enumerate(VARIANTS.values()):
        config = configured(tmp_path, table)
        assert config.domain
        paths.append(tmp_path / f"domain-{number}.json")
        paths[-1].write_text(json.dumps(domain.template(config.domain)), encoding="utf-8")
    linted = cfn_lint(*paths, regions=["eu-central-1", "us-gov-west-1", "cn-north-1"])
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.full
@pytest.mark.parametrize("table", VARIANTS.values(), ids=VARIANTS)
def test_the_pipeline_may_do_what_the_handlers_need(table: str, tmp_path: Path) -> None:
    config = configured(tmp_path, table)
    assert config.domain
    made = domain.template(config.domain)
    role = resolved(pipeline_roles.deploying_more(config.stage, config.domain))
    has = {action for statement in role for action in statement["Action"]}
    types = {resource["Type"] for resource in made["Resources"].values()}
    for kind in types:
        needed = {action for does in schema(kind).get("handlers", {}).values() for action in does["permissions"]}
        # API Gateway's own names are methods; no private authority is used, and without a zone no Route 53.
        unused = {"apigateway", "acm-pca", *(() if config.domain.hosted_zone else ("route53",))}
        assert {each for each in needed if each.partition(":")[0] not in unused} <= has
    faults = policy_faults(json.dumps({"Version": "2012-10-17", "Statement": role}))
    assert [fault for fault in faults if not any(known in fault for known in WRONGLY_FOUND)] == []


def test_after_a_change_of_its_name_a_pipeline_may_still_delete_the_domain_before(tmp_path: Path) -> None:
    """CloudFormation does so at the end of an update, and leaves what it may not delete: it would go on serving."""
    config = configured(tmp_path, VARIANTS["printed records"].replace("forms", "post"))
    role = resolved(pipeline_roles.deploying_more(config.stage, config.domain))
    before = f"arn:aws:apigateway:{WHERE.region}::/domainnames/forms.example.com"
    for resource in (before, f"{before}/basepathmappings/(none)"):
        assert allows(role, "apigateway:DELETE", resource, aws_CalledVia=["cloudformation.amazonaws.com"])
        assert not allows(role, "apigateway:DELETE", resource)


def test_a_pipeline_without_a_domain_may_do_nothing_for_one() -> None:
    statements = [*pipeline_roles.deploying(stage("dev")), *pipeline_roles.deploying_more(stage("dev"))]
    actions = {action for statement in statements for action in statement["Action"]}
    assert not {action for action in actions if action.startswith(("acm:", "route53:"))}


@pytest.mark.parametrize(
    ("table", "options", "name", "said"),
    [
        ('name = "https://forms.example.com"', "", "dev", "expected a host name alone"),
        ('name = "*.example.com"', "", "dev", "without *"),
        ('name = "Forms.example.com"', "", "dev", "in lower case"),
        (f'name = "{"a" * 60}.example.com"', "", "dev", "over 64 characters"),
        ('hosted_zone = "Z0123456789ABC"', "", "dev", "stages.dev.domain.name: missing"),
        ('name = "forms.example.com"', "", "local", "stages.local.domain: the local stack has no DNS"),
        (VARIANTS["a certificate"], 'region = "us-east-1"', "dev", "must be in the stage's region, us-east-1"),
        ('name = "forms.example.com"\nzone = "x"', "", "dev", "zone"),
    ],
)
def test_a_mistake_is_named(table: str, options: str, name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        configured(tmp_path, table, options, name)
    assert said in str(error.value)


TIME = "2026-11-29T00:00:00Z"


def stack(status: str) -> dict[str, Any]:
    return {"Stacks": [{"StackName": NAME, "CreationTime": TIME, "StackStatus": status}]}


def event(status: str, reason: str) -> dict[str, Any]:
    """As CloudFormation's page has it: the record stands in the reason."""
    made = {"StackId": "1", "EventId": "1", "StackName": NAME, "Timestamp": TIME}
    kind = "AWS::CertificateManager::Certificate"
    return {**made, "ResourceType": kind, "ResourceStatus": status, "ResourceStatusReason": reason}


RECORD = "Content of DNS Record is: {Name: _a1.forms.example.com.,Type: CNAME,Value: _b2.acm-validations.aws.}"


def test_a_stack_that_waits_for_a_persons_record_is_not_waited_for(stubbed: Any) -> None:
    cfn, stub = stubbed("cloudformation")
    for reason in ("Resource creation Initiated", RECORD):
        stub.add_response("describe_stacks", stack("CREATE_IN_PROGRESS"), {"StackName": NAME})
        stub.add_response("describe_stack_events", {"StackEvents": [event("CREATE_IN_PROGRESS", reason)]})
        if reason != RECORD:
            stub.add_response("describe_stacks", stack("CREATE_IN_PROGRESS"), {"StackName": NAME})
    slept: list[float] = []
    api_domain.await_stack_or_record(cfn, NAME, "stack_create_complete", slept.append)
    assert len(slept) == 1
    # The next deployment sees at once what it waits for.
    stub.add_response("describe_stacks", stack("UPDATE_IN_PROGRESS"), {"StackName": NAME})
    stub.add_response("describe_stack_events", {"StackEvents": [event("CREATE_IN_PROGRESS", RECORD)]})
    assert cloudformation.record_asked_for(cfn, NAME) == "_a1.forms.example.com. CNAME _b2.acm-validations.aws."


def test_a_changed_name_has_its_record_printed_too(stubbed: Any) -> None:
    """Its certificate is a new one, whose making CloudFormation's events call an update."""
    cfn, stub = stubbed("cloudformation")
    said = (RECORD, "Resource creation Initiated", "Requested update requires the creation of a new physical resource")
    for first in (2, 1, 0):  # Newest first; before that stands how the certificate of the old name was made.
        events = [event("UPDATE_IN_PROGRESS", reason) for reason in said[first:]]
        events += [event("CREATE_COMPLETE", ""), event("CREATE_IN_PROGRESS", RECORD.replace("_a1", "_old"))]
        stub.add_response("describe_stacks", stack("UPDATE_IN_PROGRESS"), {"StackName": NAME})
        stub.add_response("describe_stack_events", {"StackEvents": events})
        found = cloudformation.record_asked_for(cfn, NAME)
        assert found == (None if first else "_a1.forms.example.com. CNAME _b2.acm-validations.aws.")


@pytest.mark.parametrize("updating", [False, True])
def test_a_stack_that_waits_for_a_record_can_be_taken_away(stubbed: Any, updating: bool) -> None:
    """CloudFormation deletes none while it updates it."""
    cfn, stub = stubbed("cloudformation")
    during = "UPDATE_IN_PROGRESS" if updating else "CREATE_IN_PROGRESS"
    stub.add_response("describe_stacks", stack(during), {"StackName": NAME})
    if updating:
        stub.add_response("cancel_update_stack", {}, {"StackName": NAME})
        stub.add_response("describe_stacks", stack("UPDATE_ROLLBACK_COMPLETE"), {"StackName": NAME})
    stub.add_response("delete_stack", {}, {"StackName": NAME})
    stub.add_response("describe_stacks", stack("DELETE_COMPLETE"), {"StackName": NAME})
    cloudformation.break_off(cfn, NAME)


def test_a_stack_that_fails_is_told_with_its_reason(stubbed: Any) -> None:
    cfn, stub = stubbed("cloudformation")
    failed = event("CREATE_FAILED", "Certificate validation timed out") | {"LogicalResourceId": "Certificate"}
    for _ in range(3):
        stub.add_response("describe_stacks", stack("ROLLBACK_COMPLETE"), {"StackName": NAME})
    stub.add_response("describe_stack_events", {"StackEvents": [failed]})
    stub.add_response("describe_stacks", stack("ROLLBACK_COMPLETE"), {"StackName": NAME})
    with pytest.raises(OpsError, match="Certificate validation timed out"):
        api_domain.await_stack_or_record(cfn, NAME, "stack_create_complete", lambda _: None)


@pytest.mark.parametrize("was_off", [False, True])
@pytest.mark.parametrize(
    ("only_at", "status", "answers", "off"),
    [
        ("forms.example.com", "CREATE_COMPLETE", True, True),
        ("forms.example.com", "CREATE_COMPLETE", False, False),  # A person has yet to set its DNS record.
        ("forms.example.com", "UPDATE_COMPLETE", False, False),  # It has another name now.
        ("forms.example.com", "CREATE_IN_PROGRESS", True, False),  # Something else answers there.
        (None, None, True, False),
    ],
)
def test_the_default_address_is_off_only_while_herald_answers_at_the_domain(
    stubbed: Any, only_at: str | None, status: str | None, answers: bool, off: bool, was_off: bool
) -> None:
    (cfn, stack_stub), (apis, stub) = stubbed("cloudformation"), stubbed("apigateway")
    if status:
        stack_stub.add_response("describe_stacks", stack(status), {"StackName": NAME})
    stub.add_response("get_rest_api", {"disableExecuteApiEndpoint": was_off}, {"restApiId": "abc"})
    if off != was_off:
        changed = [{"op": "replace", "path": "/disableExecuteApiEndpoint", "value": str(off).lower()}]
        stub.add_response("update_rest_api", {}, {"restApiId": "abc", "patchOperations": changed})
    account = cast("Account", SimpleNamespace(cloudformation=cfn, apis=apis))
    left = api_domain.set_default_address(account, stage("dev"), "abc", only_at, lambda name: answers)
    assert ("the next deploy" in left) == (only_at is not None and not off)
