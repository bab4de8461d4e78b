"""What a person decides about a message: marks in its record, and its erasure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.item_table import ItemTable
from chalicelib.adapters.message_table import fields_key
from chalicelib.logic.duplicates import content_hash
from chalicelib.logic.spam import HoldReason
from chalicelib.logic.stored_messages import Marked, OwnerMark, StoredMessage

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class MarkTable:
    """The :class:`~chalicelib.logic.stored_messages.Marks` in DynamoDB."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._table = ItemTable(dynamodb, table)

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

        As long as the record is there, an erasure that was interrupted can be repeated: only what hangs on it is
        deleted once more after it, as an event that came late, or ``examine``, may have written it between the two.
        """
        listed = message.listed
        # The hash's item may belong to a later message with the same content: adapters/recent_activity.py.
        hashed = f"content#{content_hash(listed.site, message.fields, [file.declared_file for file in message.files])}"
        if self._table.read(hashed).get("message_id") == listed.id:
            self._table.delete(hashed)
        self.erase_fields(listed.id)
        self._table.delete(listed.id)
        self.erase_fields(listed.id)

    def erase_fields(self, message_id: str) -> bool:
        """Delete what the visitor wrote, and what is known of the files; return whether any of it was there.

        It may be there without a record: a run that was killed after the first of its two writes leaves it so.
        """
        # Loaded here alone: few functions erase.
        from chalicelib.logic.message_files import facts_key

        keys = (fields_key(message_id), facts_key(message_id))
        deleted = [self._table.delete(key, returns="ALL_OLD") for key in keys]
        return any(deleted)


MARKS_SET = "marks = list_append(if_not_exists(marks, :none), :marks)"
"""Adds the marks of :func:`mark_values` to a record."""


def mark_values(marked: Marked) -> dict[str, object]:
    """The values of :data:`MARKS_SET`."""
    by = {"by": marked.by} if marked.by else {}
    return {":none": [], ":marks": [{"mark": marked.mark, "at": marked.at, **by}]}
