"""The arithmetic of a budget of rings: what messages leave for summaries. docs/delivery.md, "A budget of rings"."""

from __future__ import annotations

import pytest

from chalicelib.logic.notification import Quota
from chalicelib.logic.ring_budget import BUDGET_SHARES, DAY, HOUR, SUMMARY_SHARE, Balance, apply_quota, spend_ring
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


def test_messages_ring_again_once_the_provider_s_quota_was_raised() -> None:
    low = apply_quota(Balance(), Quota(10_000, 1_001, NOW + 20 * DAY), RINGS, NOW)
    spent = spend_ring(low, RINGS, BUDGET_SHARES[-1], NOW)
    assert spent
    raised = apply_quota(spent, Quota(10_000, 2_000, NOW + 20 * DAY), RINGS, NOW)
    assert spend_ring(spent, RINGS, BUDGET_SHARES[-1], NOW + HOUR) is None
    assert spend_ring(raised, RINGS, BUDGET_SHARES[-1], NOW + HOUR)
