"""Subscribe the owner's address to alarms and no other, and tell whether it is confirmed."""

from __future__ import annotations

from chalicelib.settings import Stage
from ops.aws import cloudformation
from ops.aws.account import Account
from ops.errors import ignoring_aws_error
from ops.templates import alarms


def subscribe(account: Account, stage: Stage, address: str) -> str:
    """Ask the address to confirm, unless it has or was asked within 48 hours; returns how it stands, in words.

    SNS deletes a subscription that nobody confirms within 48 hours, and CloudFormation does not notice that:
    https://aws.amazon.com/about-aws/whats-new/2023/05/amazon-sns-automatic-deletion-unconfirmed-subscriptions/
    Nor does it know the subscription that is made here then, so an address of before is unsubscribed here. What waits
    for its confirmation can't be: https://docs.aws.amazon.com/sns/latest/dg/sns-delete-subscription-topic.html
    """
    topic = cloudformation.outputs(account.cloudformation, cloudformation.wiring(stage))[alarms.TOPIC]
    pages = account.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    by_mail = [
        (each["Endpoint"], each["SubscriptionArn"])
        for page in pages
        for each in page["Subscriptions"]
        if each["Protocol"] == "email" and each["SubscriptionArn"] != "Deleted"
    ]
    arn = dict(by_mail).get(address)
    if arn is None:
        arn = account.sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)["SubscriptionArn"]
    said = f"go to {address}"
    if not arn.startswith("arn:"):
        said += " ONCE the link in the mail from AWS was opened, within 48 hours"
    for other, subscription in by_mail:
        if other.lower() == address.lower():  # The same mailbox, should SNS write it otherwise.
            continue
        if subscription.startswith("arn:"):
            with ignoring_aws_error("NotFound"):  # CloudFormation has just deleted its own.
                account.sns.unsubscribe(SubscriptionArn=subscription)
            said += f"; no longer to {other}"
        else:
            said += f"; {other} can still confirm an earlier mail: if it does, deploy again"
    return said
