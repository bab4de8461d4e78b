"""``orders``: send each order of a queue to the owner's phone.

Copy it to ``chalicelib/handlers/orders.py``: docs/own-function.md.
"""

from __future__ import annotations

from typing import Any

from chalicelib.composition import get_container
from chalicelib.errors import ChannelUnavailableError
from chalicelib.logic.notification import Notification


def prepare(function: str) -> None:
    """Make the clients that every run needs, while the function starts."""
    _ = get_container().notifiers


def handle(event: dict[str, Any]) -> dict[str, object]:
    """Tell of each message of a batch. Those for which certainly no notification was sent are received again.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """
    phone = get_container().notifiers["pushover"]
    failed = []
    for record in event["Records"]:
        try:
            phone.notify(Notification(id=record["messageId"], title="Order", message=record["body"]))
        except ChannelUnavailableError:
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
