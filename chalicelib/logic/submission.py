"""What a form holds, sorted by what its fields mean and cleaned of what nobody sees: a submission, not judged yet."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from chalicelib.logic.form_body import LONE_SURROGATE, Pairs
from chalicelib.logic.known_field_names import KNOWN_FIELDS, MEANINGS, SINGLE_LINE, Role, meaning_of
from chalicelib.logic.message import DIRECTION, FORMATTING, is_filled

MAX_NAME = 100
"""Characters of a field's name that are kept."""
UNNAMED = "unnamed"
"""The name of a field that was sent without one."""

_CONTROL = r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]"
_SPACING = re.compile(r"[\t\n\x0b\x0c\x85\u2028\u2029]+")
_BREAKS = re.compile(r"[\x0b\x0c\x85]")
_INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_RIGHT_TO_LEFT = r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
"""Letters beside which the direction of others has a meaning."""
_UNTICKED = ("", "false", "0")
"""What a script sends of a check box that nobody ticked, where a form would send nothing."""


@dataclass(slots=True)
class Submission:
    """What a form held, sorted by what its fields mean."""

    fields: dict[str, str] = field(default_factory=dict)
    """The parts of the message, in the order sent, under the names that Herald gives them."""
    sent_as: dict[str, str] = field(default_factory=dict)
    """By the same names: the name in the form, so that an error names the field that must be corrected."""
    next: str = ""
    language: str = ""
    honeypot: bool = False
    """Whether a field was filled that people don't see."""
    fill_seconds: str = ""
    proof: str = ""
    captchas: dict[str, str] = field(default_factory=dict)
    """Tokens of captchas, by the names of their fields in lower case."""
    ignored_recipient_fields: list[str] = field(default_factory=list)
    """Names of fields that would have chosen a recipient: reported, and not obeyed."""


def classify_fields(pairs: Pairs) -> Submission:
    """Sort the fields of a form by what they mean.

    Texts of one name, as of check boxes, are joined by commas; of ``email`` the last counts. Where two names stand for
    one field, as ``email`` and ``_replyto`` do, the first wins that is not blank, and the field's own name over any
    other. The other text is dropped; beside ``message`` it is kept under the name it was sent with.
    """
    submission = Submission()
    has_guesses = False
    for name, text in pairs:
        meaning = meaning_of(name, text)
        match meaning.role:
            case Role.FIELD:
                # MEANINGS has the names that Herald or a service such as Formspree documents. For any other,
                # `meaning_of` only guesses, and that is decided once all names are known.
                is_guess = name.lower() not in MEANINGS
                has_guesses = has_guesses or is_guess
                field_name = _unused_name(submission, name) if is_guess else meaning.field
                _add_text(submission, name, field_name, _clean(text, field_name))
            case Role.NEXT:
                submission.next = submission.next or text.strip()
            case Role.LANGUAGE:
                submission.language = submission.language or text.strip()
            case Role.HONEYPOT:
                submission.honeypot = submission.honeypot or text.strip().lower() not in _UNTICKED
            case Role.FILL_TIME:
                submission.fill_seconds = submission.fill_seconds or text.strip()
            case Role.PROOF:
                submission.proof = submission.proof or text.strip()
            case Role.CAPTCHA if text.strip():
                submission.captchas.setdefault(name.lower(), text.strip())
            case Role.RECIPIENT if name.lower() not in submission.ignored_recipient_fields:
                submission.ignored_recipient_fields.append(name.lower())
    if has_guesses:
        _rename_guessed_fields(submission)
    return submission


def _rename_guessed_fields(submission: Submission) -> None:
    """Rename the fields whose names are words for a known field.

    Of several, the surest one that is not blank is renamed.

    All others stay fields of their own: no two are ever made one.
    """
    from chalicelib.logic.guessed_field_names import guess_field

    surest: dict[str, tuple[bool, int, str]] = {}
    for name, text in submission.fields.items():
        known_name, uncertainty = guess_field(submission.sent_as[name]) or ("", 0)
        blank = not is_filled(text)
        # A text without @ is not taken for the address: validation would refuse a form for a guess of ours.
        if known_name and known_name not in submission.fields and (known_name != "email" or blank or "@" in text):
            # A blank one comes after all others; of two that are as sure the first counts.
            candidate = (blank, uncertainty, name)
            surest[known_name] = min(surest.get(known_name, candidate), candidate, key=lambda each: each[:2])
    renamed = {name: known_name for known_name, (_, _, name) in surest.items()}
    submission.fields = {
        renamed.get(name, name): _clean(text, renamed[name]) if name in renamed else text
        for name, text in submission.fields.items()
    }
    submission.sent_as = {renamed.get(name, name): sent_as for name, sent_as in submission.sent_as.items()}


def _unused_name(submission: Submission, name: str) -> str:
    """The name under which a field is kept: on one line, cut where it is too long, and no other field's."""
    shown = " ".join(LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", re.sub(_CONTROL, " ", name)).split()) or UNNAMED
    if len(shown) > MAX_NAME:
        shown = f"{shown[: MAX_NAME - 1]}…"
    unused, number = shown, 1
    while unused in KNOWN_FIELDS or submission.sent_as.get(unused, name) != name:
        number += 1
        unused = f"{shown} ({number})"
    return unused


def _add_text(submission: Submission, sent_name: str, field_name: str, text: str) -> None:
    before, sent_as = submission.fields.get(field_name, ""), submission.sent_as.get(field_name, sent_name)
    filled = is_filled(text)
    if not is_filled(before) or (field_name == "email" and sent_as == sent_name and filled):
        _set_text(submission, field_name, sent_name, text)
    elif sent_as == sent_name:
        _set_text(submission, field_name, sent_name, f"{before}, {text}" if filled else before)
    elif sent_name == field_name and filled:
        # A field itself comes before its aliases.
        _set_text(submission, field_name, sent_name, text)
        _add_other(submission, field_name, sent_as, before)
    elif filled:
        _add_other(submission, field_name, sent_name, text)


def _set_text(submission: Submission, field_name: str, sent_name: str, text: str) -> None:
    submission.fields[field_name] = text
    submission.sent_as[field_name] = sent_name


def _add_other(submission: Submission, field_name: str, sent_name: str, text: str) -> None:
    """Keep a second text beside ``message``, as some forms have a description too.

    Of any other field it is dropped: there a second name, such as ``_subject``, is a setting of the page's author.
    """
    if field_name == "message" and text != submission.fields[field_name]:
        before = submission.fields.get(sent_name, "")
        _set_text(submission, sent_name, sent_name, f"{before}, {text}" if before else text)


def _clean(text: str, field_name: str) -> str:
    """The text as a person meant it: with line breaks of one kind, and without characters that nobody sees.

    A browser sends CR LF (HTML, 4.10.21.4). What is pasted from a spreadsheet, a PDF or an office program brings tabs,
    form feeds and others along, of which whoever pasted it can know nothing.
    """
    text = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if field_name not in SINGLE_LINE:
        return _BREAKS.sub("\n", text)
    if not text.isascii():
        text = re.sub(f"[{FORMATTING}]", "", text)
        if field_name == "email" or not re.search(_RIGHT_TO_LEFT, text):
            text = re.sub(f"[{DIRECTION}]", "", text)
    return _SPACING.sub(" ", text).strip()
