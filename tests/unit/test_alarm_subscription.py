"""What the deployment says of the address that alarms go to, and what it does where SNS has forgotten it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ops.aws.account import Account
from ops.deploy import alarm_subscription
from tests.fakes import stage

TOPIC = "arn:aws:sns:eu-central-1:123456789012:herald-dev-alarms"
OWNER = "owner@example.com"


class Wiring:
    """CloudFormation with one stack, which knows the topic."""

    def describe_stacks(self, **arguments: Any) -> dict[str, Any]:
        assert arguments == {"StackName": "herald-dev-wiring"}
        return {"Stacks": [{"Outputs": [{"OutputKey": "AlarmsTopicArn", "OutputValue": TOPIC}]}]}


class Mail:
    """SNS as it is with e-mail: each new subscription waits for its confirmation."""

    def __init__(self, subscriptions: dict[str, str]) -> None:
        self._subscriptions = subscriptions
        self.asked: list[str] = []

    def get_paginator(self, operation: str) -> Mail:
        assert operation == "list_subscriptions_by_topic"
        return self

    def paginate(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        assert arguments == {"TopicArn": TOPIC}
        for endpoint, arn in self._subscriptions.items():
            protocol = "email" if "@" in endpoint else "lambda"
            yield {"Subscriptions": [{"Endpoint": endpoint, "SubscriptionArn": arn, "Protocol": protocol}]}

    def subscribe(self, **arguments: Any) -> dict[str, str]:
        assert arguments == {"TopicArn": TOPIC, "Protocol": "email", "Endpoint": OWNER}
        self.asked.append(arguments["Endpoint"])
        return {"SubscriptionArn": "pending confirmation"}


def said(mail: Mail) -> str:
    account = cast(Account, SimpleNamespace(cloudformation=Wiring(), sns=mail))
    return alarm_subscription.subscribe(account, stage(), OWNER)


ONCE = f"go to {OWNER} ONCE the link in the mail from AWS was opened, within 48 hours"


@pytest.mark.parametrize(
    ("subscriptions", "expected", "asked"),
    [
        ({OWNER: "PendingConfirmation"}, ONCE, []),
        ({OWNER: f"{TOPIC}:1"}, f"go to {OWNER}", []),
        # What SNS has given up, or never knew.
        ({}, ONCE, [OWNER]),
        ({OWNER: "Deleted"}, ONCE, [OWNER]),
    ],
)
def test_an_address_that_has_not_confirmed_is_told_to_and_asked_again_only_where_sns_has_forgotten_it(
    subscriptions: dict[str, str], expected: str, asked: list[str]
) -> None:
    mail = Mail(subscriptions)
    assert said(mail) == expected
    assert mail.asked == asked


def test_who_else_gets_alarms_by_mail_is_named_and_not_unsubscribed() -> None:
    """An address of before, or a colleague whom somebody subscribed by hand."""
    function = "arn:aws:lambda:eu-central-1:123456789012:function:owners"
    asked, before, gone = "asked@example.com", "before@example.com", "gone@example.com"
    mail = Mail(
        {
            OWNER: f"{TOPIC}:1",
            OWNER.title(): f"{TOPIC}:4",
            before: f"{TOPIC}:2",
            asked: "PendingConfirmation",
            gone: "Deleted",
            function: f"{TOPIC}:3",
        }
    )
    assert said(mail) == (
        f"go to {OWNER}; also to {before}, until you run: aws sns unsubscribe --subscription-arn {TOPIC}:2;"
        f" {asked} can still confirm an earlier mail"
    )
