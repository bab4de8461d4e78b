"""Whether a form's address answers with JSON, with a page, or with a piece of HTML: by who asks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from enum import Enum

from chalice.app import Response

from chalicelib.errors import SubmissionError
from chalicelib.logic import form_body

PROBLEM = "application/problem+json"
Headers = dict[str, str | list[str]]
_WEIGHT = re.compile(r"q=(0(\.\d*)?|1(\.0*)?)")
RETRY_AFTER = "30"
"""Seconds after which a client may try again when the message could not be published."""


class AnswerFormat(Enum):
    """The kinds of answers."""

    JSON = "json"
    """JSON, and problem documents."""
    PAGE = "page"
    """A redirect, or a page that names what is wrong."""
    FRAGMENT = "fragment"
    """A piece of HTML that htmx puts into its page."""
    PLAIN_OK = "plain OK"
    """The word OK, and problem documents: what the script of BootstrapMade's templates waits for."""


def choose_format(header: Callable[[str], str], origin: str | None, body: bytes) -> AnswerFormat:
    """Which kind of answer a request gets, by its headers (``header`` is empty for one that is missing).

    A browser says whether a form or a script asks (https://www.w3.org/TR/fetch-metadata/#sec-fetch-mode-header), save
    Safari before 16.4: from there a request with ``Origin`` is a script's, unless it accepts HTML as a form does.
    docs/forms.md lists what browsers and libraries send.
    """
    if header("hx-request") == "true":
        return AnswerFormat.FRAGMENT
    media_type, _ = form_body.parse_media_type(header("content-type"))
    # BootstrapMade's script alone sends these three together to another origin: jQuery sends no X-Requested-With there,
    # and axios accepts JSON. https://bootstrapmade.com/php-email-form/
    if (
        header("x-requested-with") == "XMLHttpRequest"
        and header("accept") == "*/*"
        and media_type == form_body.MULTIPART
    ):
        return AnswerFormat.PLAIN_OK
    if mode := header("sec-fetch-mode"):
        return AnswerFormat.PAGE if mode == "navigate" else AnswerFormat.JSON
    html, json_weight = _weight(header("accept"), "text/html"), _weight(header("accept"), form_body.JSON, PROBLEM)
    if html and html >= json_weight:
        return AnswerFormat.PAGE
    if origin is not None or json_weight:
        return AnswerFormat.JSON
    is_form = media_type in (form_body.FORM, form_body.MULTIPART) and not form_body.is_json_object(body)
    return AnswerFormat.PAGE if is_form else AnswerFormat.JSON


def _weight(accept: str, *media_types: str) -> float:
    """How much any of these types is wanted: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1"""
    weight = 0.0
    for part in accept.lower().split(","):
        media_type, *parameters = (each.strip() for each in part.split(";"))
        if media_type in media_types:
            named = next((each for each in parameters if each.startswith("q=")), "")
            weight = max(weight, float(named[2:]) if _WEIGHT.fullmatch(named) else 1.0)
    return weight


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
