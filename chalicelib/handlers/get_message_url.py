"""``get_message_url``: ``get_message`` over HTTP, at a function URL."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from chalicelib.errors import InvalidRequestError, NotFoundError, UnavailableError
from chalicelib.handlers import stored_messages
from chalicelib.logs import logger

_ERRORS = {
    HTTPStatus.BAD_REQUEST: "Bad request.",
    HTTPStatus.NOT_FOUND: "Not found.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not available, try again.",
}

prepare = stored_messages.prepare


def answer(event: dict[str, Any]) -> dict[str, object]:
    """Answer ``GET /?version=1&id=…``: 200 with the message, 400, 404 or 503 with ``{"error": …}``.

    The query has the keys of the Invoke API's request. Lambda accepts only signed requests of permitted callers:
    https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
    """
    # https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-request-payload
    if event["requestContext"]["http"]["method"] != "GET" or event["rawPath"] != "/":
        return _failed(HTTPStatus.BAD_REQUEST)
    query: dict[str, object] = dict(event.get("queryStringParameters") or {})
    if query.get("version") == "1":
        query["version"] = 1
    try:
        return _answer(HTTPStatus.OK, stored_messages.get(query))
    except InvalidRequestError:
        return _failed(HTTPStatus.BAD_REQUEST)
    except NotFoundError:
        return _failed(HTTPStatus.NOT_FOUND)
    except UnavailableError as error:
        logger.error("Message not read", extra={"reason": error.message})
        return _failed(HTTPStatus.SERVICE_UNAVAILABLE)


def _failed(status: HTTPStatus) -> dict[str, object]:
    return _answer(status, {"error": _ERRORS[status]})


def _answer(status: HTTPStatus, body: dict[str, object]) -> dict[str, object]:
    return {
        "statusCode": int(status),
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": json.dumps(body, ensure_ascii=False),
    }
