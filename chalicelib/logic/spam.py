"""What makes a message look like spam, and what then becomes of it: docs/spam.md.

Signs are collected in two places. The API function sees what only the request tells (:func:`request_signals`,
:func:`sender`); ``destined`` counts and compares (:func:`screen`), so that the API function needs no database. Each
sign has points; from a site's threshold on a message is quarantined: stored, and nobody is rung. None refuses one.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from chalicelib.logic.submission import Message, Submission
from chalicelib.settings import Site, Spam

PROOF_LIFE = 24 * 3600
"""Seconds in which a challenge must be solved and sent, a day for who writes slowly; for as long its solution is
remembered."""

_SECONDS = re.compile(r"\d{1,9}(\.\d{1,30})?")
_LINK = re.compile(r"(\[url\b[^\]\s]{0,3}\]?\s{0,3}[\"']?)?(https?://|\bwww\.)[^\s,;<>\"'\]]*|\[url\b", re.IGNORECASE)
_WHERE_FROM = "source"
"""A field that may well hold the address of the form's own page."""


class Signal(StrEnum):
    """A sign of spam, as it stands in the message's record."""

    HONEYPOT = "honeypot"
    FILL_TIME = "fill_time"
    LINKS = "links"
    RATE = "rate"
    NO_PROOF = "proof_missing"
    WRONG_PROOF = "proof_wrong"
    REPLAYED_PROOF = "proof_replayed"
    UNCHECKED = "unchecked"
    """The stage's key could not be read, so that neither address nor proof could be looked at. Counts nothing."""


COUNTS_AS: dict[str, str] = dict.fromkeys((Signal.NO_PROOF, Signal.WRONG_PROOF, Signal.REPLAYED_PROOF), "proof_of_work")
"""The setting with a signal's points, where it is named otherwise."""


class HoldReason(StrEnum):
    """Why a stored message is held: no channel is tried."""

    QUARANTINED = "quarantined"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What :func:`screen` found; it is stored in the message's record."""

    signals: tuple[str, ...] = ()
    score: int = 0
    held: HoldReason | None = None
    duplicate_of: str = ""
    """The id of the message that had the same content before."""


NOTHING_FOUND = Verdict()


class RecentActivity(Protocol):
    """Remembers recent messages for a while. Asked again about the same message it gives the same answer."""

    def count(self, sender: str, message_id: str, at: int, seconds: int, most: int) -> int:
        """How many messages came from a sender within the ``seconds`` up to ``at``, this one included.

        Those that came later don't count, so that a message that was held up gets the verdict that it would have got at
        once. Beyond ``most`` the number need not be exact, only larger.
        """

    def first(self, what: str, message_id: str, at: int, seconds: int) -> str:
        """The id of the message that came with ``what`` first, unless ``seconds`` lie between: then it is this one."""

    def take_over(self, what: str, message_id: str, at: int, seconds: int) -> None:
        """Make this message the one that came with ``what`` first, whichever it was before."""


def request_signals(submission: Submission, spam: Spam) -> list[str]:
    """The signs that the form itself shows. A filled honeypot is kept in mind even where it counts nothing."""
    signals: list[str] = [Signal.HONEYPOT] if submission.honeypot else []
    seconds = submission.fill_seconds
    if "fill_time" in spam.points and _SECONDS.fullmatch(seconds) and float(seconds) < spam.fill_seconds:
        signals.append(Signal.FILL_TIME)
    return signals


def sender(address: str, site: str, key: str) -> str:
    """A hash by which messages from one address are counted, and from which nobody without the key learns it.

    Of IPv6 the first 64 bits count: that is what one subscriber has (RFC 6177), who may change the others at will.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    subscriber = str(mapped or ipaddress.ip_network((ip, 64 if ip.version == 6 else 32), strict=False).network_address)
    return hmac.new(subkey(key, "sender"), f"{site}\n{subscriber}".encode(), hashlib.sha256).hexdigest()[:32]


def subkey(key: str, purpose: str) -> bytes:
    """A key for one purpose, made of the stage's key, so that no use of one tells anything about another."""
    return hmac.new(key.encode(), f"herald {purpose}".encode(), hashlib.sha256).digest()


def screen(message: Message, site: Site | None, recent: RecentActivity) -> Verdict:
    """Look at a message before it is stored. A site that has left ``herald.toml`` since has no rules."""
    if site is None:
        return Verdict(message.signals)
    spam, at = site.spam, message.received_at
    signals: list[str] = list(message.signals)
    if "links" in spam.points and links(message) > spam.most_links:
        signals.append(Signal.LINKS)
    if "rate" in spam.points and message.sender:
        who = f"{site.name}#{message.sender}"
        if recent.count(who, message.id, at, spam.minutes * 60, spam.most_messages) > spam.most_messages:
            signals.append(Signal.RATE)
    if "proof_of_work" in spam.points and message.proof:
        used_by = recent.first(f"proof#{message.proof}", message.id, at, PROOF_LIFE)
        if used_by != message.id:
            signals.append(Signal.REPLAYED_PROOF)
    score = sum(spam.points.get(COUNTS_AS.get(signal, signal), 0) for signal in signals)
    if score >= spam.quarantine_from:
        return Verdict(tuple(signals), score, HoldReason.QUARANTINED)
    return Verdict(tuple(signals), score)


def links(message: Message) -> int:
    """How many links a message holds, in all of its fields but that which says where it is from."""
    return sum(sum(1 for _ in _LINK.finditer(text)) for name, text in message.fields.items() if name != _WHERE_FROM)
