"""Subscribe the owner's address to alarms, and tell whether it is confirmed."""

from __future__ import annotations

from chalicelib.settings import Stage
from ops.aws import cloudformation
from ops.aws.account import Account
from ops.aws.subscriptions import subscriptions
from ops.templates import alarms


def subscribe(account: Account, stage: Stage, address: str) -> str:
    """Ask the address to confirm, unless it has or was asked within 48 hours; returns how it stands, in words.

    SNS deletes a subscription that nobody confirms within 48 hours, and CloudFormation does not notice that:
    https://aws.amazon.com/about-aws/whats-new/2023/05/amazon-sns-automatic-deletion-unconfirmed-subscriptions/
    """
    topic = cloudformation.outputs(account.cloudformation, cloudformation.wiring(stage))[alarms.TOPIC]
    arn = subscriptions(account.sns, topic).get(address)
    if arn in (None, "Deleted"):
        arn = account.sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)["SubscriptionArn"]
    if arn.startswith("arn:"):
        return f"go to {address}"
    return f"go to {address} ONCE the link in the mail from AWS was opened, within 48 hours"
