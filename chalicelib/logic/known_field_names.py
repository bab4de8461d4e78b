"""What the names of a form's fields mean: one table, from which parsing, documentation and tests follow.

Forms that were written for another service keep working when only their ``action`` changes, so its names are known too.
Sources: https://help.formspree.io/hc/en-us/articles/360013470814 (Formspree),
https://docs.web3forms.com/getting-started/customizations (Web3Forms), https://formsubmit.co/documentation (FormSubmit),
https://docs.netlify.com/manage/forms/setup/ (Netlify Forms), https://www.staticforms.xyz (StaticForms),
https://formward.eu/docs/fields (Formward; its ``_redirect`` stands in forms of other services too),
https://github.com/dwyl/learn-to-send-email-via-google-script-html-no-server (forms of Google Apps Script).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chalicelib.logic.form_body import CHARSET_FIELD


class Role(StrEnum):
    """What is done with a field."""

    FIELD = "field"
    """A part of the message, under the name that Herald gives it."""
    NEXT = "next"
    """Where the visitor wants to go afterwards; followed to the site's own origins alone."""
    LANGUAGE = "language"
    """The language of the answer."""
    HONEYPOT = "honeypot"
    """Empty unless a robot filled it; never a part of the message."""
    FILL_TIME = "fill time"
    """Seconds that the visitor took, as the page's script measured them."""
    PROOF = "proof"
    """A solved challenge of ALTCHA."""
    CAPTCHA = "captcha"
    """A captcha's token, for a site that has that captcha; never a part of the message."""
    RECIPIENT = "recipient"
    """Would choose who hears of the message: ignored and reported."""
    SETTING = "setting"
    """A setting of another service, or a form's button or token: ignored."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one field name stands for."""

    role: Role
    field: str = ""
    """For a part of the message: the name that Herald gives it, such as ``email`` for ``_replyto``."""


SINGLE_LINE = ("source", "name", "email", "subject")
KNOWN_FIELDS = (*SINGLE_LINE, "message")

MEANINGS: dict[str, Meaning] = {
    **{name: Meaning(Role.FIELD, name) for name in KNOWN_FIELDS},
    "description": Meaning(Role.FIELD, "message"),
    "msg": Meaning(Role.FIELD, "message"),
    "_replyto": Meaning(Role.FIELD, "email"),
    "replyto": Meaning(Role.FIELD, "email"),
    "_subject": Meaning(Role.FIELD, "subject"),
    "form-name": Meaning(Role.FIELD, "source"),
    "_url": Meaning(Role.FIELD, "source"),
    **dict.fromkeys(("_next", "redirect", "redirectto", "_redirect"), Meaning(Role.NEXT)),
    "_language": Meaning(Role.LANGUAGE),
    **dict.fromkeys(
        ("_gotcha", "_honey", "botcheck", "bot-field", "honeypot", "_honeypot", "wpforms[hp]"), Meaning(Role.HONEYPOT)
    ),
    "_fill_seconds": Meaning(Role.FILL_TIME),
    "altcha": Meaning(Role.PROOF),
    **dict.fromkeys(
        ("g-recaptcha-response", "h-captcha-response", "recaptcha_response", "cf-turnstile-response"),
        Meaning(Role.CAPTCHA),
    ),
    **dict.fromkeys(
        ("_cc", "_bcc", "_to", "cc", "bcc", "ccemail", "_autoresponse", "_webhook", "webhook", "formgooglesendemail"),
        Meaning(Role.RECIPIENT),
    ),
    **dict.fromkeys(
        (
            "access_key",
            "accesskey",
            "apikey",
            CHARSET_FIELD,
            "from_name",
            "_captcha",
            "_template",
            "_format",
            "_blacklist",
            "referer_title",
            "formdatanameorder",
            "formgooglesheetname",
        ),
        Meaning(Role.SETTING),
    ),
}
"""Every documented name, in lower case. What another name means is guessed: ``guessed_field_names.py``."""


def meaning_of(name: str, text: str = "") -> Meaning:
    """What a field stands for. Forms write ``Email`` as well as ``email``; both are the address."""
    if documented := MEANINGS.get(name.lower()):
        return documented
    # Loaded for forms alone that have other names.
    from chalicelib.logic.guessed_field_names import guess_field, is_button_or_token

    if is_button_or_token(name, text):
        return Meaning(Role.SETTING)
    known = guess_field(name)
    return Meaning(Role.FIELD, known[0] if known else name)
