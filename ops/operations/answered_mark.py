"""Mark a message as answered: an attribute of its record, which lists show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.item_table import ItemTable
from chalicelib.settings import Stage

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


def mark(dynamodb: DynamoDBClient, stage: Stage, message_id: str, at: int) -> bool:
    """Record when a message was answered, 0 for not; return False, and change nothing, where there is no message."""
    update, values = ("SET answered_at = :at", {":at": at}) if at else ("REMOVE answered_at", None)
    # Other items of the table have ids too, and no deliveries.
    condition = "attribute_exists(deliveries)"
    return ItemTable(dynamodb, stage.table).update(message_id, update, values, condition=condition).done
