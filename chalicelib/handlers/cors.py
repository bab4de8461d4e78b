"""CORS: which pages' scripts may send to a form's address, and what of the answer they may read.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

import re

from chalice.app import Response

from chalicelib.handlers.answer_format import AnswerFormat, Headers
from chalicelib.handlers.form_request import FormRequest

ALLOWED_HEADERS = "Accept, Content-Type, Formspree-Client, Formspree-Session-Data, Idempotency-Key"
"""What a preflight is answered with that asks for no headers, or for none that can be read."""
MAX_REQUESTED_HEADERS = 1024
"""Characters of the list of headers that a preflight may ask for."""
PREFLIGHT_AGE = "7200"
"""Seconds that a browser may cache a preflight's answer: the most that Chromium honours."""
HTMX_HEADERS = (
    "Retry-After, HX-Location, HX-Push, HX-Push-Url, HX-Redirect, HX-Refresh, HX-Replace-Url, HX-Reselect, HX-Reswap, "
    "HX-Retarget, HX-Trigger, HX-Trigger-After-Settle, HX-Trigger-After-Swap"
)
"""What htmx looks for in an answer; for each that is hidden from it a browser writes an error to its console."""
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name: RFC 9110, 5.6.2."""


def preflight(form_request: FormRequest) -> Response:
    """Answer 204 with what the page may send, or 403 without these headers: then the browser sends nothing further.

    A script of an allowed page may set any header: what libraries and monitoring add changes nothing here, and no
    credentials are ever allowed.
    """
    headers: Headers = {"Vary": "Origin", "Cache-Control": "no-store"}
    if form_request.origin is None or not form_request.origin_allowed:
        return Response(body="", status_code=403, headers=headers)
    headers |= {
        "Access-Control-Allow-Origin": form_request.origin,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": _allowed_headers(form_request.header("access-control-request-headers")),
        "Access-Control-Max-Age": PREFLIGHT_AGE,
    }
    return Response(body="", status_code=204, headers=headers)


def _allowed_headers(wanted: str) -> str:
    names = [name for name in (part.strip(" \t") for part in wanted.split(",")) if name]
    if names and len(wanted) <= MAX_REQUESTED_HEADERS and all(map(_HEADER_NAME.fullmatch, names)):
        return ", ".join(names)
    return ALLOWED_HEADERS


def with_cors(response: Response, form_request: FormRequest) -> Response:
    """The response with the headers that let the script of an allowed page read it, and no other's."""
    if form_request.site is not None and form_request.origin is not None:
        response.headers["Vary"] = "Origin"
        if form_request.origin_allowed:
            response.headers["Access-Control-Allow-Origin"] = form_request.origin
            # Unless they are exposed, a browser hides these headers from a page's script (Fetch, 2.2.2).
            exposed = HTMX_HEADERS if form_request.answer_format is AnswerFormat.FRAGMENT else "Retry-After"
            response.headers["Access-Control-Expose-Headers"] = exposed
    return response
