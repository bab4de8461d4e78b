"""Read the two items of a message by its id over HTTP, with plain boto3."""

import json
import os

import boto3

dynamodb = boto3.client("dynamodb")


def handler(event, context):
    message_id = event["queryStringParameters"]["id"]
    record, written = _read(message_id), _read(f"fields#{message_id}")
    body = {"id": record["id"]["S"], "fields": json.loads(written["text"]["S"])["fields"]}
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}


def _read(key):
    return dynamodb.get_item(TableName=os.environ["TABLE"], Key={"id": {"S": key}}, ConsistentRead=True)["Item"]
