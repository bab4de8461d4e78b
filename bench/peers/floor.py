"""The lower bound for the contact form: only the standard library. Its calls are unsigned, so AWS would refuse them."""

import base64
import http.client
import json
import os
import time
import uuid
from urllib.parse import parse_qsl, urlencode, urlsplit

TOPIC = os.environ["TOPIC_ARN"]
ENDPOINT = urlsplit(os.environ["AWS_ENDPOINT_URL"])
if ENDPOINT.scheme == "https":
    import ssl

    connection = http.client.HTTPSConnection(
        ENDPOINT.netloc, timeout=5, context=ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    )
else:
    connection = http.client.HTTPConnection(ENDPOINT.netloc, timeout=5)


def handler(event, context):
    body = event["body"] or ""
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body).decode()
    fields = dict(parse_qsl(body, keep_blank_values=True))
    if not fields.get("message"):
        return {"statusCode": 422, "headers": {"Content-Type": "application/json"}, "body": '{"error": "message"}'}
    message = {"id": str(uuid.uuid4()), "site": "default", "received_at": int(time.time()), "fields": fields}
    form = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": TOPIC, "Message": json.dumps(message)}
    for number, (name, value) in enumerate([("site", "default"), ("kind", "contact")], 1):
        entry = f"MessageAttributes.entry.{number}"
        form |= {f"{entry}.Name": name, f"{entry}.Value.DataType": "String", f"{entry}.Value.StringValue": value}
    connection.request("POST", "/", urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        return {"statusCode": 503, "headers": {}, "body": ""}
    return {"statusCode": 303, "headers": {"Location": "https://www.example.com/thanks.html"}, "body": ""}
