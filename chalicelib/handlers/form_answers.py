"""What a form's address answers: that a message was accepted, or why it was not, in the format that was asked for."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.errors import SubmissionError
from chalicelib.handlers.answer_format import AnswerFormat, Headers, html_response, json_response, retry_after
from chalicelib.handlers.form_request import FormRequest
from chalicelib.logic.form_body import Pairs


def accepted_answer(form_request: FormRequest, message_id: str, next_page: str) -> Response:
    """A program gets JSON or the word OK, htmx a fragment, a browser a redirect to ``next_page``."""
    match form_request.answer_format:
        case AnswerFormat.PAGE:
            return Response(body="", status_code=303, headers={"Location": next_page, "Cache-Control": "no-store"})
        case AnswerFormat.FRAGMENT:
            from chalicelib.handlers import htmx_fragments

            return htmx_fragments.accepted_fragment(form_request, next_page)
        case AnswerFormat.PLAIN_OK:
            headers: Headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
            return Response(body="OK", status_code=200, headers=headers)
    body: dict[str, object] = {"id": message_id, "status": "accepted", "next": next_page}
    if form_request.form.ignored_recipient_fields:
        body["ignored"] = form_request.form.ignored_recipient_fields
    services = form_request.emulated_form_services
    if not services:
        return json_response(202, body)
    _, texts = form_request.language_and_texts()
    for service in services:
        body |= service.success_keys(texts["accepted"], 200)
    return json_response(200, body)


def error_answer(form_request: FormRequest, error: SubmissionError) -> Response:
    """An error in the visitor's language: a problem document for a program, HTML for htmx, a page for a browser."""
    match form_request.answer_format:
        case AnswerFormat.JSON | AnswerFormat.PLAIN_OK:
            return problem_answer(form_request, error)
        case AnswerFormat.FRAGMENT:
            from chalicelib.handlers import htmx_fragments

            return htmx_fragments.error_fragment(form_request, error)
    from chalicelib.logic import allowed_origins, error_page

    language, texts = form_request.language_and_texts()
    site_origin = allowed_origins.origin_to_link_to(form_request.site, form_request.origin, form_request.origin_allowed)
    file_fields = form_request.uploads.fields if form_request.uploads else ()
    pairs = _with_whole_next(form_request)
    page = error_page.make_page(error, pairs, texts, language, site_origin, file_fields)
    return html_response(
        error.status, page, language, {"Content-Security-Policy": error_page.POLICY, **retry_after(error)}
    )


def _with_whole_next(form_request: FormRequest) -> Pairs:
    """The pairs, with a relative address of the next page made whole: sent from our page, it would lead elsewhere."""
    if not form_request.form.next or form_request.site is None:
        return form_request.pairs
    from chalicelib.logic.known_field_names import Role, meaning_of
    from chalicelib.logic.redirects import next_page

    site, page = form_request.site, form_request.page
    return [
        (name, next_page(site, text, page) if text.strip() and meaning_of(name, text).role is Role.NEXT else text)
        for name, text in form_request.pairs
    ]


def problem_answer(form_request: FormRequest, error: SubmissionError) -> Response:
    """An error as a problem document."""
    from chalicelib.handlers import problem_documents

    return problem_documents.problem_document(form_request, error)
