"""What a channel's next summary tells: one item of the message table for each channel, ``summary#<channel>``.

``untold`` counts, ``since`` is when the first was counted, ``named0`` to ``named2`` hold some ids of each rank and
``newest`` the last one. A run that tells moves all of it to ``telling…``, ``told…`` by one write, so that what comes
meanwhile is counted for the next. ``due`` and ``due_at`` put the item into the index that the scheduled retry asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.aws import AwsError
from chalicelib.adapters.dynamodb_items import from_item, to_item
from chalicelib.adapters.messages import DUE, existing_item
from chalicelib.logic.summary import PREFIX, ROOM, Batch, place

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

FIRST_AFTER = 60
"""Seconds from the first message of a flood until its summary is due: so it tells of more than one."""
_RANKS = range(len(ROOM))
_MOVED = (
    "told = untold, told_since = since, told_newest = newest, "
    + ", ".join(f"told{rank} = named{rank}" for rank in _RANKS)
    + ", untold = :zero, "
    + ", ".join(f"named{rank} = :none" for rank in _RANKS)
)


class SummaryTable:
    """A :class:`~chalicelib.logic.summary.SummaryStore` in DynamoDB."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def add(self, channel: str, message_id: str, rank: int, now: int) -> None:
        """Count a message, and keep its id: mostly one write, two once there is no room for more ids."""
        named = f"named{rank}"
        item = self._count(
            channel,
            message_id,
            now,
            f"{named} = list_append(if_not_exists({named}, :none), :id), "
            + ", ".join(f"named{other} = if_not_exists(named{other}, :none)" for other in _RANKS if other != rank),
            f"attribute_not_exists({named}) OR size({named}) < :room",
            {":id": [message_id], ":none": [], ":room": ROOM[rank]},
        )
        if item is None:
            return
        instead = place(message_id, item.get("untold", 0), ROOM[rank])
        keep = f"{named}[{instead}] = :one" if instead is not None else "newest = :one"
        self._count(channel, message_id, now, keep, f"attribute_exists({named})", {})

    def _count(
        self, channel: str, message_id: str, now: int, keep: str, condition: str, values: Mapping[str, object]
    ) -> dict[str, Any] | None:
        """Count under a condition; returns the item where it doesn't hold."""
        newest = "" if "newest" in keep else ", newest = :one"
        return self._update(
            channel,
            f"SET {keep}{newest}, since = if_not_exists(since, :now), due = :due, "
            "due_at = if_not_exists(due_at, :first) ADD untold :plus",
            condition,
            {":one": message_id, ":now": now, ":due": DUE, ":first": now + FIRST_AFTER, ":plus": 1, **values},
        )[1]

    def begin(self, channel: str, run: str, now: int, until: int) -> Batch | None:
        """Take what is to be told, by one conditional write; a second one where a run before could not tell it."""
        mine = {":run": run, ":until": until}
        took, item = self._update(
            channel,
            f"SET telling = :run, telling_until = :until, due_at = :until, {_MOVED} REMOVE since",
            "untold > :zero AND attribute_not_exists(telling) AND (attribute_not_exists(next_at) OR next_at <= :now)",
            {**mine, ":zero": 0, ":none": [], ":now": now},
        )
        if took is not None:
            return _batch(took, interrupted=False)
        if not item:
            return None
        if "telling" in item:
            if item["telling"] != run and item["telling_until"] > now:
                return None
            took, _ = self._update(
                channel,
                "SET telling = :run, telling_until = :until, due_at = :until",
                "telling = :before AND telling_until = :before_until",
                {**mine, ":before": item["telling"], ":before_until": item["telling_until"]},
            )
            interrupted = item["telling"] != run and item["telling_until"] > 0
            return _batch(took, interrupted=interrupted) if took is not None else None
        if item.get("untold", 0) == 0 and item.get("next_at", 0) <= now:
            # A whole pause without any: the next flood begins with a short one.
            self._update(
                channel,
                "REMOVE due, due_at, next_at, pause",
                "untold = :zero AND attribute_not_exists(telling)",
                {":zero": 0},
            )
        return None

    def put_off(self, channel: str, run: str, due_at: int) -> None:
        """Leave the batch to a later run."""
        self._update(
            channel,
            "SET telling_until = :zero, due_at = :due_at",
            "telling = :run",
            {":run": run, ":zero": 0, ":due_at": due_at},
        )

    def finish(self, channel: str, run: str, next_at: int, pause: int) -> None:
        """The batch was told. The item stays due, so that the end of the flood is seen."""
        self._update(
            channel,
            "SET next_at = :next, due_at = :next, pause = :pause "
            "REMOVE telling, telling_until, told, told_since, told_newest, "
            + ", ".join(f"told{rank}" for rank in _RANKS),
            "telling = :run",
            {":run": run, ":next": next_at, ":pause": pause},
        )

    def forget(self, channel: str) -> None:
        """Nothing is due any more."""
        self._update(channel, "REMOVE due, due_at", "attribute_exists(id)", {})

    def _update(
        self, channel: str, update: str, condition: str, values: Mapping[str, object]
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """The item after the write, or where the condition doesn't hold the item that is there."""
        more: Any = {"ExpressionAttributeValues": to_item(values)} if values else {}
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key=to_item({"id": PREFIX + channel}),
                UpdateExpression=update,
                ConditionExpression=condition,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **more,
            )
        except AwsError as error:
            return None, existing_item(error)
        return from_item(answer["Attributes"]), None


def _batch(item: Mapping[str, Any], *, interrupted: bool) -> Batch:
    ids = [one for rank in reversed(_RANKS) for one in item[f"told{rank}"]]
    return Batch(
        count=item["told"],
        since=item["told_since"],
        ids=tuple(ids),
        newest=item["told_newest"],
        pause=item.get("pause", 0),
        interrupted=interrupted,
    )
