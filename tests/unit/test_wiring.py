"""The template of what stands beside Chalice's functions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.functions import FUNCTIONS
from ops.wiring import template
from tests.fakes import stage

TEMPLATE = template(stage())
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
BUS = {"Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/herald-dev"}


def test_destined_alone_is_asynchronous_and_tells_the_bus_both_ways() -> None:
    configs = [it["Properties"] for it in RESOURCES.values() if it["Type"] == "AWS::Lambda::EventInvokeConfig"]
    assert configs == [
        {
            "FunctionName": "herald-dev-destined",
            "Qualifier": "$LATEST",
            "MaximumRetryAttempts": 2,
            "MaximumEventAgeInSeconds": 21600,
            "DestinationConfig": {"OnSuccess": {"Destination": BUS}, "OnFailure": {"Destination": BUS}},
        }
    ]


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
    assert found == {f"herald-dev-{name}" for name in rules}
    assert len(RESOURCES) == 1 + 2 * len(rules)


def test_the_template_holds_names_alone() -> None:
    assert "arn:aws:" not in json.dumps(TEMPLATE)
    assert set(TEMPLATE["Parameters"]) == {"RuleDeadLettersArn"}
    assert "herald-prod-destined" in json.dumps(template(stage("prod")))
