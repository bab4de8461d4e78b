"""How one message is delivered to its channels: the state machine of docs/delivery.md, which is the law here.

Per channel ``pending → sending → delivered | rejected | waiting | uncertain``, and ``expired`` for what was tried for
too long. Before a channel's notifier is called, the channel is *claimed* in the message's record, and afterwards the
outcome is recorded: whoever comes later, by retry, redelivery, scheduled retry or replay, reads there what is known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    DeliveryIncompleteError,
    InvalidRequestError,
    InvokeError,
)
from chalicelib.logic import notification
from chalicelib.logic.notification import Notification, Quota
from chalicelib.logic.spam import NOTHING_FOUND, Held, Recent, Verdict
from chalicelib.logic.submission import Message, content
from chalicelib.settings import Channel, Site

SOURCE = "herald.contact"
LEASE = 50
"""Seconds that a claim is honoured, and that a run must have left to make one. The claim is written within 7 s, the
notifier called for 27 s at most and its outcome written within 7 s (``composition.py``); Lambda's first retry comes a
minute after the run before it has ended."""

GIVE_UP = 72 * 60 * 60
LAMBDA_ATTEMPTS = 3
FIRST_PAUSE = 5 * 60
"""Seconds before the scheduled retry's first attempt; twice as long before each further one."""
LONGEST_PAUSE = 6 * 60 * 60


class State(StrEnum):
    """What is known of one message on one channel."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    REJECTED = "rejected"
    WAITING = "waiting"
    UNCERTAIN = "uncertain"
    EXPIRED = "expired"


class Action(StrEnum):
    """How a message ended, as the bus tells it."""

    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    UNCERTAIN = "uncertain"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    WAITING = "waiting"
    """The scheduled retry found that a channel still can't deliver."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One channel's part in a message's record."""

    state: State = State.PENDING
    attempts: int = 0
    owner: str = ""
    """The run that claimed it last."""
    until: int = 0
    """While ``sending``: the second after which the claimant can't be calling any more."""
    next_attempt_at: int = 0
    """While ``waiting`` or ``uncertain``: the second from which another attempt may be made."""
    reference: str = ""
    """The provider's id of what it accepted."""
    error: str = ""
    """The class of the last error."""
    since: int = 0
    """The second at which this state began; 0 as long as nothing was tried."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one message."""

    owner: str
    """The request id of the invocation that stored it."""
    deliveries: Mapping[str, Delivery]
    verdict: Verdict = NOTHING_FOUND
    due_at: int = 0
    """The second from which the scheduled retry looks at it; 0 when there is nothing to do."""
    replayed_at: int = 0
    """The second at which a person had it tried anew, from which its age counts; 0 if nobody has."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """Which run of the function this is."""

    id: str
    """The event's request id. Lambda's retries of an event keep it, and so does an event that it hands over twice."""
    run: str
    """A name that no other run has, not even one with the same request id."""
    ends_at: int
    """The second at which Lambda ends this run, finished or not."""


class MessageStore(Protocol):
    """Remembers messages and what became of them."""

    def add(self, message: Message, record: Record) -> Record | None:
        """Store a new message; where it is already there, change nothing and return the record that it has."""

    def find(self, message_id: str) -> tuple[Message, Record] | None:
        """A message and what is known of it; None when it is not there (any more)."""

    def change(
        self, message_id: str, channel: str, before: Delivery, after: Delivery, due_at: int | None = None
    ) -> bool:
        """Replace one channel's delivery; False, and nothing changed, when it is no longer ``before``.

        ``due_at`` is when the message is due, 0 for never more; None leaves that as it is.
        """

    def postpone(self, message_id: str, due_at: int) -> None:
        """Change when the message is due, and nothing else."""

    def hold(self, message_id: str, duplicate_of: str) -> None:
        """Let a message that nobody was rung for ring nobody: another one has its content."""


class Notifier(Protocol):
    """Delivers a notification to the owner by one channel."""

    def notify(self, notification: Notification) -> str:
        """Deliver and return the provider's reference; raises an :class:`InvokeError`."""


class CheckingNotifier(Notifier, Protocol):
    """A notifier that can be asked beforehand."""

    def check(self, notification: Notification) -> Quota | None:
        """Find out whether it could be delivered, and ring nobody; raises an :class:`InvokeError` where it could not.

        Returns what is left of the provider's quota; None where there is none, or none is known.
        """


@dataclass(frozen=True, slots=True)
class Means:
    """What a run works with, for the message's site."""

    site: Site | None
    """None for a site that has left the configuration since."""
    channels: Mapping[str, Channel]
    notifiers: Mapping[str, Notifier]
    store: MessageStore
    recent: Recent
    now: Callable[[], int]
    give_up: int = GIVE_UP
    """The age in seconds from which on a message is not tried any more."""
    told: Callable[[Message, str, Delivery], None] = lambda message, channel, delivery: None
    """Is told of each outcome of a channel, once it is recorded."""


def deliver(message: Message, verdict: Verdict, means: Means, invocation: Invocation) -> dict[str, object]:
    """Store a message, try every channel that still has to deliver it, and say how it ended.

    ``verdict`` is what was found of a new message. What the record holds counts, once there is one: a retry may find
    something else, as by then more messages have come.

    Returns
    -------
    ``{"source": "herald.contact", "action": …, "message": {"id": …, "site": …, "channels": {name: state}}}``, and in
    ``message``, where there are any, ``signals`` with their ``score``, and ``duplicate_of``.

    Raises
    ------
    DeliveryIncompleteError
        At least one channel still waits; to be run again.
    """
    due_at = 0 if verdict.held else means.now() + LEASE
    new = Record(invocation.id, dict.fromkeys(means.channels, Delivery()), verdict, due_at)
    record = means.store.add(message.to_keep(), new) or new
    first_seen = record.owner == invocation.id
    record = _compared(message, record, means)
    if record.verdict.held:
        return _answer(message, Action(record.verdict.held) if first_seen else Action.DUPLICATE, record)
    run = _Run(message, record, means, invocation)
    run.every_channel()
    action = conclude(run.deliveries, means.channels) if first_seen or run.worked else Action.DUPLICATE
    return _answer(message, action, replace(record, deliveries=run.deliveries))


def deliver_again(message: Message, record: Record, means: Means, invocation: Invocation) -> dict[str, object]:
    """Try every channel that is due of a message that was stored before: what the scheduled retry asks for.

    Returns what :func:`deliver` does, save that what still waits is no error but the action ``waiting``: the scheduled
    retry comes again by itself, and that what has ended before is ``duplicate``, as its end was told then.
    """
    record = _compared(message, record, means)
    if record.verdict.held:
        means.store.postpone(message.id, 0)
        return _answer(message, Action(record.verdict.held), record)
    run = _Run(message, record, means, invocation)
    run.every_channel()
    if not run.worked:
        # It was due and there was nothing to do: another run has it, or its channel is gone.
        means.store.postpone(message.id, run.due_at())
    try:
        action = conclude(run.deliveries, means.channels)
    except DeliveryIncompleteError:
        action = Action.WAITING
    else:
        # What is held as uncertain may have become so by a change of herald.toml alone: rather told twice than never.
        if not run.worked and action is not Action.UNCERTAIN:
            action = Action.DUPLICATE
    return _answer(message, action, replace(record, deliveries=run.deliveries))


def _compared(message: Message, record: Record, means: Means) -> Record:
    """The record, held as a duplicate if nothing was tried yet and another message stands for this one.

    Only once it is stored: whoever is told "another message has your content" must be able to rely on that one.
    """
    if record.verdict.held or not _is_untouched(record) or not (first := same_content(message, means)):
        return record
    means.store.hold(message.id, first)
    return replace(record, verdict=replace(record.verdict, held=Held.DUPLICATE, duplicate_of=first))


def same_content(message: Message, means: Means) -> str:
    """The id of a message that said the same a short time before and rings in this one's stead; empty if there is none.

    A message with a key of its own is no repetition. One that rings nobody, because it is in quarantine, was refused or
    is not there any more, stands in for none.
    """
    site = means.site
    if site is None or not site.once_within or message.keyed:
        return ""
    what = f"content#{content(site.name, message.fields)}"
    first = means.recent.first(what, message.id, message.received_at, site.once_within)
    if first == message.id:
        return ""
    found = means.store.find(first)
    if found is not None and _rings(found[1]):
        return first
    means.recent.take_over(what, message.id, message.received_at, site.once_within)
    return ""


def _rings(record: Record) -> bool:
    gone = (State.REJECTED, State.EXPIRED)
    return not record.verdict.held and any(each.state not in gone for each in record.deliveries.values())


def _is_untouched(record: Record) -> bool:
    return all(each == Delivery() for each in record.deliveries.values())


class _Run:
    """One run on one message: what it found and does, channel by channel."""

    def __init__(self, message: Message, record: Record, means: Means, invocation: Invocation) -> None:
        self.deliveries = dict(record.deliveries)
        self.worked = False
        self._message = message
        self._means = means
        self._invocation = invocation
        self._too_old_at = max(message.received_at, record.replayed_at) + means.give_up
        self._lock = threading.Lock()
        self._writing = 0
        self._crossed = False
        """Whether two outcomes were written at once, of which the first may have come last."""

    def every_channel(self) -> None:
        """Try all of them side by side, so that a slow one delays no other; raises what any raised, once all ended."""
        if len(self.deliveries) < 2:
            for name in self.deliveries:
                self._one(name)
            return
        # Loaded here alone: most sites have one channel.
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(len(self.deliveries)) as pool:
            for done in [pool.submit(self._one, name) for name in self.deliveries]:
                done.result()
        if self._crossed and not self.due_at():
            self._means.store.postpone(self._message.id, 0)

    def _one(self, name: str) -> None:
        recorded, now = self.deliveries[name], self._means.now()
        delivery = self.deliveries[name] = understood(recorded, now)
        # A channel that left the configuration since can't be rung; it stays as it is and is not forgotten.
        channel, notifier = self._means.channels.get(name), self._means.notifiers.get(name)
        # What was never tried is tried once, however long it lay in a queue.
        untried = delivery.state is State.PENDING and channel is not None and notifier is not None
        if now >= self._too_old_at and may_expire(delivery, channel) and not untried:
            delivery = replace(delivery, state=State.EXPIRED, next_attempt_at=0, since=now)
            self.worked |= self._change(name, recorded, delivery)
            return
        in_time = now + LEASE <= self._invocation.ends_at
        if channel is not None and notifier is not None and in_time and may_send(delivery, channel, now):
            claimed = claim(delivery, self._invocation, now)
            if not self._means.store.change(self._message.id, name, recorded, claimed):
                return
            self.worked = True
            self.deliveries[name] = claimed
            outcome = attempt(notifier, notification.from_contact(self._message), claimed, channel, self._means.now)
            self._change(name, claimed, outcome)
        elif delivery is not recorded:
            self.worked |= self._change(name, recorded, delivery)

    def _change(self, name: str, before: Delivery, after: Delivery) -> bool:
        with self._lock:
            self.deliveries[name] = after
            due_at = self.due_at()
            self._crossed |= self._writing > 0
            self._writing += 1
        changed = self._means.store.change(self._message.id, name, before, after, due_at)
        with self._lock:
            self._writing -= 1
        if changed:
            self._means.told(self._message, name, after)
        return changed

    def due_at(self) -> int:
        """When the scheduled retry has to look at the message, as far as this run knows; 0 for never more."""
        times = [
            due_at(each, self._means.channels.get(name), self._too_old_at) for name, each in self.deliveries.items()
        ]
        return min(filter(None, times), default=0)


def gone(message_id: str, site: str) -> dict[str, object]:
    """The answer where a message is to be tried again that was deleted in the meantime."""
    return {
        "source": SOURCE,
        "action": str(Action.DUPLICATE),
        "message": {"id": message_id, "site": site, "channels": {}},
    }


def _answer(message: Message, action: Action, record: Record) -> dict[str, object]:
    verdict = record.verdict
    return {
        "source": SOURCE,
        "action": str(action),
        "message": {
            "id": message.id,
            "site": message.site,
            "channels": {name: str(delivery.state) for name, delivery in record.deliveries.items()},
            **({"signals": list(verdict.signals), "score": verdict.score} if verdict.signals else {}),
            **({"duplicate_of": verdict.duplicate_of} if verdict.duplicate_of else {}),
        },
    }


def understood(delivery: Delivery, now: int) -> Delivery:
    """The delivery as it must be taken: whoever claimed it and died may have reached the provider, or not."""
    if delivery.state is State.SENDING and delivery.until <= now:
        return replace(delivery, state=State.UNCERTAIN, next_attempt_at=now, error="Interrupted", since=now)
    return delivery


def may_expire(delivery: Delivery, channel: Channel | None) -> bool:
    """Whether a channel of a message that is too old is given up: not what has ended, and nothing in mid-air."""
    return not (_is_final(delivery.state) or _is_held(delivery, channel) or delivery.state is State.SENDING)


def may_send(delivery: Delivery, channel: Channel, now: int) -> bool:
    """Whether this channel may be rung now."""
    if delivery.state is State.PENDING:
        return True
    if delivery.state is State.WAITING or (delivery.state is State.UNCERTAIN and channel.ring_again):
        return delivery.next_attempt_at <= now
    return False


def claim(delivery: Delivery, invocation: Invocation, now: int) -> Delivery:
    """The delivery while this invocation calls the notifier."""
    return Delivery(
        state=State.SENDING,
        attempts=delivery.attempts + 1,
        owner=invocation.run,
        until=now + LEASE,
        since=now,
    )


def due_at(delivery: Delivery, channel: Channel | None, too_old_at: int) -> int:
    """The second from which there is something to do for a channel; 0 for never."""
    if _is_final(delivery.state) or _is_held(delivery, channel):
        return 0
    match delivery.state:
        case State.SENDING:
            return delivery.until
        case _ if channel is None:
            return too_old_at
        case State.PENDING:
            return 1  # At once.
    return min(delivery.next_attempt_at, too_old_at)


def pause_after(attempts: int, channel: Channel, asked_for: int) -> int:
    """Seconds until the next attempt: at least what the channel and the provider want, and from the fourth on longer
    each time, as Lambda's own attempts are over."""
    patience = min(FIRST_PAUSE * 2 ** min(attempts - LAMBDA_ATTEMPTS, 20), LONGEST_PAUSE)
    return max(channel.pause, asked_for, patience if attempts >= LAMBDA_ATTEMPTS else 0)


def attempt(
    notifier: Notifier, what: Notification, claimed: Delivery, channel: Channel, now: Callable[[], int]
) -> Delivery:
    """Call the notifier once and say what is known afterwards."""
    try:
        reference = notifier.notify(what)
    except InvokeError as error:
        state = state_after(error)
        wait = pause_after(claimed.attempts, channel, error.retry_after or 0)
        return replace(
            claimed,
            state=state,
            until=0,
            next_attempt_at=0 if _is_final(state) else now() + wait,
            error=type(error).__name__,
            since=now(),
        )
    return replace(claimed, state=State.DELIVERED, until=0, reference=reference, since=now())


def state_after(error: InvokeError) -> State:
    """What a notifier's error says about the delivery."""
    match error:
        case InvalidRequestError() | ChannelRejectedError():
            return State.REJECTED
        case ChannelUnavailableError():
            return State.WAITING
        case ChannelUncertainError():
            return State.UNCERTAIN
    raise error


def conclude(deliveries: Mapping[str, Delivery], channels: Mapping[str, Channel]) -> Action:
    """How the message ended; raises :class:`DeliveryIncompleteError` while any channel may still deliver.

    One channel that will never deliver makes the whole message ``undeliverable``, whatever the others did: the owner
    must hear of it. The answer's ``channels`` say which it was.
    """
    open_ones = [
        f"{name} {delivery.state}"
        for name, delivery in deliveries.items()
        if not _is_final(delivery.state) and not _is_held(delivery, channels.get(name))
    ]
    if open_ones:
        raise DeliveryIncompleteError(f"still to deliver: {', '.join(open_ones)}")
    states = {delivery.state for delivery in deliveries.values()}
    # Without any channel, as when its site has left the configuration, nobody was told.
    if states & {State.REJECTED, State.EXPIRED} or not states:
        return Action.UNDELIVERABLE
    return Action.UNCERTAIN if State.UNCERTAIN in states else Action.DELIVERED


def _is_final(state: State) -> bool:
    return state in (State.DELIVERED, State.REJECTED, State.EXPIRED)


def _is_held(delivery: Delivery, channel: Channel | None) -> bool:
    return delivery.state is State.UNCERTAIN and channel is not None and not channel.ring_again
