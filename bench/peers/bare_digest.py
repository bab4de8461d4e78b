"""The AWS calls of ``digest`` after a day without a message, with plain boto3."""

import json
import os
import time

import boto3

dynamodb = boto3.client("dynamodb")
functions = boto3.client("lambda")
TABLE, KEY = os.environ["TABLE"], {"id": {"S": "digest#default"}}


def handler(event, context):
    now = int(time.time())
    before = dynamodb.get_item(TableName=TABLE, Key=KEY).get("Item", {}).get("reported_until", {}).get("N", "0")
    page = dynamodb.query(
        TableName=TABLE,
        IndexName="site",
        KeyConditionExpression="site = :site AND received_at BETWEEN :since AND :now",
        ExpressionAttributeValues={":site": {"S": "default"}, ":since": {"N": before}, ":now": {"N": str(now)}},
    )
    dynamodb.update_item(
        TableName=TABLE,
        Key=KEY,
        UpdateExpression="SET reported_until = :now",
        ExpressionAttributeValues={":now": {"N": str(now)}},
    )
    if page["Items"]:
        request = {"version": 1, "id": f"digest-{now}", "title": "Digest", "message": str(len(page["Items"]))}
        functions.invoke(FunctionName=os.environ["NOTIFIER"], Payload=json.dumps(request))
