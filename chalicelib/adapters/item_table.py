"""Read and change single items of the message table, for every adapter that keeps something in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.adapters.aws import AwsError, ServiceError
from chalicelib.adapters.dynamodb_items import from_item, to_item
from chalicelib.errors import StoreError

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


KEYS_AT_ONCE = 100
"""The limit of BatchGetItem: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""
_MAX_EMPTY_ANSWERS = 8
"""How often a request is repeated after an answer without any item. An answer with some of them is no failure:
DynamoDB limits an answer to 16 MB."""


class Update(NamedTuple):
    """The outcome of a change."""

    done: bool
    """False where its condition failed, so that nothing was changed."""
    item: dict[str, Any]
    """The attributes that ``returns`` asked for; where the condition failed, those of the item that is there."""


class ItemTable:
    """One table. Each method raises :class:`~chalicelib.errors.StoreError` where DynamoDB fails."""

    def __init__(self, dynamodb: DynamoDBClient, name: str) -> None:
        self._dynamodb = dynamodb
        self._name = name

    def read(self, key: str) -> dict[str, Any]:
        """The item of this key, consistently with all earlier writes; empty without one."""
        with aws_errors_as_store_errors():
            answer = self._dynamodb.get_item(TableName=self._name, Key=to_item({"id": key}), ConsistentRead=True)
        return from_item(answer.get("Item", {}))

    def read_many(self, keys: Sequence[str], pause: Callable[[float], None] = time.sleep) -> dict[str, dict[str, Any]]:
        """Items by their keys, :data:`KEYS_AT_ONCE` at most; those that don't exist are left out."""
        found: dict[str, dict[str, Any]] = {}
        wanted: Any = {self._name: {"Keys": [to_item({"id": key}) for key in keys], "ConsistentRead": True}}
        empty_answers = 0
        while wanted and keys:
            with aws_errors_as_store_errors():
                answer = self._dynamodb.batch_get_item(RequestItems=wanted)
            items = answer["Responses"].get(self._name, [])
            found |= {item["id"]: item for item in map(from_item, items)}
            wanted = answer.get("UnprocessedKeys")
            if wanted and not items:
                empty_answers += 1
                if empty_answers > _MAX_EMPTY_ANSWERS:
                    raise StoreError("UnprocessedKeys")
                pause(0.05 * 2**empty_answers)
        return found

    def put(
        self, item: Mapping[str, object], condition: str = "", values: Mapping[str, object] | None = None
    ) -> dict[str, Any] | None:
        """Write a whole item. Where the condition fails, write nothing and return the item that is there."""
        request = _request(condition, values)
        try:
            self._dynamodb.put_item(TableName=self._name, Item=to_item(item), **request)
        except AwsError as error:
            return _existing_item(error)
        return None

    def update(
        self,
        key: str,
        update: str,
        values: Mapping[str, object] | None = None,
        *,
        condition: str = "",
        names: Mapping[str, str] | None = None,
        returns: str = "",
    ) -> Update:
        """Change attributes of an item, if the condition holds.

        ``update``, ``condition``, ``values``, ``names`` and ``returns`` (``ALL_NEW``, ``ALL_OLD``) are UpdateItem's
        own: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
        """
        request = _request(condition, values)
        if names:
            request["ExpressionAttributeNames"] = names
        if returns:
            request["ReturnValues"] = returns
        try:
            answer = self._dynamodb.update_item(
                TableName=self._name, Key=to_item({"id": key}), UpdateExpression=update, **request
            )
        except AwsError as error:
            return Update(False, _existing_item(error))
        return Update(True, from_item(answer.get("Attributes", {})))

    def delete(self, key: str, *, returns: str = "") -> dict[str, Any]:
        """Delete an item; with ``returns="ALL_OLD"`` return what it was."""
        request: Any = {"ReturnValues": returns} if returns else {}
        with aws_errors_as_store_errors():
            answer = self._dynamodb.delete_item(TableName=self._name, Key=to_item({"id": key}), **request)
        return from_item(answer.get("Attributes", {}))

    def take(self, key: str, most: int, until: int) -> bool:
        """Take one of ``most``, counted in an item that expires; False where none is left.

        A repetition whose first answer was lost takes two: one use less, never one more.
        """
        return self.update(
            key,
            "ADD sent :one SET expires_at = :until",
            {":one": 1, ":until": until, ":most": most},
            condition="attribute_not_exists(sent) OR sent < :most",
        ).done


@contextmanager
def aws_errors_as_store_errors() -> Iterator[None]:
    """Turn every error of the table into a :class:`StoreError`."""
    try:
        yield
    except AwsError as error:
        raise StoreError(error.reason) from error


def _request(condition: str, values: Mapping[str, object] | None) -> dict[str, Any]:
    request: dict[str, Any] = {"ExpressionAttributeValues": to_item(values)} if values else {}
    if condition:
        request |= {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    return request


def _existing_item(error: AwsError) -> dict[str, Any]:
    """The item for which a write's condition failed; raises a :class:`StoreError` for any other error."""
    if not isinstance(error, ServiceError) or error.code != "ConditionalCheckFailedException":
        raise StoreError(error.reason) from error
    return from_item(error.fields.get("Item", {}))
