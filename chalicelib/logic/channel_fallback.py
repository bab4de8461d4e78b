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
    tried. Where every channel fails, the last :class:`~chalicelib.errors.FunctionError` is raised.
    """
    uncertain = ""
    last_error: FunctionError | None = None
    for channel in channels:
        try:
            notifiers[channel].notify(notification)
            return channel
        except ChannelUncertainError:
            if at_most_once:
                return channel
            uncertain = uncertain or channel
        except FunctionError as error:
            last_error = error
    if uncertain:
        return uncertain
    raise last_error or ValueError("there is no channel to notify the owner by")
