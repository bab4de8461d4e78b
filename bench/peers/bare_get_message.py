"""Read the two items of a message by its id with plain boto3."""

import json
import os

import boto3

dynamodb = boto3.client("dynamodb")


def handler(event, context):
    record, written = _read(event["id"]), _read(f"fields#{event['id']}")
    return {"id": record["id"]["S"], "fields": json.loads(written["text"]["S"])["fields"]}


def _read(key):
    return dynamodb.get_item(TableName=os.environ["TABLE"], Key={"id": {"S": key}}, ConsistentRead=True)["Item"]
