"""The DynamoDB table that remembers every message and what became of it on each channel.

One item per message, key ``id``. ``submission`` is the JSON text of the message as it was published, so its fields keep
their order; ``deliveries`` maps each channel's name to its state; ``held`` says why nobody is rung, ``signals`` and
``score`` what speaks against the message, ``duplicate_of`` which message had the same content. ``history`` has a line
for each outcome of each channel. ``due_at``, with ``due`` beside it, is there as long as the scheduled retry has to
look at the message: an index of these two holds nothing else. ``replayed_at`` is when a person had it tried anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.aws import AwsError, ServiceError
from chalicelib.errors import StoreError
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.retry_due import DueMessage
from chalicelib.logic.spam import HoldReason, Verdict
from chalicelib.logic.submission import Message
from chalicelib.settings import Stage

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import AttributeValueTypeDef

DAY = 24 * 60 * 60
RETENTION_DAYS = 365
"""How long the message of a site is kept that has left the configuration."""
DUE: AttributeValueTypeDef = {"S": "yes"}
"""The one value of the index's partition key: an index needs one, and few messages are due at any time."""
HISTORY = ("channel", "state", "attempts", "since", "error", "reference")
"""What a line of the history has."""
IDENTITY = ("state", "attempts", "owner")
"""What tells one delivery from the one that comes after it, whatever else a later release may store beside."""


class MessageTable:
    """A :class:`~chalicelib.logic.delivery_types.MessageStore` in DynamoDB, by conditional writes alone."""

    def __init__(self, dynamodb: DynamoDBClient, stage: Stage, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._dynamodb = dynamodb
        self._table = stage.table
        self._due_index = stage.due_index
        self._sites = stage.sites
        self._give_up = stage.persistence.give_up

    def add(self, message: Message, record: Record) -> Record | None:
        """Store a new message; where it is already there, change nothing and return its record."""
        now = int(self._clock())
        item: dict[str, Any] = {
            "id": {"S": message.id},
            "site": {"S": message.site},
            "received_at": {"N": str(message.received_at)},
            "stored_at": {"N": str(now)},
            "owner": {"S": record.owner},
            "submission": {"S": message.serialize()},
            "deliveries": {"M": {name: {"M": encoded(delivery)} for name, delivery in record.deliveries.items()}},
        }
        if record.due_at:
            item |= {"due": DUE, "due_at": {"N": str(record.due_at)}}
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
        # However long it lay in a queue before: nothing is deleted that may still be delivered.
        item["expires_at"] = {"N": str(max(message.received_at + days * DAY, now + self._give_up))}
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except AwsError as error:
            return _record(existing_item(error))
        return None

    def change(
        self, message_id: str, channel: str, before: Delivery, after: Delivery, due_at: int | None = None
    ) -> bool:
        """Replace one channel's delivery; False, and nothing changed, when it is no longer ``before``.

        The SDK repeats a write whose answer was lost, and then fails on its own success: what stands there counts.
        """
        sets, removes = ["deliveries.#channel = :after"], ""
        values: dict[str, Any] = {
            **{f":{name}": encoded(before)[name] for name in IDENTITY},
            ":after": {"M": encoded(after)},
        }
        if due_at is not None:
            # With an outcome, and a claim is none.
            line = {"channel": {"S": channel}, **encoded(after)}
            sets.append("history = list_append(if_not_exists(history, :none), :line)")
            values |= {":none": {"L": []}, ":line": {"L": [{"M": {name: line[name] for name in HISTORY}}]}}
            if due_at:
                sets.append("due = :due, due_at = :due_at")
                values |= {":due": DUE, ":due_at": {"N": str(due_at)}}
            else:
                removes = " REMOVE due, due_at"
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"id": {"S": message_id}},
                UpdateExpression=f"SET {', '.join(sets)}{removes}",
                ConditionExpression=" AND ".join(f"deliveries.#channel.#{name} = :{name}" for name in IDENTITY),
                ExpressionAttributeNames={"#channel": channel, **{f"#{name}": name for name in IDENTITY}},
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except AwsError as error:
            there = existing_item(error)
            delivery = there.get("deliveries", {}).get("M", {}).get(channel)
            return delivery is not None and decoded(delivery["M"]) == after
        return True

    def postpone(self, message_id: str, due_at: int) -> None:
        """Change when the message is due, unless it has been deleted; 0 for never more."""
        update: dict[str, Any] = {"UpdateExpression": "REMOVE due, due_at"}
        if due_at:
            update = {
                "UpdateExpression": "SET due = :due, due_at = :due_at",
                "ExpressionAttributeValues": {":due": DUE, ":due_at": {"N": str(due_at)}},
            }
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"id": {"S": message_id}},
                ConditionExpression="attribute_exists(id)",
                **update,
            )
        except AwsError as error:
            existing_item(error)

    def hold(self, message_id: str, duplicate_of: str) -> None:
        """Let a message ring nobody, because another one has its content; nothing is due for it any more."""
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"id": {"S": message_id}},
                UpdateExpression="SET held = :held, duplicate_of = :other REMOVE due, due_at",
                ConditionExpression="attribute_exists(id)",
                ExpressionAttributeValues={":held": {"S": str(HoldReason.DUPLICATE)}, ":other": {"S": duplicate_of}},
            )
        except AwsError as error:
            existing_item(error)

    def find(self, message_id: str) -> tuple[Message, Record] | None:
        """A message and what is known of it; None when it is not there (any more)."""
        with store_errors():
            item = self._dynamodb.get_item(
                TableName=self._table, Key={"id": {"S": message_id}}, ConsistentRead=True
            ).get("Item")
        return (Message.deserialize(item["submission"]["S"]), _record(item)) if item else None

    def due(self, now: int, most: int) -> list[DueMessage]:
        """Messages that something has to be done for, the longest overdue first.

        The index holds little more than keys, and is a moment behind the table: a message may have ended since.
        """
        with store_errors():
            page = self._dynamodb.query(
                TableName=self._table,
                IndexName=self._due_index,
                KeyConditionExpression="due = :due AND due_at <= :now",
                ExpressionAttributeValues={":due": DUE, ":now": {"N": str(now)}},
                Limit=most,
            )
        return [DueMessage(item["id"]["S"], item["site"]["S"]) for item in page["Items"]]


@contextmanager
def store_errors() -> Iterator[None]:
    """Let every failure of the table be a :class:`StoreError`."""
    try:
        yield
    except AwsError as error:
        raise StoreError(error.reason) from error


def existing_item(error: AwsError) -> dict[str, Any]:
    """The item that made a condition fail; any other error is a :class:`StoreError`."""
    if not isinstance(error, ServiceError) or error.code != "ConditionalCheckFailedException":
        raise StoreError(error.reason) from error
    item: dict[str, Any] = error.fields.get("Item", {})
    return item


def _record(item: Mapping[str, Any]) -> Record:
    return Record(
        owner=item["owner"]["S"],
        deliveries={name: decoded(value["M"]) for name, value in item["deliveries"]["M"].items()},
        verdict=verdict_of(item),
        due_at=int(item.get("due_at", {}).get("N", 0)),
        replayed_at=int(item.get("replayed_at", {}).get("N", 0)),
    )


def verdict_of(item: Mapping[str, Any]) -> Verdict:
    """What an item says against its message."""
    return Verdict(
        signals=tuple(signal["S"] for signal in item.get("signals", {}).get("L", [])),
        score=int(item.get("score", {}).get("N", 0)),
        held=HoldReason(item["held"]["S"]) if "held" in item else None,
        duplicate_of=item.get("duplicate_of", {}).get("S", ""),
    )


def encoded(delivery: Delivery) -> dict[str, Any]:
    """One channel's delivery as attributes of an item."""
    found: dict[str, Any] = {}
    for field in fields(delivery):
        value = getattr(delivery, field.name)
        found[field.name] = {"N": str(value)} if isinstance(value, int) else {"S": str(value)}
    return found


def decoded(attributes: Mapping[str, Any]) -> Delivery:
    """One channel's delivery, as an item holds it; what a later release stores beside is left out."""
    known = {field.name for field in fields(Delivery)}
    values: dict[str, Any] = {
        name: int(value["N"]) if "N" in value else value["S"] for name, value in attributes.items() if name in known
    }
    return Delivery(**values | {"state": State(values["state"])})
