"""The requests by which other programs read messages (version 1).

::

    get_message    {"version": 1, "id": "…"}
    list_messages  {"version": 1, "site": "default", "state": "waiting", "since": 1767225600, "until": 1767312000,
                    "limit": 20, "cursor": "…"}

In ``list_messages``, only ``site`` is required. Both accept a ``correlation_id`` for their log lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.errors import InvalidRequestError, NotFoundError
from chalicelib.logic.invoke_contract import MAX_ID, check_keys, read_text, read_whole_number
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.stored_messages import LATEST, MAX_CURSOR, MAX_PAGE, Archive, Position, Wanted

REQUIRED_TO_GET = ("id",)
OPTIONAL_TO_GET = ("correlation_id",)
REQUIRED_TO_LIST = ("site",)
OPTIONAL_TO_LIST = ("state", "since", "until", "limit", "cursor", "correlation_id")


@dataclass(frozen=True, slots=True)
class GetMessage:
    """A request for one message."""

    id: str
    correlation_id: str

    @classmethod
    def from_request(cls, request: object) -> GetMessage:
        """Check a request; raises :class:`InvalidRequestError` naming the key at fault and what it should be."""
        request = check_keys(request, REQUIRED_TO_GET, OPTIONAL_TO_GET)
        message_id = _id(request, "id")
        return cls(message_id, _correlation_id(request) or message_id)


@dataclass(frozen=True, slots=True)
class ListMessages:
    """A request for a page of a site's messages."""

    wanted: Wanted
    correlation_id: str

    @classmethod
    def from_request(cls, request: object) -> ListMessages:
        """Check a request; raises :class:`InvalidRequestError` naming the key at fault and what it should be."""
        request = check_keys(request, REQUIRED_TO_LIST, OPTIONAL_TO_LIST)
        wanted = Wanted(
            site=_id(request, "site"),
            state=_state(request) if "state" in request else None,
            since=read_whole_number(request, "since", 0, LATEST - 1) if "since" in request else 0,
            until=read_whole_number(request, "until", 1, LATEST) if "until" in request else LATEST,
            limit=read_whole_number(request, "limit", 1, MAX_PAGE) if "limit" in request else MAX_PAGE,
            after=Position.of_cursor(read_text(request, "cursor", MAX_CURSOR)) if "cursor" in request else None,
        )
        return cls(wanted, _correlation_id(request))


def get_message(request: GetMessage, archive: Archive) -> dict[str, object]:
    """Return a message as JSON; raises :class:`NotFoundError`."""
    message = archive.get(request.id)
    if message is None:
        raise NotFoundError("there is no message of this id")
    return message.as_json()


def _state(request: Mapping[str, object]) -> MessageState:
    try:
        return MessageState(read_text(request, "state"))
    except ValueError:
        raise InvalidRequestError(f"state: expected one of: {', '.join(MessageState)}", key="state") from None


def _id(request: Mapping[str, object], key: str) -> str:
    value = read_text(request, key, MAX_ID)
    try:
        value.encode()
    except UnicodeEncodeError:
        # Half a surrogate pair: JSON can hold it (RFC 8259, 8.2), UTF-8 and so the table can't.
        raise InvalidRequestError(f"{key}: expected whole characters", key=key) from None
    return value


def _correlation_id(request: Mapping[str, object]) -> str:
    return _id(request, "correlation_id") if "correlation_id" in request else ""
