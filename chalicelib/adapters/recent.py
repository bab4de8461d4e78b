"""What came lately, in the message table: records that expire, beside those of the messages.

``id`` is ``rate#<site>#<sender>``, ``proof#<challenge>`` or ``content#<hash>``, which no message's id can be. DynamoDB
deletes an expired item within days, so what is read is judged by its own times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws import reason
from chalicelib.adapters.messages import item_in_the_way
from chalicelib.errors import StoreError

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class RecentTable:
    """A :class:`~chalicelib.logic.spam.Recent` in DynamoDB. Every write may be repeated."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def first(self, what: str, message_id: str, at: int, seconds: int) -> str:
        """Leave this message's id, unless another's is there that has not expired."""
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item={
                    "id": {"S": what},
                    "message_id": {"S": message_id},
                    "expires_at": {"N": str(at + seconds)},
                },
                ConditionExpression="attribute_not_exists(id) OR message_id = :mine OR expires_at <= :at",
                ExpressionAttributeValues={":mine": {"S": message_id}, ":at": {"N": str(at)}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except (BotoCoreError, ClientError) as error:
            return str(item_in_the_way(error)["message_id"]["S"])
        return message_id

    def count(self, sender: str, message_id: str, at: int, seconds: int, most: int) -> int:
        """Add this message to the sender's set, whose members tell their times, and count those within the time.

        A set takes the same member once, so that a retry counts nothing. It is never larger than the limit needs, or a
        flood would make each write dearer than the one before.
        """
        mine, item, old = f"{at} {message_id}", {}, []
        for _ in range(2):
            try:
                item, added = self._add(sender, mine, at + seconds, most), True
            except (BotoCoreError, ClientError) as error:
                item, added = item_in_the_way(error), False
            old = self._forget_old(sender, item, at - seconds)
            if added or not old:
                break
        return len(_members(item)) - len(old) + (0 if added else 1)

    def _add(self, sender: str, member: str, expires_at: int, most: int) -> dict[str, Any]:
        answer = self._dynamodb.update_item(
            TableName=self._table,
            Key={"id": {"S": f"rate#{sender}"}},
            UpdateExpression="ADD members :one SET expires_at = :until",
            ConditionExpression="attribute_not_exists(members) OR size(members) <= :most OR contains(members, :member)",
            ExpressionAttributeValues={
                ":one": {"SS": [member]},
                ":member": {"S": member},
                ":until": {"N": str(expires_at)},
                ":most": {"N": str(most)},
            },
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        return dict(answer["Attributes"])

    def _forget_old(self, sender: str, item: dict[str, Any], since: int) -> list[str]:
        """Take members out that are of ``since`` or older; returns them."""
        old = [member for member in _members(item) if int(member.split()[0]) <= since]
        if old:
            try:
                self._dynamodb.update_item(
                    TableName=self._table,
                    Key={"id": {"S": f"rate#{sender}"}},
                    UpdateExpression="DELETE members :old",
                    ExpressionAttributeValues={":old": {"SS": old}},
                )
            except (BotoCoreError, ClientError) as error:
                raise StoreError(reason(error)) from error
        return old


def _members(item: dict[str, Any]) -> list[str]:
    return list(item.get("members", {}).get("SS", []))
