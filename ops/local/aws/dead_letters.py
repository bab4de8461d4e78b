"""Send undeliverable messages of SNS and EventBridge to dead-letter queues, which MiniStack stores but never uses.

SNS doesn't retry client-side errors, such as a missing permission: it sends the message to the dead-letter queue of the
subscription. EventBridge sends the event to the dead-letter queue of the target, with message attributes that name the
rule, the target and the reason. The queue's policy must allow the service to send.

https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from typing import Any

from ops.local.aws import iam_role, resource_policy
from ops.local.aws.ministack_modules import extend, responses, sns, sqs

EXTENDS = (
    "ministack.core.responses:get_account_id",
    "ministack.services.sns:_deliver_to_sqs",
    "ministack.services.sns:_find_subscription",
    "ministack.services.sns:_topic_by_arn_any_scope",
    "ministack.services.sqs:queue_policy_allows",
)

logger = logging.getLogger("herald.local.dead_letters")


def install() -> None:
    """Send deliveries that a resource-based policy denies to the dead-letter queue, if one is configured."""
    resource_policy.on_sns_refused.append(keep_notification)
    resource_policy.on_event_refused.append(keep_event)
    extend(sns, "_deliver_to_sqs", _to_queue)


def _to_queue(deliver: Callable[..., None], queue: str, envelope: str, *args: Any, topic_arn: str, **more: Any) -> None:
    """Deliver to the queue. If it doesn't exist or its policy denies SNS, use the subscription's dead-letter queue."""
    if sqs.queue_policy_allows(queue, "sns.amazonaws.com", topic_arn, responses.get_account_id()):
        deliver(queue, envelope, *args, topic_arn=topic_arn, **more)
        return
    subscriptions = (sns._topic_by_arn_any_scope(topic_arn) or {}).get("subscriptions", [])
    for subscription in subscriptions:
        if subscription["endpoint"] == queue:
            logger.warning("%s doesn't let sns.amazonaws.com in for %s", queue, topic_arn)
            keep_notification(topic_arn, subscription["arn"], envelope)


def keep_notification(topic_arn: str, subscription_arn: str, envelope: str) -> None:
    """Send the notification to the dead-letter queue of the subscription's RedrivePolicy, if it has one."""
    subscription = sns._find_subscription(topic_arn, subscription_arn) or {}
    policy = json.loads((subscription.get("attributes") or {}).get("RedrivePolicy") or "{}")
    if queue := policy.get("deadLetterTargetArn"):
        # _deliver_to_sqs evaluates the queue's policy and logs a denial.
        sns._deliver_to_sqs(queue, envelope, False, envelope, topic_arn=topic_arn)


def keep_event(rule_arn: str, target: dict[str, Any], event: str, reason: str) -> None:
    """Send the event (JSON) to the dead-letter queue of the target's DeadLetterConfig, if it has one."""
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue:
        return
    if not sqs.queue_policy_allows(queue, "events.amazonaws.com", rule_arn, responses.get_account_id()):
        logger.warning("the policy of %s doesn't let EventBridge send to it", queue)
        return
    account, name = queue.split(":")[4:6]
    attributes = {
        "RULE_ARN": rule_arn,
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": "NO_PERMISSIONS",
        "ERROR_MESSAGE": reason,
        "RETRY_ATTEMPTS": "0",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
    }
    iam_role.client("sqs", iam_role.root()).send_message(
        QueueUrl=f"{os.environ['AWS_ENDPOINT_URL']}/{account}/{name}",
        MessageBody=event,
        MessageAttributes={key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()},
    )
