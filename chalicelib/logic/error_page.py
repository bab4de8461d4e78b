"""The page that a browser without JavaScript gets when a form was not accepted.

It names each mistake beside its field, keeps what the person typed, and can be sent again from where it is, unless that
would be of no use. It names the site and leads back to it. No script, no style from elsewhere, nothing that a
visitor typed unescaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from chalicelib.errors import SubmissionError
from chalicelib.logic.form_body import Pairs
from chalicelib.logic.known_field_names import KNOWN_FIELDS, MEANINGS, Role, meaning_of
from chalicelib.logic.submission import classify_fields
from chalicelib.texts import direction, worded

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action *; base-uri 'none'"
"""Content-Security-Policy of the page. The form leads back to where it was sent. A form may stand in a frame, and then
so does the page: without a session and a script there is nothing in it to be misled into."""

_STYLE = (
    "body{font:1.05rem/1.6 system-ui,sans-serif;max-width:36rem;margin:2rem auto;padding:0 1rem;color:#1c1c1a;"
    "background:#fff}h1{font-size:1.5rem;line-height:1.25}"
    "label,form strong{display:block;font-weight:600;margin-top:1rem}"
    "form p{margin:0;overflow-wrap:anywhere}"
    "input,textarea{box-sizing:border-box;width:100%;font:inherit;padding:.6rem;border:1px solid #6b6b66;"
    "border-radius:.4rem;color:inherit;background:transparent}[aria-invalid]{border:2px solid #b3261e}"
    "p.error{color:#b3261e;margin:.25rem 0 0}"
    "button{font:inherit;font-weight:600;margin-top:1.5rem;padding:.7rem 1.4rem;"
    "border:0;border-radius:.4rem;color:#fff;background:#1f5c4d}:focus-visible{outline:3px solid #1f6feb;"
    "outline-offset:2px}a{color:#1f5c4d}"
    "@media(forced-colors:active){button{border:1px solid}}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#181818}p.error{color:#ffb4ab}"
    "[aria-invalid]{border-color:#ffb4ab}button{color:#10241e;background:#8fd3bf}a{color:#8fd3bf}}"
)
_FOR_GOOD = ("forbidden_origin", "FORM_NOT_FOUND", "method_not_allowed")
"""What sending again doesn't help against. From here it would even be accepted, as our own origin may send."""
_LONGEST_LINE = 80
"""Characters of a text from which on it is shown in a text area."""


def make_page(
    error: SubmissionError,
    pairs: Pairs,
    texts: Mapping[str, str],
    language: str,
    back: str = "",
    file_fields: Sequence[str] = (),
) -> str:
    """The page as HTML. ``back`` is the origin of the site that it names and leads back to, if that is known.

    ``file_fields`` are the names of file fields that the form had. What was chosen there no page can keep.
    """
    if error.code in _FOR_GOOD:
        return _document(error, texts, language, texts["page_kept"] if pairs else "", _kept(pairs, texts), back)
    said = {problem.field: worded(texts, problem) for problem in error.problems}
    shown = [*pairs, *((each.field, "") for each in error.problems if each.code == "REQUIRED_FIELD_MISSING")]
    first = next((number for number, (name, _) in enumerate(shown) if name in said), -1)
    own = {sent_as: name for name, sent_as in classify_fields(shown).sent_as.items()}
    fields = [
        _field(number, name, text, own.get(name, ""), said.get(name, ""), number == first, texts)
        for number, (name, text) in enumerate(shown)
    ]
    general = [text for field, text in said.items() if field not in dict(shown) and field not in file_fields]
    at_fault = [name for name in file_fields if name in said][:1] if first < 0 else []
    fields += [
        _file_field(number, name, said.get(name, ""), name in at_fault, texts)
        for number, name in enumerate(file_fields)
    ]
    encoding = ' enctype="multipart/form-data"' if file_fields else ""
    button = f'<button type="submit">{escape(texts["send"])}</button>'
    form = f'<form method="post"{encoding}>{"".join(fields)}{button}</form>'
    rest = "".join(f'<p class="error">{escape(text)}</p>' for text in general) + (form if shown else "")
    return _document(error, texts, language, texts["page_lead"] if pairs else "", rest, back)


def _file_field(number: int, name: str, error: str, first: bool, texts: Mapping[str, str]) -> str:
    state, said = _fault(f"x{number}", error, first)
    return (
        f'<label for="u{number}">{escape(name)}</label><p>{escape(texts["page_files"])}</p>'
        f'<input id="u{number}" type="file" name="{escape(name)}" multiple{state}>{said}'
    )


def _fault(identifier: str, error: str, first: bool) -> tuple[str, str]:
    """The attributes of a control that is at fault, and the paragraph beside it."""
    if not error:
        return "", ""
    state = f' aria-invalid="true" aria-describedby="{identifier}"{" autofocus" if first else ""}'
    return state, f'<p class="error" id="{identifier}">{escape(error)}</p>'


def make_fragment(error: SubmissionError, typed: Pairs, texts: Mapping[str, str], language: str) -> str:
    """What was wrong, to be put into another page, which has the form. ``typed`` is repeated, as text to copy.

    Of several that a page puts one before the other the first alone is seen.
    """
    mistakes = "".join(
        f"<li>{escape(_label(mistake.field, texts))}: {escape(worded(texts, mistake))}</li>"
        for mistake in error.problems
    )
    kept = "".join(
        f'<dt>{escape(_label(name, texts))}</dt><dd dir="auto" style="white-space:pre-wrap">{escape(text)}</dd>'
        for name, text in typed
        if text and not _hidden(name, text)
    )
    return (
        f'<div class="herald-refused" role="alert" lang="{language}" dir="{direction(language)}">'
        f"<style>.herald-refused~.herald-refused{{display:none}}</style>"
        f"<p><strong>{escape(texts['page_title'])}.</strong> {escape(worded(texts, error))}</p>"
        + (f"<ul>{mistakes}</ul>" if mistakes else "")
        + (f"<details><summary>{escape(texts['page_typed'])}</summary><dl>{kept}</dl></details>" if kept else "")
        + "</div>"
    )


def _document(error: SubmissionError, texts: Mapping[str, str], language: str, lead: str, rest: str, back: str) -> str:
    title = escape(worded(texts, error))
    heading = escape(texts["page_address" if error.code == "method_not_allowed" and not lead else "page_title"])
    words = texts["page_back"].format(site=back.partition("://")[2])
    link = f'<p><a href="{escape(back)}/">{escape(words)}</a></p>' if back else ""
    return (
        f'<!doctype html><html lang="{language}" dir="{direction(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{heading}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{heading}</h1><p>{title} {escape(lead)}</p>{rest}{link}</main></body></html>"
    )


def _kept(pairs: Pairs, texts: Mapping[str, str]) -> str:
    """What was typed, to be copied."""
    return "".join(
        f'<label for="f{number}">{escape(_label(name, texts))}</label>'
        f'<textarea id="f{number}" name="{escape(name)}" rows="{8 if _is_long(text) else 1}" dir="auto" readonly>'
        f"\n{escape(text)}</textarea>"
        for number, (name, text) in enumerate(pairs)
        if text and not _hidden(name, text)
    )


def _hidden(name: str, text: str) -> bool:
    """Whether the page set the field, and nobody typed it."""
    what = meaning_of(name, text)
    return what.role is not Role.FIELD or what.field == "source"


def _is_long(text: str) -> bool:
    return "\n" in text or len(text) > _LONGEST_LINE


def _label(name: str, texts: Mapping[str, str], own: str | None = None) -> str:
    """The words for a field (``own``: the message's name for it); the form's own name for one that is none of ours."""
    own = meaning_of(name).field if own is None else own
    return texts.get(own, name) if own in KNOWN_FIELDS else name


def _field(number: int, name: str, text: str, own: str, error: str, first: bool, texts: Mapping[str, str]) -> str:
    """A control with its label and what is wrong with it. ``own`` is the name under which the message would hold it."""
    documented = MEANINGS.get(name.lower())
    own = documented.field if documented else own
    quoted = f'name="{escape(name)}"'
    # A short text of another name may be a choice, a date or a number: in a text box it could become anything.
    chosen = own not in KNOWN_FIELDS and not _is_long(text)
    hidden = _hidden(name, text)
    if (hidden or chosen) and not (error and meaning_of(name, text).role is Role.FIELD):
        kept = f"<p><strong>{escape(name)}</strong> <bdi>{escape(text)}</bdi></p>" if text and not hidden else ""
        return f'<input type="hidden" {quoted} value="{escape(text)}">{kept}'
    state, said = _fault(f"e{number}", error, first)
    if own == "message" or _is_long(text):
        # A line break right after the tag is not a part of the text (HTML, 13.1.2.5), so one is given.
        rows = 8 if own == "message" else 3
        control = f'<textarea id="f{number}" {quoted} rows="{rows}" dir="auto"{state}>\n{escape(text)}</textarea>'
    else:
        # What is at no fault must not keep the browser from sending: a page's own second address may be no address.
        kind = "email" if own == "email" and (error or not text or "@" in text.strip("@")) else "text"
        control = f'<input id="f{number}" type="{kind}" {quoted} value="{escape(text)}" dir="auto"{state}>'
    return f'<label for="f{number}">{escape(_label(name, texts, own))}</label>{control}{said}'
