"""Store when the owner was last notified of a failure, in one item of the message table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.aws import AwsError
from chalicelib.adapters.dynamodb_items import from_item, to_item
from chalicelib.adapters.messages import existing_item, store_errors

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_KEY = to_item({"id": "alarm#"})


class AlarmItem:
    """An :class:`~chalicelib.logic.alarm.AlarmLog` in DynamoDB."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def failed(self, now: int, quiet: int) -> int:
        """Count a failure; returns how many to report now, this one included."""
        unreported = self._start_quiet_time(
            now, "attribute_not_exists(notified_at) OR notified_at <= :since", now - quiet
        )
        if unreported is not None:
            return unreported + 1
        with store_errors():
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_KEY,
                UpdateExpression="ADD unreported :one",
                ExpressionAttributeValues=to_item({":one": 1}),
            )
        return 0

    def unreported(self, now: int, quiet: int) -> int:
        """Return how many failures to report now."""
        return self._start_quiet_time(now, "notified_at <= :since AND unreported > :none", now - quiet) or 0

    def put_back(self, number: int, notified_at: int) -> None:
        """Count failures again, and set the start of the quiet time to ``notified_at``."""
        with store_errors():
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_KEY,
                UpdateExpression="SET notified_at = :then ADD unreported :number",
                ExpressionAttributeValues=to_item({":then": notified_at, ":number": number}),
            )

    def _start_quiet_time(self, now: int, condition: str, since: int) -> int | None:
        """Start a quiet time if the condition holds; returns how many failures were unreported, or None."""
        try:
            before = self._dynamodb.update_item(
                TableName=self._table,
                Key=_KEY,
                UpdateExpression="SET notified_at = :now, unreported = :none",
                ConditionExpression=condition,
                ExpressionAttributeValues=to_item({":now": now, ":none": 0, ":since": since}),
                ReturnValues="ALL_OLD",
            )
        except AwsError as error:
            existing_item(error)
            return None
        return int(from_item(before.get("Attributes", {})).get("unreported", 0))
