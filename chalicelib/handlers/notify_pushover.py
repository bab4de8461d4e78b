"""``notify_pushover``: a pure function of the Lambda Invoke API."""

from __future__ import annotations

from chalicelib import composition
from chalicelib.adapters.pushover import CHANNEL
from chalicelib.logic.notification import Notification
from chalicelib.logs import logger


def prepare() -> None:
    """Make the HTTP session and the client that every notification needs."""
    _ = composition.root().pushover


def handle(request: object) -> dict[str, str]:
    """Deliver a notification request (version 1, see ``logic/notification.py``).

    Returns ``{"channel": "pushover", "status": "delivered", "reference": …}``; raises
    :class:`~chalicelib.errors.NotifierError`.
    """
    notification = Notification.from_request(request)
    logger.set_correlation_id(notification.id)
    reference = composition.root().pushover.notify(notification)
    logger.info("Delivered", extra={"message_id": notification.id, "channel": CHANNEL, "reference": reference})
    return {"channel": CHANNEL, "status": "delivered", "reference": reference}
