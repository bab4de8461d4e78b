"""What is known of files, in the message table: ``files#<id>`` for a message's, an attribute for each file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.item_table import ItemTable
from chalicelib.logic.message_files import FileFacts, facts_key

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class ExaminationTable:
    """Writes what ``examine`` finds out."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._table = ItemTable(dynamodb, table)

    def record(self, item: str, attribute: str, facts: FileFacts, expires_at: int, *, of_message: bool) -> None:
        """Write the facts of one file; the same again changes nothing. Raises
        :class:`~chalicelib.errors.StoreError`.

        With ``of_message`` nothing stays where the message was erased meanwhile. Its record is read after the write:
        whoever erases deletes the facts once more after the record (``MarkTable.erase``).
        """
        update = "SET #file = :facts, expires_at = :expires_at"
        values = {":facts": facts.as_json(), ":expires_at": expires_at}
        self._table.update(item, update, values, names={"#file": attribute})
        if of_message and not self._table.read(item.removeprefix(facts_key(""))):
            self._table.delete(item)
