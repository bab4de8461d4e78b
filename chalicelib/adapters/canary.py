"""The last canary: one item of the message table, which is in no index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalicelib.adapters.messages import store_errors
from chalicelib.logic.canary import Canary

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

KEY = "canary#"


class CanaryItem:
    """A :class:`~chalicelib.logic.canary.CanaryLog` in DynamoDB, by the writes that a message needs."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def came(self, canary: Canary, at: int) -> None:
        with store_errors():
            self._dynamodb.put_item(
                TableName=self._table,
                Item={
                    "id": {"S": KEY},
                    "canary": {"S": canary.id},
                    "sent_at": {"N": str(canary.sent_at)},
                    "came_at": {"N": str(at)},
                },
            )

    def ended(self, canary: Canary, channels: Mapping[str, str], at: int) -> None:
        with store_errors():
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"id": {"S": KEY}},
                UpdateExpression="SET ended_at = :at, channels = :channels",
                ExpressionAttributeValues={
                    ":at": {"N": str(at)},
                    ":channels": {"M": {name: {"S": error} for name, error in channels.items()}},
                },
            )
