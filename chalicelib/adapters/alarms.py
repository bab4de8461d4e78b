"""When the owner was last told of a failure: one item of the message table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.aws import AwsError
from chalicelib.adapters.messages import existing_item, store_errors

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_KEY = "alarm#"


class AlarmItem:
    """An :class:`~chalicelib.logic.alarm.AlarmLog` in DynamoDB."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def failed(self, now: int, quiet: int) -> int:
        """Count a failure; returns how many to tell now, this one included."""
        told = self._tell(now, "attribute_not_exists(told_at) OR told_at <= :since", now - quiet)
        if told is not None:
            return told + 1
        with store_errors():
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"id": {"S": _KEY}},
                UpdateExpression="ADD untold :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )
        return 0

    def untold(self, now: int, quiet: int) -> int:
        """How many failures to tell now."""
        return self._tell(now, "told_at <= :since AND untold > :none", now - quiet) or 0

    def put_back(self, number: int, told_at: int) -> None:
        """Let the quiet time have begun at ``told_at``, and keep the failures for who comes after it."""
        with store_errors():
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"id": {"S": _KEY}},
                UpdateExpression="SET told_at = :then ADD untold :number",
                ExpressionAttributeValues={":then": {"N": str(told_at)}, ":number": {"N": str(number)}},
            )

    def _tell(self, now: int, condition: str, since: int) -> int | None:
        """Begin a quiet time, if the condition holds; returns how many were untold, or None where it doesn't hold."""
        try:
            before = self._dynamodb.update_item(
                TableName=self._table,
                Key={"id": {"S": _KEY}},
                UpdateExpression="SET told_at = :now, untold = :none",
                ConditionExpression=condition,
                ExpressionAttributeValues={
                    ":now": {"N": str(now)},
                    ":none": {"N": "0"},
                    ":since": {"N": str(since)},
                },
                ReturnValues="ALL_OLD",
            )
        except AwsError as error:
            existing_item(error)
            return None
        return int(before.get("Attributes", {}).get("untold", {}).get("N", 0))
