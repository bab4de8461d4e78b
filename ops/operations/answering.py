"""Mark a message as answered: an attribute of its record, which lists show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.adapters.aws import AwsError
from chalicelib.adapters.dynamodb_items import to_item
from chalicelib.adapters.messages import existing_item
from chalicelib.settings import Stage

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


def mark(dynamodb: DynamoDBClient, stage: Stage, message_id: str, at: int) -> bool:
    """Record when a message was answered, 0 for not; return False, and change nothing, where there is no message."""
    update: dict[str, Any] = {"UpdateExpression": "REMOVE answered_at"}
    if at:
        update = {
            "UpdateExpression": "SET answered_at = :at",
            "ExpressionAttributeValues": to_item({":at": at}),
        }
    try:
        dynamodb.update_item(
            TableName=stage.table,
            Key=to_item({"id": message_id}),
            # Other items of the table have ids too, and no deliveries.
            ConditionExpression="attribute_exists(deliveries)",
            **update,
        )
    except AwsError as error:
        existing_item(error)
        return False
    return True
