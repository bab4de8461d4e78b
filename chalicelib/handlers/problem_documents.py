"""Errors as JSON: problem documents (RFC 9457) in the visitor's language. Loaded when something was refused."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.errors import SubmissionError
from chalicelib.handlers.answer_format import PROBLEM, Headers, json_response, retry_after
from chalicelib.handlers.form_request import FormRequest
from chalicelib.texts import worded


def problem_document(form_request: FormRequest, error: SubmissionError) -> Response:
    """The problem document of an error, with what the scripts of another service look for."""
    language, texts = form_request.language_and_texts()
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
    for service in form_request.emulated_form_services:
        body |= service.error_keys(title, error.status)
    headers: Headers = {"Content-Language": language, "Content-Type": PROBLEM}
    return json_response(error.status, body, headers | retry_after(error))
