"""How one message is delivered to its channels: the state machine of docs/delivery.md, which is the law here.

Per channel ``pending → sending → delivered | rejected | waiting | uncertain``. Before a channel's notifier is called,
the channel is *claimed* in the message's record, and afterwards the outcome is recorded: whoever comes later, by
retry, redelivery or replay, reads there what is known.
"""

from __future__ import annotations

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
    NotifierError,
)
from chalicelib.logic import notification
from chalicelib.logic.notification import Notification
from chalicelib.logic.spam import NOTHING_FOUND, Verdict
from chalicelib.logic.submission import Message
from chalicelib.settings import Channel

SOURCE = "herald.contact"
LEASE = 50
"""Seconds that a claim is honoured, and that a run must have left to make one. The claim is written within 7 s, the
notifier called for 27 s at most and its outcome written within 7 s (``composition.py``); Lambda's first retry comes a
minute after the run before it has ended."""


class State(StrEnum):
    """What is known of one message on one channel."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    REJECTED = "rejected"
    WAITING = "waiting"
    UNCERTAIN = "uncertain"


class Action(StrEnum):
    """How a message ended, as the bus tells it."""

    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    UNCERTAIN = "uncertain"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"


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


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one message."""

    owner: str
    """The request id of the invocation that stored it."""
    deliveries: Mapping[str, Delivery]
    verdict: Verdict = NOTHING_FOUND


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

    def change(self, message_id: str, channel: str, before: Delivery, after: Delivery) -> bool:
        """Replace one channel's delivery; False, and nothing changed, when it is no longer ``before``."""


class Notifier(Protocol):
    """Delivers a notification to the owner by one channel."""

    def notify(self, notification: Notification) -> str:
        """Deliver and return the provider's reference; raises a :class:`NotifierError`."""


def deliver(
    message: Message,
    verdict: Verdict,
    channels: Mapping[str, Channel],
    notifiers: Mapping[str, Notifier],
    store: MessageStore,
    invocation: Invocation,
    now: Callable[[], int],
) -> dict[str, object]:
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
    new = Record(invocation.id, dict.fromkeys(channels, Delivery()), verdict)
    record = store.add(message.to_keep(), new) or new
    first_seen = record.owner == invocation.id
    deliveries = dict(record.deliveries)
    if record.verdict.held:
        return _answer(message, Action(record.verdict.held) if first_seen else Action.DUPLICATE, record)
    worked = False
    for name, recorded in deliveries.items():
        delivery = understood(recorded, now())
        # A channel that left the configuration since can't be rung; it stays as it is and is not forgotten.
        channel, notifier = channels.get(name), notifiers.get(name)
        in_time = now() + LEASE <= invocation.ends_at
        if channel is not None and notifier is not None and in_time and may_send(delivery, channel, now()):
            claimed = claim(delivery, invocation, now())
            if store.change(message.id, name, recorded, claimed):
                worked = True
                delivery = attempt(notifier, notification.of_contact(message), claimed, channel, now)
                store.change(message.id, name, claimed, delivery)
        elif delivery is not recorded:
            store.change(message.id, name, recorded, delivery)
        deliveries[name] = delivery
    action = conclude(deliveries, channels) if first_seen or worked else Action.DUPLICATE
    return _answer(message, action, replace(record, deliveries=deliveries))


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
        return replace(delivery, state=State.UNCERTAIN, next_attempt_at=now, error="Interrupted")
    return delivery


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
    )


def attempt(
    notifier: Notifier, what: Notification, claimed: Delivery, channel: Channel, now: Callable[[], int]
) -> Delivery:
    """Call the notifier once and say what is known afterwards."""
    try:
        reference = notifier.notify(what)
    except NotifierError as error:
        wait = max(channel.pause, error.retry_after or 0)
        return replace(
            claimed,
            state=state_after(error),
            until=0,
            next_attempt_at=now() + wait if not _is_final(state_after(error)) else 0,
            error=type(error).__name__,
        )
    return replace(claimed, state=State.DELIVERED, until=0, reference=reference)


def state_after(error: NotifierError) -> State:
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
    if State.REJECTED in states or not states:
        return Action.UNDELIVERABLE
    return Action.UNCERTAIN if State.UNCERTAIN in states else Action.DELIVERED


def _is_final(state: State) -> bool:
    return state in (State.DELIVERED, State.REJECTED)


def _is_held(delivery: Delivery, channel: Channel | None) -> bool:
    return delivery.state is State.UNCERTAIN and channel is not None and not channel.ring_again
