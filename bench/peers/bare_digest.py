"""The AWS calls of ``digest`` after a day without a message and without a notification, with plain boto3."""

import json
import os
import time

import boto3

dynamodb = boto3.client("dynamodb")
functions = boto3.client("lambda")
TABLE = os.environ["TABLE"]


def handler(event, context):
    now = int(time.time())
    for site in ("default", "notifications"):
        _send_digest(site, now)


def _send_digest(site, now):
    key = {"id": {"S": f"digest#{site}"}}
    before = dynamodb.get_item(TableName=TABLE, Key=key).get("Item", {}).get("reported_until", {}).get("N", "0")
    page = dynamodb.query(
        TableName=TABLE,
        IndexName="site",
        KeyConditionExpression="site = :site AND received_at BETWEEN :since AND :now",
        ExpressionAttributeValues={":site": {"S": site}, ":since": {"N": before}, ":now": {"N": str(now)}},
    )
    dynamodb.update_item(
        TableName=TABLE,
        Key=key,
        UpdateExpression="SET reported_until = :now",
        ExpressionAttributeValues={":now": {"N": str(now)}},
    )
    if page["Items"]:
        request = {"version": 1, "id": f"digest-{now}", "title": "Digest", "message": str(len(page["Items"]))}
        functions.invoke(FunctionName=os.environ["NOTIFIER"], Payload=json.dumps(request))
