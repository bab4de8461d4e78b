"""What a notification says, and the request that every notifier of the Lambda Invoke API takes (version 1).

::

    request  {"version": 1, "id": "…", "title": "…", "message": "…", "timestamp": 1767225600, "channel": "pushover",
              "reply_to": "ada@example.com", "fields": [{"name": "Name", "value": "Ada"}], "options": {"priority": 1},
              "site": "www.example.com", "rest": "./herald messages show …", "body": "{name}: {message}"}
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
from chalicelib.settings import Channel, Site

MAX_LABEL = 300
"""Characters of what names the site, and of where the rest is."""
MAX_BODY = 2_000
"""Characters of a body as a request brings it; ``herald.toml`` takes fewer."""
MAX_WORD = 80
"""Characters that one placeholder of a title may become."""
MAX_TITLE = 250
"""Characters of a title. Pushover takes no more, and no other provider names a limit."""
SHORT = ("source", "name", "email", "subject")
"""Known fields of one line, beside which the message is the message."""
IN_TITLE = ("id", "site", *SHORT, "message")
"""Placeholders of a title, besides the form's fields."""
MAX_ADDRESS = 254
"""Characters of the longest address that SMTP can carry (RFC 5321, 4.5.3.1.3)."""
REQUIRED = ("id", "title", "message")
NEWER = ("site", "rest", "body")
"""Keys that a notifier may not know while a deployment is on its way to it."""
OPTIONAL = ("timestamp", "channel", "reply_to", "fields", "options", "check", *NEWER)
"""Keys of a request beside its version."""


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
    """What the message is made of, name and value; one named ``message`` is the message itself."""
    options: Mapping[str, object] = field(default_factory=dict)
    """What only this kind of channel knows; overrides the channel's own."""
    check: bool = False
    """Only to find out whether it could be delivered: nobody is rung."""
    site: str = ""
    """Which website it is of, as its owner knows it."""
    rest: str = ""
    """Where all of it is, for a channel that has to cut."""
    body: str = ""
    """How its text is to be laid out, with placeholders (``notification_text.py``); empty for the usual layout."""

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
        newer = {"site": self.site, "rest": self.rest, "body": self.body}
        return request | {name: value for name, value in newer.items() if value}

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
            site=text(request, "site", MAX_LABEL) if "site" in request else "",
            rest=text(request, "rest", MAX_LABEL) if "rest" in request else "",
            body=text(request, "body", MAX_BODY) if "body" in request else "",
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


def _fields(given: object) -> tuple[tuple[str, str], ...]:
    expected = InvalidRequestError('fields: expected a list of {"name": text, "value": text}', key="fields")
    if not isinstance(given, list):
        raise expected
    fields: list[tuple[str, str]] = []
    for entry in given:
        match entry:
            case {"name": str(name), "value": str(value), **rest} if not rest:
                fields.append((name, value))
            case _:
                raise expected
    return tuple(fields)


def _options(given: object) -> Mapping[str, object]:
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise InvalidRequestError("options: expected an object", key="options")
    return given


def from_contact(
    message: Message, site: Site | None = None, channel: Channel | None = None, stage: str = ""
) -> Notification:
    """What the owner is told of a contact submission; what is blank is left out.

    Its title and body are the channel's own, else the site's, else the usual ones.
    """
    fields = {name: value for name, value in message.fields.items() if value.strip()}
    label = _site_label(message, site)
    title = (channel and channel.title) or (site and site.title) or ""
    # Of a form without a message its longest text is what it was written for.
    own = [value for name, value in fields.items() if name not in SHORT]
    return Notification(
        id=message.id,
        title=_title(title, message, fields, label) if title else f"New message: {label}",
        message=fields.get("message") or max(own, key=len, default="(no message)"),
        timestamp=message.received_at,
        reply_to=_reply_to(fields.get("email", "")),
        fields=tuple(fields.items()),
        site=label,
        rest=f"./herald messages show --stage {stage} {message.id}" if stage else "",
        body=(channel and channel.body) or (site and site.body) or "",
    )


def _reply_to(address: str) -> str:
    """The address, if mail programs take it for one; a form's may be "n/a", or with dots where RFC 5322 has none."""
    local, _, _ = address.rpartition("@")
    return "" if not local or local.startswith(".") or local.endswith(".") or ".." in local else address


def _site_label(message: Message, site: Site | None) -> str:
    """The site's name where its stage has several; else the host of the page that the form is on."""
    if site is None or site.one_of_many:
        return message.site
    source = message.fields.get("source", "")
    pages = (origin for origin in site.origins if f"{source}/".startswith(f"{origin}/"))
    return next(pages, site.origins[0]).partition("://")[2]


def _title(template: str, message: Message, fields: Mapping[str, str], label: str) -> str:
    """The owner's title of a message: one line, in which each placeholder is at most :data:`MAX_WORD` characters."""
    # Loaded for whoever has a title of their own.
    from chalicelib.logic.lookalikes import starts_like
    from chalicelib.logic.placeholders import FIELD, fill
    from chalicelib.logic.plain_text import cut, one_line

    known = {name: fields.get(name, "") for name in IN_TITLE} | {"id": message.id, "site": label}
    filled = fill(
        template, lambda name: cut(one_line(known.get(name, fields.get(name.removeprefix(FIELD), ""))), MAX_WORD)
    )
    title = cut(one_line(filled), MAX_TITLE) or f"New message: {label}"
    # Herald's own notifications begin with its name.
    return f"› {title}" if starts_like(title, ("Herald",)) and not template.startswith("Herald") else title
