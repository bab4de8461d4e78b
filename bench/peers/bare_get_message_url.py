"""Read one message by its id over HTTP, with plain boto3."""

import json
import os

import boto3

dynamodb = boto3.client("dynamodb")


def handler(event, context):
    key = {"id": {"S": event["queryStringParameters"]["id"]}}
    item = dynamodb.get_item(TableName=os.environ["TABLE"], Key=key, ConsistentRead=True)["Item"]
    body = {"id": item["id"]["S"], "fields": json.loads(item["text"]["S"])["fields"]}
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
