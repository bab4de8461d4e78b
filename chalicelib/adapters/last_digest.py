"""Store the end of the time that each site's last digest covered, in one item of the message table for each site."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.aws import AwsError
from chalicelib.adapters.dynamodb_items import from_item, to_item
from chalicelib.adapters.messages import existing_item, store_errors

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

RETENTION = 30 * 24 * 60 * 60
"""Seconds after which an item that is not renewed expires, as its site or the stage's digest was removed."""


class DigestItems:
    """A :class:`~chalicelib.logic.digest.DigestLog` in DynamoDB, by conditional writes."""

    def __init__(
        self, dynamodb: DynamoDBClient, table: str, new_run: Callable[[], str] = lambda: uuid.uuid4().hex
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._new_run = new_run

    def reported_until(self, site: str) -> int | None:
        with store_errors():
            answer = self._dynamodb.get_item(TableName=self._table, Key=_key(site), ConsistentRead=True)
        return from_item(answer.get("Item", {})).get("reported_until")

    def claim(self, site: str, before: int | None, until: int) -> bool:
        """Store ``until`` unless another run did. ``run`` recognises our own write if its answer was lost."""
        run = self._new_run()
        values: dict[str, object] = {":until": until, ":run": run, ":end": until + RETENTION}
        condition = "attribute_not_exists(reported_until)"
        if before is not None:
            condition, values[":before"] = "reported_until = :before", before
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(site),
                UpdateExpression="SET reported_until = :until, run = :run, expires_at = :end",
                ConditionExpression=condition,
                ExpressionAttributeValues=to_item(values),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except AwsError as error:
            return bool(existing_item(error).get("run") == run)
        return True

    def put_back(self, site: str, until: int, before: int | None) -> None:
        values: dict[str, object] = {":until": until}
        update = "REMOVE reported_until"
        if before is not None:
            update, values[":before"] = "SET reported_until = :before", before
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(site),
                UpdateExpression=update,
                ConditionExpression="reported_until = :until",
                ExpressionAttributeValues=to_item(values),
            )
        except AwsError as error:
            existing_item(error)


def _key(site: str) -> dict[str, Any]:
    return to_item({"id": f"digest#{site}"})
