"""The sessions of the inbox: a browser gets one for a link. It names a channel, and ends after some hours.

Which sessions there are, and which links were used, stands in the table.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from chalicelib.logic.inbox_links import Link
from chalicelib.logic.inbox_tokens import InvalidTokenError, read_signed, signed

SESSION_LIFE = 12 * 3600
"""Seconds that a session lasts."""
MAX_SESSIONS = 10
"""Most sessions of a channel. One more ends the oldest."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a link is exchanged for: a browser of one channel's owner."""

    channel: str
    id: str
    """Random, and in the browser's cookie alone."""
    ends_at: int

    @property
    def csrf(self) -> str:
        """The token of the session's forms."""
        return hashlib.sha256(f"csrf {self.id}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session as the table has it."""

    key: str
    """A hash of its id."""
    since: int
    ends_at: int


class Sessions(Protocol):
    """Where used links and open sessions stand. Every method raises :class:`~chalicelib.errors.StoreError`."""

    def use(self, token: str, link: Link) -> bool:
        """Note that a link was used; False if it was before, or is older than :meth:`end_all`."""

    def open(self, session: Session, now: int) -> None:
        """Note a session; the oldest ends where there are :data:`MAX_SESSIONS`."""

    def has(self, session: Session) -> bool:
        """Whether a session is open."""

    def sessions(self, channel: str) -> list[OpenSession]:
        """A channel's open sessions, the newest first."""

    def end(self, channel: str, keys: list[str]) -> None:
        """End sessions."""

    def end_all(self, channel: str, now: int) -> int:
        """End a channel's sessions, and its links so far; return how many sessions there were."""

    def may_send_link(self, channel: str, now: int) -> bool:
        """Count a fresh link; False where ``FRESH_LINKS`` (``inbox_links.py``) were sent within the hour."""


def session_token(session: Session, stage_name: str, key: str) -> str:
    """The value of a session's cookie."""
    return signed(["session", stage_name, session.channel, session.id, session.ends_at], key)


def read_session(token: str, stage_name: str, key: str, now: int) -> Session:
    """The session of a cookie; raises :class:`InvalidTokenError`, also when it is over."""
    channel, session_id, ends_at = read_signed(token, "session", stage_name, key, 3)
    session = Session(str(channel), str(session_id), int(str(ends_at)))
    if session.ends_at <= now:
        raise InvalidTokenError("over")
    return session
