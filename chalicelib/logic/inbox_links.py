"""The links by which an owner opens the inbox from a notification, and the sessions that they are exchanged for.

A link names a channel and a message, and ends after a week. A session names a channel, and ends after some hours. Both
are signed with the stage's key, so that nothing is read from the table for what was made up. That a link was used, and
which sessions there are, stands in the table.

    <token> = base64url(<what>.<stage>.<channel>.<message id>.<second at which it ends>.<nonce>).base64url(HMAC-SHA256)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from chalicelib.logic.spam import subkey

LINK_LIFE = 7 * 24 * 3600
"""Seconds for which a link is valid, from when its message was received."""
SESSION_LIFE = 12 * 3600
"""Seconds that a session lasts."""
FRESH_LINKS = 3
"""Most fresh links that a channel is sent within an hour."""
MAX_SESSIONS = 10
"""Most sessions of a channel. One more ends the oldest."""
MAX_TOKEN = 600
"""Characters; a longer token is none of ours."""


class InvalidTokenError(ValueError):
    """A token that this stage did not make."""


@dataclass(frozen=True, slots=True)
class Link:
    """What opens the inbox once."""

    channel: str
    message_id: str
    """The message that it shows; empty for the list."""
    ends_at: int
    nonce: str = ""
    """What makes a fresh link another one. A message's own link has none, so that each attempt to send it has it."""


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

    def use(self, token: str, ends_at: int) -> bool:
        """Note that a link was used; False if it was before."""

    def open(self, session: Session, now: int) -> None:
        """Note a session; the oldest ends where there are :data:`MAX_SESSIONS`."""

    def has(self, session: Session) -> bool:
        """Whether a session is open."""

    def sessions(self, channel: str) -> list[OpenSession]:
        """A channel's open sessions, the newest first."""

    def end(self, channel: str, keys: list[str]) -> None:
        """End sessions."""

    def may_send_link(self, channel: str, now: int) -> bool:
        """Count a fresh link; False where :data:`FRESH_LINKS` were sent within this hour."""


def link_token(link: Link, stage: str, key: str) -> str:
    """The token of a link's address."""
    return _signed(["link", stage, link.channel, link.message_id, link.ends_at, link.nonce], key)


def link_address(link: Link, stage: str, parameters: Mapping[str, str]) -> str:
    """The address of a link; ``parameters`` has the stage's key and the address of its inbox."""
    token = link_token(link, stage, parameters["spam/key"])
    return f"{parameters['resources/inbox'].rstrip('/')}/open?token={token}"


def read_link(token: str, stage: str, key: str) -> Link:
    """The link of a token, also when it is over; raises :class:`InvalidTokenError`."""
    channel, message_id, ends_at, nonce = _read(token, "link", stage, key, 4)
    return Link(str(channel), str(message_id), int(str(ends_at)), str(nonce))


def session_token(session: Session, stage: str, key: str) -> str:
    """The value of a session's cookie."""
    return _signed(["session", stage, session.channel, session.id, session.ends_at], key)


def read_session(token: str, stage: str, key: str, now: int) -> Session:
    """The session of a cookie; raises :class:`InvalidTokenError`, also when it is over."""
    channel, session_id, ends_at = _read(token, "session", stage, key, 3)
    session = Session(str(channel), str(session_id), int(str(ends_at)))
    if session.ends_at <= now:
        raise InvalidTokenError("over")
    return session


def hashed(secret: str) -> str:
    """What stands in the table for a token or a session's id, which could be used by who reads the table."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _signed(words: list[str | int], key: str) -> str:
    text = json.dumps(words, separators=(",", ":"), ensure_ascii=False).encode()
    return f"{_encoded(text)}.{_encoded(_signature(text, key))}"


def _read(token: str, what: str, stage: str, key: str, size: int) -> list[object]:
    text, separator, signature = token.partition(".")
    if not separator or len(token) > MAX_TOKEN or not token.isascii():
        raise InvalidTokenError("not a token")
    try:
        decoded, given = _decoded(text), _decoded(signature)
    except (binascii.Error, ValueError):
        raise InvalidTokenError("not base64") from None
    if not hmac.compare_digest(_signature(decoded, key), given):
        raise InvalidTokenError("not signed")
    words = json.loads(decoded)
    if words[:2] != [what, stage] or len(words) != 2 + size:
        raise InvalidTokenError("of something else")
    rest: list[object] = words[2:]
    return rest


def _signature(text: bytes, key: str) -> bytes:
    return hmac.digest(subkey(key, "inbox"), text, "sha256")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
