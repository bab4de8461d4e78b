"""The AWS calls by which ``on_failure`` notifies the owner, with plain boto3."""

import json
import os
import time

import boto3

dynamodb = boto3.client("dynamodb")
functions = boto3.client("lambda")
TABLE = os.environ["TABLE"]


def handler(event, context):
    detail = event["detail"]
    message_id = json.loads(detail["requestPayload"]["Records"][0]["Sns"]["Message"])["id"]
    print(json.dumps({"level": "ERROR", "message_id": message_id, "condition": detail["requestContext"]["condition"]}))
    dynamodb.update_item(
        TableName=TABLE,
        Key={"id": {"S": "alarm#"}},
        UpdateExpression="SET notified_at = :now",
        ExpressionAttributeValues={":now": {"N": str(int(time.time()))}},
    )
    item = dynamodb.get_item(TableName=TABLE, Key={"id": {"S": message_id}})["Item"]
    text = "\n".join(f"{name}: {each['M']['state']['S']}" for name, each in item["deliveries"]["M"].items())
    request = {"version": 1, "id": f"alarm-{message_id}", "title": "Not delivered", "message": text}
    functions.invoke(FunctionName=os.environ["NOTIFIER"], Payload=json.dumps(request))["Payload"].read()
