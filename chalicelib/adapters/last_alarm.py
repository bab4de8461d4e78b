"""Store when the owner was last notified of a failure, in one item of the message table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.item_table import ItemTable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_KEY = "alarm#"


class AlarmItem:
    """An :class:`~chalicelib.logic.failure_alarm.AlarmLog` in DynamoDB."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._table = ItemTable(dynamodb, table)

    def failed(self, now: int, quiet: int) -> int:
        """Count a failure; returns how many to report now, this one included."""
        unreported = self._start_quiet_time(
            now, "attribute_not_exists(notified_at) OR notified_at <= :since", now - quiet
        )
        if unreported is not None:
            return unreported + 1
        self._table.update(_KEY, "ADD unreported :one", {":one": 1})
        return 0

    def unreported(self, now: int, quiet: int) -> int:
        """Return how many failures to report now."""
        return self._start_quiet_time(now, "notified_at <= :since AND unreported > :none", now - quiet) or 0

    def put_back(self, number: int, notified_at: int) -> None:
        """Count failures again, and set the start of the quiet time to ``notified_at``."""
        values = {":then": notified_at, ":number": number}
        self._table.update(_KEY, "SET notified_at = :then ADD unreported :number", values)

    def _start_quiet_time(self, now: int, condition: str, since: int) -> int | None:
        """Start a quiet time if the condition holds; returns how many failures were unreported, or None."""
        done, before = self._table.update(
            _KEY,
            "SET notified_at = :now, unreported = :none",
            {":now": now, ":none": 0, ":since": since},
            condition=condition,
            returns="ALL_OLD",
        )
        return int(before.get("unreported", 0)) if done else None
