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
from chalicelib.logic import placeholders
from chalicelib.logic.notification import MAX_TITLE, Notification
from chalicelib.logic.notification_text import text
from chalicelib.logic.placeholders import PlaceholderMistake
from chalicelib.logic.plain_text import cut, one_line
from chalicelib.logic.provider_limits import DISCORD_CONTENT, NTFY_BODY, NTFY_MESSAGE, SLACK_TEXT, TEAMS_CARD, Limit

EVENT = "message.received"
"""``type`` of a body in format ``standard``."""
FORMATS = ("standard", "slack", "discord", "teams", "ntfy")
"""Formats whose bodies are made here. There is ``template`` too, whose body is the owner's."""

_DISCORD_MARKS = re.compile(r"([\\*_~`|>#\[\]()<@:+-])")
_SUPPRESS_EMBEDS = 1 << 2
"""https://discord.com/developers/docs/resources/message#message-object-message-flags"""
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
"""https://docs.ntfy.sh/publish/#publish-as-json"""
_PRIORITIES = range(1, 6)

_KNOWN = ("id", "webhook_id", "title", "message", "time", "reply_to", "site")

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
    """``{"type", "timestamp", "data": {"id", "title", "message", "reply_to", "site", "fields"}}``, with nothing cut.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#payload-structure
    """
    return {
        "type": EVENT,
        "timestamp": moment(notification, now),
        "data": {
            "id": notification.id,
            "title": notification.title,
            "message": text(notification),
            "reply_to": notification.reply_to or None,
            "site": notification.site or None,
            "fields": [{"name": name, "value": value} for name, value in notification.fields],
        },
    }


def slack(notification: Notification, share: float = 1) -> dict[str, object]:
    """A text in which ``&``, ``<`` and ``>`` mean themselves, so that nobody can ring ``<!channel>``.

    https://api.slack.com/reference/surfaces/formatting#escaping; links are shown, but not opened for a preview.
    ``share``: how much of its limit it may have, here and below.
    """
    title = f"*{_title(notification, _for_slack)}*\n"
    limit = _part(SLACK_TEXT, share)
    message = _for_slack(text(notification, lambda part: limit.fits(title + _for_slack(part))))
    return {"text": title + message, "unfurl_links": False, "unfurl_media": False}


def discord(notification: Notification, share: float = 1) -> dict[str, object]:
    """A content whose Markdown is escaped, that mentions nobody and opens no preview.

    https://discord.com/developers/docs/resources/message#allowed-mentions-object. An escaped colon also keeps links
    from being links: a visitor's address is shown, not offered.
    """
    title = f"**{_title(notification, _for_discord)}**\n"
    limit = _part(DISCORD_CONTENT, share)
    message = _for_discord(text(notification, lambda part: limit.fits(title + _for_discord(part))))
    return {"content": title + message, "allowed_mentions": {"parse": []}, "flags": _SUPPRESS_EMBEDS}


def teams(notification: Notification, share: float = 1) -> dict[str, object]:
    """An Adaptive Card, as a workflow that posts what it receives wants it.

    Every line is a ``RichTextBlock``, which reads no Markdown and no date functions as a ``TextBlock`` does:
    https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features
    """
    heading = {"type": "TextRun", "text": _title(notification), "weight": "Bolder"}

    def card(message: str) -> dict[str, object]:
        # A run without text is left out by some clients, and the empty line with it.
        runs = [[{"type": "TextRun", "text": each or " "}] for each in message.split("\n")]
        return {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [
                {"type": "RichTextBlock", "inlines": [heading]},
                *({"type": "RichTextBlock", "spacing": "None", "inlines": run} for run in runs),
            ],
        }

    limit = _part(TEAMS_CARD, share)
    message = text(notification, lambda part: limit.fits(json.dumps(json.dumps(card(part)))))
    return {
        "type": "message",
        "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card(message)}
        ],
    }


def ntfy(notification: Notification, topic: str, priority: int | None, share: float = 1) -> dict[str, object]:
    """``{"topic", "title", "message"}`` in plain text, and the priority, 1 to 5, if there is one.

    https://docs.ntfy.sh/publish/#publish-as-json
    """

    def body(message: str) -> dict[str, object]:
        own: dict[str, object] = {"topic": topic, "title": _title(notification), "message": message}
        return own if priority is None else own | {"priority": priority}

    of_message, of_body = _part(NTFY_MESSAGE, share), _part(NTFY_BODY, share)
    return body(
        text(notification, lambda part: of_message.fits(part) and of_body.fits(encoded(body(part)).decode())),
    )


def _part(limit: Limit, share: float) -> Limit:
    return limit if share == 1 else limit._replace(most=int(limit.most * share), margin=int(limit.margin * share))


def _title(notification: Notification, escape: Callable[[str], str] = str) -> str:
    return escape(cut(one_line(notification.title), MAX_TITLE))


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
    for each in _texts(template):
        try:
            placeholders.check(each, _KNOWN)
        except PlaceholderMistake as mistake:
            raise WebhookMistake(str(mistake)) from None


def _texts(template: object) -> Iterator[str]:
    match template:
        case str():
            yield template
        case dict():
            for key, value in template.items():
                if "{" in key or "}" in key:
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
        "message": text(notification, lambda part: not longest or len(part) <= longest),
        "time": moment(notification, now),
        "reply_to": notification.reply_to,
        "site": notification.site,
        **{placeholders.FIELD + name: value for name, value in notification.fields},
    }
    return _filled(template, values)


def _filled(template: object, values: Mapping[str, str]) -> object:
    match template:
        case str():
            return placeholders.fill(template, lambda name: values.get(name, ""))
        case dict():
            return {key: _filled(value, values) for key, value in template.items()}
        case list():
            return [_filled(value, values) for value in template]
        case _:
            return template


# Escapes


def _for_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _for_discord(text: str) -> str:
    return _DISCORD_MARKS.sub(r"\\\1", text)
