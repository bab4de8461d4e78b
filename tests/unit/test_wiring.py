"""The template of what stands beside Chalice's functions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.functions import FUNCTIONS, RETRIES_OVER, Resource, functions_of
from ops.templates.wiring import FUNCTION_URL, template
from tests.fakes import stage

TEMPLATE = template(stage())
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
BUS = {"Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/herald-dev"}


def test_destined_tells_the_bus_both_ways_and_the_rules_functions_keep_what_they_failed_at() -> None:
    configs = {name: it for name, it in RESOURCES.items() if it["Type"] == "AWS::Lambda::EventInvokeConfig"}
    assert {name: it["Properties"] for name, it in configs.items()} == {
        "DestinedOutcome": {
            "FunctionName": "herald-dev-destined",
            "Qualifier": "$LATEST",
            "MaximumRetryAttempts": 2,
            "MaximumEventAgeInSeconds": 21600,
            "DestinationConfig": {"OnSuccess": {"Destination": BUS}, "OnFailure": {"Destination": BUS}},
        },
        "OnSuccessOutcome": {
            "FunctionName": "herald-dev-on_success",
            "Qualifier": "$LATEST",
            "DestinationConfig": {"OnFailure": {"Destination": {"Ref": "RuleDeadLettersArn"}}},
        },
        "OnFailureOutcome": {
            "FunctionName": "herald-dev-on_failure",
            "Qualifier": "$LATEST",
            "DestinationConfig": {"OnFailure": {"Destination": {"Ref": "RuleDeadLettersArn"}}},
        },
    }


def test_whatever_lambda_sends_to_the_queue_the_functions_role_may_send_there_and_nowhere_else() -> None:
    for spec in FUNCTIONS:
        outcome = RESOURCES.get("".join(part.capitalize() for part in spec.name.split("_")) + "Outcome")
        to_queue = outcome is not None and "RuleDeadLettersArn" in json.dumps(outcome)
        granted = [grant.on for grant in spec.grants if "sqs:SendMessage" in grant.actions]
        assert granted == ([Resource.RULE_DEAD_LETTERS] if to_queue else []), spec.name


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_every_event_whose_retries_are_over_goes_whole_to_the_queue_that_keeps_it(name: str) -> None:
    assert template(stage(name))["Resources"]["FailedEventsRule"] == {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "Name": f"herald-{name}-failed-events",
            "Description": "Keeps every event whose retries are over",
            "EventBusName": f"herald-{name}",
            "EventPattern": {
                "source": ["lambda"],
                "detail": {"requestContext": {"condition": [{"anything-but": ["Success"]}]}},
            },
            "Targets": [
                {
                    "Id": "queue",
                    "Arn": {"Ref": "FailedEventsArn"},
                    "DeadLetterConfig": {"Arn": {"Ref": "RuleDeadLettersArn"}},
                }
            ],
        },
    }


def test_what_is_kept_is_told_to_on_failure_too() -> None:
    told = RESOURCES["OnFailureRule"]["Properties"]["EventPattern"]["detail"]["$or"]
    assert RESOURCES["FailedEventsRule"]["Properties"]["EventPattern"]["detail"] == RETRIES_OVER == told[0]


PURE = {"NotifyPushover": "notify_pushover", "GetMessage": "get_message", "ListMessages": "list_messages"}


def test_each_pure_function_stands_in_the_directory_under_its_stage() -> None:
    entries = {name: it for name, it in RESOURCES.items() if it["Type"] == "AWS::SSM::Parameter"}
    arn = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:herald-dev-"
    assert entries == {
        f"{logical}Entry": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {
                "Name": f"/herald/dev/functions/{name}",
                "Type": "String",
                "Description": f"Where {name} is, for programs that are granted it",
                "Value": {"Fn::Sub": arn + name},
            },
        }
        for logical, name in PURE.items()
    }


def test_a_function_url_asks_for_a_signature_and_is_told_by_the_stack_where_the_stage_has_it() -> None:
    with_url = template(replace(stage(), function_url=True))
    assert set(with_url["Resources"]) - set(RESOURCES) == {"GetMessageUrlAddress"}
    assert with_url["Resources"]["GetMessageUrlAddress"] == {
        "Type": "AWS::Lambda::Url",
        "Properties": {"TargetFunctionArn": "herald-dev-get_message_url", "AuthType": "AWS_IAM"},
    }
    assert with_url["Outputs"] == {FUNCTION_URL: {"Value": {"Fn::GetAtt": ["GetMessageUrlAddress", "FunctionUrl"]}}}
    assert "Outputs" not in TEMPLATE


def test_a_canary_has_a_rule_that_runs_on_success_and_may() -> None:
    resources = template(replace(stage(), canary=24))["Resources"]
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


@pytest.mark.parametrize(("rule", "function"), [("OnSuccess", "on_success"), ("OnFailure", "on_failure")])
def test_each_rule_listens_on_the_stages_bus_and_may_run_its_function(rule: str, function: str) -> None:
    properties = RESOURCES[f"{rule}Rule"]["Properties"]
    arn = f"arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:herald-dev-{function}"
    assert properties["EventBusName"] == "herald-dev"
    assert properties["EventPattern"]["source"] == ["lambda"]
    assert properties["Targets"] == [
        {"Id": function, "Arn": {"Fn::Sub": arn}, "DeadLetterConfig": {"Arn": {"Ref": "RuleDeadLettersArn"}}}
    ]
    assert RESOURCES[f"{rule}Permission"] == {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": f"herald-dev-{function}",
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
            "SourceArn": {"Fn::GetAtt": [f"{rule}Rule", "Arn"]},
        },
    }


def test_every_rule_of_the_manifest_is_there_and_nothing_besides() -> None:
    rules = {spec.name for spec in FUNCTIONS if spec.trigger.kind == "rule"}
    found = {it["Properties"]["Name"] for it in RESOURCES.values() if it["Type"] == "AWS::Events::Rule"}
    assert found == {f"herald-dev-{name}" for name in rules} | {"herald-dev-failed-events"}
    asynchronous = {spec.name for spec in FUNCTIONS if spec.persistent or spec.outcome_to}
    pure = {spec.name for spec in functions_of(stage()) if spec.trigger.kind == "invoke"}
    assert (asynchronous, pure) == ({"destined", "on_success", "on_failure"}, set(PURE.values()))
    assert len(RESOURCES) == 1 + len(asynchronous) + len(pure) + 2 * len(rules)


def test_the_template_holds_names_alone() -> None:
    assert "arn:aws:" not in json.dumps(TEMPLATE)
    assert TEMPLATE["Parameters"] == {
        "RuleDeadLettersArn": {
            "Type": "String",
            "Description": "Queue for events that a rule or its function could not handle",
        },
        "FailedEventsArn": {"Type": "String", "Description": "Queue that keeps every event whose retries are over"},
    }
    assert "herald-prod-destined" in json.dumps(template(stage("prod")))
