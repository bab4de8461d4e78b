"""What a person decides about a message: marks in its record, and its erasure."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.adapters.item_table import ItemTable
from chalicelib.adapters.message_table import DAY, fields_key
from chalicelib.logic.duplicates import content_hash
from chalicelib.logic.spam import HoldReason
from chalicelib.logic.stored_messages import Marked, OwnerMark, StoredMessage

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class MarkTable:
    """The :class:`~chalicelib.logic.stored_messages.Marks` in DynamoDB."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, clock: Callable[[], float] = time.time) -> None:
        self._table = ItemTable(dynamodb, table)
        self._clock = clock

    def mark(self, message_id: str, marked: Marked) -> bool:
        # Other items of the table have ids too, and no deliveries.
        condition, values = "attribute_exists(deliveries)", mark_values(marked)
        removes = ""
        sets = [MARKS_SET]
        match marked.mark:
            case OwnerMark.SPAM:
                sets.append("held = :held")
                values[":held"] = HoldReason.QUARANTINED
                condition += " AND attribute_not_exists(held)"
                # An attempt in progress may make it due again: the run that follows finds it held.
                removes = " REMOVE due, due_at"
            case OwnerMark.ANSWERED:
                sets.append("answered_at = :at")
                values[":at"] = marked.at
            case OwnerMark.NOT_ANSWERED:
                removes = " REMOVE answered_at"
        return self._table.update(message_id, f"SET {', '.join(sets)}{removes}", values, condition=condition).done

    def erase(self, message: StoredMessage) -> None:
        """Delete a message's items, and so what the indexes hold of it, and the record of its content's hash.

        The item of its files' facts is emptied and marked as gone, so that ``examine`` writes nothing more there; it
        expires in a day. As long as the record is there, an interrupted erasure can be repeated. Only the fields are
        deleted once more after the record, as an event that came late may have written them in between.
        """
        listed = message.listed
        # The hash's item may belong to a later message with the same content: adapters/recent_activity.py.
        hashed = f"content#{content_hash(listed.site, message.fields, [file.declared_file for file in message.files])}"
        if self._table.read(hashed).get("message_id") == listed.id:
            self._table.delete(hashed)
        # Before the fields, which alone say that there are files.
        if message.files:
            self._erase_facts(listed.id)
        for key in (fields_key(listed.id), listed.id, fields_key(listed.id)):
            self._table.delete(key)

    def erase_fields(self, message_id: str) -> bool:
        """Delete the fields and the facts of the files; return whether there were any.

        It may be there without a record: a run that was killed after the first of its two writes leaves it so.
        """
        had_facts = self._erase_facts(message_id)
        return bool(self._table.delete(fields_key(message_id), returns="ALL_OLD")) or had_facts

    def _erase_facts(self, message_id: str) -> bool:
        """Empty the item of the files' facts and mark it as gone; return whether there were any facts."""
        # Loaded here alone: few functions erase.
        from chalicelib.logic.message_files import MAX_FILES, facts_key

        files = [f"file{number}" for number in range(1, MAX_FILES + 1)]
        update = f"SET gone = :gone, expires_at = :expires_at REMOVE {', '.join(files)}"
        values = {":gone": 1, ":expires_at": int(self._clock()) + DAY}
        before = self._table.update(facts_key(message_id), update, values, returns="ALL_OLD").item
        return any(file in before for file in files)


MARKS_SET = "marks = list_append(if_not_exists(marks, :none), :marks)"
"""Adds the marks of :func:`mark_values` to a record."""


def mark_values(marked: Marked) -> dict[str, object]:
    """The values of :data:`MARKS_SET`."""
    by = {"by": marked.by} if marked.by else {}
    return {":none": [], ":marks": [{"mark": marked.mark, "at": marked.at, **by}]}
