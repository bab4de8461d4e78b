"""What a webhook says: the body in each format, the id that a receiver knows a repetition by, and what an address is.

A visitor's text never gets a meaning here that it didn't have: it is escaped as each service wants it, and it enters
JSON as a value alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from chalicelib.errors import InvalidRequestError
from chalicelib.logic.notification import CUT_MARK, Notification, cut

EVENT = "message.received"
"""``type`` of a body in format ``standard``."""
FORMATS = ("standard", "slack", "discord", "teams", "ntfy")
"""Formats whose bodies are made here. There is ``template`` too, whose body is the owner's."""

SLACK_TEXT = 4_000
"""Characters. Longer ones may be broken into several messages:
https://api.slack.com/changelog/2018-04-truncating-really-long-messages"""
DISCORD_CONTENT = 2_000
"""Characters: https://discord.com/developers/docs/resources/webhook#execute-webhook (counted as UTF-16 here, the larger
of the two numbers that it may mean)."""
TEAMS_BODY = 27_000
"""Bytes of a whole request; 28 KB is the limit, with what Teams adds:
https://learn.microsoft.com/microsoftteams/limits-specifications-teams"""
NTFY_MESSAGE = 4_096
"""Bytes; a longer message would become an attached file: https://docs.ntfy.sh/publish/#limitations"""
MAX_TITLE = 250
"""Characters that a title shows where its service names no limit."""

_DISCORD_MARKS = re.compile(r"([\\*_~`|>#\[\]()<@:+-])")
_SUPPRESS_EMBEDS = 1 << 2
"""https://discord.com/developers/docs/resources/message#message-object-message-flags"""
_TEAMS_LINE = {"type": "RichTextBlock", "spacing": "None", "inlines": [{"type": "TextRun", "text": ""}]}
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
"""https://docs.ntfy.sh/publish/#publish-as-json"""
_PRIORITIES = range(1, 6)

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([a-z_]+(?:\.[^{}]{1,100})?)\}|[{}]")
_KNOWN = ("id", "webhook_id", "title", "message", "time", "reply_to")
_FIELDS = "fields."

_SHORTEST_KEY, _LONGEST_KEY = 24, 64


class WebhookMistake(ValueError):
    """An address, a secret or a template that can't be used. The text says what it must be, and quotes nothing."""


# Identity


def webhook_id(message_id: str, channel: str) -> str:
    """What a receiver knows a repetition by: the same for each attempt of one message on one channel.

    A digest, because an id must hold no full stop (the signature is over ``id.timestamp.body``), and a caller of the
    Invoke API may choose any text: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme
    """
    digest = hashlib.sha256("\n".join((channel, message_id)).encode(errors="replace")).hexdigest()
    return f"msg_{digest[:32]}"


def signing_secrets(text: str) -> list[str]:
    """The secrets that a parameter holds: one, or several between spaces while a receiver changes to a new one.

    Raises :class:`WebhookMistake`. A secret is ``whsec_`` and 24 to 64 random bytes in base64, as the specification
    says; the library itself would take anything.
    """
    found = text.split()
    for secret in found:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not secret.startswith("whsec_") or not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
            raise WebhookMistake(f"expected whsec_ and {_SHORTEST_KEY} to {_LONGEST_KEY} bytes in base64")
    if not found:
        raise WebhookMistake("expected a secret, found nothing")
    return found


# Address


def checked_address(text: str, *, local: bool) -> str:
    """An address that may be called; raises :class:`WebhookMistake`, which never quotes it: it is a secret.

    HTTPS alone; on stage ``local`` also HTTP to this machine. The address is the owner's own, so this guards against
    mistakes, not against an attacker: a host that is an IP address of the machine itself or of its link can't be
    anybody's receiver in Lambda.
    """
    address = text.strip()
    if not address.isascii() or re.search(r"[\s\x00-\x1f\x7f\\]", address):
        raise WebhookMistake("expected an address in ASCII without spaces, control characters or a backslash")
    try:
        url = urlsplit(address)
        host, _ = url.hostname, url.port
    except ValueError:
        raise WebhookMistake("expected an address with a host and, if any, a port from 0 to 65535") from None
    if not host or "@" in url.netloc:
        raise WebhookMistake("expected an absolute address without a user name")
    here = host == "localhost" or _is_this_machine(host)
    if local and here and url.scheme in ("http", "https"):
        return address
    if url.scheme != "https":
        raise WebhookMistake("expected https://")
    if here:
        raise WebhookMistake("expected an address of another machine")
    return address


def _is_this_machine(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast


def target(kind: str, address: str) -> tuple[str, str]:
    """Where a request goes, and ntfy's topic.

    ntfy takes JSON at the server's root and the topic in it, so an address such as ``https://ntfy.sh/topic`` is taken
    apart. Discord is asked to wait until the message is saved, because it reports no error otherwise.
    """
    url = urlsplit(address)
    if kind == "discord":
        # The address that Discord hands out means an old version, which tells waiting times in milliseconds:
        # https://discord.com/developers/docs/reference#api-versioning
        path = url.path.replace("/api/webhooks/", "/api/v10/webhooks/", 1)
        query = url.query if "wait=" in url.query else f"{url.query}&wait=true".removeprefix("&")
        return url._replace(path=path, query=query).geturl(), ""
    if kind == "ntfy":
        base, _, topic = url.path.rpartition("/")
        if not _TOPIC.fullmatch(topic):
            raise WebhookMistake("expected an address that ends in a topic: up to 64 of A-Z, a-z, 0-9, - and _")
        return url._replace(path=f"{base}/").geturl(), topic
    return address, ""


# Bodies


def encoded(body: object) -> bytes:
    """A body as the bytes that are signed and sent. What is no character (half a surrogate pair) becomes ``?``."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def standard(notification: Notification, now: int) -> dict[str, object]:
    """``{"type", "timestamp", "data": {"id", "title", "message", "reply_to", "fields"}}``, with nothing cut.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#payload-structure
    """
    return {
        "type": EVENT,
        "timestamp": moment(notification, now),
        "data": {
            "id": notification.id,
            "title": notification.title,
            "message": notification.message,
            "reply_to": notification.reply_to or None,
            "fields": [{"name": name, "value": value} for name, value in notification.fields],
        },
    }


def slack(notification: Notification) -> dict[str, object]:
    """A text in which ``&``, ``<`` and ``>`` mean themselves, so that nobody can ring ``<!channel>``.

    https://api.slack.com/reference/surfaces/formatting#escaping; links are shown, but not opened for a preview.
    """
    title = f"*{fitted(_one_line(notification.title), MAX_TITLE, _for_slack)}*\n"
    message = fitted(notification.message, SLACK_TEXT - len(title), _for_slack)
    return {"text": title + message, "unfurl_links": False, "unfurl_media": False}


def discord(notification: Notification) -> dict[str, object]:
    """A content whose Markdown is escaped, that mentions nobody and opens no preview.

    https://discord.com/developers/docs/resources/message#allowed-mentions-object. An escaped colon also keeps links
    from being links: a visitor's address is shown, not offered.
    """
    title = f"**{fitted(_one_line(notification.title), MAX_TITLE, _for_discord, _utf16)}**\n"
    message = fitted(notification.message, DISCORD_CONTENT - _utf16(title), _for_discord, _utf16)
    return {"content": title + message, "allowed_mentions": {"parse": []}, "flags": _SUPPRESS_EMBEDS}


def teams(notification: Notification) -> dict[str, object]:
    """An Adaptive Card, as a workflow that posts what it receives wants it.

    Every line is a ``RichTextBlock``, which reads no Markdown and no date functions as a ``TextBlock`` does:
    https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features
    """
    heading = {"type": "TextRun", "text": cut(_one_line(notification.title), MAX_TITLE), "weight": "Bolder"}
    lines: list[dict[str, object]] = [{"type": "RichTextBlock", "inlines": [heading]}]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": lines,
    }
    body: dict[str, object] = {
        "type": "message",
        "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        ],
    }
    line = len(encoded(_TEAMS_LINE)) + 1
    text = fitted(
        notification.message,
        TEAMS_BODY - len(encoded(body)) - line,
        size=lambda part: len(encoded(part)) - 2 + line * part.count("\n"),
    )
    # A run without text is left out by some clients, and the empty line with it.
    lines += [{**_TEAMS_LINE, "inlines": [{"type": "TextRun", "text": each or " "}]} for each in text.split("\n")]
    return body


def ntfy(notification: Notification, topic: str, priority: int | None) -> dict[str, object]:
    """``{"topic", "title", "message"}`` in plain text, and the priority, 1 to 5, if there is one.

    https://docs.ntfy.sh/publish/#publish-as-json
    """
    body: dict[str, object] = {
        "topic": topic,
        "title": cut(_one_line(notification.title), MAX_TITLE),
        "message": fitted(notification.message, NTFY_MESSAGE, size=_utf8),
    }
    if priority is not None:
        body["priority"] = priority
    return body


def priority_of(notification: Notification, kind: str, usual: int | None) -> int | None:
    """ntfy's priority: the request's own, or the channel's. Raises :class:`InvalidRequestError` for other options."""
    options = notification.options
    if not options:
        return usual
    wanted = options.get("priority")
    whole = isinstance(wanted, int) and not isinstance(wanted, bool)
    if set(options) != {"priority"} or kind != "ntfy" or not whole or wanted not in _PRIORITIES:
        raise InvalidRequestError("options: a webhook takes `priority` alone, 1 to 5, in format ntfy", key="options")
    return int(str(wanted))


def moment(notification: Notification, now: int) -> str:
    """When it happened, else ``now``: RFC 3339 in UTC, such as ``2026-01-01T00:00:00Z``."""
    at = notification.timestamp if notification.timestamp is not None else now
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        raise InvalidRequestError("timestamp: expected a moment before the year 10000", key="timestamp") from None


# Templates


def check_template(template: object) -> None:
    """Raise :class:`WebhookMistake` for what is no JSON, and for a placeholder that nobody fills."""
    for text in _texts(template):
        for found in _PLACEHOLDER.finditer(text):
            if found[0] in ("{{", "}}"):
                continue
            name = found[1] or ""
            if not name:
                raise WebhookMistake(f"{found[0]} stands alone; write {found[0] * 2} for the character itself")
            if name not in _KNOWN and not name.startswith(_FIELDS):
                known = ", ".join(f"{{{each}}}" for each in _KNOWN)
                raise WebhookMistake(f"{{{name}}} is no placeholder; there are {known} and {{{_FIELDS}<name>}}")


def _texts(template: object) -> Iterator[str]:
    match template:
        case str():
            yield template
        case dict():
            for key, value in template.items():
                if _PLACEHOLDER.search(key):
                    raise WebhookMistake("a placeholder stands in a key; only values have any")
                yield from _texts(value)
        case list():
            for value in template:
                yield from _texts(value)
        case bool() | int():
            pass
        case float() if template - template == 0:
            pass
        case _:
            raise WebhookMistake("expected what JSON has: texts, numbers, booleans, lists and tables")


def filled(template: object, notification: Notification, channel: str, now: int, longest: int = 0) -> object:
    """The template with its placeholders filled in. Only texts are touched, and what is filled in isn't read again.

    ``{message}`` is cut to ``longest`` characters, if that isn't 0. A field that the form didn't have is left blank.
    """
    values = {
        "id": notification.id,
        "webhook_id": webhook_id(notification.id, channel),
        "title": notification.title,
        "message": cut(notification.message, longest) if longest else notification.message,
        "time": moment(notification, now),
        "reply_to": notification.reply_to,
        **{_FIELDS + name: value for name, value in notification.fields},
    }
    return _filled(template, values)


def _filled(template: object, values: Mapping[str, str]) -> object:
    match template:
        case str():
            return _PLACEHOLDER.sub(lambda found: values.get(found[1], "") if found[1] else found[0][0], template)
        case dict():
            return {key: _filled(value, values) for key, value in template.items()}
        case list():
            return [_filled(value, values) for value in template]
        case _:
            return template


# Lengths


def fitted(text: str, longest: int, escape: Callable[[str], str] = str, size: Callable[[str], int] = len) -> str:
    """``text``, escaped, within ``longest`` of ``size``; cut between characters, and never inside an escape."""
    whole = escape(text)
    if size(whole) <= longest:
        return whole
    room = longest - size(CUT_MARK)
    end = 0
    while (room := room - size(escape(text[end]))) >= 0:
        end += 1
    return escape(text[:end].rstrip()) + CUT_MARK


def _for_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _for_discord(text: str) -> str:
    return _DISCORD_MARKS.sub(r"\\\1", text)


def _utf16(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _utf8(text: str) -> int:
    return len(text.encode(errors="replace"))


def _one_line(text: str) -> str:
    return " ".join(text.split())
