"""Decide whether two messages are the same: the content hash, and which of several with one content is delivered.

The rules: docs/spam.md, "The same message twice".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.logic.delivery_types import DeliveryDependencies, Record
    from chalicelib.logic.message import Message
    from chalicelib.logic.message_files import DeclaredFile


def content_hash(site: str, fields: Mapping[str, str], files: Sequence[DeclaredFile] = ()) -> str:
    """A hash that is the same for two messages of one site with the same fields and files in the same order.

    Neither spam fields nor the files' names count.
    """
    content = [site, list(fields.items()), *([[file.sha256 for file in files]] if files else [])]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def hold_if_duplicate(message: Message, record: Record, dependencies: DeliveryDependencies) -> Record:
    """Hold a message that nobody was notified of yet if another one with its content is delivered instead.

    Returns the record as it is afterwards. Call it once the message is stored: a later message for which
    :func:`claim_content` returns this one relies on it.
    """
    if record.verdict.hold_reason or not record.is_untouched:
        return record
    first = claim_content(message, dependencies)
    if not first:
        return record
    dependencies.store.hold(message.id, first)
    return record.held_as_duplicate_of(first)


def claim_content(message: Message, dependencies: DeliveryDependencies) -> str:
    """Remember this message as the one of its content to deliver, and return "".

    Where an earlier one is delivered instead, return its id.

    A message with an idempotency key is never a duplicate. A message that notifies nobody replaces no other: one
    that is held, rejected or expired on every channel, or deleted.
    """
    site = dependencies.site
    if site is None or not site.duplicate_seconds or message.has_idempotency_key:
        return ""
    key = f"content#{content_hash(site.name, message.fields, message.files)}"
    first = dependencies.recent_activity.claim_first(key, message.id, message.received_at, site.duplicate_seconds)
    if first == message.id:
        return ""
    stored = dependencies.store.find_record(first)
    if stored is not None and stored.can_notify:
        return first
    dependencies.recent_activity.make_first(key, message.id, message.received_at, site.duplicate_seconds)
    return ""
