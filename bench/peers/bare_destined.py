"""The AWS calls of ``destined`` for a new message, with plain boto3."""

import json
import os
import time

import boto3
from botocore.config import Config

dynamodb = boto3.client("dynamodb", config=Config(connect_timeout=1, read_timeout=2))
functions = boto3.client("lambda", config=Config(read_timeout=25, retries={"total_max_attempts": 1}))
TABLE, NOTIFIER = os.environ["TABLE"], os.environ["NOTIFIER"]


def handler(event, context):
    message = json.loads(event["Records"][0]["Sns"]["Message"])
    now = str(int(time.time()))
    dynamodb.put_item(TableName=TABLE, Item={"id": {"S": f"content#{hash(str(message['fields']))}"}, "at": {"N": now}})
    dynamodb.put_item(
        TableName=TABLE, Item={"id": {"S": f"fields#{message['id']}"}, "fields": {"S": json.dumps(message["fields"])}}
    )
    item = {"id": {"S": message["id"]}, "site": {"S": message["site"]}, "state": {"S": "pending"}}
    dynamodb.put_item(TableName=TABLE, Item=item, ConditionExpression="attribute_not_exists(id)")
    _set("rings#pushover", "spent")
    _set(message["id"], "sending")
    text = "\n".join(f"{name}: {value}" for name, value in message["fields"].items())
    request = {"version": 1, "id": message["id"], "title": "New submission", "message": text, "channel": "pushover"}
    answer = json.loads(functions.invoke(FunctionName=NOTIFIER, Payload=json.dumps(request))["Payload"].read())
    _set(message["id"], answer["status"])
    return {"action": answer["status"], "message": {"id": message["id"]}}


def _set(message_id, state):
    dynamodb.update_item(
        TableName=TABLE,
        Key={"id": {"S": message_id}},
        UpdateExpression="SET #state = :state",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":state": {"S": state}},
    )
