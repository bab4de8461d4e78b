"""The one write by which a person's replay changes a message's record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.item_table import ItemTable
from chalicelib.adapters.marks_and_erasure import MARKS_SET, mark_values
from chalicelib.adapters.message_table import (
    COMPARED_FIELDS,
    DUE,
    MessageTable,
    delivery_fields,
    fields_key,
    history_line,
    read_delivery,
    settled_by,
)
from chalicelib.logic.replay import ReplayUpdate
from chalicelib.logic.stored_messages import Marked, OwnerMark

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from chalicelib.logic.delivery_types import Record
    from chalicelib.settings import Stage


class ReplayTable:
    """The :class:`~chalicelib.logic.replay.ReplayStore` in DynamoDB."""

    def __init__(self, dynamodb: DynamoDBClient, stage: Stage) -> None:
        self._table = ItemTable(dynamodb, stage.table)
        self._messages = MessageTable(dynamodb, stage)
        self._stage = stage

    def find_record(self, message_id: str) -> Record | None:
        """A message's record."""
        return self._messages.find_record(message_id)

    def apply(self, message_id: str, update: ReplayUpdate) -> bool:
        """Write the whole change; return False, and leave the record as it is, when it was changed in between.

        The client repeats a write whose answer was lost, and the repetition fails on the first one's success. So an
        item that already holds the change counts as written. Raises LookupError where nothing is left to deliver.

        The fields' expiry is put off first, and the record's with the change itself. So where the change fails or comes
        too late, the fields outlive the record, by ``give_up_hours`` and a day at most.
        """
        if not update.before:
            return self._let_go(message_id, update)
        sets = ["due = :due", "due_at = :due_at", "replayed_at = :at", "expires_at = :expires_at"]
        conditions = ["held = :held" if update.hold_reason else "attribute_not_exists(held)", "attribute_exists(id)"]
        names = {f"#{name}": name for name in COMPARED_FIELDS}
        values: dict[str, object] = {
            ":due": DUE,
            ":due_at": update.due_at,
            ":at": update.at,
            ":expires_at": self._kept_until(message_id, settled_by(update.at, self._stage)),
            **({":held": update.hold_reason} if update.hold_reason else {}),
        }
        lines = []
        for number, (channel, before) in enumerate(update.before.items()):
            after = update.after[channel]
            names[f"#channel{number}"] = channel
            sets.append(f"deliveries.#channel{number} = :after{number}")
            values[f":after{number}"] = delivery_fields(after)
            for name in COMPARED_FIELDS:
                conditions.append(f"deliveries.#channel{number}.#{name} = :{name}{number}")
                values[f":{name}{number}"] = getattr(before, name)
            lines.append(history_line(channel, after) | ({"by": update.by} if update.by else {}))
        sets.append("history = list_append(if_not_exists(history, :none), :lines)")
        values |= {":none": [], ":lines": lines}
        done, item = self._table.update(
            message_id,
            f"SET {', '.join(sets)}{' REMOVE held' if update.hold_reason else ''}",
            values,
            condition=" AND ".join(conditions),
            names=names,
        )
        deliveries = item.get("deliveries", {})
        return done or all(
            channel in deliveries and read_delivery(deliveries[channel]) == after
            for channel, after in update.after.items()
        )

    def _kept_until(self, message_id: str, until: int) -> int:
        """Put off the fields' expiry until then, if it is sooner; return the record's, put off likewise."""
        record = self._table.read(message_id)
        if not record:
            raise LookupError(message_id)
        written = self._table.update(
            fields_key(message_id), "SET expires_at = :until", {":until": until}, condition="expires_at < :until"
        )
        if not written.done and not written.item:
            raise LookupError(message_id)
        return max(until, int(record["expires_at"]))

    def _let_go(self, message_id: str, update: ReplayUpdate) -> bool:
        """Take the hold away where there is no channel to try."""
        values = mark_values(Marked(OwnerMark.NOT_SPAM, update.at, update.by)) | {":held": update.hold_reason}
        return self._table.update(
            message_id, f"SET {MARKS_SET} REMOVE held", values, condition="held = :held AND attribute_exists(id)"
        ).done
