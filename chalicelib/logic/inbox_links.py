"""The links by which an owner opens the inbox from a notification.

A link names a channel and a message, ends after a week, and can be used once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.logic.inbox_tokens import read_signed, signed

LINK_LIFE = 7 * 24 * 3600
"""Seconds for which a link is valid, from when its message was received."""
FRESH_LINKS = 3
"""Most fresh links that a channel is sent within an hour."""


@dataclass(frozen=True, slots=True)
class Link:
    """What opens the inbox once."""

    channel: str
    message_id: str
    """The message that it shows; empty for the list."""
    ends_at: int
    nonce: str = ""
    """What makes a fresh link another one. A message's own link has none, so that each attempt to send it has it."""


def link_token(link: Link, stage_name: str, key: str) -> str:
    """The token of a link's address."""
    return signed(["link", stage_name, link.channel, link.message_id, link.ends_at, link.nonce], key)


def link_address(link: Link, stage_name: str, parameters: Mapping[str, str]) -> str:
    """The address of a link; ``parameters`` has the stage's key and the address of its inbox."""
    token = link_token(link, stage_name, parameters["spam/key"])
    return f"{parameters['resources/inbox'].removesuffix('/')}/open?token={token}"


def read_link(token: str, stage_name: str, key: str) -> Link:
    """The link of a token, also when it is over; raises :class:`InvalidTokenError`."""
    channel, message_id, ends_at, nonce = read_signed(token, "link", stage_name, key, 4)
    return Link(str(channel), str(message_id), int(str(ends_at)), str(nonce))
