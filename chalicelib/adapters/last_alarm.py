"""Store until when the owner is not notified of failures, in one item of the message table."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.item_table import ItemTable
from chalicelib.errors import AlarmError
from chalicelib.logic.failure_alarm import LEASE, Turn

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_KEY = "alarm#"
_QUIET_TIME_IS_OVER = "(attribute_not_exists(quiet_until) OR quiet_until <= :now)"


class AlarmItem:
    """An :class:`~chalicelib.logic.failure_alarm.AlarmLog` in DynamoDB, by conditional writes.

    ``quiet_until`` ends the quiet time, or the turn of the run ``telling``; ``unreported`` counts failures, of which
    ``counted`` is the last event; ``unheard`` is the event of the last alarm, if that reached nobody (empty for the
    scheduled retry's). Each write may be repeated, as the client does when an answer was lost.
    """

    def __init__(
        self, dynamodb: DynamoDBClient, table: str, new_run: Callable[[], str] = lambda: uuid.uuid4().hex
    ) -> None:
        self._table = ItemTable(dynamodb, table)
        self._new_run = new_run

    def failed(self, event: str, now: int) -> Turn | None:
        """Take a turn, or count the failure."""
        turn, _ = self._begin(now, _QUIET_TIME_IS_OVER, event)
        if turn is None:
            # If two attempts at an event have others between them, it is counted twice: too many rather than too few.
            done, item = self._table.update(
                _KEY,
                "SET counted = :event ADD unreported :one",
                {":event": event, ":one": 1},
                condition=_is_not("unheard") + " AND " + _is_not("counted"),
            )
            if not done and item.get("counted") != event:
                raise AlarmError
        return turn

    def unreported(self, now: int) -> Turn | None:
        """Take a turn if failures were counted."""
        turn, item = self._begin(now, f"{_QUIET_TIME_IS_OVER} AND unreported > :none", more={":none": 0})
        if turn is None and "unheard" in item and item.get("unreported"):
            raise AlarmError
        return turn

    def told(self, turn: Turn, quiet_until: int) -> None:
        """Start the quiet time, and take the reported failures from the count."""
        update = "SET quiet_until = :until ADD unreported :reported REMOVE telling, unheard"
        self._end(turn, update, {":until": quiet_until, ":reported": -turn.counted})

    def reached_nobody(self, turn: Turn, quiet_until: int) -> None:
        """Start a quiet time, in which this event is not counted."""
        update = "SET quiet_until = :until, unheard = :event REMOVE telling"
        self._end(turn, update, {":until": quiet_until, ":event": turn.event})

    def _begin(
        self, now: int, condition: str, event: str = "", more: Mapping[str, object] | None = None
    ) -> tuple[Turn | None, dict[str, Any]]:
        """Take a turn if the condition holds; returns it and the item. ``telling`` recognises our own write."""
        run = self._new_run()
        done, item = self._table.update(
            _KEY,
            "SET quiet_until = :lease, telling = :run",
            {":now": now, ":lease": now + LEASE, ":run": run, **(more or {})},
            condition=condition,
            returns="ALL_NEW",
        )
        ours = done or item.get("telling") == run
        return (Turn(run, item.get("unreported", 0), event) if ours else None), item

    def _end(self, turn: Turn, update: str, values: dict[str, object]) -> None:
        """End a turn, unless that was done or another run has taken the next one."""
        self._table.update(_KEY, update, values | {":run": turn.run}, condition="telling = :run")


def _is_not(attribute: str) -> str:
    return f"(attribute_not_exists({attribute}) OR {attribute} <> :event)"
