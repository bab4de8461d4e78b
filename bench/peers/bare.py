"""A contact form as in most tutorials: one file, boto3, no framework."""

import base64
import json
import os
import time
import uuid
from urllib.parse import parse_qsl

import boto3

sns = boto3.client("sns")
TOPIC = os.environ["TOPIC_ARN"]


def handler(event, context):
    body = event["body"] or ""
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body).decode()
    fields = dict(parse_qsl(body, keep_blank_values=True))
    if not fields.get("message"):
        return {"statusCode": 422, "headers": {"Content-Type": "application/json"}, "body": '{"error": "message"}'}
    message = {"id": str(uuid.uuid4()), "site": "default", "received_at": int(time.time()), "fields": fields}
    sns.publish(
        TopicArn=TOPIC,
        Message=json.dumps(message),
        MessageAttributes={
            "site": {"DataType": "String", "StringValue": "default"},
            "kind": {"DataType": "String", "StringValue": "contact"},
        },
    )
    return {"statusCode": 303, "headers": {"Location": "https://www.example.com/thanks.html"}, "body": ""}
