"""The arithmetic of a budget of rings: what messages leave for summaries. docs/delivery.md, "A budget of rings"."""

from __future__ import annotations

import pytest

from chalicelib.logic.notification import Quota
from chalicelib.logic.ring_budget import (
    BUDGET_SHARES,
    DAY,
    HOUR,
    SUMMARY_SHARE,
    Balance,
    apply_quota,
    free_at,
    full_since,
    pace_for,
    spend_ring,
    tolerance,
)
from chalicelib.settings import Rings
from tests.fakes import NOW

RINGS = Rings(30, 120)


def most_within(seconds: int, times: list[int]) -> int:
    return max(sum(1 for at in times if start <= at < start + seconds) for start in times)


@pytest.mark.parametrize(
    "rings", [*(Rings(limit, 120) for limit in range(1, 6)), *(Rings(30, limit) for limit in range(1, 6))], ids=str
)
def test_in_a_flood_of_what_looks_like_people_both_messages_and_summaries_ring_within_the_limit(rings: Rings) -> None:
    balance = Balance()
    messages: list[int] = []
    summaries: list[int] = []
    for now in range(NOW, NOW + 10 * DAY, 60):
        if after := spend_ring(balance, rings, BUDGET_SHARES[-1], now):
            balance = after
            messages.append(now)
        # The scheduled retry asks for one every five minutes; its pauses have grown to six hours.
        due = not summaries or now - summaries[-1] >= 6 * HOUR
        if now % 300 == 0 and due and (after := spend_ring(balance, rings, SUMMARY_SHARE, now)):
            balance = after
            summaries.append(now)
    assert messages
    assert len(summaries) >= 3
    rang = sorted([*messages, *summaries])
    assert most_within(HOUR, rang) <= rings.hour
    assert most_within(DAY, rang) <= rings.day


def test_a_provider_s_quota_slows_messages_down_and_no_summary() -> None:
    balance = apply_quota(Balance(), Quota(10_000, 1_002, NOW + 20 * DAY), RINGS, NOW)
    for _ in range(2):
        balance = spend_ring(balance, RINGS, BUDGET_SHARES[-1], NOW) or balance
    assert spend_ring(balance, RINGS, BUDGET_SHARES[-1], NOW + DAY) is None
    assert spend_ring(balance, RINGS, SUMMARY_SHARE, NOW + DAY, paced=False)


FAST = Rings(30, DAY)
"""Whose budget is a ring each two seconds."""


def test_a_summary_waits_for_the_ring_that_comes_back_first() -> None:
    balance = Balance()
    while more := spend_ring(balance, RINGS, SUMMARY_SHARE, NOW, paced=False):
        balance = more
    free = free_at(balance, RINGS, NOW, paced=False)
    assert NOW < free < NOW + HOUR
    assert spend_ring(balance, RINGS, SUMMARY_SHARE, free - 1, paced=False) is None
    assert spend_ring(balance, RINGS, SUMMARY_SHARE, free, paced=False)
    assert free_at(balance, RINGS, free + 1, paced=False) == free + 1


def test_an_early_summary_waits_for_the_quota_s_pace_and_one_that_keeps_its_pause_does_not() -> None:
    paced = Balance(paced_at=NOW + 30 * DAY, pace=600, pace_until=NOW + HOUR)
    assert free_at(paced, RINGS, NOW, paced=True) == NOW + HOUR
    assert free_at(paced, RINGS, NOW, paced=False) == NOW


def test_a_balance_of_a_clock_that_was_years_ahead_keeps_no_summary_waiting() -> None:
    assert free_at(Balance(hour_at=NOW + 999 * DAY, day_at=NOW + 999 * DAY), RINGS, NOW, paced=True) == NOW


@pytest.mark.parametrize(("quota", "rings", "pace"), [
    (Quota(1000, 600, NOW + 5000), FAST, 10), (Quota(1000, 101, NOW + 5000), FAST, 5000),
    (Quota(1000, 100, NOW + 5000), FAST, 5000), (Quota(1000, 0, NOW + 5000), FAST, 5000),
    (Quota(19, 4, NOW + 5000), FAST, 1666), (Quota(1000, 101, NOW + 2), FAST, 0), (Quota(1000, 101, NOW + 3), FAST, 3),
    (Quota(1000, 600, NOW), FAST, 0), (Quota(1000, 600, NOW - 5), FAST, 0), (Quota(1000, 600), FAST, 0),
    (Quota(1000, 600, NOW + 5000), RINGS, 0),
])  # fmt: skip
def test_what_is_left_of_a_quota_lasts_until_its_reset_and_no_budget_becomes_faster(
    quota: Quota, rings: Rings, pace: int
) -> None:
    assert pace_for(quota, rings, NOW) == pace
    balance = apply_quota(Balance(1, 2, NOW, 7, NOW + 9), quota, rings, NOW)
    assert balance == Balance(1, 2, NOW, pace, quota.reset if pace and quota.reset else NOW)


@pytest.mark.parametrize(("rings", "room"), [(FAST, 2 * 43_199 * 0.9), (Rings(1, 1), 0)])
def test_what_was_spent_at_a_slower_pace_counts_as_if_spent_at_this(rings: Rings, room: float) -> None:
    for left, pace in ((10**9, 0), (10**8 + 1, DAY + 9)):
        quota = Quota(10**9, left, NOW + DAY + 9)
        assert apply_quota(Balance(paced_at=NOW + 10 * DAY), quota, rings, NOW).paced_at == NOW + int(room) + pace


def test_messages_ring_again_once_the_provider_s_quota_was_raised() -> None:
    low = apply_quota(Balance(), Quota(10_000, 1_001, NOW + 20 * DAY), RINGS, NOW)
    spent = spend_ring(low, RINGS, BUDGET_SHARES[-1], NOW)
    assert spent
    raised = apply_quota(spent, Quota(10_000, 2_000, NOW + 20 * DAY), RINGS, NOW)
    assert spend_ring(spent, RINGS, BUDGET_SHARES[-1], NOW + HOUR) is None
    assert spend_ring(raised, RINGS, BUDGET_SHARES[-1], NOW + HOUR)


@pytest.mark.parametrize("name", ["hour_at", "day_at", "pace_until"])
def test_a_balance_is_full_once_nothing_of_it_is_ahead(name: str) -> None:
    assert Balance().is_full(0)
    assert Balance(**{name: NOW}).is_full(NOW)
    assert not Balance(**{name: NOW + 1}).is_full(NOW)


LEAST = BUDGET_SHARES[0]


@pytest.mark.parametrize(
    ("rings", "since"),
    [(RINGS, 0), (Rings(30, 1), int(tolerance(1, DAY, LEAST))), (Rings(1, 120), int(tolerance(1, HOUR, LEAST)))],
)
def test_a_share_without_a_ring_to_spare_wants_both_buckets_to_have_been_full_for_a_while(
    rings: Rings, since: int
) -> None:
    assert full_since(rings, LEAST, NOW) == NOW + since
    assert since <= 0


@pytest.mark.parametrize(("paced", "until", "paced_at"), [(True, 1, NOW + 100), (True, 0, 0), (False, 1, 0)])
def test_a_ring_is_paced_until_the_quota_begins_anew_and_a_summary_of_growing_pauses_never(
    paced: bool, until: int, paced_at: int
) -> None:
    after = spend_ring(Balance(pace=100, pace_until=NOW + until), RINGS, SUMMARY_SHARE, NOW, paced=paced)
    assert after is not None
    assert after.paced_at == paced_at


@pytest.mark.parametrize(("name", "period"), [("hour_at", HOUR), ("day_at", DAY)])
def test_a_bucket_that_could_not_be_so_empty_is_taken_for_full(name: str, period: int) -> None:
    assert spend_ring(Balance(**{name: NOW + 2 * period}), RINGS, SUMMARY_SHARE, NOW) is None
    assert spend_ring(Balance(**{name: NOW + 2 * period + 1}), RINGS, SUMMARY_SHARE, NOW)
