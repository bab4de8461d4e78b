"""Messages of one site or of all, newest first, page by page; and whole ones, many at once. Never a scan.

A page of one site is one query of the index ``site``. Of all sites it is one query for each, merged by time. A site
that has left ``herald.toml`` since is found by its name alone.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.archive import MessageArchive
from chalicelib.adapters.dynamodb_items import from_item, to_item
from chalicelib.adapters.messages import store_errors
from chalicelib.errors import InvalidRequestError, StoreError
from chalicelib.logic.archive import (
    LATEST,
    MAX_PAGE,
    Archive,
    ListedMessage,
    MessageState,
    Position,
    StoredMessage,
    Wanted,
)
from chalicelib.settings import Stage

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_CURSOR_VERSION = 1
_KEYS_AT_ONCE = 100
"""Of BatchGetItem: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""
_FRUITLESS = 8
"""How often is asked once more after an answer that brought nothing. One that brought a part is no failure: DynamoDB
leaves out what would be more than 1 MB of a partition, or 16 MB together."""


ADDRESS = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}")
"""What may be somebody's e-mail address, in any script: less would match what is none."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages, newest first."""

    site: str | None = None
    """None for every site of ``herald.toml``."""
    state: MessageState | None = None
    since: int = 0
    """The first second."""
    until: int = LATEST
    """The second after the last one."""
    limit: int = MAX_PAGE
    """Messages of a page, from 1 to :data:`~chalicelib.logic.archive.MAX_PAGE`."""
    cursor: str = ""
    """That of the page before; empty for the first one. It fits the same site, state and times alone."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page. With a state wanted it may hold few or none, and there is more all the same."""

    messages: tuple[ListedMessage, ...]
    cursor: str
    """Where the next page begins; empty behind the last."""

    def as_json(self) -> dict[str, object]:
        """``{"messages": [{…}, …], "cursor": "…" | null}``; each message as in the contract of ``list_messages``."""
        return {"messages": [message.as_json() for message in self.messages], "cursor": self.cursor or None}


def page(archive: Archive, sites: Sequence[str], selection: Selection) -> Listing:
    """The next page; raises :class:`InvalidRequestError` for a cursor or times that don't fit."""
    if selection.site is not None:
        sites = [selection.site]
    starts: dict[str, Position | None] = _read(selection.cursor) if selection.cursor else dict.fromkeys(sites)
    if not starts.keys() <= set(sites):
        raise InvalidRequestError("cursor: expected one of the same site", key="cursor")
    found: list[ListedMessage] = []
    ends: dict[str, Position | None] = {}
    for site, after in starts.items():
        wanted = Wanted(site, selection.state, selection.since, selection.until, selection.limit, after)
        part = archive.page(wanted)
        found.extend(part.messages)
        if part.next:
            ends[site] = part.next
    # Of one second in two sites: any order, but always the same.
    found.sort(key=lambda message: message.received_at, reverse=True)
    # What is older than the place to which a site was read may be older than what that site has next.
    horizon = max((end.received_at for end in ends.values() if end), default=0)
    known = [message for message in found if message.received_at >= horizon]
    shown = known[: selection.limit]
    left = found[len(shown) :]
    for site in {message.site for message in left}:
        own = [message for message in shown if message.site == site]
        ends[site] = Position(own[-1].received_at, own[-1].id) if own else starts[site]
    return Listing(tuple(shown), _written(ends) if ends else "")


def _written(positions: Mapping[str, Position | None]) -> str:
    """A cursor: for each site of which there is more the place to go on from, None for its beginning."""
    ends = {site: end.as_cursor() if end else None for site, end in sorted(positions.items())}
    text = json.dumps([_CURSOR_VERSION, ends], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str) -> dict[str, Position | None]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        match json.loads(text):
            case [int(version), dict(ends)] if version == _CURSOR_VERSION and ends:
                return {str(site): None if end is None else Position.of_cursor(str(end)) for site, end in ends.items()}
        raise ValueError
    except (ValueError, RecursionError, binascii.Error):
        raise InvalidRequestError("cursor: expected the cursor of the page before", key="cursor") from None


def every(archive: Archive, sites: Sequence[str], selection: Selection) -> Iterator[ListedMessage]:
    """All that are selected, from as many pages as there are; each page is read when it is needed."""
    selection = replace(selection, limit=MAX_PAGE)
    while True:
        found = page(archive, sites, selection)
        yield from found.messages
        if not found.cursor:
            return
        selection = replace(selection, cursor=found.cursor)


def whole(archive: OperatorArchive, listed: Iterable[ListedMessage]) -> Iterator[StoredMessage]:
    """The listed messages with all that is known of them, in their order; what is gone meanwhile is left out."""
    for some in _batches(listed, _KEYS_AT_ONCE):
        found = archive.several([message.id for message in some])
        yield from (found[message.id] for message in some if message.id in found)


def is_of(address: str, fields: Mapping[str, str]) -> bool:
    """Whether one of a message's fields is this e-mail address, however its letters are written.

    Not whether it is mentioned: somebody else's message is not theirs. Raises :class:`InvalidRequestError` for what is
    no address, such as an empty text: whoever left a field empty would be meant by it.
    """
    if not ADDRESS.fullmatch(address.strip()):
        raise InvalidRequestError("email: expected an address such as you@example.com", key="email")
    return any(text.strip().casefold() == address.strip().casefold() for text in fields.values())


def _batches(listed: Iterable[ListedMessage], size: int) -> Iterator[list[ListedMessage]]:
    iterator = iter(listed)
    while some := list(islice(iterator, size)):
        yield some


class OperatorArchive(MessageArchive):
    """The archive that functions read, and whole messages many at once."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        stage: Stage,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(dynamodb, stage, clock)
        self._pause = pause

    def several(self, ids: Sequence[str]) -> dict[str, StoredMessage]:
        """Messages by their ids, as they stand in the table now; those that are gone are left out.

        One BatchGetItem for each hundred. Raises :class:`StoreError`.
        """
        found: dict[str, StoredMessage] = {}
        for start in range(0, len(ids), _KEYS_AT_ONCE):
            keys = [to_item({"id": message_id}) for message_id in ids[start : start + _KEYS_AT_ONCE]]
            wanted: Any = {self._stage.table: {"Keys": keys, "ConsistentRead": True}}
            fruitless = 0
            while wanted:
                with store_errors():
                    answer = self._dynamodb.batch_get_item(RequestItems=wanted)
                items = answer["Responses"].get(self._stage.table, [])
                for item in map(from_item, items):
                    if "submission" in item:
                        found[item["id"]] = self._stored(item)
                wanted = answer.get("UnprocessedKeys")
                if wanted and not items:
                    fruitless += 1
                    if fruitless > _FRUITLESS:
                        raise StoreError("UnprocessedKeys")
                    self._pause(0.05 * 2**fruitless)
        return found
