"""Limit how often a channel sends a notification (a "ring"), whoever sends: a token bucket for an hour, one for a day.

docs/delivery.md has the rules. Half of a limit may ring at once, and the other half comes back evenly, so that no hour
and no day has more rings than the limit. A bucket is one number, the second at which it is full again (the generic cell
rate algorithm, ITU-T I.371, A.1). What looks like a person may empty it further than what doesn't: a rank, never a
refusal.

While a flood lasts, a channel's summaries follow each other at pauses that grow from 10 minutes to 6 hours
(``logic/summary.py``); one that comes before its pause is over, as a person's message may be in it, is *early*. Where a
provider's quota is nearly used up, messages and early summaries are *paced*: held to one in so many seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from chalicelib.logic.notification import Quota
from chalicelib.settings import Channel, Rings

HOUR, DAY = 3600, 24 * 3600
BUDGET_SHARES = (0.4, 0.7, 0.9)
"""The part of a bucket that messages of ``person_rank`` 0, 1 and 2 may empty; summaries may empty all of it."""
SUMMARY_SHARE = 1.0
RESERVED_PERCENT = 10
"""The percentage of a provider's quota that is kept for alarms, digests and summaries."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What a channel has spent. Times are seconds since the epoch."""

    hour_at: int = 0
    """When the hour's bucket is full again."""
    day_at: int = 0
    """When the day's bucket is full again."""
    paced_at: int = 0
    """When the bucket that ``pace`` refills is full again. Summaries that keep their growing pauses don't use it."""
    pace: int = 0
    """The least seconds between notifications, so that the provider's quota lasts."""
    pace_until: int = 0
    """When the provider's quota begins anew, and ``pace`` ends."""

    def is_full(self, now: int) -> bool:
        """Whether nothing is spent and nothing paced, which is so whenever a channel has been quiet for a while."""
        return max(self.hour_at, self.day_at, self.pace_until) <= now


class RingBudget(Protocol):
    """Spends a channel's rings; raises :class:`~chalicelib.errors.StoreError` where it can't tell."""

    def take(self, channel: Channel, person_rank: int, now: int) -> bool:
        """Spend one ring for a message of this ``Verdict.person_rank``, if its share of the budget has one."""

    def take_for_summary(self, channel: Channel, now: int, *, early: bool) -> int:
        """Spend one ring for a summary and return 0; where there is none, return the second at which one is free.

        A summary that comes before its pause is over is paced as messages are.
        """


def burst_size(limit: int) -> int:
    """How many rings may be spent at once."""
    return max(1, limit // 2)


def refill_seconds(limit: int, seconds: int) -> int:
    """Return the seconds after which one spent ring is available again."""
    return -(-seconds // (limit - burst_size(limit) + 1))


def tolerance(limit: int, seconds: int, share: float) -> float:
    """Return how far from full a bucket may be for this share to spend a ring: the algorithm's tolerance, in seconds.

    A negative value means that the bucket must have been full for that long. Messages always leave one ring for a
    summary, even if a tenth of the limit is less than one.
    """
    refill = refill_seconds(limit, seconds)
    most = (burst_size(limit) - 1) * refill
    return most if share == SUMMARY_SHARE else min(most * share, most - refill)


def full_since(rings: Rings, share: float, now: int) -> int:
    """Return the second since which both buckets must have been full, so that this share may spend a ring."""
    return now + int(min(0, tolerance(rings.hour, HOUR, share), tolerance(rings.day, DAY, share)))


def spend_ring(balance: Balance, rings: Rings, share: float, now: int, *, paced: bool = True) -> Balance | None:
    """The balance after one more ring; None where this share of the budget has none left.

    A summary whose pauses grow is not ``paced``: the reserve is there for it.
    """
    balance = _plausible(balance, now)
    if _free_at(balance, rings, share, now, paced=paced) > now:
        return None
    paced_at = balance.paced_at
    if paced and balance.pace_until > now:
        paced_at = max(paced_at, now) + balance.pace
    return replace(
        balance,
        hour_at=max(balance.hour_at, now) + refill_seconds(rings.hour, HOUR),
        day_at=max(balance.day_at, now) + refill_seconds(rings.day, DAY),
        paced_at=paced_at,
    )


def free_at(balance: Balance, rings: Rings, now: int, *, paced: bool) -> int:
    """The second at which a summary may ring."""
    return _free_at(_plausible(balance, now), rings, SUMMARY_SHARE, now, paced=paced)


def _free_at(balance: Balance, rings: Rings, share: float, now: int, *, paced: bool) -> int:
    hour, day = int(tolerance(rings.hour, HOUR, share)), int(tolerance(rings.day, DAY, share))
    times = [now, balance.hour_at - hour, balance.day_at - day]
    if paced and balance.pace_until > now:
        times.append(min(balance.paced_at - day, balance.pace_until))
    return max(times)


def _plausible(balance: Balance, now: int) -> Balance:
    """The balance with a full bucket where the time in it is beyond reach, as after a clock that was years ahead.

    An empty bucket is full again after about its period; twice that forgives clocks that differ.
    """
    hour_at, day_at = (
        at if at <= now + 2 * period else 0 for at, period in ((balance.hour_at, HOUR), (balance.day_at, DAY))
    )
    return replace(balance, hour_at=hour_at, day_at=day_at)


def pace_for(quota: Quota, rings: Rings, now: int) -> int:
    """Seconds for each ring, so that what is left of a quota lasts until its reset; 0 where the budget is slower."""
    if quota.reset is None or quota.reset <= now:
        return 0
    left = quota.remaining - quota.limit * RESERVED_PERCENT // 100
    pace = (quota.reset - now) // max(left, 1)
    return pace if pace > refill_seconds(rings.day, DAY) else 0


def apply_quota(balance: Balance, quota: Quota, rings: Rings, now: int) -> Balance:
    """Return the balance at the pace of this quota. What was spent at a slower pace counts as if spent at this."""
    pace = pace_for(quota, rings, now)
    latest = now + pace + max(0, int(tolerance(rings.day, DAY, BUDGET_SHARES[-1])))
    until = quota.reset if pace and quota.reset else now
    return replace(balance, pace=pace, pace_until=until, paced_at=min(balance.paced_at, latest))
