"""A notification as an e-mail: its subject, its plain and HTML parts, and the address that an answer goes to.

A visitor's text can't become a header, markup, a link, or a line that looks like one of Herald's. No line of either
part is longer than SMTP allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from chalicelib.logic.notification import Notification
from chalicelib.logic.notification_text import ID, MESSAGE, RECEIVED, Parts, cut_to_fit
from chalicelib.logic.plain_text import cut, one_line
from chalicelib.logic.provider_limits import UTF_8, Limit

LINE = Limit(
    "Amazon SES",
    "a line of either part",
    998,
    UTF_8,
    margin=18,
    source="https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1",
    source_read="2026-11",
    note="broken at a space; the margin holds the marks of a line",
)
SUBJECT = Limit(
    "Amazon SES",
    "the subject",
    500,
    UTF_8,
    source="https://www.rfc-editor.org/rfc/rfc2047#section-2",
    source_read="2026-11",
    note="as encoded words it is below 998 octets even on one line",
)
MAIL = Limit(
    "Amazon SES",
    "the whole mail",
    40 * 1024 * 1024,
    UTF_8,
    source="https://docs.aws.amazon.com/ses/latest/dg/quotas.html",
    source_read="2026-11",
    note="never reached: a form is 64 KiB at most",
)
MAX_SUBJECT = 200
"""Most characters of a subject."""
BY_HAND = "Answer by hand: Amazon SES can't carry this address, so a reply to this mail would not reach its sender."

_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})

# RFC 5322, 3.2.3 (dot-atom) and 3.2.4 (quoted-string), with the lengths of RFC 5321, 4.5.3.1.
_LOCAL = re.compile(
    r"(?=.{1,64}\Z)(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r'|"(?:[ !#-\[\]-~]|\\[ -~])+")'
)
_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST_ADDRESS = 254


def subject(notification: Notification) -> str:
    """Return the title as one line, cut to :data:`MAX_SUBJECT` characters and to what servers accept encoded."""
    return cut_to_fit(
        one_line(notification.title) or MESSAGE, lambda part: len(part) <= MAX_SUBJECT and SUBJECT.fits(part)
    )


def text(notification: Notification) -> str:
    """Return the plain part: the notification's whole text, and below it its time and id."""
    parts = Parts(notification, LINE.usable)
    about = [*(f"{label}: {value}" for label, value in _about(parts)), *_by_hand(notification)]
    return "\n\n".join(filter(None, (parts.compose(), "\n".join(about)))) + "\n"


def html(notification: Notification, heading: str) -> str:
    """Return the HTML part: the same as the plain one, in the same order.

    It sets no colours, so that a reader's own apply, such as dark ones. Each text has its own direction.
    """
    parts = Parts(notification)
    if notification.body:
        main, facts, others = parts.compose(), [], []
    else:
        main, facts, others = parts.message, parts.known, parts.others
    name = f"<p><b>{_escaped(parts.main_name)}</b></p>\n" if parts.main_name else ""
    about = "<br>\n".join([*(f"{label}: {_escaped(value)}" for label, value in _about(parts)), *_by_hand(notification)])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{cut(heading, _PIECE).translate(_ESCAPED)}</title>\n</head>\n"
        '<body style="font:1em/1.5 system-ui,sans-serif;max-width:40em;overflow-wrap:anywhere">\n'
        f'<h1 dir="auto" style="font-size:1.25em">{_escaped(heading)}</h1>\n{name}'
        f'<div dir="auto" lang="" style="white-space:pre-wrap">{_escaped(main)}</div>\n'
        f"{_list(facts)}{_list(others, 'border-left:3px solid;padding-left:.75em')}{_inbox(notification)}"
        f'<p style="font-size:.85em">{about}</p>\n</body>\n</html>\n'
    )


def _list(pairs: list[tuple[str, str]], style: str = "") -> str:
    """Return names and values as a list."""
    rows = "".join(
        f'<dt dir="auto" style="font-weight:bold">{_escaped(label)}</dt>\n'
        f'<dd dir="auto" lang="" style="margin:0 0 .5em;white-space:pre-wrap">{_escaped(value)}</dd>\n'
        for label, value in pairs
    )
    return f'<dl style="margin:1em 0;{style}">\n{rows}</dl>\n' if rows else ""


def reply_to(address: str) -> str:
    """Return an address in ASCII, its domain as Punycode; empty where SES doesn't accept it.

    SES doesn't support SMTPUTF8, so the part before the ``@`` must be ASCII:
    https://docs.aws.amazon.com/ses/latest/dg/send-email-formatted.html
    """
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        domain = _punycode(domain)
    domain = domain.lower()
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        return ""
    complete = f"{local}@{domain}"
    return complete if len(complete) <= _LONGEST_ADDRESS else ""


def _punycode(domain: str) -> str:
    # Loaded only for a domain outside ASCII.
    import idna

    try:
        return idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return ""


def _inbox(notification: Notification) -> str:
    """Return the link to the owner's inbox; with a body of the owner's, the text has its address."""
    if not notification.inbox or notification.body:
        return ""
    return f'<p><a href="{notification.inbox.translate(_ESCAPED)}">Open it in your inbox</a></p>\n'


def _about(parts: Parts) -> Iterator[tuple[str, str]]:
    if parts.received:
        yield RECEIVED, parts.received
    yield ID, one_line(parts.notification.id)


def _by_hand(notification: Notification) -> Iterator[str]:
    if notification.reply_to and not reply_to(notification.reply_to):
        yield BY_HAND


def _escaped(value: str) -> str:
    """Escape a text as markup, with line breaks inside tags, so that no line is too long for SMTP."""
    return "<br\n>".join("<wbr\n>".join(_pieces(line)) for line in value.split("\n"))


def _pieces(line: str) -> Iterator[str]:
    """Split a line's markup into pieces that are short enough; none ends within a character reference."""
    for start in range(0, max(len(line), 1), _PIECE):
        yield line[start : start + _PIECE].translate(_ESCAPED)


_PIECE = LINE.usable // 6 - 20
"""Characters of a piece: escaped, one takes six bytes at most, and tags need some."""
