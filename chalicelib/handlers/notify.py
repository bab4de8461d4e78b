"""``notify_<kind>``: functions of the Lambda Invoke API that deliver notifications, one for each kind of channel."""

from __future__ import annotations

from typing import Any

from chalicelib import composition
from chalicelib.errors import InvalidRequestError
from chalicelib.logic.notification import Notification
from chalicelib.logs import logger


def prepare(function: str) -> None:
    """Make the clients that each notification needs, while the function starts (``handlers.preload``)."""
    container = composition.get_container()
    kind = function.removeprefix("notify_")
    for channel in container.stage.channels_of(kind):
        container.provider_notifier(channel)


def handle(kind: str, request: object, context: Any) -> dict[str, object]:
    """Deliver a notification (its request: ``logic/notification.py``), or only check whether it could be delivered.

    Returns ``{"channel": …, "status": "delivered", "reference": …}``, with ``quota`` where the provider tells it, or
    for a request with ``check``, ``{"channel": …, "checked": True, "quota": …}``. Raises
    :class:`~chalicelib.errors.FunctionError`.
    """
    notification = Notification.from_request(request)
    logger.set_correlation_id(notification.id)
    channel = _choose_channel(kind, notification.channel)
    notifier = composition.get_container().provider_notifier(channel)
    if notification.check:
        quota = notifier.check(notification)
        logger.info("Checked", extra={"message_id": notification.id, "channel": channel})
        return {"channel": channel, "checked": True, "quota": quota.as_json() if quota else None}
    if any(file.bucket_key for file in notification.files):
        notification = composition.get_container().with_attachments(notification, kind, context.invoked_function_arn)
    reference = notifier.notify(notification)
    logger.info("Delivered", extra={"message_id": notification.id, "channel": channel, "reference": reference})
    quota_key = {"quota": notifier.quota.as_json()} if notifier.quota else {}
    return {"channel": channel, "status": "delivered", "reference": reference, **quota_key}


def _choose_channel(kind: str, name: str) -> str:
    """Return the channel that a request names, or the only one of this kind if it names none."""
    channels = composition.get_container().stage.channels_of(kind)
    if name in channels or (not name and len(channels) == 1):
        return name or channels[0]
    raise InvalidRequestError(f"channel: expected one of: {', '.join(channels)}", key="channel")
