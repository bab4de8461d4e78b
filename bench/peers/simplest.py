"""The simplest design: one function that calls Pushover before it answers the visitor."""

import json
import os
import urllib.parse
import urllib.request


def handler(event, context):
    fields = dict(urllib.parse.parse_qsl(event["body"] or ""))
    if not fields.get("message"):
        return {"statusCode": 422, "body": "message"}
    form = {"token": os.environ["TOKEN"], "user": os.environ["USER_KEY"], "message": fields["message"]}
    try:
        # API Gateway's limit is 29 seconds.
        with urllib.request.urlopen(
            os.environ["PROVIDER"], urllib.parse.urlencode(form).encode(), timeout=25
        ) as answer:
            delivered = json.loads(answer.read())["status"] == 1
    except OSError:
        delivered = False
    if not delivered:
        return {"statusCode": 502, "body": "Not sent"}
    return {"statusCode": 303, "headers": {"Location": os.environ["THANKS"]}, "body": ""}
