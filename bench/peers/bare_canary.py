"""The AWS calls of ``canary`` with plain boto3."""

import json
import os
import time

import boto3

sns = boto3.client("sns")


def handler(event, context):
    attributes = {"kind": {"DataType": "String", "StringValue": "canary"}}
    text = json.dumps({"id": f"canary-{context.aws_request_id}", "sent_at": int(time.time())})
    sns.publish(TopicArn=os.environ["TOPIC_ARN"], Message=text, MessageAttributes=attributes)
