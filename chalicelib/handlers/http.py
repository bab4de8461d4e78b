"""HTTP for the form's address: who asks, which kind of answer they get, CORS, and problem documents (RFC 9457)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property

from chalice.app import Request, Response

from chalicelib.errors import SubmissionError
from chalicelib.logic import bodies, origins
from chalicelib.logic.bodies import Pairs
from chalicelib.logic.form_services import Family, families_of
from chalicelib.logic.submission import Submission, classify_fields
from chalicelib.settings import Limits, Site

Headers = dict[str, str | list[str]]
PROBLEM = "application/problem+json"
RETRY_AFTER = "30"
"""Seconds after which a client may try again when the message could not be published."""
ALLOWED_HEADERS = "Accept, Content-Type, Formspree-Client, Formspree-Session-Data, Idempotency-Key"
"""What a preflight is answered with that asks for no headers, or for none that can be read."""
MAX_ASKED_HEADERS = 1024
"""Characters of the list of headers that a preflight may ask for."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name: RFC 9110, 5.6.2."""
PREFLIGHT_AGE = "7200"
"""Seconds that a browser may cache a preflight's answer: the most that Chromium honours."""


class FormRequest:
    """One request to the form's address, and what its answer depends on."""

    def __init__(self, request: Request | None, site: Site | None) -> None:
        if request is None:
            raise RuntimeError("there is no request: Chalice sets it before it calls a view")
        self.method: str = request.method
        self.site = site
        """None where no site has that name."""
        self.origin: str | None = request.headers.get("origin")
        self.allowed = site is not None and origins.may_send(site, self.origin, request.headers.get("host", ""))
        """Whether the page that it comes from may send to the site."""
        self.pairs: Pairs = []
        """The fields as they were sent, as far as :meth:`read_form` could read them."""
        self.form = Submission()
        """The same, by what they mean."""
        self._request = request

    def read_form(self, limits: Limits) -> None:
        """Fill ``pairs`` and ``form``; raises :class:`SubmissionError` after filling in what could be read."""
        body = self._request.raw_body
        try:
            self.pairs = bodies.read(
                self.header("content-type"), body.encode() if isinstance(body, str) else body, limits
            )
        except SubmissionError as error:
            self.pairs = error.pairs
            raise
        finally:
            self.form = classify_fields(self.pairs)

    def header(self, name: str) -> str:
        """A header's value without the spaces around it; empty without the header."""
        return str(self._request.headers.get(name, "")).strip()

    @property
    def source_ip(self) -> str:
        """The address that API Gateway saw; empty elsewhere."""
        return (self._request.context.get("identity") or {}).get("sourceIp") or ""

    @property
    def function_arn(self) -> str:
        """The ARN of the running function; empty outside Lambda."""
        return getattr(self._request.lambda_context, "invoked_function_arn", "")

    @cached_property
    def wants_json(self) -> bool:
        """Whether a script or another program asks, which wants JSON; a browser that posts a form wants a page.

        A browser says which of the two it is (https://www.w3.org/TR/fetch-metadata/#sec-fetch-mode-header), save
        Safari before 16.4: from there a request with ``Origin`` is a script's, unless it accepts HTML as a form does.
        docs/forms.md lists what browsers and libraries send.
        """
        if mode := self.header("sec-fetch-mode"):
            return mode != "navigate"
        accepted = {part.partition(";")[0].strip().lower() for part in self.header("accept").split(",")}
        if "text/html" in accepted:
            return False
        if self.origin is not None or accepted & {bodies.JSON, PROBLEM}:
            return True
        media_type, _ = bodies.parse_media_type(self.header("content-type"))
        return media_type not in (bodies.FORM, bodies.MULTIPART)

    @property
    def families(self) -> list[Family]:
        """The other services that the form was written for, whose scripts look for more in an answer."""
        return families_of(self._request.path, self.pairs)

    def language(self) -> tuple[str, Mapping[str, str]]:
        """The language of the answer, and the texts in it."""
        from chalicelib.texts import choose, texts

        language = choose(self.form.language, self.header("accept-language"), self.site.language if self.site else "")
        return language, texts(language)


def preflight(asked: FormRequest) -> Response:
    """Allow the page to send, or nothing: without these headers the browser sends nothing further.

    A script of an allowed page may set any header: what libraries and monitoring add changes nothing here, and no
    credentials are ever allowed.

    https://fetch.spec.whatwg.org/#http-responses
    """
    headers: Headers = {"Vary": "Origin", "Cache-Control": "no-store"}
    if asked.origin is None or not asked.allowed:
        return Response(body="", status_code=403, headers=headers)
    headers |= {
        "Access-Control-Allow-Origin": asked.origin,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": _allowed_headers(asked.header("access-control-request-headers")),
        "Access-Control-Max-Age": PREFLIGHT_AGE,
    }
    return Response(body="", status_code=204, headers=headers)


def _allowed_headers(asked: str) -> str:
    names = [name for name in (part.strip(" \t") for part in asked.split(",")) if name]
    if names and len(asked) <= MAX_ASKED_HEADERS and all(map(_TOKEN.fullmatch, names)):
        return ", ".join(names)
    return ALLOWED_HEADERS


def with_cors(response: Response, asked: FormRequest) -> Response:
    """The response with the headers that let the script of an allowed page read it, and no other's."""
    if asked.site is not None and asked.origin is not None:
        response.headers["Vary"] = "Origin"
        if asked.allowed:
            response.headers["Access-Control-Allow-Origin"] = asked.origin
            # Unless it is exposed, a browser hides this header from a page's script (Fetch, 2.2.2).
            response.headers["Access-Control-Expose-Headers"] = "Retry-After"
    return response


def accepted(asked: FormRequest, message_id: str, destination: str) -> Response:
    """A program gets JSON, a browser a redirect to ``destination``."""
    if not asked.wants_json:
        return Response(body="", status_code=303, headers={"Location": destination, "Cache-Control": "no-store"})
    body: dict[str, object] = {"id": message_id, "status": "accepted", "next": destination}
    if asked.form.ignored:
        body["ignored"] = asked.form.ignored
    families = asked.families
    if not families:
        return json_response(202, body)
    _, texts = asked.language()
    for family in families:
        body |= family.accepted(texts["accepted"])
    return json_response(200, body)


def failed(asked: FormRequest, error: SubmissionError) -> Response:
    """An error in the visitor's language: a problem document for a program, a page for a browser."""
    if asked.wants_json:
        return problem(asked, error)
    from chalicelib.logic import error_page

    language, texts = asked.language()
    page = error_page.refused(
        error, asked.pairs, texts, language, origins.way_back(asked.site, asked.origin, asked.allowed)
    )
    headers: Headers = {
        "Content-Language": language,
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": error_page.POLICY,
        "Cache-Control": "no-store",
    }
    return Response(body=page, status_code=error.status, headers=headers | _retry_after(error))


def problem(asked: FormRequest, error: SubmissionError) -> Response:
    """An error as a problem document in the visitor's language."""
    from chalicelib.texts import worded

    language, texts = asked.language()
    title = worded(texts, error)
    body: dict[str, object] = {
        "type": "about:blank",
        "title": title,
        "status": error.status,
        "errors": [
            {"code": mistake.code, "field": mistake.field, "message": worded(texts, mistake)}
            for mistake in error.problems
        ]
        or [{"code": error.code, "message": title}],
    }
    for family in asked.families:
        body |= family.refused(title)
    headers: Headers = {"Content-Language": language, "Content-Type": PROBLEM}
    return json_response(error.status, body, headers | _retry_after(error))


def json_response(status: int, body: Mapping[str, object], headers: Headers | None = None) -> Response:
    """A JSON answer that is not cached."""
    return Response(
        body=json.dumps(body, ensure_ascii=False),
        status_code=status,
        headers={"Content-Type": "application/json", "Cache-Control": "no-store", **(headers or {})},
    )


def _retry_after(error: SubmissionError) -> Headers:
    return {"Retry-After": RETRY_AFTER} if error.status == 503 else {}
