"""The facts of files, in the message table: the item ``files#<id>`` of a message has an attribute for each file.

The item of an erased message has only ``gone``, for a day (``MarkTable.erase``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.item_table import ItemTable
from chalicelib.logic.message_files import FileFacts

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class ExaminationTable:
    """Writes what ``examine`` finds out."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._table = ItemTable(dynamodb, table)

    def record(self, item: str, attribute: str, facts: FileFacts, expires_at: int) -> None:
        """Write the facts of one file, unless its message was erased meanwhile; the same again changes nothing.
        Raises :class:`~chalicelib.errors.StoreError`."""
        update = "SET #file = :facts, expires_at = :expires_at"
        values = {":facts": facts.as_json(), ":expires_at": expires_at}
        self._table.update(item, update, values, condition="attribute_not_exists(gone)", names={"#file": attribute})
