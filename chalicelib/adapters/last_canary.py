"""Store the last canary, as one item of the message table. No index holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalicelib.adapters.item_table import ItemTable
from chalicelib.logic.canary_arrival import Canary

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

KEY = "canary#"


class CanaryItem:
    """A :class:`~chalicelib.logic.canary_arrival.CanaryLog` in DynamoDB, with the grants of storing a message."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._table = ItemTable(dynamodb, table)

    def record_arrival(self, canary: Canary, at: int) -> None:
        self._table.put({"id": KEY, "canary": canary.id, "sent_at": canary.sent_at, "came_at": at})

    def record_checks(self, canary: Canary, channels: Mapping[str, str], at: int) -> None:
        self._table.update(KEY, "SET ended_at = :at, channels = :channels", {":at": at, ":channels": channels})
