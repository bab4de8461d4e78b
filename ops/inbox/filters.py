"""Which messages are looked at: what stands behind the question mark of an address, as an object, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from chalicelib.errors import InvalidRequestError
from chalicelib.logic.archive import LATEST, MessageState, Position, Wanted

SHOWN = 20
"""Messages of a page."""


class FilterError(ValueError):
    """An address that asks for what there can't be, in words for who typed it."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Messages of one site."""

    site: str
    state: MessageState | None = None
    since: date | None = None
    """The first day, as this machine counts days."""
    until: date | None = None
    """The last day."""
    after: Position | None = None

    @classmethod
    def of(cls, query: Mapping[str, str], sites: Sequence[str]) -> Filter:
        """Read what :meth:`query` wrote, or what the page's form did; raises :class:`FilterError`."""
        site = query.get("site") or next(iter(sites), "")
        if site not in sites:
            raise FilterError(f"The stage has no site of that name. It has: {', '.join(sites)}.")
        try:
            state = MessageState(query["state"]) if query.get("state") else None
        except ValueError:
            raise FilterError("There is no such state.") from None
        since, until = _day(query.get("since", "")), _day(query.get("until", ""))
        if since and until and since > until:
            raise FilterError("The first day comes after the last one.")
        try:
            after = Position.of_cursor(query["cursor"]) if query.get("cursor") else None
            found = cls(site, state, since, until, after)
            found.wanted()
        except InvalidRequestError:
            raise FilterError("This page of the list is not known. Start again with the newest.") from None
        return found

    def wanted(self) -> Wanted:
        """The same, as the archive is asked."""
        return Wanted(
            self.site,
            self.state,
            since=max(0, _first_second(self.since)) if self.since else 0,
            until=_first_second(self.until + timedelta(days=1)) if self.until else LATEST,
            limit=SHOWN,
            after=self.after,
        )

    def without_place(self) -> Filter:
        """The first page of the same."""
        return replace(self, after=None)

    def having(self, state: MessageState | None) -> Filter:
        """The first page of the same in this state."""
        return replace(self, state=state, after=None)

    def query(self) -> str:
        """What stands behind the question mark, with the mark."""
        found = {
            "site": self.site,
            "state": str(self.state or ""),
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
            "cursor": self.after.as_cursor() if self.after else "",
        }
        return "?" + urlencode({name: value for name, value in found.items() if value})


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise FilterError("A day is written like 2026-11-25.") from None
    # What is far from our time has no second since the epoch everywhere.
    if not 1971 <= found.year <= 9000:
        raise FilterError("A day is written like 2026-11-25.")
    return found


def _first_second(day: date) -> int:
    return int(datetime.combine(day, time()).timestamp())
