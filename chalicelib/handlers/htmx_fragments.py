"""Answers for htmx: a piece of HTML that says what happened, for the page to swap in.

htmx 1 and 2 throw away the body of a 4xx or 5xx (https://htmx.org/docs/#response-handling), so they get 200 and the
visitor is told; htmx 4 shows it (https://four.htmx.org/docs/whats-new-in-htmx-4) and gets the status as it is. An error
never takes the form's place: it is put inside the target, before what is there. See docs/decisions/0056.
"""

from __future__ import annotations

from html import escape

from chalice.app import Response

from chalicelib.errors import SubmissionError
from chalicelib.handlers.answer_format import Headers, html_response, retry_after
from chalicelib.handlers.form_request import FormRequest
from chalicelib.logic import error_page
from chalicelib.texts import direction


def accepted_fragment(form_request: FormRequest, next_page: str) -> Response:
    """A sentence; for a boosted form, which stands for a browser's own, the page that follows."""
    language, texts = form_request.language_and_texts()
    # https://htmx.org/headers/hx-redirect/: a redirect by status would be followed by the script, not the browser.
    headers: Headers = {"HX-Redirect": next_page} if _boosted(form_request) else {}
    sentence = f'<p role="status" lang="{language}" dir="{direction(language)}">{escape(texts["accepted"])}</p>'
    return html_response(200, sentence, language, headers)


def error_fragment(form_request: FormRequest, error: SubmissionError) -> Response:
    """What was wrong, field by field. The form stays as it is, with what was typed."""
    language, texts = form_request.language_and_texts()
    # htmx 4 alone says so: https://four.htmx.org/reference/headers/HX-Source
    shows_errors = bool(form_request.header("hx-source"))
    html = error_page.make_fragment(error, [] if shows_errors else form_request.pairs, texts, language)
    status = error.status if shows_errors else 200
    # The address of a boosted form, of another origin, is none that the browser's history could show for the page.
    history: Headers = {"HX-Push-Url": "false"} if _boosted(form_request) else {}
    return html_response(status, html, language, {"HX-Reswap": _reswap(form_request), **history, **retry_after(error)})


def _boosted(form_request: FormRequest) -> bool:
    return form_request.header("hx-boosted") == "true"


def _reswap(form_request: FormRequest) -> str:
    """``HX-Reswap`` for an error: into a target that holds nothing but answers, else before what is in it.

    htmx names both by their ids, where they have one; the target is the form itself unless the page says otherwise.
    """
    target = form_request.header("hx-target")
    form = form_request.header("hx-source") or form_request.header("hx-trigger")
    apart = target and target != form and not target.startswith(("body", "form"))
    return "innerHTML" if apart else "afterbegin show:top"
