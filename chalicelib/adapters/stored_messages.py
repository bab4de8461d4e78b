"""Read the message table: a message by its id, or one query of the index ``site``, and never a scan."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb_items import from_item, to_item
from chalicelib.adapters.item_table import ItemTable, aws_errors_as_store_errors
from chalicelib.adapters.message_table import (
    fields_key,
    is_record,
    publication_key,
    read_delivery,
    read_verdict,
)
from chalicelib.logic.delivery_types import State
from chalicelib.logic.message import read_files
from chalicelib.logic.overall_state import current_delivery, state_of
from chalicelib.logic.stored_messages import (
    MAX_PAGE,
    ListedMessage,
    Marked,
    Outcome,
    OwnerMark,
    Page,
    Position,
    StoredMessage,
    Wanted,
)
from chalicelib.settings import Stage

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from chalicelib.logic.message_files import MessageFile


class MessageArchive:
    """An :class:`~chalicelib.logic.stored_messages.Archive` in DynamoDB."""

    def __init__(self, dynamodb: DynamoDBClient, stage: Stage, clock: Callable[[], float] = time.time) -> None:
        self._dynamodb = dynamodb
        self._item_table = ItemTable(dynamodb, stage.table)
        self._stage = stage
        self._clock = clock

    def get(self, message_id: str) -> StoredMessage | None:
        """Read a message's two items, and a third where it has files, consistently with all earlier writes."""
        item = self._item_table.read(message_id)
        if not is_record(item):
            became = self._item_table.read(publication_key(message_id)).get("message_id")
            item = self._item_table.read(became) if became else {}
            if not is_record(item):
                return None
        written = self._item_table.read(fields_key(item["id"]))
        if not written.get("files"):
            return self._stored(item, written)
        # Loaded here alone: few messages have files.
        from chalicelib.logic.message_files import facts_key

        return self._stored(item, written, self._item_table.read(facts_key(item["id"])))

    def page(self, wanted: Wanted) -> Page:
        """Read a page with one query. Filter it by state afterwards, as there is no index by state.

        The index lags behind the table by less than a second, as a rule.
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
        """
        start: dict[str, Any] = {}
        if wanted.after:
            key = {"id": wanted.after.id, "site": wanted.site, "received_at": wanted.after.received_at}
            start["ExclusiveStartKey"] = to_item(key)
        with aws_errors_as_store_errors():
            answer = self._dynamodb.query(
                TableName=self._stage.table,
                IndexName=self._stage.site_index,
                KeyConditionExpression="site = :site AND received_at BETWEEN :since AND :last",
                ExpressionAttributeValues=to_item(
                    {":site": wanted.site, ":since": wanted.since, ":last": wanted.until - 1}
                ),
                ScanIndexForward=False,
                Limit=MAX_PAGE if wanted.state else wanted.limit,
                **start,
            )
        listed = [self._listed(item) for item in map(from_item, answer["Items"])]
        fitting = [message for message in listed if wanted.state in (None, message.state)]
        if len(fitting) > wanted.limit:
            last = fitting[wanted.limit - 1]
            return Page(tuple(fitting[: wanted.limit]), Position(last.received_at, last.id))
        last_key = from_item(answer.get("LastEvaluatedKey", {}))
        return Page(tuple(fitting), Position(last_key["received_at"], last_key["id"]) if last_key else None)

    def fields_of(self, ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """Read what visitors typed in at most 100 messages, with one BatchGetItem."""
        found = self._item_table.read_many([fields_key(message_id) for message_id in ids])
        return {one: dict(found[fields_key(one)].get("pairs", ())) for one in ids if fields_key(one) in found}

    def _listed(self, item: Mapping[str, Any]) -> ListedMessage:
        now = int(self._clock())
        deliveries = {name: read_delivery(stored) for name, stored in item["deliveries"].items()}
        verdict = read_verdict(item)
        site = item["site"]
        channels = self._stage.channels_serving(site)
        return ListedMessage(
            id=item["id"],
            site=site,
            received_at=item["received_at"],
            state=state_of(deliveries, verdict, channels, now),
            channels={
                name: current_delivery(delivery, now, channels.get(name))
                for name, delivery in sorted(deliveries.items())
            },
            verdict=verdict,
            answered_at=item.get("answered_at", 0),
        )

    def _stored(
        self, item: Mapping[str, Any], written: Mapping[str, Any], facts: Mapping[str, Any] | None = None
    ) -> StoredMessage:
        """The message of its record, of what its visitor wrote and of what is known of its files."""
        return StoredMessage(
            listed=self._listed(item),
            fields=dict(written.get("pairs", ())),
            files=_files(written, facts or {}) if written.get("files") else (),
            stored_at=item["stored_at"],
            expires_at=item["expires_at"],
            due_at=item.get("due_at", 0),
            history=tuple(map(_outcome, item.get("history", ()))),
            marks=tuple(
                Marked(OwnerMark(line["mark"]), line["at"], line.get("by", "")) for line in item.get("marks", ())
            ),
        )


def _files(written: Mapping[str, Any], facts: Mapping[str, Any]) -> tuple[MessageFile, ...]:
    from chalicelib.logic.message_files import MessageFile, facts_of

    return tuple(MessageFile(ref, facts_of(facts, number)) for number, ref in enumerate(read_files(written), 1))


def _outcome(line: Mapping[str, Any]) -> Outcome:
    return Outcome(
        channel=line["channel"],
        state=State(line["state"]),
        attempts=line["attempts"],
        since=line["since"],
        error=line["error"],
        reference=line["reference"],
        by=line.get("by", ""),
    )
