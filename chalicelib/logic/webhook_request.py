"""The content of a webhook request: the body in each format, the ``webhook-id``, the address and the signing secrets.

A visitor's text is escaped as each service requires, and is only ever a value in the JSON.
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

from chalicelib.logic import placeholders
from chalicelib.logic.channel_kind import HiddenMistake
from chalicelib.logic.notification import MAX_TITLE, Notification
from chalicelib.logic.notification_text import lay_out
from chalicelib.logic.placeholders import PlaceholderMistake
from chalicelib.logic.plain_text import cut, one_line
from chalicelib.logic.provider_limits import UTF_8, UTF_16, Limit
from chalicelib.logic.reply_link import reply_label, reply_link

SLACK_TEXT = Limit(
    "Slack",
    "`text`, escaped, title included",
    4_000,
    UTF_16,
    source="https://api.slack.com/changelog/2018-04-truncating-really-long-messages",
    source_read="2026-11",
    note="longer ones may be broken into several; the larger of what “characters” may mean",
)
DISCORD_CONTENT = Limit(
    "Discord",
    "`content`, escaped, title included",
    2_000,
    UTF_16,
    source="https://discord.com/developers/docs/resources/webhook#execute-webhook",
    source_read="2026-11",
    note="the larger of what “characters” may mean",
)
TEAMS_CARD = Limit(
    "Teams",
    "the card, as JSON escaped within JSON",
    28_672,
    UTF_8,
    margin=1_672,
    source="https://github.com/MicrosoftDocs/msteams-docs/issues/11274",
    source_read="2026-11-28",
    note="the workflow answers 202 and fails afterwards; Teams adds properties of its own. Counted with each letter"
    " outside of ASCII as `\\uXXXX`, the largest that it can be",
)
STANDARD = Limit(
    "webhook, `standard`",
    "body",
    0,
    UTF_8,
    source="https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#payload-size",
    source_read="2026-11",
    note="none: nothing is cut. A form is 64 KiB at most",
)
LIMITS = (SLACK_TEXT, DISCORD_CONTENT, TEAMS_CARD, STANDARD)

EVENT = "message.received"
"""``type`` of a body in format ``standard``."""

_DISCORD_MARKS = re.compile(r"([\\*_~`|>#\[\]()<@:+-])")
_SUPPRESS_EMBEDS = 1 << 2
"""https://discord.com/developers/docs/resources/message#message-object-message-flags"""
_KNOWN = ("id", "webhook_id", "title", "message", "time", "reply_to", "site")

_SHORTEST_KEY, _LONGEST_KEY = 24, 64

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_HEADER_VALUE = re.compile(r"[!-~]([ -~]{0,510}[!-~])?")
_OURS = ("accept-encoding", "connection", "content-length", "content-type", "expect", "host", "te", "transfer-encoding")
_SECRET_HEADERS = re.compile(r"(?i)auth|cookie|key|password|secret|signature|token")


class WebhookMistake(ValueError):
    """A wrong address, secret or template. The message says what is expected, and doesn't quote the value."""


# Identity


def webhook_id(message_id: str, channel: str) -> str:
    """Return the ``webhook-id``, by which a receiver recognises a repetition of a message on one channel.

    It is a digest, as it must hold no full stop (the signature is over ``id.timestamp.body``) and a caller of the
    Invoke API may choose any id: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme
    """
    digest = hashlib.sha256("\n".join((channel, message_id)).encode(errors="replace")).hexdigest()
    return f"msg_{digest[:32]}"


def signing_secrets(text: str) -> list[str]:
    """Read the signing secrets of a parameter: one or, while a receiver changes to a new one, several between spaces.

    A secret is ``whsec_`` and 24 to 64 random bytes in base64, which the library doesn't check. Raises
    :class:`WebhookMistake`.
    """
    secrets = text.split()
    for secret in secrets:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not secret.startswith("whsec_") or not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
            raise WebhookMistake(f"expected whsec_ and {_SHORTEST_KEY} to {_LONGEST_KEY} bytes in base64")
    if not secrets:
        raise WebhookMistake("expected a secret, found nothing")
    return secrets


# Address


def checked_address(text: str, *, local: bool) -> str:
    """Check an address; raises :class:`WebhookMistake`, which never quotes it, as it is a secret.

    It must be HTTPS or, on stage ``local``, HTTP to this machine. The address is the owner's own, so this guards
    against mistakes, not against attackers: in Lambda, an IP address of the machine itself can't be a receiver.
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
    is_local = host == "localhost" or _is_this_machine(host)
    if local and is_local and url.scheme in ("http", "https"):
        return address
    if url.scheme != "https":
        raise WebhookMistake("expected https://")
    if is_local:
        raise WebhookMistake("expected an address of another machine")
    return address


def _is_this_machine(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast


def api_address(kind: str, address: str) -> str:
    """Return the address of the request. Discord reports errors only with ``wait=true``."""
    if kind != "discord":
        return address
    url = urlsplit(address)
    # Discord's addresses name no version, which means an old one with waiting times in milliseconds:
    # https://discord.com/developers/docs/reference#api-versioning
    path = url.path.replace("/api/webhooks/", "/api/v10/webhooks/", 1)
    query = url.query if "wait=" in url.query else f"{url.query}&wait=true".removeprefix("&")
    return url._replace(path=path, query=query).geturl()


# Headers


def checked_headers(headers: dict[str, str]) -> dict[str, str]:
    """Return an owner's own headers; raises :class:`WebhookMistake`, or :class:`HiddenMistake` for a secret."""
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise WebhookMistake("expected names such as X-Tag, and values of printable ASCII, up to 512 characters")
        if _SECRET_HEADERS.search(name):
            raise HiddenMistake("a secret can't stand here; put it into the address, if it must be sent")
        if name.lower() in _OURS or name.lower().startswith("webhook-"):
            raise WebhookMistake(f"{name} is set by Herald")
    return headers


# Bodies


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
            "message": lay_out(notification),
            "reply_to": notification.reply_to or None,
            "site": notification.site or None,
            "fields": [{"name": name, "value": value} for name, value in notification.fields],
        },
    }


def slack(notification: Notification, share: float = 1) -> dict[str, object]:
    """Make a text with ``&``, ``<`` and ``>`` escaped, so that no visitor can mention ``<!channel>``.

    https://api.slack.com/reference/surfaces/formatting#escaping; links are shown, but not opened for a preview.
    ``share``: how much of its limit it may have, here and below.
    """
    title = f"*{_title(notification, _for_slack)}*\n"
    limit = SLACK_TEXT.scaled(share)
    link = reply_link(notification)
    # https://docs.slack.dev/messaging/formatting-message-text/#linking-to-email-addresses
    reply = f"\n\n<{_for_slack(link)}|{_for_slack(reply_label(notification))}>" if link else ""
    message = _for_slack(lay_out(notification, lambda part: limit.fits(title + _for_slack(part) + reply)))
    return {"text": title + message + reply, "unfurl_links": False, "unfurl_media": False}


def discord(notification: Notification, share: float = 1) -> dict[str, object]:
    """Make a text with escaped Markdown, without mentions and link previews.

    https://discord.com/developers/docs/resources/message#allowed-mentions-object. An escaped colon also keeps a
    visitor's address from becoming a link.
    """
    title = f"**{_title(notification, _for_discord)}**\n"
    limit = DISCORD_CONTENT.scaled(share)
    message = _for_discord(lay_out(notification, lambda part: limit.fits(title + _for_discord(part))))
    return {"content": title + message, "allowed_mentions": {"parse": []}, "flags": _SUPPRESS_EMBEDS}


def teams(notification: Notification, share: float = 1) -> dict[str, object]:
    """Make an Adaptive Card, for a workflow that posts it.

    Every line is a ``RichTextBlock``, which reads no Markdown and no date functions as a ``TextBlock`` does:
    https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features
    """
    heading = {"type": "TextRun", "text": _title(notification), "weight": "Bolder"}

    def card(message: str) -> dict[str, object]:
        # Some clients drop a run without text, and so the empty line.
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

    limit = TEAMS_CARD.scaled(share)

    def fits(part: str) -> bool:
        # No card is made of a text that can't fit: it would take seconds, and a hundred times the text's memory.
        return len(part) <= limit.usable and limit.fits(json.dumps(json.dumps(card(part))))

    message = lay_out(notification, fits)
    return {
        "type": "message",
        "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card(message)}
        ],
    }


def _title(notification: Notification, escape: Callable[[str], str] = str) -> str:
    return escape(cut(one_line(notification.title), MAX_TITLE))


def moment(notification: Notification, now: int) -> str:
    """Return the notification's time, else ``now``, in UTC as RFC 3339: ``2026-01-01T00:00:00Z``."""
    at = notification.timestamp if notification.timestamp is not None else now
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


# Templates


def checked_template(template: dict[str, object]) -> dict[str, object]:
    """Return a template of ``herald.toml``; raises :class:`WebhookMistake`."""
    check_template(template)
    if not template:
        raise WebhookMistake("expected at least one key")
    return template


def check_template(template: object) -> None:
    """Raise :class:`WebhookMistake` for a template that isn't JSON or has an unknown placeholder."""
    for value in _texts(template):
        try:
            placeholders.check(value, _KNOWN)
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
    """Fill in a template's placeholders. Only texts have any, and inserted values are not read for placeholders.

    ``{message}`` is cut to ``longest`` characters, if that isn't 0. A field that the form didn't have is left blank.
    """
    values = {
        "id": notification.id,
        "webhook_id": webhook_id(notification.id, channel),
        "title": notification.title,
        "message": lay_out(notification, lambda part: not longest or len(part) <= longest),
        "time": moment(notification, now),
        "reply_to": notification.reply_to,
        "site": notification.site,
        **{placeholders.FIELD_PREFIX + name: value for name, value in notification.fields},
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
