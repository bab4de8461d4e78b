"""Which messages the list shows: read from the query of an address, and written back to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from chalicelib.logic.message_pages import Selection
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.stored_messages import LATEST

SHOWN = 20
"""Messages of a page."""
_MAX_BYTES = 49_152
"""Characters of a cursor."""


class FilterError(ValueError):
    """An address that asks for what there can't be, in words for who typed it."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Some of the stage's messages."""

    site: str | None = None
    """None for all."""
    state: MessageState | None = None
    since: date | None = None
    """The first day, as this machine counts days."""
    until: date | None = None
    """The last day."""
    cursor: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str], sites: Sequence[str]) -> Filter:
        """Read what :meth:`query` wrote, or what the page's form did; raises :class:`FilterError`."""
        site = query.get("site") or None
        if site and site not in sites:
            raise FilterError(f"The stage has no site of that name. It has: {', '.join(sites)}.")
        try:
            state = MessageState(query["state"]) if query.get("state") else None
        except ValueError:
            raise FilterError("There is no such state.") from None
        since, until = _day(query.get("since", "")), _day(query.get("until", ""))
        if since and until and since > until:
            raise FilterError("The first day comes after the last one.")
        cursor = query.get("cursor", "")
        if len(cursor) > _MAX_BYTES:
            raise FilterError("This page of the list is not known.")
        return cls(site, state, since, until, cursor)

    def selection(self) -> Selection:
        """The same as a selection of the operations."""
        return Selection(
            site=self.site,
            state=self.state,
            since=_first_second(self.since) if self.since else 0,
            until=_first_second(self.until + timedelta(days=1)) if self.until else LATEST,
            limit=SHOWN,
            cursor=self.cursor,
        )

    def having(self, state: MessageState | None) -> Filter:
        """The newest of the same in this state."""
        return replace(self, state=state, cursor="")

    def going_on_from(self, cursor: str) -> Filter:
        """Another page of the same; the newest without a cursor."""
        return replace(self, cursor=cursor)

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves out anything but what another state has."""
        return bool(self.site or self.since or self.until)

    def query(self, **more: str) -> str:
        """What stands behind the path of an address; empty for everything. ``more`` stands before it."""
        found = {
            **more,
            "site": self.site or "",
            "state": str(self.state or ""),
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
            "cursor": self.cursor,
        }
        text = urlencode({name: value for name, value in found.items() if value})
        return f"?{text}" if text else ""


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    # What is far from our time has no second since the epoch everywhere.
    if not 1971 <= found.year <= 9000:
        raise FilterError("A day is written like 2026-11-25.")
    return found


def _first_second(day: date) -> int:
    return int(datetime.combine(day, time()).timestamp())
