"""One request to a form's address: which site it is for, whose page it comes from, what it holds, in which language."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from chalice.app import Request

from chalicelib.errors import Problem, SubmissionError
from chalicelib.handlers.answer_format import AnswerFormat, choose_format
from chalicelib.logic import allowed_origins, form_body
from chalicelib.logic.form_body import Pairs
from chalicelib.logic.form_service_answers import FormService, emulated_form_services
from chalicelib.logic.submission import Submission, classify_fields
from chalicelib.settings import Limits, Site

if TYPE_CHECKING:
    from chalicelib.logic.uploads import Uploads


class FormRequest:
    """One request to the form's address, and what its answer depends on."""

    def __init__(self, request: Request | None, site: Site | None) -> None:
        if request is None:
            raise RuntimeError("there is no request: Chalice sets it before it calls a view")
        self.method: str = request.method
        self.site = site
        """None where no site has that name."""
        self.origin: str | None = request.headers.get("origin")
        self.origin_allowed = site is not None and allowed_origins.accepts_origin(
            site, self.origin, request.headers.get("host", "")
        )
        """Whether the page that it comes from may send to the site."""
        self.pairs: Pairs = []
        """The fields as they were sent, as far as :meth:`read_form` could read them."""
        self.form = Submission()
        """The same fields, sorted by what they mean."""
        self._request = request

    def read_form(self, limits: Limits) -> None:
        """Fill ``pairs`` and ``form``; raises :class:`SubmissionError` after filling in what could be read."""
        try:
            if self.header("content-encoding").lower() not in ("", "identity"):
                # API Gateway hands on text as UTF-8, which nothing that is compressed survives.
                raise SubmissionError(
                    415, "unsupported_media_type", Problem("unsupported_media_type", "content-encoding")
                )
            self.pairs = form_body.read(self.header("content-type"), self._body, limits, self.uploads)
        except SubmissionError as error:
            self.pairs = error.pairs
            raise
        finally:
            self.form = classify_fields(self.pairs)

    @cached_property
    def uploads(self) -> Uploads | None:
        """The form's files, as far as :meth:`read_form` could read them; None where the site takes none."""
        if self.site is None or self.site.files is None:
            return None
        from chalicelib.logic.uploads import Uploads

        return Uploads(self.site.files)

    def read_query(self) -> None:
        """Fill ``pairs`` and ``form`` with what a form sent by GET."""
        query = self._request.query_params
        self.pairs = [(name, text) for name in query for text in query.getlist(name)] if query else []
        self.form = classify_fields(self.pairs)

    @property
    def page(self) -> str:
        """The address of the form's page, as far as the browser names it: often its origin alone."""
        referer = self.header("referer")
        return referer if self.origin is None or referer.startswith(f"{self.origin}/") else f"{self.origin}/"

    @property
    def _body(self) -> bytes:
        body = self._request.raw_body
        return body.encode() if isinstance(body, str) else body

    def header(self, name: str) -> str:
        """A header's value without the spaces around it; empty without the header."""
        return str(self._request.headers.get(name, "")).strip()

    @property
    def is_json(self) -> bool:
        """Whether the body is a JSON object, whatever its header says."""
        return form_body.is_json_object(self._body)

    @property
    def source_ip(self) -> str:
        """The address that API Gateway saw; empty elsewhere."""
        return (self._request.context.get("identity") or {}).get("sourceIp") or ""

    @property
    def function_arn(self) -> str:
        """The ARN of the running function; empty outside Lambda."""
        return getattr(self._request.lambda_context, "invoked_function_arn", "")

    @cached_property
    def answer_format(self) -> AnswerFormat:
        """The format in which the sender of the request can read the answer."""
        return choose_format(self.header, self.origin, self._body)

    @property
    def emulated_form_services(self) -> list[FormService]:
        """The services, such as Formspree, that the form was written for: Herald answers their scripts as they did."""
        return emulated_form_services(self._request.path, self.pairs)

    def mail_language(self) -> str:
        """The language in which the site answers this visitor by mail; empty where it doesn't."""
        if self.site is None or self.site.autoreply is None:
            return ""
        from chalicelib.texts import prefer

        accepted = self.header("accept-language")
        return prefer(self.site.autoreply.texts, self.form.language, accepted, self.site.language)

    def language_and_texts(self) -> tuple[str, Mapping[str, str]]:
        """The language of the answer, and the texts in it."""
        from chalicelib.texts import choose, texts

        site_language, site_texts = (self.site.language, self.site.texts) if self.site else ("", {})
        language = choose(self.form.language, self.header("accept-language"), site_language, site_texts)
        return language, texts(language, site_texts)
