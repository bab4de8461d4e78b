"""What a function gets from SNS (ops/local/aws/sns_record.py)."""

from __future__ import annotations

import base64
from typing import Any

from tests.local_stack.local_aws import LocalAws, sample, shape


def delivered(aws: LocalAws, **message: Any) -> dict[str, Any]:
    function, url = aws.reporting("def handler(event, context): return None", "success")
    topic, subscription = aws.topic(function)
    aws.client("sns").publish(TopicArn=topic, **message)
    event: dict[str, Any] = aws.body(url)["requestPayload"]
    assert event["Records"][0]["EventSubscriptionArn"] == subscription
    return event


def test_the_event_has_the_shape_of_aws_example(aws: LocalAws) -> None:
    expected = sample("sns-event")
    notification = expected["Records"][0]["Sns"]
    attributes = {
        "Test": {"DataType": "String", "StringValue": "TestString"},
        "TestBinary": {"DataType": "Binary", "BinaryValue": b"TestBinary"},
    }

    event = delivered(
        aws, Message=notification["Message"], Subject=notification["Subject"], MessageAttributes=attributes
    )

    assert shape(event) == shape(expected)
    got = event["Records"][0]["Sns"]
    for key in ("Type", "Message", "Subject", "SignatureVersion"):
        assert got[key] == notification[key]
    assert got["MessageAttributes"]["Test"] == notification["MessageAttributes"]["Test"]
    binary = got["MessageAttributes"]["TestBinary"]
    assert (binary["Type"], base64.b64decode(binary["Value"])) == ("Binary", b"TestBinary")


def test_what_is_unset_is_null_or_empty(aws: LocalAws) -> None:
    """As in the record under "Example: Amazon SNS message event" that has neither."""
    notification = delivered(aws, Message="hello")["Records"][0]["Sns"]

    assert notification["Subject"] is None
    assert notification["MessageAttributes"] == {}
    assert shape(notification).keys() == shape(sample("sns-event")["Records"][0]["Sns"]).keys()
