"""Build the event that Lambda passes to each function, from AWS's samples in ``tests/contract/samples``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

FIELDS = {
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "message": "Could you send me the price of the analytical engine? " * 4,
}
"""The form fields of the submission, which every peer accepts."""
MESSAGE_ID = "6ba7b8109dad41d180b400c04fd430c8"


def submission(root: Path) -> dict[str, Any]:
    """Return the API Gateway event of a form that a browser posts."""
    sample = _sample(root, "api-gateway-proxy-request")
    headers = {
        "Accept": "text/html,application/xhtml+xml",
        "Content-Type": "application/x-www-form-urlencoded",
        "Host": "id.execute-api.us-east-1.amazonaws.com",
        "User-Agent": "Mozilla/5.0",
    }
    return {
        **sample,
        "resource": "/contact",
        "path": "/contact",
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "requestContext": {
            **sample["requestContext"],
            "path": "/api/contact",
            "stage": "api",
            "resourcePath": "/contact",
            "httpMethod": "POST",
        },
        "body": urlencode(FIELDS),
        "isBase64Encoded": False,
    }


def record(root: Path, site: str = "default") -> dict[str, Any]:
    """Return the SNS event by which ``destined`` receives the submission."""
    event = _sample(root, "sns-event")
    message = {
        "version": 1,
        "id": MESSAGE_ID,
        "site": site,
        "received_at": int(time.time()),
        "fields": FIELDS,
    }
    attributes = {"site": site, "kind": "contact"}
    event["Records"][0]["Sns"] |= {
        "Message": json.dumps(message),
        "MessageAttributes": {name: {"Type": "String", "Value": value} for name, value in attributes.items()},
    }
    return event


def notification(channel: str) -> dict[str, Any]:
    """Return a request to a notifier for this channel."""
    return {
        "version": 1,
        "id": MESSAGE_ID,
        "title": "New message: www.example.com",
        "message": FIELDS["message"],
        "fields": [{"name": name, "value": value} for name, value in FIELDS.items()],
        "site": "www.example.com",
        "timestamp": int(time.time()),
        "channel": channel,
    }


def outcome(root: Path, condition: str, action: str) -> dict[str, Any]:
    """Return the event that a rule on the bus passes to ``on_success`` or ``on_failure``."""
    event = _sample(root, "success" if condition == "Success" else "failure")
    event["detail"]["requestPayload"] = record(root)
    told = {"id": MESSAGE_ID, "site": "default"}
    event["detail"]["responsePayload"] = {"source": "herald.contact", "action": action, "message": told}
    return event


def schedule() -> dict[str, Any]:
    """Return the event that a schedule passes to a function.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html
    """
    return {
        "version": "0",
        "id": "89d1a02d-5ec7-412e-82f5-13505f849b41",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {},
    }


def signed_request(message_id: str) -> dict[str, Any]:
    """Return the event that a function URL passes to ``get_message_url``.

    https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-request-payload
    """
    return {
        "version": "2.0",
        "rawPath": "/",
        "rawQueryString": f"version=1&id={message_id}",
        "headers": {"host": "example.lambda-url.us-east-1.on.aws"},
        "queryStringParameters": {"version": "1", "id": message_id},
        "requestContext": {"http": {"method": "GET", "path": "/"}},
        "isBase64Encoded": False,
    }


def _sample(root: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / f"tests/contract/samples/{name}.json").read_text(encoding="utf-8"))
    return found
