"""When a message is due again, and how long the pause before its next attempt is: docs/delivery.md, "Who runs a message
again"."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.logic.delivery_types import Delivery, State
from chalicelib.settings import Channel

LAMBDA_ATTEMPTS = 3
FIRST_PAUSE = 5 * 60
"""Seconds before the scheduled retry's first attempt; twice as long before each further one."""
MAX_PAUSE = 6 * 60 * 60


def next_due_at(deliveries: Mapping[str, Delivery], channels: Mapping[str, Channel], too_old_at: int) -> int:
    """The second at which the first of these channels has something to do; 0 when none ever has."""
    times = []
    for name, delivery in deliveries.items():
        channel = channels.get(name)
        if delivery.state.is_final or delivery.needs_owner_decision(channel):
            continue
        if delivery.state is State.SENDING:
            times.append(delivery.claimed_until)
        elif channel is None:
            times.append(too_old_at)
        elif delivery.state is State.PENDING:
            times.append(1)  # At once.
        else:
            times.append(min(delivery.next_attempt_at, too_old_at))
    return min(filter(None, times), default=0)


def pause_after(attempts: int, channel: Channel, asked_for: int) -> int:
    """Return the seconds until the next attempt: at least what the channel and the provider (``asked_for``) want.

    When Lambda's own attempts are over, exponential backoff is the other lower bound.
    """
    patience = min(FIRST_PAUSE * 2 ** min(attempts - LAMBDA_ATTEMPTS, 20), MAX_PAUSE)
    return max(channel.pause, asked_for, patience if attempts >= LAMBDA_ATTEMPTS else 0)
