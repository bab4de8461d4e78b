"""The subscriptions of an SNS topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient


def subscriptions(sns: SNSClient, topic: str) -> dict[str, str]:
    """The ARN of each subscription by its endpoint.

    An address that has not confirmed yet has ``PendingConfirmation`` or ``pending confirmation`` in place of an ARN.
    """
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    return {found["Endpoint"]: found["SubscriptionArn"] for page in pages for found in page["Subscriptions"]}
