"""The DynamoDB table that stores every message and what became of it on each channel.

A message is two items. ``fields#<id>`` holds what the visitor wrote, as a list of names and values in the order sent,
and the names of the files that came with it; it is written before the other and never changed. A repeated event
writes it again, unless it is over :data:`LARGE_FIELDS`, so that a long text is paid for once. ``<id>`` is the record,
small whatever was written: ``deliveries`` maps each channel's name to its state; ``held`` says why no channel is tried,
``signals`` and ``score`` what looks like spam, ``duplicate_of`` which message had the same content, ``rejected`` what
was wrong with a publication. ``history`` has a line for each outcome of each channel. ``due_at`` and ``due`` exist as
long as the scheduled retry has something to do: an index of these two holds nothing else. ``replayed_at`` is when a
person last replayed the message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb_items import from_item, to_item
from chalicelib.adapters.item_table import ItemTable, aws_errors_as_store_errors
from chalicelib.errors import InvalidRequestError
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.message import Message, read_files
from chalicelib.logic.retry_due import DueMessage
from chalicelib.logic.spam import HoldReason, Verdict
from chalicelib.settings import SITE_OF_PROGRAMS, Stage

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

DAY = 24 * 60 * 60
LARGE_FIELDS = 4 * 1024
"""From this many bytes of fields on, check for an existing record first: for a repeated event, a read costs less than
another write."""
RETENTION_DAYS = 365
"""Days for which messages of a site are kept that has left the configuration."""
PUBLICATION_DAYS = 14
"""Days for which one can look up why a publication was rejected, or which message one with a key became."""
DUE = "yes"
"""The only value of the index's partition key: an index needs one, and few messages are due at any time."""
HISTORY_FIELDS = ("state", "attempts", "since", "error", "reference")
"""The fields of a delivery that a line of the history keeps."""
COMPARED_FIELDS = ("state", "attempts", "claimed_by")
"""The fields that differ between any two states of a channel, so that a conditional write need compare no others."""


class MessageTable:
    """A :class:`~chalicelib.logic.delivery_types.MessageStore` in DynamoDB. Each change of a record is one
    conditional write.
    """

    def __init__(self, dynamodb: DynamoDBClient, stage: Stage, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._dynamodb = dynamodb
        self._name = stage.table
        self._table = ItemTable(dynamodb, stage.table)
        self._due_index = stage.due_index
        self._stage = stage

    def add(self, message: Message, record: Record) -> Record | None:
        """Store a new message; if it is already stored, change nothing and return its record."""
        # A notification's key makes its id, whatever its content: writing the fields compares that with what is stored.
        id_from_key = message.has_idempotency_key and message.site == SITE_OF_PROGRAMS
        if not id_from_key and stored_bytes(message.fields) > LARGE_FIELDS and (stored := self.find_record(message.id)):
            return stored
        now = int(self._clock())
        verdict = record.verdict
        days = PUBLICATION_DAYS if verdict.rejection else self._stage.retention_days(message.site) or RETENTION_DAYS
        # A message may have waited in a queue for long.
        expires_at = max(message.received_at + days * DAY, settled_by(now, self._stage))
        item: dict[str, object] = {
            "id": message.id,
            "site": message.site,
            "received_at": message.received_at,
            "stored_at": now,
            "stored_by": record.stored_by,
            "deliveries": {name: delivery_fields(delivery) for name, delivery in record.deliveries.items()},
            "expires_at": expires_at,
        }
        if message.has_idempotency_key:
            item["has_idempotency_key"] = 1
        if message.language:
            item["language"] = message.language
        if record.due_at:
            item |= {"due": DUE, "due_at": record.due_at}
        if verdict.signals:
            item |= {"signals": verdict.signals, "score": verdict.score}
        if verdict.person_rank:
            item["rank"] = verdict.person_rank
        if verdict.hold_reason:
            item["held"] = verdict.hold_reason
        if verdict.duplicate_of:
            item["duplicate_of"] = verdict.duplicate_of
        if verdict.rejection:
            item["rejected"] = verdict.rejection
        else:
            self._add_fields(message, expires_at, only_once=id_from_key)
        existing = self._table.put(item, "attribute_not_exists(id)")
        return _record(existing) if existing is not None else None

    def _add_fields(self, message: Message, expires_at: int, *, only_once: bool) -> None:
        """Write the item of what was sent. ``only_once`` keeps an existing item, and raises InvalidRequestError if its
        fields differ."""
        pairs = list(message.fields.items())
        files = {"files": [file.as_json() for file in message.files]} if message.files else {}
        existing = self._table.put(
            {"id": fields_key(message.id), "pairs": pairs, "expires_at": expires_at, **files},
            "attribute_not_exists(id)" if only_once else "",
        )
        if existing is not None and dict(existing["pairs"]) != message.fields:
            raise InvalidRequestError(
                f"key: was used before, for another content, by message {message.id}; expected a key of its own",
                key="key",
            )

    def remember_publication(self, publication: str, message_id: str) -> None:
        """Remember which message the publication of this id became: the item ``publication#<id>``."""
        expires_at = int(self._clock()) + PUBLICATION_DAYS * DAY
        self._table.put({"id": publication_key(publication), "message_id": message_id, "expires_at": expires_at})

    def replace_delivery(
        self, message_id: str, channel: str, before: Delivery, after: Delivery, due_at: int | None = None
    ) -> bool:
        """Replace one channel's delivery; return False, and change nothing, when it is no longer ``before``.

        The client repeats a write whose answer was lost, and the repetition fails on the first one's success. So an
        item that already holds ``after`` counts as written.
        """
        sets, removes = ["deliveries.#channel = :after"], ""
        values: dict[str, object] = {f":{name}": getattr(before, name) for name in COMPARED_FIELDS}
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
        done, item = self._table.update(
            message_id,
            f"SET {', '.join(sets)}{removes}",
            values,
            condition=" AND ".join(f"deliveries.#channel.#{name} = :{name}" for name in COMPARED_FIELDS),
            names={"#channel": channel, **{f"#{name}": name for name in COMPARED_FIELDS}},
        )
        stored = item.get("deliveries", {}).get(channel)
        return done or (stored is not None and read_delivery(stored) == after)

    def set_due_at(self, message_id: str, due_at: int) -> None:
        """Set when the message is due, unless it has been deleted; 0 for never."""
        update = "SET due = :due, due_at = :due_at" if due_at else "REMOVE due, due_at"
        values = {":due": DUE, ":due_at": due_at} if due_at else None
        self._table.update(message_id, update, values, condition="attribute_exists(id)")

    def hold(self, message_id: str, duplicate_of: str) -> None:
        """Hold a message as a duplicate; it is never due then."""
        update = "SET held = :held, duplicate_of = :other REMOVE due, due_at"
        values = {":held": HoldReason.DUPLICATE, ":other": duplicate_of}
        self._table.update(message_id, update, values, condition="attribute_exists(id)")

    def find(self, message_id: str) -> tuple[Message, Record] | None:
        """A message and its record; None when either doesn't exist (any more)."""
        item = self._table.read(message_id)
        if not is_record(item):
            return None
        written = self._table.read(fields_key(message_id))
        if not written:
            return None
        message = Message(
            item["id"],
            item["site"],
            item["received_at"],
            dict(written["pairs"]),
            has_idempotency_key="has_idempotency_key" in item,
            files=read_files(written),
            language=item.get("language", ""),
        )
        return message, _record(item)

    def find_record(self, message_id: str) -> Record | None:
        """A message's record alone; None when it doesn't exist (any more)."""
        item = self._table.read(message_id)
        return _record(item) if is_record(item) else None

    def find_fields(self, message_id: str) -> dict[str, str] | None:
        """What the visitor wrote, without the record; None when it doesn't exist (any more)."""
        written = self._table.read(fields_key(message_id))
        return dict(written["pairs"]) if written else None

    def find_due(self, now: int, most: int) -> list[DueMessage]:
        """Messages that are due, the longest overdue first.

        The index holds little more than keys, and is a moment behind the table: a message may have ended since.
        """
        with aws_errors_as_store_errors():
            page = self._dynamodb.query(
                TableName=self._name,
                IndexName=self._due_index,
                KeyConditionExpression="due = :due AND due_at <= :now",
                ExpressionAttributeValues=to_item({":due": DUE, ":now": now}),
                Limit=most,
            )
        return [DueMessage(item["id"], item.get("site", "")) for item in map(from_item, page["Items"])]


def settled_by(at: int, stage: Stage) -> int:
    """Until when to keep a message that is tried from ``at`` on: a day longer than it is tried, as the run that gives
    it up, and tells the owner, comes later."""
    return at + stage.retry_times.give_up_seconds + DAY


def fields_key(message_id: str) -> str:
    """The key of the item that holds what the visitor wrote."""
    return f"fields#{message_id}"


def publication_key(publication: str) -> str:
    """The key of the item that says which message a publication became."""
    return f"publication#{publication}"


def stored_bytes(fields: Mapping[str, str]) -> int:
    """Bytes of the fields as DynamoDB stores them, and counts them."""
    return sum(len(name.encode()) + len(text.encode()) for name, text in fields.items())


def is_record(item: Mapping[str, Any]) -> bool:
    """Whether an item is a message's record: the table has others, such as recent activity."""
    return "deliveries" in item


def _record(item: Mapping[str, Any]) -> Record:
    return Record(
        stored_by=item["stored_by"],
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
        hold_reason=HoldReason(item["held"]) if "held" in item else None,
        duplicate_of=item.get("duplicate_of", ""),
        person_rank=item.get("rank", 0),
        wrong_key=item.get("rejected", {}).get("key", ""),
        reason=item.get("rejected", {}).get("reason", ""),
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
    return {"channel": channel, **{name: getattr(delivery, name) for name in HISTORY_FIELDS}}
