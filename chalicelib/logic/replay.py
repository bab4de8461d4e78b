"""Replay and release: have a message's undelivered channels tried again, by the rules of docs/delivery.md.

One conditional write changes the record, so that no channel is tried by two runs at once, and none that has
delivered. The caller then queues a run of ``destined``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from chalicelib.errors import StoreError
from chalicelib.logic.delivery import end_overdue_claim
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.spam import HoldReason
from chalicelib.settings import Channel

DUE_AFTER = 15 * 60
"""Seconds after which the scheduled retry runs the message if the queued run was lost."""
MAX_TRIES = 5
"""Most attempts of the write; a run of ``destined`` may change the record in between."""


class SkipReason(StrEnum):
    """Why a replay leaves a channel alone."""

    DELIVERED = "delivered"
    SENDING = "sending"
    GONE = "gone"
    """The channel no longer serves the site."""


@dataclass(frozen=True, slots=True)
class ReplayUpdate:
    """A change of a message's record."""

    before: Mapping[str, Delivery]
    """Each channel that changes, as it must still be when the change is written."""
    after: Mapping[str, Delivery]
    hold_reason: HoldReason | None
    """The hold that the change removes; it must still be there."""
    at: int
    """The second of the replay."""
    due_at: int
    by: str = ""
    """The channel in whose inbox it was asked for; empty for a command's."""


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a replay changed."""

    channels: tuple[str, ...]
    left: Mapping[str, SkipReason]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay or a release did."""

    id: str
    channels: tuple[str, ...]
    """The channels that will be tried."""
    left: Mapping[str, str]
    """The channels that won't, and why: ``delivered``, ``sending`` (an attempt is in progress) or ``gone`` (the channel
    no longer serves the site)."""
    asked: bool
    """Whether ``destined`` was invoked. If not, the scheduled retry tries the channels within 15 minutes."""

    def as_json(self) -> dict[str, object]:
        return {"id": self.id, "channels": list(self.channels), "left": dict(self.left), "asked": self.asked}


class ReplayStore(Protocol):
    """Stores the records that a replay changes."""

    def find_record(self, message_id: str) -> Record | None:
        """Return a message's record, or None if it doesn't exist or was deleted."""

    def apply(self, message_id: str, update: ReplayUpdate) -> bool:
        """Write the whole change, and keep the message until its channels give up; return False, and leave the record
        as it is, when it was changed in between. Raises LookupError where the message, or what the visitor wrote, is
        gone."""


def plan_replay(
    record: Record, channels: Mapping[str, Channel], now: int, by: str = ""
) -> tuple[ReplayUpdate, Mapping[str, SkipReason]]:
    """Work out the change, and why each other channel is skipped; ``channels`` are the site's."""
    skipped: dict[str, SkipReason] = {}
    before: dict[str, Delivery] = {}
    for name, recorded in record.deliveries.items():
        if recorded.state is State.DELIVERED:
            skipped[name] = SkipReason.DELIVERED
        elif end_overdue_claim(recorded, now).state is State.SENDING:
            skipped[name] = SkipReason.SENDING
        elif name not in channels:
            skipped[name] = SkipReason.GONE
        else:
            before[name] = recorded
    # Attempts are counted on, or two claims could look alike.
    after = {name: Delivery(State.PENDING, delivery.attempts, since=now) for name, delivery in before.items()}
    return ReplayUpdate(before, after, record.verdict.hold_reason, now, now + DUE_AFTER, by), skipped


def apply_replay(
    message_id: str, held: bool, channels: Mapping[str, Channel], store: ReplayStore, now: int, by: str = ""
) -> ReplayResult:
    """Write the change of a replay or, with ``held``, of the release of a held message.

    ``by`` is the channel in whose inbox it was asked for; empty for a command's.

    If no channel can be tried nothing is written, and ``channels`` of the result is empty. A release lets go all the
    same of what every channel has delivered, as a person may have called it spam since.

    Raises
    ------
    LookupError
        The message doesn't exist, or its being held is not as ``held`` says.
    StoreError
        The table doesn't answer, or another run changed the record each time.
    """
    for _ in range(MAX_TRIES):
        record = store.find_record(message_id)
        if record is None or (record.verdict.hold_reason is not None) is not held:
            raise LookupError(message_id)
        update, skipped = plan_replay(record, channels, now, by)
        is_delivered = bool(skipped) and set(skipped.values()) == {SkipReason.DELIVERED}
        if not (update.before or (held and is_delivered)) or store.apply(message_id, update):
            return ReplayResult(tuple(update.before), skipped)
    raise StoreError("ConditionalCheckFailedException")
