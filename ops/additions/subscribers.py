"""``[[subscriber]]`` of ``herald.toml``: who gets each message from the topic besides ``destined``. docs/rules.md."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from chalicelib.settings import Stage
from ops import templates
from ops.additions.rules import Kinds, Sites
from ops.additions.targets import SubscriberTarget, logical
from ops.policies import ANYWHERE
from ops.tables import Table


class SubscriberTable(Table):
    """What is not named is not looked at."""

    to: SubscriberTarget
    site: Sites = Field(default=[])
    kind: Kinds = Field(default=[])
    raw: bool = False
    """Whether a queue gets the message alone, without what SNS puts around it."""


def resources(name: str, subscriber: SubscriberTable, stage: Stage, dead_letters: Any) -> dict[str, Any]:
    """The subscription and, for a function, the permission to run it. What a queue has to allow: ``let_in.py``."""
    key = logical("subscriber", name)
    topic = templates.here("sns", stage.topic)
    wanted = {"site": list(subscriber.site), "kind": list(subscriber.kind)}
    wanted = {attribute: values for attribute, values in wanted.items() if values}
    found: dict[str, Any] = {
        key: {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": topic,
                "Protocol": subscriber.to.service,
                "Endpoint": {"Fn::Sub": subscriber.to.arn(ANYWHERE)},
                **({"FilterPolicy": wanted} if wanted else {}),
                **({"RawMessageDelivery": True} if subscriber.raw else {}),
                "RedrivePolicy": {"deadLetterTargetArn": dead_letters},
            },
        }
    }
    if subscriber.to.service == "lambda":
        found[f"PermissionOf{key}"] = templates.permission(subscriber.to.name, "sns", topic)
    return found
