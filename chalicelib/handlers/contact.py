"""``POST /contact``: from an HTTP request to a published message, and back to an HTTP answer."""

from __future__ import annotations

import json
import uuid

from chalice.app import Request, Response

from chalicelib import composition
from chalicelib.errors import PublishError, SubmissionError
from chalicelib.logic import submission
from chalicelib.logic.events import KIND_CONTACT
from chalicelib.logs import logger

PROBLEM = "application/problem+json"
RETRY_AFTER = "30"
"""Seconds after which a visitor may try again when the topic did not accept."""


def prepare() -> None:
    """Make the client that every request needs."""
    _ = composition.root().topic


def accept(request: Request | None, site: str) -> Response:
    """Validate a submission, publish it, and only then say that it was accepted.

    A program gets JSON: 202 ``{"id", "status": "accepted"}``. A form gets 303 to the site's thanks page. Errors are
    problem documents (RFC 9457): 400, 404, 413, 415, 422, and 503 when the topic did not accept.
    """
    if request is None:
        raise RuntimeError("there is no request: Chalice sets it before it calls a view")
    here = composition.root()
    found = here.site(site)
    content_type = request.headers.get("content-type", "")
    function_arn = getattr(request.lambda_context, "invoked_function_arn", "")
    try:
        if found is None:
            raise SubmissionError(404, "There is no such site here.")
        fields = submission.parse(content_type, _bytes(request.raw_body))
        submission.validate(fields, found.required)
        message = submission.Message(str(uuid.uuid4()), found.name, here.now(), fields)
        text = message.serialize()
        logger.set_correlation_id(message.id)
        here.topic.publish(
            text,
            site=found.name,
            kind=KIND_CONTACT,
            function_arn=function_arn,
        )
    except SubmissionError as error:
        return _refused(error, site_known=found is not None, site=site)
    except PublishError as error:
        # Outside Lambda, under `chalice local`, a developer wants to know what is missing.
        hint = {} if function_arn else {"hint": here.stage.hint}
        logger.error("The topic did not accept the message", extra={"reason": error.reason, "site": site, **hint})
        return _problem(
            503, "The message could not be accepted; please try again.", headers={"Retry-After": RETRY_AFTER}
        )
    logger.info("Accepted", extra={"message_id": message.id, "site": found.name})
    if submission.prefers_json(content_type, request.headers.get("accept", "")):
        return _json(202, {"id": message.id, "status": "accepted"})
    return Response(body="", status_code=303, headers={"Location": found.thanks})


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body


def _refused(error: SubmissionError, *, site_known: bool, site: str) -> Response:
    # Of a site that is not ours the name is a visitor's text, and stays out of the log.
    logger.info(
        "Refused",
        extra={
            "status": error.status,
            "problems": [f"{problem.field}: {problem.code}" for problem in error.problems],
            **({"site": site} if site_known else {}),
        },
    )
    problems = [
        {"code": problem.code, "field": problem.field, "message": problem.message} for problem in error.problems
    ]
    return _problem(error.status, error.title, {"errors": problems} if problems else {})


def _problem(
    status: int, title: str, more: dict[str, object] | None = None, headers: dict[str, str] | None = None
) -> Response:
    body = {"type": "about:blank", "title": title, "status": status, **(more or {})}
    return _json(status, body, {"Content-Type": PROBLEM, **(headers or {})})


def _json(status: int, body: dict[str, object], headers: dict[str, str] | None = None) -> Response:
    return Response(
        body=json.dumps(body, ensure_ascii=False),
        status_code=status,
        headers={"Content-Type": "application/json", "Cache-Control": "no-store", **(headers or {})},
    )
