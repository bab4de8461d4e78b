"""What a notification says, and the request that every notifier of the Lambda Invoke API takes (version 1).

::

    request  {"version": 1, "id": "…", "title": "…", "message": "…", "timestamp": 1767225600, "channel": "pushover",
              "reply_to": "ada@example.com", "fields": [{"name": "Name", "value": "Ada"}], "options": {"priority": 1}}
    answer   {"channel": "pushover", "status": "delivered", "reference": "…"}

All from ``timestamp`` on is optional. With ``"check": true`` nothing is delivered and nobody rung; the answer is
``{"channel": "pushover", "checked": true, "quota": {"limit": 10000, "remaining": 7496, "reset": 1767225600}}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.errors import InvalidRequestError
from chalicelib.logic.invoke_contract import MAX_ID, VERSION, flag, keys, text, whole
from chalicelib.logic.submission import Message

CONTACT_TITLE = "New /contact submission received"
CUT_MARK = "…"
MAX_EXTRAS = 4
"""Fields that are shown beyond name, mail, source and message, so that the message itself has room."""
MAX_EXTRA = 120
"""Characters that each of them shows. The record has it whole."""
MAX_ADDRESS = 254
"""Characters of the longest address that SMTP can carry (RFC 5321, 4.5.3.1.3)."""
REQUIRED = ("id", "title", "message")
OPTIONAL = ("timestamp", "channel", "reply_to", "fields", "options", "check")
"""Keys of a request beside its version."""

_LINES = (("Source", "source"), ("Name", "name"), ("Mail", "email"))
_SHOWN = ("source", "name", "email", "message")


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing to tell the owner."""

    id: str
    """The message's id: it correlates the logs of everything that handles the message."""
    title: str
    message: str
    timestamp: int | None = None
    """Seconds since the epoch at which the thing happened; the provider shows it instead of its own time."""
    channel: str = ""
    """Which of the channels that the notifier serves; needed only where it serves several."""
    reply_to: str = ""
    """An e-mail address to answer to, for a channel that can."""
    fields: tuple[tuple[str, str], ...] = ()
    """What the message is made of, name and value, for a channel that shows it in its own way."""
    options: Mapping[str, object] = field(default_factory=dict)
    """What only this kind of channel knows; overrides the channel's own."""
    check: bool = False
    """Only to find out whether it could be delivered: nobody is rung."""

    def as_request(self) -> dict[str, object]:
        """The JSON object that a notifier is invoked with."""
        request: dict[str, object] = {
            "version": VERSION,
            "id": self.id,
            "title": self.title,
            "message": self.message,
        }
        if self.timestamp is not None:
            request["timestamp"] = self.timestamp
        if self.channel:
            request["channel"] = self.channel
        if self.reply_to:
            request["reply_to"] = self.reply_to
        if self.fields:
            request["fields"] = [{"name": name, "value": value} for name, value in self.fields]
        if self.options:
            request["options"] = dict(self.options)
        if self.check:
            request["check"] = True
        return request

    @classmethod
    def from_request(cls, request: object) -> Notification:
        """Check a request; raises :class:`InvalidRequestError` naming the key at fault and what it should be."""
        request = keys(request, REQUIRED, OPTIONAL)
        return cls(
            id=text(request, "id", MAX_ID),
            title=text(request, "title"),
            message=text(request, "message"),
            timestamp=whole(request, "timestamp", 0) if request.get("timestamp") is not None else None,
            channel=text(request, "channel", MAX_ID) if "channel" in request else "",
            reply_to=text(request, "reply_to", MAX_ADDRESS) if "reply_to" in request else "",
            fields=_fields(request.get("fields", [])),
            options=_options(request.get("options", {})),
            check=flag(request, "check"),
        )


@dataclass(frozen=True, slots=True)
class Quota:
    """How much a provider still takes."""

    limit: int
    """Messages in all."""
    remaining: int
    reset: int | None = None
    """The second, since the epoch, at which all may be sent again; None where the time that counts moves along."""

    def is_below(self, percent: int) -> bool:
        return self.remaining * 100 < self.limit * percent

    def as_json(self) -> dict[str, int | None]:
        return {"limit": self.limit, "remaining": self.remaining, "reset": self.reset}


def _fields(found: object) -> tuple[tuple[str, str], ...]:
    expected = InvalidRequestError('fields: expected a list of {"name": text, "value": text}', key="fields")
    if not isinstance(found, list):
        raise expected
    fields: list[tuple[str, str]] = []
    for each in found:
        match each:
            case {"name": str(name), "value": str(value), **rest} if not rest:
                fields.append((name, value))
            case _:
                raise expected
    return tuple(fields)


def _options(found: object) -> Mapping[str, object]:
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise InvalidRequestError("options: expected an object", key="options")
    return found


def from_contact(message: Message) -> Notification:
    """What the owner reads of a contact submission: four lines, a missing field left blank.

    Whatever else the form held stands before the message itself, which may be long and is what is cut.
    """
    fields = message.fields
    lines = [f"{label}: {fields.get(field, '')}" for label, field in _LINES]
    extras = [
        f"{_one_line(name)}: {cut(_one_line(text), MAX_EXTRA)}"
        for name, text in fields.items()
        if name not in _SHOWN and text.strip()
    ]
    lines += extras[:MAX_EXTRAS]
    if len(extras) > MAX_EXTRAS:
        lines.append(f"{CUT_MARK} and {len(extras) - MAX_EXTRAS} more")
    lines.append(f"Desc: {fields.get('message', '')}")
    return Notification(
        id=message.id,
        title=CONTACT_TITLE,
        message="\n".join(lines),
        timestamp=message.received_at,
        reply_to=fields.get("email", ""),
        fields=tuple(fields.items()),
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def cut(text: str, longest: int) -> str:
    """Shorten ``text`` to ``longest`` characters, the last of them a mark that something is missing."""
    return text if len(text) <= longest else text[: longest - len(CUT_MARK)].rstrip() + CUT_MARK
