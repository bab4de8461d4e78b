"""Notifications that programs publish to the topic (version 1): stored, delivered and retried as a form's message is.

::

    {"kind": "notification", "version": 1, "title": "Backup", "message": "The nightly backup has failed.",
     "priority": "high", "link": "https://www.example.com/", "channels": ["pushover"], "key": "backup-2026-11-20"}

Keys from ``priority`` on are optional. With ``key`` all publications of the same content are one message; without it
each is a message whose id is the one that SNS gave the publication. What is anything else is *rejected*: a record says
which key is wrong and what is right, and nothing of what was published. docs/notify.md
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.errors import InvalidRequestError
from chalicelib.logic.delivery_types import Action, DeliveryResult, Invocation, MessageStore, Record
from chalicelib.logic.invoke_contract import MAX_ID, check_keys, read_text
from chalicelib.logic.message import Message, replace_lone_surrogates
from chalicelib.logic.message_kinds import KIND_NOTIFICATION
from chalicelib.logic.notification import MAX_TITLE, Notification
from chalicelib.logic.plain_text import cut, one_line
from chalicelib.logic.spam import HoldReason, PersonSign, Verdict
from chalicelib.settings import SITE_OF_PROGRAMS, Channel

if TYPE_CHECKING:
    from chalicelib.settings import Stage

REQUIRED = ("kind", "title", "message")
OPTIONAL = ("priority", "link", "channels", "key")
MAX_MESSAGE = 20_000
"""Most characters of ``message``, so that the event on the bus stays below its limit however they are encoded."""
MAX_LINK = 512
"""Most characters of ``link``: Pushover's limit, the smallest of those that providers name."""
MAX_REASON = 500
"""Most characters of why something was rejected, which may name a key that the sender made up."""
LINK = r"^https?://[!-~]+$"
"""Visible ASCII, so that no line of a notification can be forged with it."""
PRIORITY = ("low", "normal", "high", "emergency")
"""What each means to a provider is declared by its kind of channel."""
TRUSTED_VERDICT = Verdict(person_rank=len(PersonSign))
"""A program that was granted the topic spends a channel's budget of rings as a person does."""

_KEY_NAMESPACE = uuid.UUID("b2b1f0a4-6d0c-5c55-9d55-0c1c6a5a7f0e")
"""The namespace (RFC 9562, 5.5) of ids that are made from keys."""


def read(published: str, publication_id: str, at: int, stage: Stage) -> Message:
    """Make a message of what was published; raises :class:`InvalidRequestError` naming the key at fault.

    ``publication_id`` is the id that SNS gave it, ``at`` its time in seconds since the epoch.
    """
    try:
        found = replace_lone_surrogates(json.loads(published))
    except (ValueError, RecursionError):
        raise InvalidRequestError(
            f'message: expected a JSON object with "kind": "{KIND_NOTIFICATION}", found other text', key="message"
        ) from None
    if not isinstance(found, dict) or found.get("kind") != KIND_NOTIFICATION:
        raise InvalidRequestError(f'kind: expected "{KIND_NOTIFICATION}"', key="kind")
    request = check_keys(found, REQUIRED, OPTIONAL)
    fields = {"title": read_text(request, "title", MAX_TITLE), "message": read_text(request, "message", MAX_MESSAGE)}
    if "priority" in request:
        fields["priority"] = _priority(request)
    if "link" in request:
        fields["link"] = _link(request)
    channels = stage.notifications.channels
    if "channels" in request:
        channels = _channels(request, stage)
        fields["channels"] = ", ".join(channels)
    key = read_text(request, "key", MAX_ID) if "key" in request else ""
    return Message(
        _id(key, publication_id), SITE_OF_PROGRAMS, at, fields, has_idempotency_key=bool(key), channels=channels
    )


def read_unchecked(published: str, publication_id: str, at: int) -> Message:
    """What can be said of a publication without judging it: its id and its texts."""
    try:
        found = replace_lone_surrogates(json.loads(published))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return Message(publication_id, SITE_OF_PROGRAMS, at, {"message": published})
    key = found.get("key") if found.get("kind") == KIND_NOTIFICATION else None
    texts = {name: value for name, value in found.items() if isinstance(value, str)}
    return Message(_id(key if isinstance(key, str) else "", publication_id), SITE_OF_PROGRAMS, at, texts)


def published_at(timestamp: str) -> int:
    """The second of SNS's own time of a publication, such as ``2026-11-20T07:00:00.000Z``.

    https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html
    """
    return int(datetime.fromisoformat(timestamp).timestamp())


def reject(
    error: InvalidRequestError, publication_id: str, at: int, store: MessageStore, invocation: Invocation
) -> DeliveryResult:
    """Store why something was rejected, for whoever published it: by the id that SNS gave it."""
    reason = cut(one_line(error.message), MAX_REASON)
    verdict = Verdict(
        hold_reason=HoldReason.REJECTED_PUBLICATION, wrong_key=cut(one_line(error.key), MAX_ID), reason=reason
    )
    message = Message(publication_id, SITE_OF_PROGRAMS, at, {})
    record = store.add(message, Record(invocation.event_id, {}, verdict))
    repeated = record is not None and record.stored_by != invocation.event_id
    action = Action.UNCHANGED if repeated else Action.REJECTED_PUBLICATION
    return DeliveryResult(publication_id, SITE_OF_PROGRAMS, action, {}, verdict)


def as_notification(message: Message, channel: Channel, stage_name: str) -> Notification:
    """Make the notification by one channel: in its provider's own terms, where that has any."""
    fields = message.fields
    options: dict[str, object] = dict(channel.priorities.get(fields.get("priority", ""), {}))
    text, link = fields["message"], fields.get("link", "")
    if link and channel.link_option:
        options[channel.link_option] = link
    elif link:
        text = f"{text}\n\n{link}"
    return Notification(
        id=message.id,
        title=fields["title"],
        message=text,
        timestamp=message.received_at,
        options=options,
        full_text_at=f"./herald messages show --stage {stage_name} {message.id}",
    )


def _id(key: str, publication_id: str) -> str:
    return str(uuid.uuid5(_KEY_NAMESPACE, key)) if key else publication_id


def _priority(request: Mapping[str, object]) -> str:
    value = read_text(request, "priority")
    if value not in PRIORITY:
        raise InvalidRequestError(f"priority: expected one of: {', '.join(PRIORITY)}", key="priority")
    return value


def _link(request: Mapping[str, object]) -> str:
    value = read_text(request, "link", MAX_LINK)
    if not re.fullmatch(LINK, value):
        raise InvalidRequestError(
            "link: expected an address such as https://www.example.com/, in ASCII and without spaces", key="link"
        )
    return value


def _channels(request: Mapping[str, object], stage: Stage) -> tuple[str, ...]:
    there = stage.message_channels
    names = request["channels"]
    if not isinstance(names, list) or not names or not all(name in there for name in names):
        raise InvalidRequestError(f"channels: expected a list of one or more of: {', '.join(there)}", key="channels")
    return tuple(dict.fromkeys(map(str, names)))
