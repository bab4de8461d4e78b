"""Store the last canary, as one item of the message table. No index holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalicelib.adapters.dynamodb_items import to_item
from chalicelib.adapters.messages import store_errors
from chalicelib.logic.canary import Canary

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

KEY = "canary#"


class CanaryItem:
    """A :class:`~chalicelib.logic.canary.CanaryLog` in DynamoDB. It needs the same grants as storing a message."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def record_arrival(self, canary: Canary, at: int) -> None:
        with store_errors():
            self._dynamodb.put_item(
                TableName=self._table,
                Item=to_item({"id": KEY, "canary": canary.id, "sent_at": canary.sent_at, "came_at": at}),
            )

    def record_checks(self, canary: Canary, channels: Mapping[str, str], at: int) -> None:
        with store_errors():
            self._dynamodb.update_item(
                TableName=self._table,
                Key=to_item({"id": KEY}),
                UpdateExpression="SET ended_at = :at, channels = :channels",
                ExpressionAttributeValues=to_item({":at": at, ":channels": channels}),
            )
