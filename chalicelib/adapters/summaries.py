"""Store what a channel's next summary reports: one item of the message table, ``summary#<channel>``.

- ``untold``: the number of messages; ``untold0`` to ``untold2``: the number of each rank
- ``since``: when the first was counted; ``named0`` to ``named2``: some ids of each rank; ``newest``: the last id
- ``told…``: the same for the batch that is being sent. One write moves ``untold…`` there, so that new messages count
  for the next summary.
- ``telling``: the run that sends the batch; ``attempts``: its calls so far; ``claimed``: present during a call
- ``next_at``, ``pause``: when the next may be sent, and the seconds from the one before; ``early_at``: when it may if a
  message has a rank
- ``due``, ``due_at``: when the scheduled retry looks at it, as for a message
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.aws import AwsError
from chalicelib.adapters.dynamodb_items import from_item, to_item
from chalicelib.adapters.messages import DUE, existing_item
from chalicelib.logic.delivery_types import SUMMARY_PREFIX
from chalicelib.logic.summary import ROOM, Batch, place

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

FIRST_AFTER = 60
"""Seconds from the first message of a flood until its summary is due: so it tells of more than one."""
_RANKS = range(len(ROOM))
_MOVED = (
    "told = untold, told_since = since, told_newest = newest, "
    + ", ".join(f"told{rank} = named{rank}" for rank in _RANKS)
    + ", untold = :zero, "
    + ", ".join(f"untold{rank} = :zero, named{rank} = :none" for rank in _RANKS)
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
            rank,
            now,
            f"{named} = list_append(if_not_exists({named}, :none), :id), "
            + ", ".join(f"named{other} = if_not_exists(named{other}, :none)" for other in _RANKS if other != rank),
            f"attribute_not_exists({named}) OR size({named}) < :room",
            {":id": [message_id], ":none": [], ":room": ROOM[rank]},
        )
        if item is None:
            return
        instead = place(message_id, item.get(f"untold{rank}", 0), ROOM[rank])
        keep = f"{named}[{instead}] = :one" if instead is not None else "newest = :one"
        self._count(channel, message_id, rank, now, keep, f"attribute_exists({named})", {})

    def _count(
        self,
        channel: str,
        message_id: str,
        rank: int,
        now: int,
        keep: str,
        condition: str,
        values: Mapping[str, object],
    ) -> dict[str, Any] | None:
        """Count under a condition; returns the item where it doesn't hold."""
        newest = "" if "newest" in keep else ", newest = :one"
        return self._update(
            channel,
            f"SET {keep}{newest}, since = if_not_exists(since, :now), due = :due, "
            f"due_at = if_not_exists(due_at, :first) ADD untold :plus, untold{rank} :plus",
            condition,
            {":one": message_id, ":now": now, ":due": DUE, ":first": now + FIRST_AFTER, ":plus": 1, **values},
        )[1]

    def begin(self, channel: str, run: str, now: int, until: int) -> Batch | None:
        """Take what is to be told, by one conditional write; a second one where a run before could not tell it."""
        mine = {":run": run, ":until": until}
        took, item = self._update(
            channel,
            f"SET telling = :run, telling_until = :until, due_at = :until, taken_at = :now, {_MOVED} REMOVE since",
            "untold > :zero AND attribute_not_exists(telling) AND (attribute_not_exists(next_at) OR next_at <= :now "
            "OR (early_at <= :now AND (untold1 > :zero OR untold2 > :zero)))",
            {**mine, ":zero": 0, ":none": [], ":now": now},
        )
        if took is not None:
            return _batch(took)
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
            return _batch(took) if took is not None else None
        if item.get("untold", 0) == 0 and item.get("next_at", 0) <= now:
            # A whole pause without any: the next flood begins with a short one.
            self._update(
                channel,
                "REMOVE due, due_at, early_at, next_at, pause",
                "untold = :zero AND attribute_not_exists(telling)",
                {":zero": 0},
            )
        # Before its pause is over `retry_due` comes again and again, as it has put the item off for its own time.
        return None

    def claim(self, channel: str, run: str, attempt: int, until: int) -> bool:
        """Note the call, if the batch is still this run's; its lease begins anew."""
        took, _ = self._update(
            channel,
            "SET claimed = :run, attempts = :attempt, telling_until = :until, due_at = :until",
            "telling = :run",
            {":run": run, ":attempt": attempt, ":until": until},
        )
        return took is not None

    def put_off(self, channel: str, run: str, due_at: int) -> None:
        """Leave the batch to a later run."""
        self._update(
            channel,
            "SET telling_until = :zero, due_at = :due_at REMOVE claimed",
            "telling = :run",
            {":run": run, ":zero": 0, ":due_at": due_at},
        )

    def finish(self, channel: str, run: str, early_at: int, next_at: int, pause: int) -> None:
        """The batch has ended. The item stays due, so that the end of the flood is seen."""
        self._update(
            channel,
            "SET early_at = :early, next_at = :next, due_at = :early, pause = :pause "
            "REMOVE telling, telling_until, taken_at, attempts, claimed, told, told_since, told_newest, "
            + ", ".join(f"told{rank}" for rank in _RANKS),
            "telling = :run",
            {":run": run, ":early": early_at, ":next": next_at, ":pause": pause},
        )

    def forget(self, channel: str) -> int:
        """Nothing is due any more. The counts stay, for a channel that comes back."""
        item, _ = self._update(channel, "REMOVE due, due_at", "attribute_exists(id)", {})
        return item.get("untold", 0) + item.get("told", 0) if item else 0

    def _update(
        self, channel: str, update: str, condition: str, values: Mapping[str, object]
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """The item after the write, or where the condition doesn't hold the item that is there."""
        more: Any = {"ExpressionAttributeValues": to_item(values)} if values else {}
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key=to_item({"id": SUMMARY_PREFIX + channel}),
                UpdateExpression=update,
                ConditionExpression=condition,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **more,
            )
        except AwsError as error:
            return None, existing_item(error)
        return from_item(answer["Attributes"]), None


def _batch(item: Mapping[str, Any]) -> Batch:
    ids = [one for rank in reversed(_RANKS) for one in item[f"told{rank}"]]
    return Batch(
        count=item["told"],
        since=item["told_since"],
        ids=tuple(ids),
        newest=item["told_newest"],
        taken_at=item.get("taken_at", item["told_since"]),
        attempts=item.get("attempts", 0),
        pause=item.get("pause", 0),
        next_at=item.get("next_at", 0),
        interrupted="claimed" in item,
    )
