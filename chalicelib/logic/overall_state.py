"""Decide in which state a message is shown and listed, by what its record says and the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from chalicelib.errors import DeliveryIncompleteError
from chalicelib.logic.delivery import action_of_run, end_overdue_claim
from chalicelib.logic.delivery_types import Delivery, State
from chalicelib.logic.spam import Verdict
from chalicelib.settings import Channel


class MessageState(StrEnum):
    """The state of a message as a whole, from ``stored`` on: docs/delivery.md."""

    STORED = "stored"
    """Nothing was tried yet."""
    WAITING = "waiting"
    """At least one channel still has to deliver, and will be tried."""
    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    UNCERTAIN = "uncertain"
    QUARANTINED = "quarantined"
    SUMMARIZED = "summarized"
    """Every channel's budget of rings was spent: a summary tells of it."""
    DUPLICATE = "duplicate"
    REJECTED_PUBLICATION = "rejected"
    """What a program published is no notification; nothing of it is stored but why."""


def state_of(
    deliveries: Mapping[str, Delivery], verdict: Verdict, channels: Mapping[str, Channel], now: int
) -> MessageState:
    """Return a message's state, as its next run would find it; ``channels`` are its site's."""
    if verdict.hold_reason:
        return MessageState(verdict.hold_reason)
    if deliveries and all(delivery.is_untouched for delivery in deliveries.values()):
        return MessageState.STORED
    try:
        current = {name: end_overdue_claim(delivery, now) for name, delivery in deliveries.items()}
        return MessageState(action_of_run(current, channels))
    except DeliveryIncompleteError:
        return MessageState.WAITING


def current_delivery(delivery: Delivery, now: int, channel: Channel | None) -> Delivery:
    """Return a delivery as it is now: an overdue claim is ``uncertain``, and a held one has no next attempt."""
    current = end_overdue_claim(delivery, now)
    if current is not delivery:
        current = replace(current, since=delivery.claimed_until, next_attempt_at=delivery.claimed_until)
    if current.state is State.UNCERTAIN and not (channel and channel.retry_uncertain):
        return replace(current, next_attempt_at=0)
    return current
