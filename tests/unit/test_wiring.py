"""The template of what stands beside Chalice's functions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.function_spec import Resource
from chalicelib.functions import RETRIES_OVER, functions_of
from chalicelib.settings import FileRules
from ops.naming import RESOURCES as DIRECTORY
from ops.templates.common_resources import merged
from ops.templates.function_urls import FUNCTION_URL
from ops.templates.log_queries import QUERIES
from ops.templates.wiring import template
from tests.fakes import stage

STAGE = stage()
FILED = STAGE._replace(sites={"default": STAGE.sites["default"]._replace(files=FileRules(3, 4_000_000, ("image",)))})
TEMPLATE = template(STAGE)
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]


def test_whatever_lambda_sends_to_the_queue_the_functions_role_may_send_there_and_nowhere_else() -> None:
    resources = template(FILED)["Resources"]
    for spec in functions_of(FILED):
        outcome = resources.get("".join(part.capitalize() for part in spec.name.split("_")) + "Outcome")
        to_queue = outcome is not None and "RuleDeadLettersArn" in json.dumps(outcome)
        granted = [grant.on for grant in spec.all_grants if "sqs:SendMessage" in grant.actions]
        assert granted == ([Resource.RULE_DEAD_LETTERS] if to_queue else []), spec.name


def test_what_is_kept_is_told_to_on_failure_too() -> None:
    told = RESOURCES["OnFailureRule"]["Properties"]["EventPattern"]["detail"]["$or"]
    assert RESOURCES["FailedEventsRule"]["Properties"]["EventPattern"]["detail"] == RETRIES_OVER == told[0]


PURE = {"NotifyPushover": "notify_pushover", "GetMessage": "get_message", "ListMessages": "list_messages"}


def test_a_function_url_asks_for_a_signature_and_is_told_by_the_stack_where_the_stage_has_it() -> None:
    with_url = template(stage()._replace(function_url=True))
    assert set(with_url["Resources"]) - set(RESOURCES) == {"GetMessageUrlAddress"}
    assert with_url["Resources"]["GetMessageUrlAddress"] == {
        "Type": "AWS::Lambda::Url",
        "Properties": {"TargetFunctionArn": "herald-dev-get_message_url", "AuthType": "AWS_IAM"},
    }
    assert with_url["Outputs"] == {FUNCTION_URL: {"Value": {"Fn::GetAtt": ["GetMessageUrlAddress", "FunctionUrl"]}}}
    assert "Outputs" not in TEMPLATE


def test_a_template_in_which_one_entry_would_replace_another_is_not_made() -> None:
    with pytest.raises(ValueError, match="have the name TableEntry"):
        merged(RESOURCES, {"TableEntry": {}})


def test_a_canary_has_a_rule_that_runs_on_success_and_may() -> None:
    resources = template(stage()._replace(canary=24))["Resources"]
    assert set(resources) - set(RESOURCES) == {"CanaryRule", "CanaryPermission"}
    rule = resources["CanaryRule"]["Properties"]
    assert (rule["Name"], rule["EventBusName"]) == ("herald-dev-canary-arrived", "herald-dev")
    assert rule["Targets"] == RESOURCES["OnSuccessRule"]["Properties"]["Targets"]
    permission = resources["CanaryPermission"]["Properties"]
    assert permission == RESOURCES["OnSuccessPermission"]["Properties"] | {
        "SourceArn": {"Fn::GetAtt": ["CanaryRule", "Arn"]}
    }


def test_without_the_channel_there_is_no_entry_of_a_notifier() -> None:
    resources = template(stage(channels=()))["Resources"]
    assert set(RESOURCES) - set(resources) == {"NotifyPushoverEntry"}


def test_every_rule_of_the_manifest_is_there_and_nothing_besides() -> None:
    rules = {spec.name for spec in functions_of(stage()) if spec.trigger.kind == "rule"}
    found = {it["Properties"]["Name"] for it in RESOURCES.values() if it["Type"] == "AWS::Events::Rule"}
    assert found == {f"herald-dev-{name}" for name in rules} | {"herald-dev-failed-events"}
    asynchronous = {spec.name for spec in functions_of(STAGE) if spec.persistent or spec.trigger.keeps_failures}
    pure = {spec.name for spec in functions_of(stage()) if spec.trigger.kind == "invoke"}
    assert (asynchronous, pure) == ({"destined", "on_success", "on_failure"}, set(PURE.values()))
    assert len(RESOURCES) == 2 + len(DIRECTORY) + len(QUERIES) + len(asynchronous) + len(pure) + 2 * len(rules)
