"""Lay out a notification's text within a provider's limit.

The usual layout, in which blank fields are left out::

    Hello, do you deliver …            the message; it is cut last

    Name: Ada                          the known fields, under Herald's labels
    Email: ada@example.com
    Site: www.example.com
    Files: “a.jpg” (image, 2.1 MB)
    Get them: ./herald messages files …

    › phone: 123                       the form's other fields, marked

    … Cut to fit. In full: …           only if something was cut

    Inbox: https://…                   where the channel carries it; never cut

A line of the message that looks like one of Herald's gets the mark ``›`` too, and so does, in a body of the owner's,
a line that a visitor's text makes look like one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from functools import partial

from chalicelib.logic import placeholders
from chalicelib.logic.lookalikes import first_visible, is_like, starts_like
from chalicelib.logic.message import is_filled
from chalicelib.logic.notification import TITLE_PLACEHOLDERS, Notification
from chalicelib.logic.plain_text import CUT_MARK, cut, multiline, one_line

LABELS = {"name": "Name", "email": "Email", "subject": "Subject", "source": "Source"}
"""Herald's labels of the known fields, in the order of the text."""
MESSAGE, SITE, RECEIVED, ID, FILES = "Message", "Site", "Received", "Id", "Files"
GET_FILES, INBOX = "Get them", "Inbox"
CUT, IN_FULL = "Cut to fit.", "In full"
VISITOR_LINE_PREFIX = "› "
"""The mark of a line that could be taken for one of Herald's."""
BODY_PLACEHOLDERS = (*TITLE_PLACEHOLDERS, "time", "others")
"""The placeholders of a body, besides the form's fields; ``others`` are the fields without a label."""

_NO_VISITORS = ("id", "site", "time")
"""Placeholders of a body that hold nothing of a visitor's."""
_HERALDS_LABELS = (*LABELS.values(), MESSAGE, SITE, RECEIVED, ID, FILES, GET_FILES, INBOX, f"{CUT} {IN_FULL}", "Herald")
_MAX_NAME = 60
"""Most characters of the name of a form's other field."""
_MIN_KNOWN = 80
"""Characters that each known field keeps when the text is cut."""
_MIN_FILES = 200
"""Characters that the line of files keeps when the text is cut."""
_MIN_OTHER = 40
"""Fewest characters of another field's value; it is left out rather than cut further."""
_UNLIMITED = 1 << 30

_LABEL = re.compile(r"^([^{}:\n]{1,40}):", re.MULTILINE)
Fits = Callable[[str], bool]
"""Whether a text is within a provider's limit."""


def lay_out(notification: Notification, fits: Fits = lambda text: True) -> str:
    """Return a notification's text, cut so that it ``fits``. A cut text says so, and where to read the whole.

    The form's other fields are cut first, from the last on, then the known fields, and the message last.
    """
    parts = Parts(notification)
    full_text = parts.compose()
    if fits(full_text):
        return full_text
    for known_size in (_UNLIMITED, _MIN_KNOWN):
        if fits(parts.compose(known_size=known_size, max_others=0, with_note=True)):
            return _with_others(parts, known_size, fits)
    shortest = partial(parts.compose, known_size=_MIN_KNOWN, max_others=0, with_note=True)
    size = _largest_fitting(len(parts.message), lambda size: fits(shortest(message_size=size)))
    return cut_to_fit(shortest(message_size=size), fits)


def _with_others(parts: Parts, known_size: int, fits: Fits) -> str:
    """The text with as many of the form's other fields as fit beside the message, and as much of each."""
    cut_text = partial(parts.compose, known_size=known_size, with_note=True)
    number = _largest_fitting(len(parts.others), lambda most: fits(cut_text(other_size=_MIN_OTHER, max_others=most)))
    longest = max((len(value) for _, value in parts.others), default=0)
    size = _largest_fitting(longest, lambda size: fits(cut_text(other_size=size, max_others=number)))
    return cut_text(other_size=max(size, _MIN_OTHER), max_others=number)


def _quotable(name: str) -> str:
    return cut(one_line(name).replace("“", "'").replace("”", "'"), _MAX_NAME)


def cut_to_fit(text: str, fits: Fits) -> str:
    """Cut a text so that it fits, with a mark at its end."""
    if fits(text):
        return text
    size = _largest_fitting(len(text), lambda size: fits(text[:size].rstrip() + CUT_MARK))
    return text[:size].rstrip() + CUT_MARK


def _largest_fitting(most: int, fits: Callable[[int], bool]) -> int:
    """Return the largest number up to ``most`` that fits, by bisection; 0 if none does."""
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        if fits(middle):
            least = middle
        else:
            most = middle - 1
    return least


class Parts:
    """The parts of a notification, without control characters and with look-alikes of Herald's labels marked.

    ``message`` is what was written, ``known`` are pairs of a label and a line, ``others`` pairs of the form's name of
    another field and its text. ``longest_line``: most bytes of a line in UTF-8; 0 for any.
    """

    def __init__(self, notification: Notification, longest_line: int = 0) -> None:
        self.notification = notification
        self._fields = {name: multiline(value) for name, value in notification.fields if is_filled(value)}
        self._labels = (*_HERALDS_LABELS, *_LABEL.findall(notification.body))
        self._longest_line = longest_line
        self.known = [(LABELS[name], one_line(self._fields[name])) for name in LABELS if name in self._fields]
        if notification.site:
            self.known.append((SITE, one_line(notification.site)))
        message = self._fields.get("message") or multiline(notification.message)
        others = [(name, value) for name, value in self._fields.items() if name not in LABELS and name != "message"]
        main = next((name for name, value in others if value == message), "") if "message" not in self._fields else ""
        self.main_name = self._name(main) if main else ""
        """The name of the field that is shown as the message, in a form without one."""
        self.others = [(self._name(name), value) for name, value in others if name != main]
        self.message = message
        if notification.fields:
            self.message = "\n".join(map(self._mark_lookalike, message.split("\n")))

    def compose(
        self,
        *,
        message_size: int = _UNLIMITED,
        known_size: int = _UNLIMITED,
        other_size: int = _UNLIMITED,
        max_others: int = _UNLIMITED,
        with_note: bool = False,
    ) -> str:
        """Return the text with that many characters of the message, each known and each of ``max_others`` fields.

        ``with_note`` adds the line that says that it was cut.
        """
        message = self.message if message_size >= len(self.message) else self.message[:message_size].rstrip() + CUT_MARK
        others = "\n".join(self._other_lines(other_size, max_others))
        note = self.note if with_note else ""
        if self.notification.body:
            filled = self._filled(message, known_size, others)
            parts = (filled, self._files_line(known_size), note, self.inbox)
            return self._wrapped("\n\n".join(filter(None, parts)))
        if self.main_name:
            message = f"{VISITOR_LINE_PREFIX}{self.main_name}:\n{message}"
        facts = "\n".join(f"{label}: {cut(value, known_size)}" for label, value in self.known)
        facts = "\n".join(filter(None, (facts, self._files_line(known_size))))
        return self._wrapped("\n\n".join(filter(None, (message, facts, others, note, self.inbox))))

    def _files_line(self, known_size: int) -> str:
        """The lines that name the files, each a visitor's text in quotation marks, and how to get them."""
        named = [f"“{_quotable(file.name)}” ({one_line(file.about)})" for file in self.notification.files]
        if not named:
            return ""
        place = one_line(self.notification.files_at)
        line = f"{FILES}: {cut(', '.join(named), max(known_size, _MIN_FILES))}"
        return f"{line}\n{GET_FILES}: {place}" if place else line

    @property
    def note(self) -> str:
        """The line that says that the text was cut, and where to read the whole."""
        place = one_line(self.notification.full_text_at)
        return f"{CUT_MARK} {CUT} {IN_FULL}: {place}" if place else f"{CUT_MARK} {CUT}"

    @property
    def inbox(self) -> str:
        """The line with the address that opens the message in the owner's inbox; empty without one."""
        address = one_line(self.notification.inbox)
        return f"{INBOX}: {address}" if address else ""

    @property
    def received(self) -> str:
        """The notification's time in UTC; empty where it has none."""
        at = self.notification.timestamp
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at)) if at is not None else ""

    def _filled(self, message: str, known: int, others: str) -> str:
        fields = {name: cut(one_line(value), known) for name, value in self._fields.items()}
        values = {name: fields.get(name, "") for name in LABELS} | {
            "id": one_line(self.notification.id),
            "site": cut(one_line(self.notification.site), known),
            "time": self.received,
            "message": message,
            "others": others,
        }

        def value(name: str) -> str:
            return values.get(name, fields.get(name.removeprefix(placeholders.FIELD_PREFIX), ""))

        def owners(name: str) -> str:
            """The value, or ``:`` in place of a visitor's: behind a colon nothing is taken for an owner's label."""
            return value(name) if name in _NO_VISITORS else ":" * bool(value(name).strip())

        if not self.notification.fields:
            return placeholders.fill(self.notification.body, value).strip("\n")
        lines: list[str] = []
        for line in self.notification.body.split("\n"):
            first, *more = placeholders.fill(line, value).split("\n")
            is_owners = self._is_lookalike(placeholders.fill(line, owners))
            lines += (first if is_owners else self._mark_unmarked(first), *map(self._mark_unmarked, more))
        return "\n".join(lines).strip("\n")

    def _other_lines(self, longest: int, number: int) -> Iterator[str]:
        for name, value in self.others[:number]:
            first, *more = cut(value, longest).split("\n")
            yield f"{VISITOR_LINE_PREFIX}{name}: {first}"
            yield from (f"{VISITOR_LINE_PREFIX}  {line}" for line in more)
        if number < len(self.others):
            yield f"{VISITOR_LINE_PREFIX}{CUT_MARK} and {len(self.others) - number} more"

    def _name(self, name: str) -> str:
        """Return another field's name; as ``field “…”`` where it looks like one of Herald's labels."""
        shown = cut(one_line(name), _MAX_NAME)
        return f"field “{shown}”" if is_like(shown, self._labels) else shown

    def _mark_lookalike(self, line: str) -> str:
        """Mark a visitor's line that looks like one of Herald's."""
        return VISITOR_LINE_PREFIX + line if self._is_lookalike(line) else line

    def _mark_unmarked(self, line: str) -> str:
        """Mark such a line unless it has the mark."""
        return line if first_visible(line) == VISITOR_LINE_PREFIX.strip() else self._mark_lookalike(line)

    def _is_lookalike(self, line: str) -> bool:
        return first_visible(line) in (VISITOR_LINE_PREFIX.strip(), CUT_MARK) or starts_like(line, self._labels)

    def _wrapped(self, composed: str) -> str:
        """Break lines that are too long, at a space or, in a longer word, anywhere."""
        most_bytes = self._longest_line
        if not most_bytes or all(len(line.encode()) <= most_bytes for line in composed.split("\n")):
            return composed
        pieces: list[str] = []
        for line in composed.split("\n"):
            start, first = 0, len(pieces)
            # No more of the line is looked at than may fit, as all of it each time would take the square of its length.
            while len((ahead := line[start : start + most_bytes + 1]).encode()) > most_bytes:
                most = len(ahead.encode()[:most_bytes].decode(errors="ignore"))
                at = ahead.rfind(" ", 1, most + 1)
                pieces.append(ahead[: at if at > 0 else most])
                start += at + 1 if at > 0 else most
            pieces.append(ahead)
            pieces[first + 1 :] = map(self._mark_lookalike, pieces[first + 1 :])
        return "\n".join(pieces)
