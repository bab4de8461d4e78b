"""The summary: one notification that tells of the messages for which a channel's budget had no ring. docs/delivery.md

It counts on while more come, and the pauses between two of them grow. It names senders and first lines, those first
that look most like a person, as far as there is room.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from chalicelib.errors import ChannelUncertainError, InvokeError
from chalicelib.logic.delivery_types import Action, DeliveryResult, Invocation, Notifier
from chalicelib.logic.notification import Notification
from chalicelib.logic.notification_text import THEIRS
from chalicelib.logic.plain_text import cut, one_line
from chalicelib.logic.ring_budget import RingBudget
from chalicelib.settings import Channel

PREFIX = "summary#"
"""Begins the id by which the scheduled retry asks for a channel's summary; no message has such an id."""
LEASE = 50
"""Seconds for which a run has a summary for itself: as a claim of ``delivery.py``."""
FIRST_PAUSE = 10 * 60
"""Seconds between the first summary and the second; twice as long before each further one, while more come."""
MAX_PAUSE = 6 * 60 * 60
FAILED_PAUSE = 5 * 60
"""Seconds until a summary that could not be delivered is tried again, at the least."""
ROOM = (3, 6, 12)
"""How many ids of each rank are kept to be named."""
MAX_LINE = 70
"""Characters of each message that is named. Twelve of them and the count fit into the 1,024 of Pushover."""
MAX_LINES = 12


@dataclass(frozen=True, slots=True)
class Batch:
    """What one summary tells. Times are seconds since the epoch."""

    count: int
    since: int
    """When the first of them was counted."""
    ids: tuple[str, ...]
    """Those that are named, in the order of their ranks."""
    newest: str
    pause: int = 0
    """Seconds between the summary before and this one; 0 for the first."""
    interrupted: bool = False
    """Whether a run died while it told this one: the owner may have heard it."""


class SummaryStore(Protocol):
    """Stores what is to be told; raises :class:`~chalicelib.errors.StoreError` where it can't."""

    def add(self, channel: str, message_id: str, rank: int, now: int) -> None:
        """Count a message, and keep its id if there is room among those of its rank."""

    def begin(self, channel: str, run: str, now: int, until: int) -> Batch | None:
        """Take what is to be told, for this run alone; None where there is nothing, or another run is at it.

        What is counted from now on is for the next one.
        """

    def put_off(self, channel: str, run: str, due_at: int) -> None:
        """Leave the batch to a later run."""

    def finish(self, channel: str, run: str, next_at: int, pause: int) -> None:
        """The batch was told; the next is not before ``next_at``."""

    def forget(self, channel: str) -> None:
        """Nothing is due any more: the channel has left the configuration."""


@dataclass(frozen=True, slots=True)
class SummaryDependencies:
    """What a run works with."""

    channels: Mapping[str, Channel]
    notifiers: Mapping[str, Notifier]
    store: SummaryStore
    rings: RingBudget
    fields_of: Callable[[str], Mapping[str, str] | None]
    """What was written in a message; None when it is gone."""
    words: Mapping[str, str]
    """The texts of the owner's language."""
    now: Callable[[], int]


def place(message_id: str, counted: int, room: int) -> int | None:
    """Which of the ids that are kept makes room for this one, so that each that was counted has the same chance; None
    for none of them. Always the same for the same message."""
    number = zlib.crc32(message_id.encode()) % (counted + 1)
    return number if number < room else None


def tell(name: str, dependencies: SummaryDependencies, invocation: Invocation) -> DeliveryResult:
    """Send a channel's summary, if there is one and the budget has a ring for it.

    The action is ``delivered``, ``waiting`` if the scheduled retry must come again, ``uncertain`` where nobody knows
    and the channel holds what is uncertain, or ``duplicate`` if there was nothing to do.
    """
    channel, now, store = dependencies.channels.get(name), dependencies.now(), dependencies.store
    if channel is None or name not in dependencies.notifiers:
        store.forget(name)
        return _result(name, Action.DUPLICATE)
    batch = store.begin(name, invocation.run, now, now + LEASE)
    if batch is None:
        return _result(name, Action.DUPLICATE)
    pause = min(max(2 * batch.pause, FIRST_PAUSE), MAX_PAUSE)
    if batch.interrupted and not channel.ring_again:
        store.finish(name, invocation.run, now + pause, pause)
        return _result(name, Action.UNCERTAIN)
    if channel.rings is not None and not dependencies.rings.take_for_summary(channel, now):
        store.put_off(name, invocation.run, dependencies.rings.free_at(channel, now))
        return _result(name, Action.WAITING)
    try:
        dependencies.notifiers[name].notify(notification(name, batch, dependencies))
    except InvokeError as error:
        if not isinstance(error, ChannelUncertainError) or channel.ring_again:
            store.put_off(name, invocation.run, now + max(error.retry_after or 0, channel.pause, FAILED_PAUSE))
            return _result(name, Action.WAITING)
        store.finish(name, invocation.run, now + pause, pause)
        return _result(name, Action.UNCERTAIN)
    store.finish(name, invocation.run, now + pause, pause)
    return _result(name, Action.DELIVERED)


def notification(channel: str, batch: Batch, dependencies: SummaryDependencies) -> Notification:
    """What the owner reads: how many since when, and who wrote what, one line each."""
    words = dependencies.words
    since = datetime.fromtimestamp(batch.since, UTC).strftime("%Y-%m-%d %H:%M")
    lines = [words["summary_since"].format(count=batch.count, since=since)]
    ids = dict.fromkeys([*batch.ids[: MAX_LINES - 1], batch.newest])
    written = [fields for one in ids if (fields := dependencies.fields_of(one)) is not None]
    lines += [THEIRS + line(fields) for fields in written]
    if batch.count > len(written):
        lines.append(words["summary_more"].format(count=batch.count - len(written)))
    return Notification(
        id=f"summary-{channel}-{batch.since}",
        title=words["summary_title"].format(count=batch.count),
        message="\n".join(lines),
        timestamp=dependencies.now(),
    )


def line(fields: Mapping[str, str]) -> str:
    """Who wrote and how it begins, in one line."""
    who = fields.get("name") or fields.get("email") or ""
    text = fields.get("message") or next((text for text in fields.values() if text.strip()), "")
    return cut(one_line(f"{who}: {text}" if who else text), MAX_LINE)


def _result(channel: str, action: Action) -> DeliveryResult:
    return DeliveryResult(PREFIX + channel, "", action, {})
