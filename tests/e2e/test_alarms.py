"""The alarms as they stand in the account. The local AWS has no numbers of queues and mixes up those of functions, so
what is seen here is what each alarm looks at and whom it tells; that it sounds by itself, AWS alone can show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ops.aws import cloudformation
from ops.templates import alarms, wiring
from tests.e2e.harness import Harness, marker, wait_for

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


@contextmanager
def ear(herald: Harness) -> Iterator[Any]:
    """Hears what is published to the alarms' topic: the next notification, when called."""
    sqs, name = herald.account.client("sqs"), marker()
    where, topic = herald.account.where.arn("sqs", name), str(topic_of(herald))
    from_the_topic = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": where,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [from_the_topic]})
    url = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    subscription = herald.account.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=where)

    def next_one() -> dict[str, Any]:
        got = wait_for(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), "notification")
        sqs.delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])
        notification: dict[str, Any] = json.loads(got[0]["Body"])
        return notification

    try:
        yield next_one
    finally:
        herald.account.sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
        sqs.delete_queue(QueueUrl=url)


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


def test_an_alarm_that_sounds_is_heard_with_what_to_do_and_so_is_its_end(alarmed: Harness) -> None:
    cloudwatch = alarmed.account.client("cloudwatch")
    name = "herald-local-failed-events"
    with ear(alarmed) as hear:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
        heard = json.loads(hear()["Message"])
        assert (heard["AlarmName"], heard["NewStateValue"], heard["NewStateReason"]) == (name, "ALARM", "a test")
        assert heard["AlarmDescription"].endswith("docs/alarms.md#failed-events")
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="the test is over")
        assert json.loads(hear()["Message"])["NewStateValue"] == "OK"


@pytest.mark.full
def test_an_address_that_has_lost_its_subscription_is_asked_again_by_the_next_deployment(alarmed: Harness) -> None:
    alarmed.account.sns.unsubscribe(SubscriptionArn=subscribers(alarmed)[ADDRESS])
    assert ADDRESS not in subscribers(alarmed)
    said: list[str] = []
    alarmed.stack.deploy(said.append)
    assert ADDRESS in subscribers(alarmed)
    assert f"go to {ADDRESS}" in [line.strip() for line in said]
