"""The DynamoDB table that stores every message and what became of it on each channel.

One item per message, key ``id``. ``submission`` is the JSON text of the message as it was published, which keeps the
order of its fields; ``deliveries`` maps each channel's name to its state; ``held`` says why no channel is tried,
``signals`` and ``score`` what looks like spam, ``duplicate_of`` which message had the same content. ``history`` has a
line for each outcome of each channel. ``due_at`` and ``due`` exist as long as the scheduled retry has something to do:
an index of these two holds nothing else. ``replayed_at`` is when a person last replayed the message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.aws import AwsError, ServiceError
from chalicelib.adapters.dynamodb_items import from_item, to_item
from chalicelib.errors import StoreError
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.retry_due import DueMessage
from chalicelib.logic.spam import HoldReason, Verdict
from chalicelib.logic.submission import Message
from chalicelib.settings import Stage

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

DAY = 24 * 60 * 60
RETENTION_DAYS = 365
"""How long messages are kept of a site that has left the configuration."""
DUE = "yes"
"""The only value of the index's partition key: an index needs one, and few messages are due at any time."""
HISTORY = ("state", "attempts", "since", "error", "reference")
"""The fields of a delivery that a line of the history keeps."""
IDENTITY = ("state", "attempts", "owner")
"""The fields that differ between any two states of a channel, so that a conditional write need compare no others."""


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
        """Store a new message; if it is already stored, change nothing and return its record."""
        now = int(self._clock())
        item: dict[str, object] = {
            "id": message.id,
            "site": message.site,
            "received_at": message.received_at,
            "stored_at": now,
            "owner": record.owner,
            "submission": message.serialize(),
            "deliveries": {name: delivery_fields(delivery) for name, delivery in record.deliveries.items()},
        }
        if record.due_at:
            item |= {"due": DUE, "due_at": record.due_at}
        verdict = record.verdict
        if verdict.signals:
            item |= {"signals": verdict.signals, "score": verdict.score}
        if verdict.held:
            item["held"] = verdict.held
        if verdict.duplicate_of:
            item["duplicate_of"] = verdict.duplicate_of
        site = self._sites.get(message.site)
        days = site.retention_days if site else RETENTION_DAYS
        # Keep a message that waited in a queue for long until it can't be delivered any more.
        item["expires_at"] = max(message.received_at + days * DAY, now + self._give_up)
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=to_item(item),
                ConditionExpression="attribute_not_exists(id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except AwsError as error:
            return _record(existing_item(error))
        return None

    def change(
        self, message_id: str, channel: str, before: Delivery, after: Delivery, due_at: int | None = None
    ) -> bool:
        """Replace one channel's delivery; return False, and change nothing, when it is no longer ``before``.

        The client repeats a write whose answer was lost, and the repetition fails on the first one's success. So an
        item that already holds ``after`` counts as written.
        """
        sets, removes = ["deliveries.#channel = :after"], ""
        values: dict[str, object] = {f":{name}": getattr(before, name) for name in IDENTITY}
        values[":after"] = delivery_fields(after)
        if due_at is not None:
            # Only an outcome comes with ``due_at``; a claim is no line of the history.
            sets.append("history = list_append(if_not_exists(history, :none), :line)")
            values |= {":none": [], ":line": [history_line(channel, after)]}
            if due_at:
                sets.append("due = :due, due_at = :due_at")
                values |= {":due": DUE, ":due_at": due_at}
            else:
                removes = " REMOVE due, due_at"
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=to_item({"id": message_id}),
                UpdateExpression=f"SET {', '.join(sets)}{removes}",
                ConditionExpression=" AND ".join(f"deliveries.#channel.#{name} = :{name}" for name in IDENTITY),
                ExpressionAttributeNames={"#channel": channel, **{f"#{name}": name for name in IDENTITY}},
                ExpressionAttributeValues=to_item(values),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except AwsError as error:
            stored = existing_item(error).get("deliveries", {}).get(channel)
            return stored is not None and read_delivery(stored) == after
        return True

    def postpone(self, message_id: str, due_at: int) -> None:
        """Set when the message is due, unless it has been deleted; 0 for never."""
        update: dict[str, Any] = {"UpdateExpression": "REMOVE due, due_at"}
        if due_at:
            update = {
                "UpdateExpression": "SET due = :due, due_at = :due_at",
                "ExpressionAttributeValues": to_item({":due": DUE, ":due_at": due_at}),
            }
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=to_item({"id": message_id}),
                ConditionExpression="attribute_exists(id)",
                **update,
            )
        except AwsError as error:
            existing_item(error)

    def hold(self, message_id: str, duplicate_of: str) -> None:
        """Hold a message as a duplicate; it is never due then."""
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=to_item({"id": message_id}),
                UpdateExpression="SET held = :held, duplicate_of = :other REMOVE due, due_at",
                ConditionExpression="attribute_exists(id)",
                ExpressionAttributeValues=to_item({":held": HoldReason.DUPLICATE, ":other": duplicate_of}),
            )
        except AwsError as error:
            existing_item(error)

    def find(self, message_id: str) -> tuple[Message, Record] | None:
        """A message and its record; None when it doesn't exist (any more)."""
        with store_errors():
            answer = self._dynamodb.get_item(
                TableName=self._table, Key=to_item({"id": message_id}), ConsistentRead=True
            )
        item = from_item(answer.get("Item", {}))
        return (Message.deserialize(item["submission"]), _record(item)) if item else None

    def due(self, now: int, most: int) -> list[DueMessage]:
        """Messages that are due, the longest overdue first.

        The index holds little more than keys, and is a moment behind the table: a message may have ended since.
        """
        with store_errors():
            page = self._dynamodb.query(
                TableName=self._table,
                IndexName=self._due_index,
                KeyConditionExpression="due = :due AND due_at <= :now",
                ExpressionAttributeValues=to_item({":due": DUE, ":now": now}),
                Limit=most,
            )
        return [DueMessage(item["id"], item["site"]) for item in map(from_item, page["Items"])]


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn every error of the table into a :class:`StoreError`."""
    try:
        yield
    except AwsError as error:
        raise StoreError(error.reason) from error


def existing_item(error: AwsError) -> dict[str, Any]:
    """The item for which a write's condition failed; raises a :class:`StoreError` for any other error."""
    if not isinstance(error, ServiceError) or error.code != "ConditionalCheckFailedException":
        raise StoreError(error.reason) from error
    return from_item(error.fields.get("Item", {}))


def _record(item: Mapping[str, Any]) -> Record:
    return Record(
        owner=item["owner"],
        deliveries={name: read_delivery(stored) for name, stored in item["deliveries"].items()},
        verdict=read_verdict(item),
        due_at=item.get("due_at", 0),
        replayed_at=item.get("replayed_at", 0),
    )


def read_verdict(item: Mapping[str, Any]) -> Verdict:
    """The verdict that a message's item holds."""
    return Verdict(
        signals=tuple(item.get("signals", ())),
        score=item.get("score", 0),
        held=HoldReason(item["held"]) if "held" in item else None,
        duplicate_of=item.get("duplicate_of", ""),
    )


def delivery_fields(delivery: Delivery) -> dict[str, object]:
    """One channel's delivery as an item holds it."""
    return {field.name: getattr(delivery, field.name) for field in fields(delivery)}


def read_delivery(stored: Mapping[str, Any]) -> Delivery:
    """One channel's delivery from an item; fields that only a later release knows are left out."""
    known = {field.name: stored[field.name] for field in fields(Delivery) if field.name in stored}
    return Delivery(**known | {"state": State(stored["state"])})


def history_line(channel: str, delivery: Delivery) -> dict[str, object]:
    """The line of a message's history for this outcome of a channel."""
    return {"channel": channel, **{name: getattr(delivery, name) for name in HISTORY}}
