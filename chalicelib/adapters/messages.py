"""The DynamoDB table that remembers every message and what became of it on each channel.

One item per message, key ``id``. ``submission`` is the JSON text of the message as it was published, so its fields keep
their order; ``deliveries`` maps each channel's name to its state; ``held`` says why nobody is rung, ``signals`` and
``score`` what speaks against the message, ``duplicate_of`` which message had the same content.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws import reason
from chalicelib.errors import StoreError
from chalicelib.logic.delivery import Delivery, Record, State
from chalicelib.logic.spam import Held, Verdict
from chalicelib.logic.submission import Message
from chalicelib.settings import Site

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

DAY = 24 * 60 * 60
RETENTION_DAYS = 365
"""How long the message of a site is kept that has left the configuration."""
_IDENTITY = ("state", "attempts", "owner")
"""What tells one delivery from the one that comes after it, whatever else a later release may store beside."""


class MessageTable:
    """A :class:`~chalicelib.logic.delivery.MessageStore` in DynamoDB, by conditional writes alone."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, sites: Mapping[str, Site]) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._sites = sites

    def add(self, message: Message, record: Record) -> Record | None:
        """Store a new message; where it is already there, change nothing and return its record."""
        item: dict[str, Any] = {
            "id": {"S": message.id},
            "site": {"S": message.site},
            "received_at": {"N": str(message.received_at)},
            "stored_at": {"N": str(int(time.time()))},
            "owner": {"S": record.owner},
            "submission": {"S": message.serialize()},
            "deliveries": {"M": {name: {"M": _encoded(delivery)} for name, delivery in record.deliveries.items()}},
        }
        verdict = record.verdict
        if verdict.signals:
            item["signals"] = {"L": [{"S": signal} for signal in verdict.signals]}
            item["score"] = {"N": str(verdict.score)}
        if verdict.held:
            item["held"] = {"S": str(verdict.held)}
        if verdict.duplicate_of:
            item["duplicate_of"] = {"S": verdict.duplicate_of}
        site = self._sites.get(message.site)
        days = site.retention_days if site else RETENTION_DAYS
        item["expires_at"] = {"N": str(message.received_at + days * DAY)}
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except (BotoCoreError, ClientError) as error:
            there = item_in_the_way(error)
            return Record(
                owner=there["owner"]["S"],
                deliveries={name: _decoded(value["M"]) for name, value in there["deliveries"]["M"].items()},
                verdict=_verdict(there),
            )
        return None

    def change(self, message_id: str, channel: str, before: Delivery, after: Delivery) -> bool:
        """Replace one channel's delivery; False, and nothing changed, when it is no longer ``before``.

        The SDK repeats a write whose answer was lost, and then fails on its own success: what stands there counts.
        """
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"id": {"S": message_id}},
                UpdateExpression="SET deliveries.#channel = :after",
                ConditionExpression=" AND ".join(f"deliveries.#channel.#{name} = :{name}" for name in _IDENTITY),
                ExpressionAttributeNames={"#channel": channel, **{f"#{name}": name for name in _IDENTITY}},
                ExpressionAttributeValues={
                    **{f":{name}": _encoded(before)[name] for name in _IDENTITY},
                    ":after": {"M": _encoded(after)},
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except (BotoCoreError, ClientError) as error:
            there = item_in_the_way(error)
            delivery = there.get("deliveries", {}).get("M", {}).get(channel)
            return delivery is not None and _decoded(delivery["M"]) == after
        return True


def item_in_the_way(error: BotoCoreError | ClientError) -> dict[str, Any]:
    """The item that made a condition fail; any other error is a :class:`StoreError`."""
    if reason(error) != "ConditionalCheckFailedException" or not isinstance(error, ClientError):
        raise StoreError(reason(error)) from error
    item: dict[str, Any] = dict(error.response).get("Item", {})  # type: ignore[assignment]
    return item


def _verdict(item: Mapping[str, Any]) -> Verdict:
    return Verdict(
        signals=tuple(signal["S"] for signal in item.get("signals", {}).get("L", [])),
        score=int(item.get("score", {}).get("N", 0)),
        held=Held(item["held"]["S"]) if "held" in item else None,
        duplicate_of=item.get("duplicate_of", {}).get("S", ""),
    )


def _encoded(delivery: Delivery) -> dict[str, Any]:
    encoded: dict[str, Any] = {}
    for field in fields(delivery):
        value = getattr(delivery, field.name)
        encoded[field.name] = {"N": str(value)} if isinstance(value, int) else {"S": str(value)}
    return encoded


def _decoded(attributes: Mapping[str, Any]) -> Delivery:
    known = {field.name for field in fields(Delivery)}
    values: dict[str, Any] = {
        name: int(value["N"]) if "N" in value else value["S"] for name, value in attributes.items() if name in known
    }
    return Delivery(**values | {"state": State(values["state"])})
