"""The alarms as they stand in the account. The local AWS has no numbers of queues and mixes up those of functions, so
what is seen here is what each alarm looks at and whom it tells; that it sounds by itself, AWS alone can show."""

from __future__ import annotations

from typing import Any

import pytest

from ops.aws import cloudformation
from ops.templates import alarms, wiring
from tests.e2e.harness import Harness

ADDRESS = "owner@example.com"


@pytest.fixture
def alarmed(herald: Harness) -> Harness:
    """The stage with alarms, also where another test has deployed it from a checkout that has none."""
    if topic_of(herald) is None:
        herald.stack.deploy(print)
    return herald


def topic_of(herald: Harness) -> str | None:
    return cloudformation.outputs(herald.account.cloudformation, cloudformation.wiring(herald.stage)).get(alarms.TOPIC)


def standing(herald: Harness) -> list[dict[str, Any]]:
    pages = herald.account.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix="herald-")
    return [alarm for page in pages for alarm in page["MetricAlarms"]]


def subscribers(herald: Harness) -> dict[str, str]:
    found = herald.account.sns.list_subscriptions_by_topic(TopicArn=str(topic_of(herald)))["Subscriptions"]
    return {each["Endpoint"]: each["SubscriptionArn"] for each in found}


def test_each_alarm_looks_at_something_that_is_there_and_tells_the_topic(alarmed: Harness) -> None:
    account = alarmed.account
    functions = {each["FunctionName"] for each in account.functions.list_functions()["Functions"]}
    rules = {each["Name"] for each in account.client("events").list_rules(EventBusName=alarmed.stage.bus)["Rules"]}
    there = {"FunctionName": functions, "RuleName": rules, "EventBusName": {alarmed.stage.bus}}
    there["QueueName"] = {url.rpartition("/")[2] for url in account.client("sqs").list_queues()["QueueUrls"]}
    found = [alarm for alarm in standing(alarmed) if alarm["AlarmName"].startswith("herald-local-")]
    config = alarmed.config
    template = wiring.template(config.stage, with_alarms=True, extensions=config.extensions)
    rendered = [it for it in template["Resources"].values() if it["Type"] == "AWS::CloudWatch::Alarm"]
    assert {alarm["AlarmName"] for alarm in found} == {it["Properties"]["AlarmName"] for it in rendered}
    assert {"herald-local-canary-missing", "herald-local-digest-errors"} < {alarm["AlarmName"] for alarm in found}
    for alarm in found:
        assert all(each["Value"] in there[each["Name"]] for each in alarm["Dimensions"]), alarm["AlarmName"]
        assert alarm["ActionsEnabled"]
        assert alarm["AlarmActions"] == [topic_of(alarmed)]
    tags = account.client("cloudwatch").list_tags_for_resource(ResourceARN=found[0]["AlarmArn"])["Tags"]
    assert {"Key": "app", "Value": "herald"} in tags
    assert {"Key": "stage", "Value": "local"} in tags
    assert ADDRESS in subscribers(alarmed)
