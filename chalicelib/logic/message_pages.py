"""A page of messages of one site or of several, newest first, and the cursor of the next one.

A page of one site is one query of the index ``site``. A page of several is one query for each, merged by time.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.errors import InvalidRequestError
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.stored_messages import LATEST, MAX_PAGE, Archive, ListedMessage, Position, Wanted

_CURSOR_VERSION = 1


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages to list, newest first."""

    site: str | None = None
    """None for every site of ``herald.toml``."""
    state: MessageState | None = None
    since: int = 0
    """The first second."""
    until: int = LATEST
    """The second after the last one."""
    limit: int = MAX_PAGE
    """The number of messages on a page, from 1 to :data:`~chalicelib.logic.stored_messages.MAX_PAGE`."""
    cursor: str = ""
    """The cursor of the page before, for the same site, state and times; empty for the first page."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page. When a state is selected it may hold few messages or none, although more pages follow."""

    messages: tuple[ListedMessage, ...]
    cursor: str
    """Where the next page begins; empty on the last page."""

    def as_json(self) -> dict[str, object]:
        """``{"messages": [{…}, …], "cursor": "…" | null}``; each message as in the contract of ``list_messages``."""
        return {"messages": [message.as_json() for message in self.messages], "cursor": self.cursor or None}


def page(archive: Archive, sites: Sequence[str], selection: Selection) -> Listing:
    """A page; raises :class:`InvalidRequestError` for a cursor of another selection, or times in the wrong order."""
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
    # Messages of one second in two sites may come in any order, but always in the same.
    found.sort(key=lambda message: message.received_at, reverse=True)
    # A site was read back to a certain time. Older messages of other sites must wait, as it may have newer ones.
    horizon = max((end.received_at for end in ends.values() if end), default=0)
    known = [message for message in found if message.received_at >= horizon]
    shown = known[: selection.limit]
    left = found[len(shown) :]
    for site in {message.site for message in left}:
        own = [message for message in shown if message.site == site]
        ends[site] = Position(own[-1].received_at, own[-1].id) if own else starts[site]
    return Listing(tuple(shown), _written(ends) if ends else "")


def _written(positions: Mapping[str, Position | None]) -> str:
    """The cursor: for each site with more messages, the position to continue from; None for its beginning."""
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
