"""What a form is refused for: a required field that is missing, a text that is too long, a wrong e-mail address."""

from __future__ import annotations

import re

from chalicelib.errors import Problem, SubmissionError
from chalicelib.logic.form_body import LONE_SURROGATE
from chalicelib.logic.message import is_filled
from chalicelib.logic.submission import Submission
from chalicelib.settings import Limits, Site


def validate(submission: Submission, site: Site, limits: Limits, *, accepts_any_text_as_email: bool = False) -> None:
    """Check a submission's fields; raises :class:`SubmissionError` (422) that names every field at fault.

    With ``accepts_any_text_as_email`` the e-mail address may be any text, such as "n/a".
    """
    problems: list[Problem] = []
    for name in site.required:
        if not is_filled(submission.fields.get(name, "")):
            code = "REQUIRED_FIELD_EMPTY" if name in submission.fields else "REQUIRED_FIELD_MISSING"
            problems.append(Problem(code, submission.sent_as.get(name, name)))
    for name, text in submission.fields.items():
        problem = _find_problem(name, text, submission.sent_as[name], site, limits)
        if problem and problem.code == "TYPE_EMAIL" and accepts_any_text_as_email:
            continue
        if problem:
            problems.append(problem)
    if problems:
        raise SubmissionError(422, "invalid", *problems)


def _find_problem(name: str, text: str, sent_as: str, site: Site, limits: Limits) -> Problem | None:
    if LONE_SURROGATE.search(text):
        return Problem("TYPE_TEXT", sent_as)
    # A field with a length of its own is counted in characters, so that no alphabet has less room than another.
    longest = site.longest.get(name)
    if longest is not None:
        if len(text) > longest:
            return Problem("too_long", sent_as, longest)
    elif len(text.encode()) > limits.field_bytes:
        return Problem("too_large", sent_as, limits.field_bytes // 1024)
    if name == "email" and text and not _is_address(text):
        return Problem("TYPE_EMAIL", sent_as)
    return None


_PLAIN_ADDRESS = (
    r"(?=.{1,64}@)(?!.{200})[a-z0-9_]+([.+-][a-z0-9_]+)*@"
    r"([a-z0-9]{1,30}(-[a-z0-9]{1,30})?\.){1,4}(?!arpa|invalid|local|localhost|onion|test)[a-z]{2,12}"
)
"""Addresses as nearly everybody's are: the library takes each of them, so it need not be asked."""


_HTML_LOCAL = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}"
"""What browsers let through before the @:
https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address, with the length of RFC 5321."""


def _is_address(text: str) -> bool:
    if re.fullmatch(_PLAIN_ADDRESS, text, re.IGNORECASE | re.ASCII):
        return True
    # Loaded here alone, as it makes the first request that needs it a fifth longer.
    from email_validator import EmailNotValidError, validate_email

    local, at, domain = text.rpartition("@")
    if re.fullmatch(_HTML_LOCAL, local):
        # us..er@ and user.@ are in use at two Japanese carriers, and browsers let them through, against RFC 5322.
        text = f"{'.'.join(part for part in local.split('.') if part)}{at}{domain}"
    try:
        validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True
