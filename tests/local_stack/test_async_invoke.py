"""Retries, destinations and dead letters of asynchronous invocation (ops/local/aws/async_invoke.py)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.local_stack.local_aws import REGION, LocalAws, allow, sample, shape, wait_for

FAILS = """
def handler(event, context):
    print("attempt", context.aws_request_id)
    raise ValueError("no")
"""
ANSWERS = "def handler(event, context): return None"


def test_a_failure_is_recorded_as_in_aws_example(aws: LocalAws) -> None:
    expected = sample("invocation-record-failure")
    function, url = aws.reporting(FAILS, "failure")

    aws.invoke_later(function, expected["requestPayload"])

    record = aws.body(url)
    for key in ("version", "requestPayload", "responseContext"):
        assert record[key] == expected[key]
    assert shape(record["requestContext"]) == shape(expected["requestContext"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestContext"]["functionArn"] == f"{function}:$LATEST"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["timestamp"])
    assert record.keys() == expected.keys()
    assert record["responsePayload"]["errorType"] == "ValueError"


def test_a_success_is_recorded_as_in_aws_example(aws: LocalAws) -> None:
    expected = sample("invocation-record-success")
    function, url = aws.reporting(ANSWERS, "success")

    aws.invoke_later(function, expected["requestPayload"])

    record = aws.body(url)
    assert shape(record) == shape(expected)
    for key in ("version", "requestPayload", "responseContext", "responsePayload"):
        assert record[key] == expected[key]
    assert record["requestContext"]["condition"] == "Success"
    assert record["requestContext"]["approximateInvokeCount"] == 1


def test_all_attempts_of_a_message_from_sns_share_the_request_id(aws: LocalAws) -> None:
    function, url = aws.reporting(FAILS, "failure")
    topic, _ = aws.topic(function)

    aws.client("sns").publish(TopicArn=topic, Message="hello")

    record = aws.body(url)
    assert record["requestPayload"]["Records"][0]["Sns"]["Message"] == "hello"
    attempts = [line for line in aws.log(function) if line.startswith("attempt")]
    assert attempts == [f"attempt {record['requestContext']['requestId']}"] * 3


def test_the_bus_gets_an_event_from_lambda(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html, JSON per destination."""
    bus, url = aws.heard({"source": ["lambda"]})
    function = aws.function(FAILS, allow("events:PutEvents", bus))
    aws.destinations(function, failure=bus, MaximumRetryAttempts=0)

    aws.invoke_later(function, {"kind": "contact"})

    event = aws.body(url)
    assert event["source"] == "lambda"
    assert event["detail-type"] == "Lambda Function Invocation Result - Failure"
    assert sorted(event["resources"]) == sorted([bus, f"{function}:$LATEST"])
    assert event["region"] == REGION
    assert event["detail"]["requestPayload"] == {"kind": "contact"}
    assert event["detail"]["requestContext"]["approximateInvokeCount"] == 1
    assert event["detail"].keys() == sample("invocation-record-failure").keys()


def test_the_bus_gets_an_event_of_a_success(aws: LocalAws) -> None:
    bus, url = aws.heard({"detail": {"requestContext": {"condition": ["Success"]}}})
    function = aws.function("def handler(e, c): return {'ok': e}", allow("events:PutEvents", bus))
    aws.destinations(function, success=bus, failure=bus)

    aws.invoke_later(function, 7)

    event = aws.body(url)
    assert event["detail-type"] == "Lambda Function Invocation Result - Success"
    assert event["detail"]["responsePayload"] == {"ok": 7}


@pytest.mark.parametrize(
    ("action", "answer"),
    [("events:DescribeEventBus", "None"), ("events:PutEvents", "'x' * 262144")],
    ids=["without PutEvents in the role", "too large for the bus"],
)
def test_an_event_that_can_not_be_put_on_the_bus_is_lost_and_counted(aws: LocalAws, action: str, answer: str) -> None:
    bus, url = aws.heard({"source": ["lambda"]})
    function = aws.function(f"def handler(event, context): return {answer}", allow(action, bus))
    aws.destinations(function, success=bus)

    aws.invoke_later(function, {})

    short = function.rsplit(":", 1)[-1]
    assert wait_for(lambda: aws.metric("AWS/Lambda", "DestinationDeliveryFailures", FunctionName=short)) == 1
    assert aws.is_empty(url)


def test_a_topic_and_a_function_can_be_destinations(aws: LocalAws) -> None:
    url, queue = aws.queue()
    last = aws.function(ANSWERS, allow("sqs:SendMessage", queue))
    aws.destinations(last, success=queue)
    topic, _ = aws.topic(last)
    middle = aws.function(ANSWERS, allow("sns:Publish", topic))
    aws.destinations(middle, success=topic)
    first = aws.function(ANSWERS, allow("lambda:InvokeFunction", middle))
    aws.destinations(first, success=middle)

    aws.invoke_later(first, {"n": 1})

    notification = aws.body(url)["requestPayload"]["Records"][0]["Sns"]
    record_of_middle = json.loads(notification["Message"])
    record_of_first = record_of_middle["requestPayload"]
    assert record_of_first["requestContext"]["functionArn"] == f"{first}:$LATEST"
    assert record_of_first["requestPayload"] == {"n": 1}


def test_an_event_that_gets_too_old_is_given_up(aws: LocalAws) -> None:
    """MaximumEventAgeInSeconds is at least 60, and AWS waits as long before its first retry."""
    function, url = aws.reporting(FAILS, "failure", MaximumEventAgeInSeconds=60)

    aws.invoke_later(function, {})

    context = aws.body(url)["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 1)


def test_a_dead_letter_queue_gets_the_event_itself(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq"""
    url, queue = aws.queue()
    function = aws.function(FAILS, allow("sqs:SendMessage", queue), DeadLetterConfig={"TargetArn": queue})

    aws.invoke_later(function, {"n": 1})

    message = aws.message(url)
    assert json.loads(message["Body"]) == {"n": 1}
    assert message["MessageAttributes"].keys() == {"RequestID", "ErrorCode", "ErrorMessage"}
    assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "no"


HELD = """
import pathlib, time
def handler(event, context):
    (pathlib.Path({begun!r}) / context.aws_request_id).touch()
    while not pathlib.Path({go!r}).exists():
        time.sleep(0.01)
"""


def test_messages_run_at_the_same_time_and_the_publisher_does_not_wait(aws: LocalAws, tmp_path: Path) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    begun.mkdir()
    url, queue = aws.queue()
    function = aws.function(HELD.format(begun=str(begun), go=str(go)), allow("sqs:SendMessage", queue), Timeout=60)
    aws.destinations(function, success=queue)
    topic, _ = aws.topic(function)

    for number in range(3):
        aws.client("sns").publish(TopicArn=topic, Message=str(number))
    wait_for(lambda: len(list(begun.iterdir())) == 3)

    go.touch()
    for _ in range(3):
        aws.message(url)


SLOW = """
import time
def handler(event, context):
    time.sleep(0.5)
"""


def test_a_throttled_event_waits_and_uses_no_attempt(aws: LocalAws) -> None:
    function, url = aws.reporting(SLOW, "success", "failure")
    aws.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)

    for number in range(2):
        aws.invoke_later(function, {"number": number})

    contexts = [aws.body(url)["requestContext"] for _ in range(2)]
    assert [(each["condition"], each["approximateInvokeCount"]) for each in contexts] == [("Success", 1)] * 2
