"""Give functions SNS's notification with all fields; MiniStack omits ``Subject`` and ``MessageAttributes`` if unset.

AWS sets an unset ``Subject`` to null and unset ``MessageAttributes`` to an empty object, as its example events show.

https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
https://docs.aws.amazon.com/sns/latest/dg/sns-lambda-as-subscriber.html
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

from ops.local.aws.ministack_modules import extend, sns

EXTENDS = ("ministack.services.sns:_deliver_to_lambda", "ministack.services.sns:_build_envelope")


def install() -> None:
    """Replace the notification in deliveries to functions; MiniStack uses the one of HTTP subscriptions."""
    extend(sns, "_deliver_to_lambda", _with_lambda_notification)


def _with_lambda_notification(
    deliver: Callable[..., None],
    endpoint: str,
    envelope: str,
    topic_arn: str,
    sub_arn: str,
    msg_id: str,
    raw_message: str,
    message_attributes: dict[str, Any],
) -> None:
    """Deliver to a function with a notification as Lambda receives it."""
    # Functions have no raw delivery. If it is enabled, MiniStack's envelope is the bare message, without a subject.
    subject = None
    try:
        parsed = json.loads(envelope)
        if isinstance(parsed, dict) and parsed.get("MessageId") == msg_id:
            subject = parsed.get("Subject")
    except ValueError:
        pass
    notice = notification(topic_arn, sub_arn, msg_id, raw_message, subject, message_attributes)
    deliver(endpoint, json.dumps(notice), topic_arn, sub_arn, msg_id, raw_message, message_attributes)


def notification(
    topic_arn: str,
    subscription_arn: str,
    message_id: str,
    message: str,
    subject: str | None,
    attributes: dict[str, Any],
) -> dict[str, Any]:
    """Return the notification that a function finds in ``Records[0].Sns``.

    ``attributes`` are the publisher's message attributes by name, each with DataType and StringValue or BinaryValue.
    """
    region = topic_arn.split(":")[3]
    host = f"https://sns.{region}.amazonaws.com"
    now = datetime.datetime.now(datetime.UTC)
    return {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": topic_arn,
        "Subject": subject,
        "Message": message,
        "Timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "SignatureVersion": "1",
        "Signature": "bG9jYWwgc3RhY2s6IG5vdCBzaWduZWQ=",
        "SigningCertUrl": f"{host}/SimpleNotificationService-local.pem",
        "UnsubscribeUrl": f"{host}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}",
        "MessageAttributes": {
            name: {
                "Type": attribute.get("DataType", "String"),
                "Value": attribute.get("StringValue") or attribute.get("BinaryValue") or "",
            }
            for name, attribute in attributes.items()
        },
    }
