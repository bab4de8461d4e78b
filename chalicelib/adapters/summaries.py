"""Store what a channel's next summary reports: one item of the message table, ``summary#<channel>``.

- ``pending_count``: the number of messages; ``pending_count0`` to ``pending_count2``: of each ``Verdict.person_rank``
- ``pending_since``: when the first was counted; ``pending_ids0`` to ``pending_ids2``: some ids of each rank;
  ``pending_newest``: the last id
- ``batch_…``: the same for the batch that is being sent. One write moves ``pending_…`` there, so that new messages
  count for the next summary.
- ``taken_by``: the run that sends the batch, until ``taken_until``; ``attempts``: its calls so far; ``claimed``:
  present during a call
- ``next_at``, ``pause``: when the next may be sent, and the seconds from the one before; ``early_at``: when it may if a
  message has a rank above 0
- ``due``, ``due_at``: when the scheduled retry looks at it, as for a message

What was not delivered is noted in an item that expires, ``lost#<event_id>``, for the retry of Lambda's event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.item_table import ItemTable
from chalicelib.adapters.message_table import DUE
from chalicelib.logic.delivery_types import SUMMARY_PREFIX, Action, State
from chalicelib.logic.summary import MAX_NAMED, Batch, Loss, choose_replaced

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

FIRST_AFTER = 60
"""Seconds from the first message of a flood until its summary is due: so it tells of more than one."""
LOSS_KEPT = 24 * 3600
"""Seconds; Lambda keeps an event for at most 6 hours."""
_RANKS = range(len(MAX_NAMED))
_MOVED = (
    "batch_count = pending_count, batch_since = pending_since, batch_newest = pending_newest, "
    + ", ".join(f"batch_ids{rank} = pending_ids{rank}" for rank in _RANKS)
    + ", pending_count = :zero, "
    + ", ".join(f"pending_count{rank} = :zero, pending_ids{rank} = :none" for rank in _RANKS)
)


class SummaryTable:
    """A :class:`~chalicelib.logic.summary.SummaryStore` in DynamoDB."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._table = ItemTable(dynamodb, table)

    def add(self, channel: str, message_id: str, person_rank: int, now: int) -> None:
        """Count a message, and keep its id: mostly one write, two once there is no room for more ids."""
        ids = _ids(person_rank)
        item = self._count(
            channel,
            message_id,
            person_rank,
            now,
            f"{ids} = list_append(if_not_exists({ids}, :none), :ids), "
            + ", ".join(f"{name} = if_not_exists({name}, :none)" for name in map(_ids, _RANKS) if name != ids),
            f"attribute_not_exists({ids}) OR size({ids}) < :max",
            {":ids": [message_id], ":none": [], ":max": MAX_NAMED[person_rank]},
        )
        if item is None:
            return
        replaced = choose_replaced(message_id, item.get(f"pending_count{person_rank}", 0), MAX_NAMED[person_rank])
        keep = f"{ids}[{replaced}] = :id" if replaced is not None else "pending_newest = :id"
        self._count(channel, message_id, person_rank, now, keep, f"attribute_exists({ids})", {})

    def _count(
        self,
        channel: str,
        message_id: str,
        person_rank: int,
        now: int,
        keep: str,
        condition: str,
        values: Mapping[str, object],
    ) -> dict[str, Any] | None:
        """Count under a condition; returns the item where it doesn't hold."""
        newest = "" if "newest" in keep else ", pending_newest = :id"
        return self._update(
            channel,
            f"SET {keep}{newest}, pending_since = if_not_exists(pending_since, :now), due = :due, "
            f"due_at = if_not_exists(due_at, :first) ADD pending_count :plus, pending_count{person_rank} :plus",
            condition,
            {":id": message_id, ":now": now, ":due": DUE, ":first": now + FIRST_AFTER, ":plus": 1, **values},
        )[1]

    def take_batch(self, channel: str, run_id: str, now: int, until: int) -> Batch | None:
        """Take what is pending, by one conditional write; a second one where an earlier run left its batch."""
        this_run = {":run": run_id, ":until": until}
        taken, item = self._update(
            channel,
            "SET taken_by = :run, taken_until = :until, due_at = :until, taken_at = :now, "
            f"{_MOVED} REMOVE pending_since",
            "pending_count > :zero AND attribute_not_exists(taken_by) AND "
            "(attribute_not_exists(next_at) OR next_at <= :now "
            "OR (early_at <= :now AND (pending_count1 > :zero OR pending_count2 > :zero)))",
            {**this_run, ":zero": 0, ":none": [], ":now": now},
        )
        if taken is not None:
            return _batch(taken)
        if not item:
            return None
        if "taken_by" in item:
            if item["taken_by"] != run_id and item["taken_until"] > now:
                return None
            taken, _ = self._update(
                channel,
                "SET taken_by = :run, taken_until = :until, due_at = :until",
                "taken_by = :before AND taken_until = :before_until",
                {**this_run, ":before": item["taken_by"], ":before_until": item["taken_until"]},
            )
            return _batch(taken) if taken is not None else None
        if item.get("pending_count", 0) == 0 and item.get("next_at", 0) <= now:
            # A whole pause without any: the next flood begins with a short one.
            self._update(
                channel,
                "REMOVE due, due_at, early_at, next_at, pause",
                "pending_count = :zero AND attribute_not_exists(taken_by)",
                {":zero": 0},
            )
        # Before its pause is over `retry_due` comes again and again, as it has put the item off for its own time.
        return None

    def claim(self, channel: str, run_id: str, attempt: int, until: int) -> bool:
        """Note the call, if the batch is still this run's; its lease begins anew."""
        taken, _ = self._update(
            channel,
            "SET claimed = :run, attempts = :attempt, taken_until = :until, due_at = :until",
            "taken_by = :run",
            {":run": run_id, ":attempt": attempt, ":until": until},
        )
        return taken is not None

    def postpone(self, channel: str, run_id: str, due_at: int) -> None:
        """Leave the batch to a later run."""
        self._update(
            channel,
            "SET taken_until = :zero, due_at = :due_at REMOVE claimed",
            "taken_by = :run",
            {":run": run_id, ":zero": 0, ":due_at": due_at},
        )

    def finish(self, channel: str, run_id: str, early_at: int, next_at: int, pause: int) -> None:
        """The batch has ended. The item stays due, so that the end of the flood is seen."""
        self._update(
            channel,
            "SET early_at = :early, next_at = :next, due_at = :early, pause = :pause "
            "REMOVE taken_by, taken_until, taken_at, attempts, claimed, batch_count, batch_since, batch_newest, "
            + ", ".join(f"batch_ids{rank}" for rank in _RANKS),
            "taken_by = :run",
            {":run": run_id, ":early": early_at, ":next": next_at, ":pause": pause},
        )

    def note_loss(self, event_id: str, loss: Loss, now: int) -> None:
        """Remember what the event of this request id has to report."""
        noted = {"action": str(loss.action), "state": str(loss.state), "count": loss.count}
        self._table.put({"id": f"lost#{event_id}", **noted, "expires_at": now + LOSS_KEPT})

    def find_loss(self, event_id: str) -> Loss | None:
        """What an earlier run of the event has noted."""
        item = self._table.read(f"lost#{event_id}")
        return Loss(Action(item["action"]), State(item["state"]), item["count"]) if item else None

    def abandon(self, channel: str) -> int:
        """Nothing is due any more. The counts stay, for a channel that comes back."""
        item, _ = self._update(channel, "REMOVE due, due_at", "attribute_exists(id)", {})
        return item.get("pending_count", 0) + item.get("batch_count", 0) if item else 0

    def _update(
        self, channel: str, update: str, condition: str, values: Mapping[str, object]
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """The item after the write, or where the condition doesn't hold the item that is there."""
        key = SUMMARY_PREFIX + channel
        done, item = self._table.update(key, update, values, condition=condition, returns="ALL_NEW")
        return (item, None) if done else (None, item)


def _ids(person_rank: int) -> str:
    return f"pending_ids{person_rank}"


def _batch(item: Mapping[str, Any]) -> Batch:
    ids = [message_id for rank in reversed(_RANKS) for message_id in item[f"batch_ids{rank}"]]
    return Batch(
        count=item["batch_count"],
        since=item["batch_since"],
        ids=tuple(ids),
        newest=item["batch_newest"],
        taken_at=item["taken_at"],
        attempts=item.get("attempts", 0),
        pause=item.get("pause", 0),
        next_at=item.get("next_at", 0),
        interrupted="claimed" in item,
    )
