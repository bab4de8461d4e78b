"""The summary: one notification about the messages for which a channel's budget had no ring. docs/delivery.md

It counts on while more come, and the pauses between two of them grow. It names senders and first lines, those first
that look most like a person, as far as there is room.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from chalicelib.errors import FunctionError
from chalicelib.logic.delivery import CLAIM_SECONDS, state_after
from chalicelib.logic.delivery_types import (
    SUMMARY_PREFIX,
    Action,
    DeliveryResult,
    Invocation,
    Notifier,
    State,
)
from chalicelib.logic.invoke_contract import MAX_ID
from chalicelib.logic.message import is_filled
from chalicelib.logic.notification import Notification
from chalicelib.logic.notification_text import VISITOR_LINE_PREFIX
from chalicelib.logic.plain_text import cut, one_line
from chalicelib.logic.retry_schedule import LAMBDA_ATTEMPTS, pause_after
from chalicelib.logic.ring_budget import RingBudget
from chalicelib.settings import DEFAULT_GIVE_UP_SECONDS, Channel

FIRST_PAUSE = 10 * 60
"""Seconds between the first summary and the second; twice as long before each further one, while more come. While
something waits that may be of a person, it stays the pause."""
MAX_PAUSE = 6 * 60 * 60
NAMING_TIME = 8
"""Seconds after which no further message is read to be named: a slow table delays no summary."""
MAX_NAMED = (3, 12, 12)
"""How many ids of each ``Verdict.person_rank`` are kept to be named."""
MAX_LINE = 70
"""Characters of each message that is named. Twelve of them and the count fit into the 1,024 of Pushover."""
MAX_LINES = 12


@dataclass(frozen=True, slots=True)
class Batch:
    """The messages that one summary reports. Times are seconds since the epoch."""

    count: int
    since: int
    """When the first of them was counted."""
    ids: tuple[str, ...]
    """Those that may be named, the highest rank first."""
    newest: str
    taken_at: int
    """When it was taken first, from which its age counts."""
    attempts: int = 0
    """How often the notifier was called."""
    pause: int = 0
    """Seconds between the summary before and this one; 0 for the first."""
    next_at: int = 0
    """When the pause is over: a summary before it is early."""
    interrupted: bool = False
    """Whether a run died after it claimed the call: the owner may have heard this one."""


@dataclass(frozen=True, slots=True)
class Loss:
    """How a batch ended that was not delivered, as far as is known."""

    action: Action
    state: State
    count: int
    """The messages in it."""


class SummaryStore(Protocol):
    """Counts messages until a summary reports them; raises :class:`~chalicelib.errors.StoreError` where it can't."""

    def add(self, channel: str, message_id: str, person_rank: int, now: int) -> None:
        """Count a message, and keep its id if there is room among those of its ``Verdict.person_rank``."""

    def take_batch(self, channel: str, run_id: str, now: int, until: int) -> Batch | None:
        """Take the messages counted so far, for this run alone; None where none is due, or another run has the batch.

        What is counted from now on is for the next batch.
        """

    def claim(self, channel: str, run_id: str, attempt: int, until: int) -> bool:
        """Note that this run makes this attempt, the first is 1; False where another run has taken the batch."""

    def postpone(self, channel: str, run_id: str, due_at: int) -> None:
        """Leave the batch to a later run; nothing of it was delivered, or it may ring again."""

    def finish(self, channel: str, run_id: str, early_at: int, next_at: int, pause: int) -> None:
        """The batch has ended. The next is not before ``next_at``, or ``early_at`` if it has a message above rank 0."""

    def note_loss(self, event_id: str, loss: Loss, now: int) -> None:
        """Remember, longer than Lambda keeps an event, what this event has to report."""

    def find_loss(self, event_id: str) -> Loss | None:
        """What an earlier run of the event has noted: it may have died before it said so."""

    def abandon(self, channel: str) -> int:
        """The channel left the configuration: nothing is due any more. Returns how many messages were not reported."""


@dataclass(frozen=True, slots=True)
class SummaryDependencies:
    """What a run works with."""

    channels: Mapping[str, Channel]
    notifiers: Mapping[str, Notifier]
    store: SummaryStore
    ring_budget: RingBudget
    find_fields: Callable[[str], Mapping[str, str] | None]
    """What was written in a message; None when it is gone."""
    texts: Mapping[str, str]
    """The texts of the owner's language."""
    now: Callable[[], int]
    give_up_seconds: int = DEFAULT_GIVE_UP_SECONDS
    """Seconds after which a batch is not tried any more."""


def choose_replaced(message_id: str, counted: int, kept: int) -> int | None:
    """The index, of ``kept`` ids, that this one replaces, or None: by reservoir sampling, each has the same chance.

    ``counted`` is the number of messages of its rank before it. The same message always gets the same answer.
    """
    index = zlib.crc32(message_id.encode()) % (counted + 1)
    return index if index < kept else None


def send_summary(name: str, dependencies: SummaryDependencies, invocation: Invocation) -> DeliveryResult:
    """Send a channel's summary, if there is one and the budget has a ring for it.

    The action is ``delivered``; ``waiting`` if the scheduled retry must come again; ``undeliverable`` where the channel
    refused for good, was out of reach for too long, or has left the configuration; ``uncertain`` where nobody knows and
    the channel holds what is uncertain; or ``unchanged`` if there was nothing to do.

    A run that dies or is overtaken before it claims the call loses nothing and rings nobody.
    """
    channel, now, store = dependencies.channels.get(name), dependencies.now(), dependencies.store
    run_id = invocation.run_id
    if loss := store.find_loss(invocation.event_id):
        return _result(name, loss.action, loss.count, loss.state)
    if channel is None or name not in dependencies.notifiers:
        lost = store.abandon(name)
        return _result(name, Action.UNDELIVERABLE if lost else Action.UNCHANGED, lost)
    batch = store.take_batch(name, run_id, now, now + CLAIM_SECONDS)
    if batch is None:
        return _result(name, Action.UNCHANGED)

    def end(action: Action, state: State) -> DeliveryResult:
        if action is not Action.DELIVERED:
            store.note_loss(invocation.event_id, Loss(action, state, batch.count), dependencies.now())
        pause = min(max(2 * batch.pause, FIRST_PAUSE), MAX_PAUSE)
        # From when it was taken, so that waiting for a ring makes nobody wait twice.
        store.finish(name, run_id, batch.taken_at + FIRST_PAUSE, batch.taken_at + pause, pause)
        return _result(name, action, batch.count, state)

    def wait(until: int, state: State) -> DeliveryResult:
        store.postpone(name, run_id, until)
        return _result(name, Action.WAITING, batch.count, state)

    if batch.interrupted and not channel.retry_uncertain:
        return end(Action.UNCERTAIN, State.UNCERTAIN)
    too_old_at = batch.taken_at + dependencies.give_up_seconds
    if batch.attempts and now >= too_old_at:
        return end(Action.UNDELIVERABLE, State.EXPIRED)
    request = summary_notification(name, batch, dependencies)
    now = dependencies.now()
    # As for a message, the first attempt alone is of the budget.
    rings, early = dependencies.ring_budget, now < batch.next_at
    if not batch.attempts and (free_at := rings.take_for_summary(channel, now, early=early)):
        return wait(min(free_at, batch.next_at) if early else free_at, State.PENDING)
    now, attempt = dependencies.now(), batch.attempts + 1
    if now + CLAIM_SECONDS > invocation.ends_at:
        return wait(now, State.PENDING)
    if not store.claim(name, run_id, attempt, now + CLAIM_SECONDS):
        return _result(name, Action.UNCHANGED)
    try:
        dependencies.notifiers[name].notify(request)
    except FunctionError as error:
        state = state_after(error)
        if state is State.REJECTED:
            return end(Action.UNDELIVERABLE, state)
        if state is State.UNCERTAIN and not channel.retry_uncertain:
            return end(Action.UNCERTAIN, state)
        # Every attempt is the scheduled retry's, so the pauses grow from the first.
        pause = pause_after(attempt + LAMBDA_ATTEMPTS - 1, channel, error.retry_after or 0)
        return wait(min(now + pause, max(too_old_at, now + 1)), state)
    return end(Action.DELIVERED, State.DELIVERED)


def summary_notification(channel: str, batch: Batch, dependencies: SummaryDependencies) -> Notification:
    """What the owner reads: how many since when, and who wrote what, one line each."""
    texts = dependencies.texts
    since = datetime.fromtimestamp(batch.since, UTC).strftime("%Y-%m-%d %H:%M")
    lines = [texts["summary_since"].format(count=batch.count, since=since)]
    ids = list(dict.fromkeys([*batch.ids, batch.newest]))
    named = ids[:MAX_LINES]
    if batch.newest not in named:
        named[-1] = batch.newest
    written, until = [], dependencies.now() + NAMING_TIME
    for message_id in named:
        if dependencies.now() >= until:
            break
        if (fields := dependencies.find_fields(message_id)) is not None:
            written.append(fields)
    lines += [VISITOR_LINE_PREFIX + message_line(fields) for fields in written]
    if batch.count > len(written):
        lines.append(texts["summary_more"].format(count=batch.count - len(written)))
    return Notification(
        # No two batches of a channel are taken in one second, but two stages' may be, for the same receiver.
        id=f"summary-{channel}-{batch.taken_at}-{batch.newest}"[:MAX_ID],
        title=texts["summary_title"].format(count=batch.count),
        message="\n".join(lines),
        timestamp=dependencies.now(),
    )


def message_line(fields: Mapping[str, str]) -> str:
    """Who wrote and how it begins, in one line."""
    fields = {name: text for name, text in fields.items() if is_filled(text)}
    who = fields.get("name") or fields.get("email") or fields.get("title") or ""
    text = fields.get("message") or next(iter(fields.values()), "")
    return cut(one_line(f"{who}: {text}" if who else text), MAX_LINE)


def _result(channel: str, action: Action, messages: int = 0, state: State | None = None) -> DeliveryResult:
    states = {channel: state} if state else {}
    return DeliveryResult(SUMMARY_PREFIX + channel, "", action, states, messages=messages)
