"""Subscribe the owner's address to alarms, and tell whether it is confirmed and who else is subscribed."""

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
    Nor does it know the subscription that is made here instead, so that of an earlier address may be left. Every other
    address is named and none unsubscribed, as somebody may have subscribed a colleague by hand.
    """
    topic = cloudformation.outputs(account.cloudformation, cloudformation.wiring(stage))[alarms.TOPIC]
    found = subscriptions(account.sns, topic)
    by_mail = {endpoint: arn for endpoint, arn in found.items() if "@" in endpoint and arn != "Deleted"}
    arn = by_mail.get(address)
    if arn is None:
        arn = account.sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)["SubscriptionArn"]
    said = f"go to {address}"
    if not arn.startswith("arn:"):
        said += " ONCE the link in the mail from AWS was opened, within 48 hours"
    for other, subscription in by_mail.items():
        if other.lower() == address.lower():  # The same mailbox, should SNS write it otherwise.
            continue
        if subscription.startswith("arn:"):
            said += f"; also to {other}, until you run: aws sns unsubscribe --subscription-arn {subscription}"
        else:
            said += f"; {other} can still confirm an earlier mail"
    return said
