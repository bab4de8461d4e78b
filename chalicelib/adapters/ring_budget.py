"""What each channel has spent of its budget of rings: one small item of the table for each, ``rings#<channel>``.

A ring is spent by one conditional write. Which one is known before it, mostly: a channel that was quiet has a full
bucket, and a process remembers what it read last. Buckets only fill with time, so what a process remembers as empty is
empty, and a flood beyond the budget costs no write here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.aws import AwsError
from chalicelib.adapters.dynamodb_items import to_item
from chalicelib.adapters.messages import existing_item, store_errors
from chalicelib.logic.ring_budget import SHARES, SUMMARY_SHARE, Balance, free_at, pace_for, spend

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from chalicelib.logic.notification import Quota
    from chalicelib.settings import Channel

MAX_TRIES = 10
"""How often a write is tried that others were quicker with; then there is no ring, and a summary tells of it."""


class RingTable:
    """A :class:`~chalicelib.logic.ring_budget.RingBudget` in DynamoDB."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._known: dict[str, Balance] = {}

    def take(self, channel: Channel, rank: int, now: int) -> bool:
        """Spend one ring for a message of this rank."""
        return self._take(channel, SHARES[rank], now)

    def take_for_summary(self, channel: Channel, now: int) -> bool:
        """Spend one ring for a summary."""
        return self._take(channel, SUMMARY_SHARE, now)

    def free_at(self, channel: Channel, now: int) -> int:
        """The second at which a summary may ring."""
        return free_at(self._known.get(channel.name, Balance()), channel.rings, now) if channel.rings else now

    def slow_down(self, channel: Channel, quota: Quota, now: int) -> None:
        """Pace the channel so that its provider's quota lasts. A write only where the pace changes by a tenth."""
        known = self._known.get(channel.name, Balance())
        pace = pace_for(quota, channel.rings, now) if channel.rings else 0
        before = known.pace if known.pace_until > now else 0
        if abs(pace - before) * 10 <= before:
            return
        until = quota.reset or now
        with store_errors():
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(channel),
                UpdateExpression="SET pace = :pace, pace_until = :until",
                ExpressionAttributeValues=to_item({":pace": pace, ":until": until if pace else now}),
            )
        self._known[channel.name] = replace(known, pace=pace, pace_until=until if pace else now)

    def _take(self, channel: Channel, share: float, now: int) -> bool:
        known = self._known.get(channel.name, Balance())
        for _ in range(MAX_TRIES):
            after = spend(known, channel.rings, share, now) if channel.rings else known
            if after is None:
                self._known[channel.name] = known
                return False
            condition, values = _unchanged(known, now)
            try:
                self._dynamodb.update_item(
                    TableName=self._table,
                    Key=_key(channel),
                    UpdateExpression="SET hour_at = :hour, day_at = :day",
                    ConditionExpression=condition,
                    ExpressionAttributeValues=to_item({":hour": after.hour_at, ":day": after.day_at, **values}),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except AwsError as error:
                known = _balance(existing_item(error))
                continue
            self._known[channel.name] = after
            return True
        return False


def _key(channel: Channel) -> dict[str, Any]:
    return to_item({"id": f"rings#{channel.name}"})


def _unchanged(known: Balance, now: int) -> tuple[str, dict[str, int]]:
    """The condition under which the balance is as it is known: full, whatever it was, or just this one."""
    if known.is_full(now):
        paced = "(attribute_not_exists(pace_until) OR pace_until <= :now)"
        return f"attribute_not_exists(hour_at) OR (hour_at <= :now AND day_at <= :now AND {paced})", {":now": now}
    return "hour_at = :hour_before AND day_at = :day_before", {
        ":hour_before": known.hour_at,
        ":day_before": known.day_at,
    }


def _balance(item: Mapping[str, Any]) -> Balance:
    return Balance(**{name: item.get(name, 0) for name in ("hour_at", "day_at", "pace", "pace_until")})
