"""Reading the message table: one item by its key, or one query of the index ``site``. Never a scan."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.messages import decoded, store_errors, verdict_of
from chalicelib.logic.archive import (
    MAX_PAGE,
    ListedMessage,
    Outcome,
    Page,
    Position,
    StoredMessage,
    Wanted,
    shown,
    state_of,
)
from chalicelib.logic.delivery_types import State
from chalicelib.logic.submission import Message
from chalicelib.settings import Stage

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class MessageArchive:
    """An :class:`~chalicelib.logic.archive.Archive` in DynamoDB, by a client of botocore or boto3."""

    def __init__(self, dynamodb: DynamoDBClient, stage: Stage, clock: Callable[[], float] = time.time) -> None:
        self._dynamodb = dynamodb
        self._stage = stage
        self._clock = clock

    def get(self, message_id: str) -> StoredMessage | None:
        """Read one item, with every write that was made before."""
        with store_errors():
            item = self._dynamodb.get_item(
                TableName=self._stage.table, Key={"id": {"S": message_id}}, ConsistentRead=True
            ).get("Item", {})
        # The table holds other things too: what came lately, and when the owner was told.
        return self._stored(item) if "submission" in item else None

    def page(self, wanted: Wanted) -> Page:
        """One query, whatever is wanted. A state is looked for among what it finds, as no index is by state.

        The index is a moment behind the table.
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
        """
        start: dict[str, Any] = {}
        if wanted.after:
            start["ExclusiveStartKey"] = {
                "id": {"S": wanted.after.id},
                "site": {"S": wanted.site},
                "received_at": {"N": str(wanted.after.received_at)},
            }
        with store_errors():
            answer = self._dynamodb.query(
                TableName=self._stage.table,
                IndexName=self._stage.site_index,
                KeyConditionExpression="site = :site AND received_at BETWEEN :since AND :last",
                ExpressionAttributeValues={
                    ":site": {"S": wanted.site},
                    ":since": {"N": str(wanted.since)},
                    ":last": {"N": str(wanted.until - 1)},
                },
                ScanIndexForward=False,
                Limit=MAX_PAGE if wanted.state else wanted.limit,
                **start,
            )
        found = [self._listed(item) for item in answer["Items"]]
        fitting = [message for message in found if wanted.state in (None, message.state)]
        if len(fitting) > wanted.limit:
            last = fitting[wanted.limit - 1]
            return Page(tuple(fitting[: wanted.limit]), Position(last.received_at, last.id))
        key = answer.get("LastEvaluatedKey")
        return Page(tuple(fitting), Position(int(key["received_at"]["N"]), key["id"]["S"]) if key else None)

    def _listed(self, item: Mapping[str, Any]) -> ListedMessage:
        now = int(self._clock())
        deliveries = {name: decoded(value["M"]) for name, value in item["deliveries"]["M"].items()}
        verdict = verdict_of(item)
        site = item["site"]["S"]
        channels = self._stage.channels_serving(site)
        return ListedMessage(
            id=item["id"]["S"],
            site=site,
            received_at=int(item["received_at"]["N"]),
            state=state_of(deliveries, verdict, channels, now),
            channels={name: shown(delivery, now, channels.get(name)) for name, delivery in sorted(deliveries.items())},
            verdict=verdict,
        )

    def _stored(self, item: Mapping[str, Any]) -> StoredMessage:
        return StoredMessage(
            listed=self._listed(item),
            fields=Message.deserialize(item["submission"]["S"]).fields,
            stored_at=int(item["stored_at"]["N"]),
            expires_at=int(item["expires_at"]["N"]),
            due_at=int(item.get("due_at", {}).get("N", 0)),
            history=tuple(_outcome(line["M"]) for line in item.get("history", {}).get("L", [])),
        )


def _outcome(line: Mapping[str, Any]) -> Outcome:
    return Outcome(
        channel=line["channel"]["S"],
        state=State(line["state"]["S"]),
        attempts=int(line["attempts"]["N"]),
        since=int(line["since"]["N"]),
        error=line["error"]["S"],
        reference=line["reference"]["S"],
    )
