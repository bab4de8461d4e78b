"""When the owner was last notified of a failure: one item of the message table."""

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
        untold = self._start_quiet_time(now, "attribute_not_exists(told_at) OR told_at <= :since", now - quiet)
        if untold is not None:
            return untold + 1
        with store_errors():
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_KEY,
                UpdateExpression="ADD untold :one",
                ExpressionAttributeValues=to_item({":one": 1}),
            )
        return 0

    def untold(self, now: int, quiet: int) -> int:
        """How many failures to report now."""
        return self._start_quiet_time(now, "told_at <= :since AND untold > :none", now - quiet) or 0

    def put_back(self, number: int, told_at: int) -> None:
        """Count failures again, and set the start of the quiet time to ``told_at``."""
        with store_errors():
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_KEY,
                UpdateExpression="SET told_at = :then ADD untold :number",
                ExpressionAttributeValues=to_item({":then": told_at, ":number": number}),
            )

    def _start_quiet_time(self, now: int, condition: str, since: int) -> int | None:
        """Start a quiet time if the condition holds; returns how many failures were unreported, or None."""
        try:
            before = self._dynamodb.update_item(
                TableName=self._table,
                Key=_KEY,
                UpdateExpression="SET told_at = :now, untold = :none",
                ConditionExpression=condition,
                ExpressionAttributeValues=to_item({":now": now, ":none": 0, ":since": since}),
                ReturnValues="ALL_OLD",
            )
        except AwsError as error:
            existing_item(error)
            return None
        return int(from_item(before.get("Attributes", {})).get("untold", 0))
