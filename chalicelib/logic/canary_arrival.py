"""The canary takes a message's whole path on a schedule, and notifies nobody. An alarm sounds when it doesn't arrive.

It is published to the topic like a contact message, with the kind ``canary``. ``destined`` stores its arrival and asks
each notifier whether it could deliver. It sends no notification, belongs to no site and is in no list of messages.
docs/canary.md explains what it means when one doesn't arrive.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from chalicelib.errors import CanaryError, FunctionError
from chalicelib.logic.delivery_types import CheckingNotifier
from chalicelib.logic.message import LATEST
from chalicelib.logic.notification import Notification

SOURCE = "herald.canary"
ARRIVED = "arrived"
"""The action of a canary that arrived. A rule on the bus matches it, and an alarm watches that rule's count."""
NO_SITE = "-"
"""The value of the message attribute ``site``; no site can have this name."""
MAX_PARALLEL = 2
"""Notifiers called in parallel. Pushover allows two connections."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One canary."""

    id: str
    sent_at: int
    """Seconds since the epoch."""

    def serialize(self) -> str:
        return json.dumps({"id": self.id, "sent_at": self.sent_at})

    @classmethod
    def deserialize(cls, text: str) -> Canary:
        """Read what :meth:`serialize` wrote; raises ValueError for anything else."""
        try:
            data = json.loads(text)
            canary = cls(str(data["id"]), int(data["sent_at"]))
        except (KeyError, TypeError, ValueError, RecursionError, OverflowError):
            # Without the error's own text, which quotes what was found.
            raise ValueError("not a complete canary") from None
        if not 0 <= canary.sent_at <= LATEST:
            raise ValueError(f"sent_at: expected seconds since the epoch, 0 to {LATEST}")
        return canary


class CanaryLog(Protocol):
    """Stores the last canary; raises :class:`~chalicelib.errors.StoreError`."""

    def record_arrival(self, canary: Canary, at: int) -> None:
        """Store that this canary reached ``destined``; it replaces the previous one."""

    def record_checks(self, canary: Canary, channels: Mapping[str, str], at: int) -> None:
        """Store the result of each channel's check: empty if it passed, else the error's class."""


def arrive(
    canary: Canary,
    channels: Sequence[str],
    notifiers: Mapping[str, CheckingNotifier],
    log: CanaryLog,
    now: Callable[[], int],
) -> dict[str, object]:
    """Handle a canary as a message is handled, except that each notifier only checks whether it could deliver.

    Returns ``{"source": "herald.canary", "action": "arrived", "message": {"id": …, "channels": {name: "checked"}}}``.

    Raises
    ------
    CanaryError
        A channel could not have delivered. Lambda retries.
    """
    log.record_arrival(canary, now())
    request = Notification(canary.id, "Canary", "Nobody is to read this.", canary.sent_at, check=True)

    def check(channel: str) -> FunctionError | None:
        try:
            notifiers[channel].check(request)
        except FunctionError as error:
            return error
        return None

    with ThreadPoolExecutor(MAX_PARALLEL) as pool:
        errors = dict(zip(channels, pool.map(check, channels), strict=True))
    log.record_checks(canary, {name: type(error).__name__ if error else "" for name, error in errors.items()}, now())
    if any(errors.values()):
        raise CanaryError("; ".join(f"{name}: {error.message}" for name, error in errors.items() if error))
    return {
        "source": SOURCE,
        "action": ARRIVED,
        "message": {"id": canary.id, "channels": dict.fromkeys(channels, "checked")},
    }
