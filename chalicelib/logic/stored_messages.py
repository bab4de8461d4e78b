"""Read stored messages: one by its id, or a site's, newest first, page by page.

The Lambda Invoke API, the function URL and the operator's commands show the same JSON. docs/delivery.md explains each
state.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from chalicelib.errors import InvalidRequestError
from chalicelib.logic.delivery_types import Delivery, State
from chalicelib.logic.invoke_contract import MAX_ID
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.spam import Verdict

if TYPE_CHECKING:
    from chalicelib.logic.message_files import MessageFile

MAX_PAGE = 50
"""Most messages on a page, and most items that are read for one."""
MAX_CURSOR = 1024
"""Most characters of a cursor, which holds an id of any script."""
LATEST = 2**53 - 1
"""The largest number that every JSON parser reads exactly (RFC 8259, 6)."""
_CURSOR_VERSION = 1


class OwnerMark(StrEnum):
    """What a person decided about a message."""

    SPAM = "spam"
    """It is held from now on: no channel is tried any more."""
    NOT_SPAM = "not_spam"
    """It is held no more, and there was no channel left to try."""
    ANSWERED = "answered"
    NOT_ANSWERED = "not_answered"


@dataclass(frozen=True, slots=True)
class Marked:
    """A mark, when it was made and by whom."""

    mark: OwnerMark
    at: int
    by: str = ""
    """The channel in whose inbox it was made; empty for a command, or the inbox on the owner's machine."""

    def as_json(self) -> dict[str, object]:
        return {"mark": str(self.mark), "at": self.at, "by": self.by or None}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A line of a message's history: the end of one attempt on one channel, or (state ``pending``) its replay."""

    channel: str
    state: State
    attempts: int
    """The number of the attempt, from 1."""
    since: int
    """The second at which it ended."""
    error: str = ""
    reference: str = ""
    by: str = ""
    """The channel in whose inbox a replay was asked for; empty for a command's."""

    def as_json(self) -> dict[str, object]:
        return {
            "channel": self.channel,
            "state": str(self.state),
            "attempts": self.attempts,
            "since": self.since,
            "error": self.error or None,
            "reference": self.reference or None,
            "by": self.by or None,
        }


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """The part of a message that a list shows. It holds nothing that a visitor typed."""

    id: str
    site: str
    received_at: int
    """Seconds since the epoch, like every time here."""
    state: MessageState
    channels: Mapping[str, Delivery]
    verdict: Verdict
    answered_at: int = 0
    """When a person marked it as answered; 0 for never."""

    def as_json(self) -> dict[str, object]:
        """Return the object of the contract. It has every key, with null for what is absent."""
        return {
            "id": self.id,
            "site": self.site,
            "received_at": self.received_at,
            "state": str(self.state),
            "channels": {name: _channel(delivery) for name, delivery in self.channels.items()},
            "held": str(self.verdict.hold_reason) if self.verdict.hold_reason else None,
            "signals": list(self.verdict.signals),
            "score": self.verdict.score,
            "rejected": self.verdict.rejection,
            "answered_at": self.answered_at or None,
        }


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message with everything that is stored of it."""

    listed: ListedMessage
    fields: Mapping[str, str]
    """What the visitor typed, in the order sent."""
    stored_at: int
    expires_at: int
    """When it may be deleted; DynamoDB does so within days."""
    due_at: int
    """When the scheduled retry tries it again; 0 for never."""
    history: tuple[Outcome, ...]
    """Oldest first."""
    files: tuple[MessageFile, ...] = ()
    """What came with it, in the order sent."""
    marks: tuple[Marked, ...] = ()
    """Oldest first."""

    def as_json(self) -> dict[str, object]:
        """Return the object that a list has, with more keys."""
        return {
            **self.listed.as_json(),
            "duplicate_of": self.listed.verdict.duplicate_of or None,
            "fields": dict(self.fields),
            "files": [file.as_json() for file in self.files],
            "stored_at": self.stored_at,
            "expires_at": self.expires_at,
            "due_at": self.due_at or None,
            "history": [line.as_json() for line in self.history],
            "marks": [mark.as_json() for mark in self.marks],
        }


@dataclass(frozen=True, slots=True)
class Position:
    """The place in a site's list behind this message."""

    received_at: int
    id: str

    def as_cursor(self) -> str:
        """Encode it as an opaque text. It holds the message's time and id."""
        text = json.dumps([_CURSOR_VERSION, self.received_at, self.id], separators=(",", ":"), ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def of_cursor(cls, cursor: str) -> Position:
        """Read what :meth:`as_cursor` wrote; raises :class:`InvalidRequestError` for anything else.

        A cursor holds no site, so it can't lead to another site's messages.
        """
        try:
            if len(cursor) > MAX_CURSOR:
                raise ValueError
            content = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
            match content:
                case [int(version), int(received_at), str(message_id)] if (
                    version == _CURSOR_VERSION
                    and not isinstance(version, bool)
                    and not isinstance(received_at, bool)
                    and 0 <= received_at <= LATEST
                    and 0 < len(message_id) <= MAX_ID
                    and cls(received_at, message_id).as_cursor() == cursor
                ):
                    return cls(received_at, message_id)
            raise ValueError
        except (ValueError, RecursionError, binascii.Error):
            # Without a cause, so that no traceback quotes the cursor.
            raise InvalidRequestError("cursor: expected the cursor of the page before", key="cursor") from None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which messages of a site to list, newest first."""

    site: str
    state: MessageState | None = None
    since: int = 0
    """The first second that counts."""
    until: int = LATEST
    """The second after the last one."""
    limit: int = MAX_PAGE
    after: Position | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_PAGE:
            raise InvalidRequestError(f"limit: expected 1 to {MAX_PAGE}", key="limit")
        if not 0 <= self.since < self.until <= LATEST:
            raise InvalidRequestError("until: expected a later second than since", key="until")
        # DynamoDB refuses a start key outside of the range.
        if self.after and not self.since <= self.after.received_at < self.until:
            raise InvalidRequestError("cursor: expected one of the same since and until", key="cursor")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of messages. Where a state is wanted it may hold few or none although the next page has more."""

    messages: tuple[ListedMessage, ...]
    next: Position | None
    """Where the next page begins; None after the last page."""

    def as_json(self) -> dict[str, object]:
        return {
            "messages": [message.as_json() for message in self.messages],
            "cursor": self.next.as_cursor() if self.next else None,
        }


class Archive(Protocol):
    """Reads stored messages; raises :class:`~chalicelib.errors.StoreError`."""

    def get(self, message_id: str) -> StoredMessage | None:
        """Return a message, or None if it doesn't exist or was deleted.

        A notification is found by the id that SNS gave its publication, too.
        """

    def page(self, wanted: Wanted) -> Page:
        """Return the newest wanted messages behind ``wanted.after``. At most :data:`MAX_PAGE` are read."""


class ArchiveWithFields(Archive, Protocol):
    """One that also reads many at once."""

    def fields_of(self, ids: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return what visitors typed in these messages, by id; those that were deleted are left out."""


class Marks(Protocol):
    """Records what a person decided; raises :class:`~chalicelib.errors.StoreError`."""

    def mark(self, message_id: str, marked: Marked) -> bool:
        """Mark a message; return False, and change nothing, where it doesn't exist or is held already (``SPAM``)."""

    def erase(self, message: StoredMessage) -> None:
        """Delete a message's items, and the record of its content's hash."""


def _channel(delivery: Delivery) -> dict[str, object]:
    return {
        "state": str(delivery.state),
        "attempts": delivery.attempts,
        "since": delivery.since or None,
        "next_attempt_at": delivery.next_attempt_at or None,
        "error": delivery.error or None,
        "reference": delivery.reference or None,
    }
