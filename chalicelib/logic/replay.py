"""A person's replay and release: the rules of docs/delivery.md by which what has not delivered is tried again.

One conditional write changes a message's record, so that no run rings what a replay revives while another run is at
it, and none what was delivered. Whoever calls this then asks ``destined`` for a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from chalicelib.errors import StoreError
from chalicelib.logic.delivery import expire_claim
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.spam import HoldReason
from chalicelib.logic.submission import Message
from chalicelib.settings import Channel

DUE_AFTER = 15 * 60
"""Seconds after which the scheduled retry looks for a message whose run was lost."""
MAX_TRIES = 5
"""How often the record is looked at again, because a run of ``destined`` was quicker."""


class SkipReason(StrEnum):
    """Why a replay leaves a channel alone."""

    DELIVERED = "delivered"
    SENDING = "sending"
    GONE = "gone"
    """The channel does not serve the site any more."""


@dataclass(frozen=True, slots=True)
class ReplayUpdate:
    """What is to change in a record."""

    before: Mapping[str, Delivery]
    """Each channel that changes, as it must still be."""
    after: Mapping[str, Delivery]
    held: HoldReason | None
    """As it must still be; if it is anything, it is taken away."""
    at: int
    """The second of the replay."""
    due_at: int


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What has changed."""

    channels: tuple[str, ...]
    left: Mapping[str, SkipReason]


class ReplayStore(Protocol):
    """Where records are."""

    def find(self, message_id: str) -> tuple[Message, Record] | None:
        """A message and what is known of it."""

    def apply(self, message_id: str, update: ReplayUpdate) -> bool:
        """Change all of it at once; False, and nothing changed, when the record is no longer as it must be."""


def plan_replay(
    record: Record, channels: Mapping[str, Channel], now: int
) -> tuple[ReplayUpdate, Mapping[str, SkipReason]]:
    """What a replay changes, and which channels it leaves alone; ``channels`` are the site's."""
    left: dict[str, SkipReason] = {}
    before: dict[str, Delivery] = {}
    for name, recorded in record.deliveries.items():
        if recorded.state is State.DELIVERED:
            left[name] = SkipReason.DELIVERED
        elif expire_claim(recorded, now).state is State.SENDING:
            left[name] = SkipReason.SENDING
        elif name not in channels:
            left[name] = SkipReason.GONE
        else:
            before[name] = recorded
    # The attempts go on, or two claims could look alike.
    after = {name: Delivery(State.PENDING, delivery.attempts, since=now) for name, delivery in before.items()}
    return ReplayUpdate(before, after, record.verdict.held, now, now + DUE_AFTER), left


def apply_replay(
    message_id: str, held: bool, channels: Mapping[str, Channel], store: ReplayStore, now: int
) -> ReplayResult:
    """Change a message's record; with ``held`` one that is held, otherwise one that is not.

    Nothing is changed where no channel is to be tried: ``channels`` of the answer is empty then.

    Raises
    ------
    LookupError
        There is no such message, or it is not held as expected.
    StoreError
        The table doesn't answer, or runs were quicker each time.
    """
    for _ in range(MAX_TRIES):
        found = store.find(message_id)
        if found is None or (found[1].verdict.held is not None) is not held:
            raise LookupError(message_id)
        update, left = plan_replay(found[1], channels, now)
        if not update.before or store.apply(message_id, update):
            return ReplayResult(tuple(update.before), left)
    raise StoreError("ConditionalCheckFailedException")
