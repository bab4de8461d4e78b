"""The contact form with the resolver of Powertools for AWS Lambda, and boto3."""

import json
import os
import time
import uuid
from urllib.parse import parse_qsl

import boto3
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

app = APIGatewayRestResolver()
sns = boto3.client("sns")
TOPIC = os.environ["TOPIC_ARN"]


@app.post("/contact")
def contact():
    fields = dict(parse_qsl(app.current_event.decoded_body or "", keep_blank_values=True))
    if not fields.get("message"):
        return Response(status_code=422, content_type="application/json", body='{"error": "message"}')
    message = {"id": str(uuid.uuid4()), "site": "default", "received_at": int(time.time()), "fields": fields}
    sns.publish(
        TopicArn=TOPIC,
        Message=json.dumps(message),
        MessageAttributes={
            "site": {"DataType": "String", "StringValue": "default"},
            "kind": {"DataType": "String", "StringValue": "contact"},
        },
    )
    return Response(status_code=303, headers={"Location": "https://www.example.com/thanks.html"}, body="")


def handler(event, context):
    return app.resolve(event, context)
