"""The canary: a message that goes the whole path on a schedule, so that its silence is heard before a visitor's is.

It is published to the topic as a contact is, with the kind ``canary``; ``destined`` writes it down, has every notifier
find out whether it could deliver, and answers. It rings nobody, belongs to no site, and stands in no list of messages.
docs/canary.md says what its silence can mean.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from chalicelib.errors import CanaryError, InvokeError
from chalicelib.logic.delivery_types import CheckingNotifier
from chalicelib.logic.notification import Notification

SOURCE = "herald.canary"
ARRIVED = "arrived"
"""The action of a canary that got through: what the rule matches that counts it."""
NO_SITE = "-"
"""What stands in the message attribute ``site``: no site can have this name."""
MAX_PARALLEL = 2
"""Notifiers that are called in parallel: Pushover allows two connections."""


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
        data = json.loads(text)
        return cls(str(data["id"]), int(data["sent_at"]))


class CanaryLog(Protocol):
    """Stores the last canary; raises :class:`~chalicelib.errors.StoreError` where it can't."""

    def came(self, canary: Canary, at: int) -> None:
        """Store that this canary has reached ``destined``, in place of the one before."""

    def ended(self, canary: Canary, channels: Mapping[str, str], at: int) -> None:
        """Store the result of each channel's check: empty, or the class of its error."""


def arrive(
    canary: Canary,
    channels: Sequence[str],
    notifiers: Mapping[str, CheckingNotifier],
    log: CanaryLog,
    now: Callable[[], int],
) -> dict[str, object]:
    """Do with a canary what is done with a message, except that no notification is sent.

    Returns ``{"source": "herald.canary", "action": "arrived", "message": {"id": …, "channels": {name: "checked"}}}``.

    Raises
    ------
    CanaryError
        A channel could not have delivered now; to be run again.
    """
    log.came(canary, now())
    request = Notification(canary.id, "Canary", "Nobody is to read this.", canary.sent_at, check=True)

    def asked(channel: str) -> InvokeError | None:
        try:
            notifiers[channel].check(request)
        except InvokeError as error:
            return error
        return None

    with ThreadPoolExecutor(MAX_PARALLEL) as pool:
        errors = dict(zip(channels, pool.map(asked, channels), strict=True))
    log.ended(canary, {name: type(error).__name__ if error else "" for name, error in errors.items()}, now())
    if any(errors.values()):
        raise CanaryError("; ".join(f"{name}: {error.message}" for name, error in errors.items() if error))
    return {
        "source": SOURCE,
        "action": ARRIVED,
        "message": {"id": canary.id, "channels": dict.fromkeys(channels, "checked")},
    }
