"""Read one message by its id with plain boto3."""

import json
import os

import boto3

dynamodb = boto3.client("dynamodb")


def handler(event, context):
    item = dynamodb.get_item(TableName=os.environ["TABLE"], Key={"id": {"S": event["id"]}}, ConsistentRead=True)["Item"]
    return {"id": item["id"]["S"], "fields": json.loads(item["text"]["S"])["fields"]}
