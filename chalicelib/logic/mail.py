"""What a notification says as an e-mail: its subject, its two parts, and the address that an answer goes to.

Everything that a visitor typed is text here and nothing else: it makes no header, no markup, no link, and no line that
looks like one of ours.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress

from chalicelib.logic.notification import Notification, cut

MAX_SUBJECT = 200
"""Characters of a subject."""
MAX_WORD = 80
"""Characters that one placeholder of a subject may become."""
MAX_NAME = 200
"""Characters that the name of a form's own field shows."""
FIELDS = ("source", "name", "email", "subject")
PLACEHOLDERS = ("title", "id", *FIELDS)
"""What ``{…}`` in a subject may stand for."""

_LABELS = {"source": "Source", "name": "Name", "email": "Email", "subject": "Subject", "message": "Message"}
_PLACEHOLDER = re.compile(rf"\{{({'|'.join(PLACEHOLDERS)})\}}")
# C0 and C1 without tab and line feed, and lone surrogates: none of them is text, and no encoding carries the latter.
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# They reorder what stands around them; in a subject that would be the words of others.
_REORDERING = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LINE_BREAK = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# A line break as markup: not every mail program keeps those of the text.
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;", "\n": "<br>"})
_INDENT = "    "

# RFC 5322, 3.2.3 (dot-atom), with the lengths of RFC 5321, 4.5.3.1. Quoted local parts are left out: they may hold
# what ends or splits an address elsewhere.
_LOCAL = re.compile(r"(?=.{1,64}\Z)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST_ADDRESS = 254


def subject(notification: Notification, template: str = "") -> str:
    """One line of at most :data:`MAX_SUBJECT` characters: the title, or the owner's ``template`` with its placeholders.

    A placeholder becomes at most :data:`MAX_WORD` characters, and what it becomes is not looked at again. What comes of
    no form, such as an alarm, has nothing for a template to show, and is called by its title.
    """
    if not notification.fields:
        template = ""
    said = {"title": notification.title, "id": notification.id, **dict.fromkeys(FIELDS, "")}
    said |= {name: value for name, value in notification.fields if name in FIELDS}
    filled = _PLACEHOLDER.sub(lambda found: cut(_one_line(said[found[1]]), MAX_WORD), template)
    return cut(_one_line(filled) or _one_line(notification.title) or "Message", MAX_SUBJECT)


def text(notification: Notification) -> str:
    """The plain part: a line for each field, the message whole and last.

    A further line of a field is indented, so that nobody forges a field; below the message nothing is ours.
    """
    lines = [f"{label}: {value}" for label, value in _about(notification)]
    for label, value in _shown(notification):
        first, *rest = value.split("\n")
        lines += [f"{label}:", *(_INDENT + line for line in (first, *rest))] if rest else [f"{label}: {first}"]
    said = _said(notification)
    return "\n".join([*lines, "", said] if said else lines) + "\n"


def html(notification: Notification, heading: str) -> str:
    """The HTML part: the same as the plain one, as a list of names and values.

    It sets no colours, so that a reader's own hold, dark ones as well. Each value finds its own direction.
    """
    said = _said(notification)
    rows = "".join(
        f'<dt dir="auto" style="font-weight:bold">{_escaped(label)}</dt>'
        f'<dd dir="auto" lang="" style="margin:0 0 .75em;white-space:pre-wrap;overflow-wrap:anywhere">'
        f"{_escaped(value)}</dd>\n"
        for label, value in [*_shown(notification), *([(_LABELS["message"], said)] if said else [])]
    )
    about = "<br>".join(f"{label}: {_escaped(value)}" for label, value in _about(notification))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{_escaped(heading)}</title>\n</head>\n"
        '<body style="font:1em/1.5 system-ui,sans-serif">\n'
        f'<h1 dir="auto" style="font-size:1.25em">{_escaped(heading)}</h1>\n'
        f'<dl style="margin:0">\n{rows}</dl>\n'
        f'<p style="font-size:.85em">{about}</p>\n</body>\n</html>\n'
    )


def reply_to(address: str) -> str:
    """The address as SES takes it, ASCII with its domain as Punycode; empty where it is none that SES could take.

    SES knows no SMTPUTF8, so before the ``@`` there may only be ASCII:
    https://docs.aws.amazon.com/ses/latest/dg/send-email-formatted.html
    """
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        domain = _punycode(domain)
    domain = domain.lower()
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        return ""
    found = f"{local}@{domain}"
    return found if len(found) <= _LONGEST_ADDRESS else ""


def _punycode(domain: str) -> str:
    # Loaded for the few addresses that need it.
    import idna

    try:
        return idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return ""


def _about(notification: Notification) -> Iterator[tuple[str, str]]:
    if notification.timestamp is not None:
        with suppress(OverflowError, OSError, ValueError):  # No calendar has it.
            yield "Received", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(notification.timestamp))
    yield "Id", _one_line(notification.id)


def _shown(notification: Notification) -> list[tuple[str, str]]:
    """The fields but for the message, as (label, value): those that are known first, none that is blank."""
    fields = [(name, _lines(value)) for name, value in notification.fields if name != "message" and value.strip()]
    known = sorted((each for each in fields if each[0] in FIELDS), key=lambda each: FIELDS.index(each[0]))
    others = [(cut(_one_line(name), MAX_NAME), value) for name, value in fields if name not in FIELDS]
    return [*((_LABELS[name], value) for name, value in known), *others]


def _said(notification: Notification) -> str:
    """The message itself; what the notification says as a whole where it has no fields."""
    if notification.fields:
        return "\n".join(_lines(value) for name, value in notification.fields if name == "message")
    return _lines(notification.message)


def _lines(value: str) -> str:
    return _NO_TEXT.sub("", _LINE_BREAK.sub("\n", value)).strip("\n")


def _one_line(value: str) -> str:
    # Line breaks and tabs are spaces to split(); what is left of control characters goes.
    return " ".join(_REORDERING.sub("", _NO_TEXT.sub(" ", value)).split())


def _escaped(value: str) -> str:
    return value.translate(_ESCAPED)
