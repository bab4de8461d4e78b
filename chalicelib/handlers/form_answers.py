"""What a form's address answers: that a message was accepted, or why it was not, in the format that was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping

from chalice.app import Response

from chalicelib.errors import SubmissionError
from chalicelib.handlers.answer_format import AnswerFormat
from chalicelib.handlers.form_request import FormRequest

Headers = dict[str, str | list[str]]
RETRY_AFTER = "30"
"""Seconds after which a client may try again when the message could not be published."""


def accepted(asked: FormRequest, message_id: str, destination: str) -> Response:
    """A program gets JSON, htmx a fragment, a browser a redirect to ``destination``."""
    match asked.answer_format:
        case AnswerFormat.PAGE:
            return Response(body="", status_code=303, headers={"Location": destination, "Cache-Control": "no-store"})
        case AnswerFormat.FRAGMENT:
            from chalicelib.handlers import fragments

            return fragments.accepted(asked, destination)
    body: dict[str, object] = {"id": message_id, "status": "accepted", "next": destination}
    if asked.form.ignored:
        body["ignored"] = asked.form.ignored
    services = asked.services
    if not services:
        return json_response(202, body)
    _, texts = asked.language()
    for service in services:
        body |= service.accepted(texts["accepted"], 200)
    return json_response(200, body)


def refused(asked: FormRequest, error: SubmissionError) -> Response:
    """An error in the visitor's language: a problem document for a program, HTML for htmx, a page for a browser."""
    match asked.answer_format:
        case AnswerFormat.JSON:
            return problem(asked, error)
        case AnswerFormat.FRAGMENT:
            from chalicelib.handlers import fragments

            return fragments.refused(asked, error)
    from chalicelib.logic import error_page, origins

    language, texts = asked.language()
    back = origins.way_back(asked.site, asked.origin, asked.allowed)
    page = error_page.refused(error, asked.pairs, texts, language, back)
    return html_response(
        error.status, page, language, {"Content-Security-Policy": error_page.POLICY, **retry_after(error)}
    )


def problem(asked: FormRequest, error: SubmissionError) -> Response:
    """An error as a problem document."""
    from chalicelib.handlers import problem_documents

    return problem_documents.problem(asked, error)


def json_response(status: int, body: Mapping[str, object], headers: Headers | None = None) -> Response:
    """A JSON answer that is not cached."""
    return Response(
        body=json.dumps(body, ensure_ascii=False),
        status_code=status,
        headers={"Content-Type": "application/json", "Cache-Control": "no-store", **(headers or {})},
    )


def html_response(status: int, html: str, language: str, headers: Headers) -> Response:
    """An HTML answer that is not cached."""
    return Response(
        body=html,
        status_code=status,
        headers={
            "Content-Language": language,
            "Content-Type": "text/html; charset=utf-8",
            "Cache-Control": "no-store",
            **headers,
        },
    )


def retry_after(error: SubmissionError) -> Headers:
    """The header that says when to try again, where that helps."""
    return {"Retry-After": RETRY_AFTER} if error.status == 503 else {}
