"""Store what each channel has spent of its budget of rings: one small item of the table, ``rings#<channel>``.

The item has the fields of ``ring_budget.Balance``: ``hour_at``, ``day_at`` and ``paced_at`` say when each bucket is
full again, ``pace`` the least seconds between two notifications until ``pace_until``.

Spending a ring is one conditional write, which rarely needs a read first: the bucket of a quiet channel is full, and a
process remembers what it read last. A bucket that a process remembers as empty is refilled by time, or by a new quota
that another process has read. Neither needs a write here, so a flood over the budget costs none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.item_table import ItemTable
from chalicelib.logic.ring_budget import (
    BUDGET_SHARES,
    SUMMARY_SHARE,
    Balance,
    apply_quota,
    free_at,
    full_since,
    spend_ring,
)

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from chalicelib.logic.notification import Quota
    from chalicelib.settings import Channel

MAX_SECONDS = 7
"""Seconds after which no further write is begun when other runs write first; the message is left to the summary. The
last write may take 7 s more, which ``destined`` has."""


class RingTable:
    """A :class:`~chalicelib.logic.ring_budget.RingBudget` in DynamoDB."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, seconds: Callable[[], float] = time.monotonic) -> None:
        self._table = ItemTable(dynamodb, table)
        self._seconds = seconds
        self._known: dict[str, Balance] = {}

    def take(self, channel: Channel, person_rank: int, now: int) -> bool:
        """Spend one ring for a message of this ``person_rank``; without a limit there is always one."""
        return self._take(channel, BUDGET_SHARES[person_rank], now, paced=True)

    def take_for_summary(self, channel: Channel, now: int, *, early: bool) -> int:
        """Spend one ring for a summary and return 0, or return when one is free: at the pace of messages if early."""
        if channel.rings is None or self._take(channel, SUMMARY_SHARE, now, paced=early):
            return 0
        return free_at(self._known[channel.name], channel.rings, now, paced=early)

    def slow_down(self, channel: Channel, quota: Quota, now: int) -> None:
        """Pace the channel so that its provider's quota lasts. A write only where the pace changes by a tenth."""
        if channel.rings is None:
            return
        known = self._known.get(channel.name, Balance())
        after = apply_quota(known, quota, channel.rings, now)
        before = known.pace if known.pace_until > now else 0
        if abs(after.pace - before) * 10 <= before:
            return
        # All of a balance, also where no ring was spent yet: the next one is spent on the condition that it is there.
        update = "SET pace = :pace, pace_until = :until, hour_at = if_not_exists(hour_at, :zero), "
        update += "day_at = if_not_exists(day_at, :zero)"
        values = {":pace": after.pace, ":until": after.pace_until, ":zero": 0}
        if after.paced_at != known.paced_at:
            update, values[":paced"] = f"{update}, paced_at = :paced", after.paced_at
        self._table.update(_key(channel), update, values)
        self._known[channel.name] = after

    def _take(self, channel: Channel, share: float, now: int, *, paced: bool) -> bool:
        if channel.rings is None:
            return True
        known, ends_at = self._known.get(channel.name, Balance()), self._seconds() + MAX_SECONDS
        while after := spend_ring(known, channel.rings, share, now, paced=paced):
            condition, values = _unchanged(known, full_since(channel.rings, share, now))
            values |= {":hour": after.hour_at, ":day": after.day_at, ":paced": after.paced_at}
            update = "SET hour_at = :hour, day_at = :day, paced_at = :paced"
            done, item = self._table.update(_key(channel), update, values, condition=condition)
            known = self._known[channel.name] = after if done else _balance(item)
            if done:
                return True
            if self._seconds() >= ends_at:
                break
        return False


def _key(channel: Channel) -> str:
    return f"rings#{channel.name}"


def _unchanged(known: Balance, since: int) -> tuple[str, dict[str, int]]:
    """Return the condition of the write: the buckets are full since ``since``, or the balance is unchanged."""
    if known.is_full(since):
        paced = "(attribute_not_exists(pace_until) OR pace_until <= :since)"
        return f"attribute_not_exists(hour_at) OR (hour_at <= :since AND day_at <= :since AND {paced})", {
            ":since": since
        }
    return "hour_at = :hour_before AND day_at = :day_before", {
        ":hour_before": known.hour_at,
        ":day_before": known.day_at,
    }


def _balance(item: Mapping[str, Any]) -> Balance:
    return Balance(**{name: item.get(name, 0) for name in ("hour_at", "day_at", "paced_at", "pace", "pace_until")})
