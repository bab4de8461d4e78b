"""Notify the owner by the first of several channels that accepts: for alarms and digests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chalicelib.errors import ChannelUncertainError, FunctionError
from chalicelib.logic.delivery_types import Notifier
from chalicelib.logic.notification import Notification


def notify_owner(
    notification: Notification,
    channels: Iterable[str],
    notifiers: Mapping[str, Notifier],
    *,
    at_most_once: bool = False,
) -> str:
    """Try the channels in order until one accepts the notification; returns its name.

    A channel whose outcome is uncertain counts as accepted if no other accepts; with ``at_most_once`` no other is
    tried. Where every channel fails, the :class:`~chalicelib.errors.FunctionError` of the one that may be tried again
    first is raised.
    """
    uncertain = ""
    errors: list[FunctionError] = []
    for channel in channels:
        try:
            notifiers[channel].notify(notification)
            return channel
        except ChannelUncertainError:
            if at_most_once:
                return channel
            uncertain = uncertain or channel
        except FunctionError as error:
            errors.append(error)
    if uncertain:
        return uncertain
    if not errors:
        raise ValueError("there is no channel to notify the owner by")
    raise min(errors, key=lambda error: error.retry_after or 0)
