"""The AWS calls of ``retry_due`` when no message is due, with plain boto3."""

import os
import time

import boto3

dynamodb = boto3.client("dynamodb")
functions = boto3.client("lambda")


def handler(event, context):
    page = dynamodb.query(
        TableName=os.environ["TABLE"],
        IndexName="due",
        KeyConditionExpression="due = :due AND due_at <= :now",
        ExpressionAttributeValues={":due": {"S": "yes"}, ":now": {"N": str(int(time.time()))}},
    )
    for item in page["Items"]:
        functions.invoke(FunctionName="herald-local-destined", InvocationType="Event", Payload=item["id"]["S"])
