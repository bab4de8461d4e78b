"""A link that opens the owner's own mail program with an answer to a visitor: https://www.rfc-editor.org/rfc/rfc6068

The visitor's address, subject and text are in it, so each of them could try to add a recipient, a header or a text of
its own. Everything that has a meaning in such a link is percent-encoded, and an address in which a careless program
might find a meaning nevertheless (``%``, ``?``, ``&``, commas …) gets no link.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from chalicelib.logic.notification import Notification
from chalicelib.logic.plain_text import CUT_MARK, cut, multiline, one_line

MAX_LINK = 512
"""Characters of a link: Pushover's limit, and little beside what the other services take."""
_MAX_SUBJECT = 78
"""Characters of a subject, about a line of a mail (RFC 5322, 2.1.1)."""
_MAX_LABEL = 100
"""Characters of the link's words: Pushover's limit."""
_ADDRESS = re.compile(r"[\w.+'-]+@[\w-]+(\.[\w-]+)+")
_BREAK = "%0D%0A"
"""A line break (RFC 6068, 5)."""


def reply_link(notification: Notification) -> str:
    """Return the link, with as much of the message quoted as fits; empty without an address that is safe in one."""
    address = notification.reply_to
    if not _ADDRESS.fullmatch(address):
        return ""
    fields = dict(notification.fields)
    subject = cut(one_line(f"Re: {fields.get('subject') or notification.site or notification.title}"), _MAX_SUBJECT)
    link = f"mailto:{quote(address, safe='@')}?subject={_encoded(subject)}&body={_BREAK}{_BREAK}"
    if len(link) > MAX_LINK:
        return ""
    return link + _quotation(multiline(notification.message), MAX_LINK - len(link))


def reply_label(notification: Notification) -> str:
    """Return the link's words, which say where the answer would go."""
    return cut(f"Reply to {notification.reply_to}", _MAX_LABEL)


def _quotation(text: str, room: int) -> str:
    """The beginning of a text, percent-encoded, with a mark before each line."""
    whole = _encoded(f"> {text}".replace("\n", "\n> ")).replace("%0A", _BREAK)
    if len(whole) <= room:
        return whole
    found, room = _encoded("> "), room - len(_encoded(CUT_MARK))
    for character in text:
        more = f"{_BREAK}{_encoded('> ')}" if character == "\n" else _encoded(character)
        if len(found) + len(more) > room:
            break
        found += more
    return found + _encoded(CUT_MARK) if room > len(_encoded("> ")) else ""


def _encoded(text: str) -> str:
    return quote(text, safe="")
