"""Lay out a notification's text within a provider's limit.

The usual layout, in which blank fields are left out::

    Hello, do you deliver …            the message; it is cut last

    Name: Ada                          the known fields, under Herald's labels
    Email: ada@example.com
    Site: www.example.com

    › phone: 123                       the form's other fields, marked

    … Cut to fit. In full: …           only if something was cut

A line of the message that looks like one of Herald's gets the mark ``›`` too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from chalicelib.logic import placeholders
from chalicelib.logic.lookalikes import is_like, starts_like
from chalicelib.logic.notification import IN_TITLE, Notification
from chalicelib.logic.plain_text import CUT_MARK, cut, lines, one_line

LABELS = {"name": "Name", "email": "Email", "subject": "Subject", "source": "Source"}
"""Herald's labels of the known fields, in the order of the text."""
MESSAGE, SITE, RECEIVED, ID = "Message", "Site", "Received", "Id"
THEIRS = "› "
"""The mark of a line that could be taken for one of Herald's."""
IN_BODY = (*IN_TITLE, "time", "others")
"""The placeholders of a body, besides the form's fields; ``others`` are the fields without a label."""

_OURS = (*LABELS.values(), MESSAGE, SITE, RECEIVED, ID, "Herald")
_LONGEST_NAME = 60
"""Most characters of the name of a form's other field."""
_KEPT = 80
"""Characters that each known field keeps when the text is cut."""
_SHORTEST_OWN = 40
"""Fewest characters of another field's value; it is left out rather than cut further."""
_WHOLE = 1 << 30

_LABEL = re.compile(r"^([^{}:\n]{1,40}):", re.MULTILINE)
Fits = Callable[[str], bool]
"""Whether a text is within a provider's limit."""


def text(notification: Notification, fits: Fits = lambda text: True, longest_line: int = 0) -> str:
    """Return a notification's text, cut so that it ``fits``. A cut text says so, and where to read the whole.

    The form's other fields are cut first, from the last on, then the known fields, and the message last.
    ``longest_line``: most bytes of a line in UTF-8; 0 for any.
    """
    parts = Parts(notification, longest_line)
    whole = parts.composed()
    if fits(whole):
        return whole
    for known in (_WHOLE, _KEPT):
        if fits(parts.composed(known=known, number=0, noted=True)):
            return _with_fields(parts, known, fits)
    size = _most(len(parts.said), lambda n: fits(parts.composed(said=n, known=_KEPT, number=0, noted=True)))
    return fitted(parts.composed(said=size, known=_KEPT, number=0, noted=True), fits)


def _with_fields(parts: Parts, known: int, fits: Fits) -> str:
    """The text with as many of the form's own fields as fit beside the message, and as much of each."""
    shortest = partial(parts.composed, known=known, own=_SHORTEST_OWN, noted=True)
    number = _most(len(parts.own), lambda n: fits(shortest(number=n)))
    longest = _most(
        max((len(value) for _, value in parts.own), default=0),
        lambda size: fits(parts.composed(known=known, own=size, number=number, noted=True)),
    )
    return parts.composed(known=known, own=max(longest, _SHORTEST_OWN), number=number, noted=True)


def fitted(whole: str, fits: Fits) -> str:
    """Cut a text so that it fits, with a mark at its end."""
    if fits(whole):
        return whole
    size = _most(len(whole), lambda n: fits(whole[:n].rstrip() + CUT_MARK))
    return whole[:size].rstrip() + CUT_MARK


def _most(most: int, fits: Callable[[int], bool]) -> int:
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

    ``said`` is the message, ``known`` are pairs of a label and a line, ``own`` pairs of the form's name of another
    field and its text.
    """

    def __init__(self, notification: Notification, longest_line: int = 0) -> None:
        self.notification = notification
        self._fields = {name: lines(value) for name, value in notification.fields if value.strip()}
        self._labels = (*_OURS, *_LABEL.findall(notification.body))
        self._longest_line = longest_line
        self.known = [(LABELS[name], one_line(self._fields[name])) for name in LABELS if name in self._fields]
        if notification.site:
            self.known.append((SITE, one_line(notification.site)))
        said = self._fields.get("message") or lines(notification.message)
        own = [(name, value) for name, value in self._fields.items() if name not in LABELS and name != "message"]
        main = next((name for name, value in own if value == said), "") if "message" not in self._fields else ""
        self.main_name = self._name(main) if main and not notification.body else ""
        """The name of the field that is shown as the message, in a form without one."""
        self.own = [(self._name(name), value) for name, value in own if name != main]
        self.said = "\n".join(map(self._unmistakable, said.split("\n"))) if notification.fields else said

    def composed(
        self, said: int = _WHOLE, known: int = _WHOLE, own: int = _WHOLE, number: int = _WHOLE, *, noted: bool = False
    ) -> str:
        """Return the text with that many characters of the message, each known and each of ``number`` other fields."""
        message = self.said if said >= len(self.said) else self.said[:said].rstrip() + CUT_MARK
        others = "\n".join(self._own_lines(own, number))
        note = self.note if noted else ""
        if self.notification.body:
            return self._wrapped("\n\n".join(filter(None, (self._filled(message, known, others), note))))
        if self.main_name:
            message = f"{THEIRS}{self.main_name}:\n{message}"
        facts = "\n".join(f"{label}: {cut(value, known)}" for label, value in self.known)
        return self._wrapped("\n\n".join(filter(None, (message, facts, others, note))))

    @property
    def note(self) -> str:
        """The line that says that the text was cut, and where to read the whole."""
        rest = one_line(self.notification.rest)
        return f"{CUT_MARK} Cut to fit. In full: {rest}" if rest else f"{CUT_MARK} Cut to fit."

    @property
    def when(self) -> str:
        """The notification's time in UTC; empty where it has none that a calendar knows."""
        at = self.notification.timestamp
        with suppress(OverflowError, OSError, ValueError):
            return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at)) if at is not None else ""
        return ""

    def _filled(self, message: str, known: int, others: str) -> str:
        fields = {name: cut(one_line(value), known) for name, value in self._fields.items()}
        values = {name: fields.get(name, "") for name in LABELS} | {
            "id": one_line(self.notification.id),
            "site": cut(one_line(self.notification.site), known),
            "time": self.when,
            "message": message,
            "others": others,
        }
        return placeholders.fill(
            self.notification.body,
            lambda name: values.get(name, fields.get(name.removeprefix(placeholders.FIELD), "")),
        ).strip("\n")

    def _own_lines(self, longest: int, number: int) -> Iterator[str]:
        for name, value in self.own[:number]:
            first, *more = cut(value, longest).split("\n")
            yield f"{THEIRS}{name}: {first}"
            yield from (f"{THEIRS}  {line}" for line in more)
        if number < len(self.own):
            yield f"{THEIRS}{CUT_MARK} and {len(self.own) - number} more"

    def _name(self, name: str) -> str:
        """Return another field's name; as ``field “…”`` where it looks like one of Herald's labels."""
        shown = cut(one_line(name), _LONGEST_NAME)
        return f"field “{shown}”" if is_like(shown, self._labels) else shown

    def _unmistakable(self, line: str) -> str:
        """Mark a visitor's line that looks like one of Herald's."""
        ours = line.lstrip().startswith((THEIRS.strip(), CUT_MARK)) or starts_like(line, self._labels)
        return THEIRS + line if ours else line

    def _wrapped(self, composed: str) -> str:
        """Break lines that are too long, at a space or, in a longer word, anywhere."""
        room = self._longest_line
        if not room or all(len(line.encode()) <= room for line in composed.split("\n")):
            return composed
        pieces: list[str] = []
        for line in composed.split("\n"):
            rest, before = line, len(pieces)
            while len(rest.encode()) > room:
                most = len(rest.encode()[:room].decode(errors="ignore"))
                at = rest.rfind(" ", 1, most + 1)
                pieces.append(rest[: at if at > 0 else most])
                rest = rest[at + 1 if at > 0 else most :]
            pieces.append(rest)
            pieces[before + 1 :] = map(self._unmistakable, pieces[before + 1 :])
        return "\n".join(pieces)
