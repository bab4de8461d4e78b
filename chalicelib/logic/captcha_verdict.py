"""What a captcha's token says about a message: three services, one way of verifying. docs/spam.md#captchas

``destined`` asks the service before it stores the message. A token counts once, so a second question about it gets
"duplicate", whatever the first answer was: :func:`check` remembers who asked, and holds no retry against the visitor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalicelib.errors import CaptchaError
from chalicelib.logic.message import Message
from chalicelib.logic.spam import PROOF_LIFE, RecentActivity, Signal
from chalicelib.settings import Captcha

Verify = Callable[[Captcha, Mapping[str, str]], Mapping[str, object]]
"""Posts fields and the secret to a service and returns the JSON object of its answer; raises :class:`CaptchaError`."""

LATE_SECONDS = 60
"""Seconds after which a message is late: its token may have expired in our own queue."""
MAX_TOKEN = 8192
"""Characters of a token that is verified. Turnstile documents 2,048, the others nothing; theirs have up to 4,000."""
_TOKEN = re.compile(rf"[!-~]{{1,{MAX_TOKEN}}}")


@dataclass(frozen=True, slots=True)
class Service:
    """A captcha service, as its documentation describes it."""

    fields: tuple[str, ...]
    """The form's fields that may hold the token, the surest first; in lower case."""
    url: str
    codes: Mapping[str, Signal]
    """What an error code says about the message. One that isn't here says nothing about it, but about us."""
    id_field: str = ""
    """The field for an id by which a repeated question gets the first one's answer; empty where there is none."""
    unknown_host: str = ""
    """The host name that stands for "not told"; empty where there is none."""


_WRONG = dict.fromkeys(("missing-input-response", "invalid-input-response"), Signal.WRONG_CAPTCHA)
CAPTCHA_SERVICES = {
    # https://developers.cloudflare.com/turnstile/get-started/server-side-validation/
    "turnstile": Service(
        ("cf-turnstile-response",),
        "https://challenges.cloudflare.com/turnstile/v0/siteverify",
        _WRONG | {"timeout-or-duplicate": Signal.SPENT_CAPTCHA},
        id_field="idempotency_key",
    ),
    # https://docs.hcaptcha.com/#verify-the-user-response-server-side
    "hcaptcha": Service(
        ("h-captcha-response",),
        "https://api.hcaptcha.com/siteverify",
        _WRONG
        | {
            # A visitor chooses for which site key a token is made, so these say something about the visitor.
            "sitekey-secret-mismatch": Signal.WRONG_CAPTCHA,
            "not-using-dummy-passcode": Signal.WRONG_CAPTCHA,
            "expired-input-response": Signal.SPENT_CAPTCHA,
            "already-seen-response": Signal.SPENT_CAPTCHA,
            "invalid-or-already-seen-response": Signal.SPENT_CAPTCHA,
        },
        unknown_host="not-provided",
    ),
    # https://developers.google.com/recaptcha/docs/verify, for version 3 /docs/v3
    "recaptcha": Service(
        ("g-recaptcha-response", "recaptcha_response"),
        "https://www.google.com/recaptcha/api/siteverify",
        _WRONG | {"timeout-or-duplicate": Signal.SPENT_CAPTCHA},
    ),
}


def token_of(captcha: Captcha, sent: Mapping[str, str]) -> str:
    """The token that a form sent, by the names of its fields in lower case; cut where it is too long to be one."""
    fields = CAPTCHA_SERVICES[captcha.kind].fields
    return next((sent[name] for name in fields if sent.get(name)), "")[: MAX_TOKEN + 1]


def check(
    message: Message, captcha: Captcha, recent: RecentActivity, verify: Verify, run: str, now: int
) -> tuple[Signal | None, str]:
    """The signal that a message's token gives (None for a person's), and the reason if it could not be verified.

    ``run`` identifies this run of ``destined``: a later run of the same message, after a crash, has another one.
    """
    token = message.captcha
    if not token:
        return Signal.NO_CAPTCHA, ""
    if not _TOKEN.fullmatch(token):
        return Signal.WRONG_CAPTCHA, ""
    # Remembered as long as a solved challenge is: longer than Lambda repeats an event.
    first_run = recent.claim_first(f"captcha#{message.id}", run, message.received_at, PROOF_LIFE)
    service = CAPTCHA_SERVICES[captcha.kind]
    fields = {"response": token} | ({service.id_field: message.id} if service.id_field else {})
    try:
        signal, reason = judge(captcha, verify(captcha, fields))
    except CaptchaError as error:
        return Signal.UNCHECKED_CAPTCHA, str(error)
    if signal is Signal.SPENT_CAPTCHA and (first_run != run or now - message.received_at > LATE_SECONDS):
        return Signal.UNCHECKED_CAPTCHA, "asked too late, or for the second time"
    return signal, reason


def judge(captcha: Captcha, answer: Mapping[str, object]) -> tuple[Signal | None, str]:
    """The signal that a service's answer gives (None for a person's), and the reason if it verified nothing."""
    service = CAPTCHA_SERVICES[captcha.kind]
    if answer.get("success") is True:
        host = answer.get("hostname")
        if host not in captcha.hostnames and not (host and host == service.unknown_host):
            return Signal.FOREIGN_CAPTCHA, ""
        if not captcha.score:
            return None, ""
        score = answer.get("score")
        if not isinstance(score, int | float):
            return Signal.UNCHECKED_CAPTCHA, "no score in the answer: the key is not one of reCAPTCHA v3"
        return (Signal.LOW_CAPTCHA, "") if score < captcha.score else (None, "")
    if answer.get("success") is not False:
        return Signal.UNCHECKED_CAPTCHA, "the answer is not the documented one"
    codes = answer.get("error-codes")
    named = [str(code) for code in codes] if isinstance(codes, list) else []
    ours = [code for code in named if code not in service.codes]
    if ours:
        return Signal.UNCHECKED_CAPTCHA, f"the service says {', '.join(code[:40] for code in ours[:3])}"
    wrong = not named or Signal.WRONG_CAPTCHA in {service.codes[code] for code in named}
    return (Signal.WRONG_CAPTCHA if wrong else Signal.SPENT_CAPTCHA), ""
