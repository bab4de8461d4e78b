"""Score messages as spam: docs/spam.md.

The API function collects what only the request shows (:func:`find_signals`, :func:`find_person_signs`,
:func:`hash_sender`). ``destined`` adds the signals that need the database (:func:`screen`) and sums up each signal's
points. From a site's threshold on, a message is quarantined: stored, but not delivered. No message is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from chalicelib.logic.message import Message
from chalicelib.logic.submission import Submission
from chalicelib.settings import Site, Spam

PROOF_LIFE = 24 * 3600
"""Seconds within which a challenge must be solved and sent. Its solution is remembered for as long."""

MAX_FILL_SECONDS = 24 * 3600
"""Nobody takes longer to fill in a form."""
PERSON_FACTOR = 4
"""Multiplies the limit of one address for senders who look like people, as many may share the address."""
NETWORK_FACTOR = 8
"""Multiplies the limit of one address for the network around it."""
MAX_COUNTED = 80
"""The most messages that are counted of an address or network: each one makes every further write larger."""
MIN_FILL_SECONDS = 3
"""The least seconds that a person needs to fill in a form."""
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,30})?")
_LINK = re.compile(r"(\[url\b[^\]\s]{0,3}\]?\s{0,3}[\"']?)?(https?://|\bwww\.)[^\s,;<>\"'\]]*|\[url\b", re.IGNORECASE)
_SOURCE = "source"
"""The field that may hold the URL of the form's page; a link in it is no signal."""


class Signal(StrEnum):
    """A signal of spam, as it is stored."""

    HONEYPOT = "honeypot"
    FILL_TIME = "fill_time"
    LINKS = "links"
    RATE = "rate"
    NO_PROOF = "proof_missing"
    WRONG_PROOF = "proof_wrong"
    REPLAYED_PROOF = "proof_replayed"
    NO_CAPTCHA = "captcha_missing"
    WRONG_CAPTCHA = "captcha_wrong"
    SPENT_CAPTCHA = "captcha_spent"
    """Its token has expired, or was used before."""
    FOREIGN_CAPTCHA = "captcha_foreign"
    """It was solved on a page of another host."""
    LOW_CAPTCHA = "captcha_low"
    """Its score is below the site's."""
    UNCHECKED_CAPTCHA = "captcha_unchecked"
    """Its token could not be verified. It has no points."""
    UNCHECKED = "unchecked"
    """Neither address nor proof could be checked, as the stage's key could not be read. It has no points."""


class PersonSign(StrEnum):
    """A sign that a person wrote the message, as it travels with it."""

    ORIGIN = "origin"
    """It came from one of the site's own pages, says its ``Origin`` header."""
    FILL_TIME = "fill_time"
    """Filling in the form took as long as people take."""


COUNTS_AS: dict[str, str] = {
    **dict.fromkeys((Signal.NO_PROOF, Signal.WRONG_PROOF, Signal.REPLAYED_PROOF), "proof_of_work"),
    **dict.fromkeys(
        (
            Signal.NO_CAPTCHA,
            Signal.WRONG_CAPTCHA,
            Signal.SPENT_CAPTCHA,
            Signal.FOREIGN_CAPTCHA,
            Signal.LOW_CAPTCHA,
        ),
        "captcha",
    ),
}
"""The setting that holds a signal's points, where it has another name."""


class HoldReason(StrEnum):
    """Why a stored message is held, that is, not delivered. The bus reports it as the action of the same value."""

    QUARANTINED = "quarantined"
    DUPLICATE = "duplicate"
    REJECTED_PUBLICATION = "rejected"
    """What was published is no notification; nothing of it is stored but why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of :func:`screen`, as it is stored."""

    signals: tuple[str, ...] = ()
    score: int = 0
    hold_reason: HoldReason | None = None
    """Why the message is not delivered; None where it is."""
    duplicate_of: str = ""
    """The id of the earlier message with the same content; empty for none."""
    person_rank: int = 0
    """0 to 2: how likely a person wrote it. A higher rank may spend more of a channel's budget of rings."""
    wrong_key: str = ""
    """Of what was rejected: the key at fault."""
    reason: str = ""
    """And what is wrong with it, and what is right."""

    @property
    def rejection(self) -> dict[str, str] | None:
        """Why it was rejected, as JSON; None for what was not."""
        return {"key": self.wrong_key, "reason": self.reason} if self.reason else None


NOTHING_FOUND = Verdict()


class RecentActivity(Protocol):
    """Remembers recent messages. Asked again about the same message, it gives the same answer."""

    def count(self, sender: str, message_id: str, at: int, seconds: int, most: int) -> int:
        """Count a sender's messages within the ``seconds`` up to ``at``, this one included.

        Later ones don't count, so that a delayed message gets the verdict that it would have got at once. A number
        above ``most`` need not be exact.
        """

    def claim_first(self, key: str, claimant: str, at: int, seconds: int) -> str:
        """Remember this claimant as the first with ``key``, unless another came within the ``seconds`` before.

        Returns whichever is the first: the id of a message, or of one run that handles a message.
        """

    def make_first(self, key: str, message_id: str, at: int, seconds: int) -> None:
        """Make this message the first one with ``key``, whichever it was before."""


def find_signals(submission: Submission, spam: Spam) -> list[str]:
    """Return the signals of the form itself. A filled honeypot is one even where it has no points."""
    signals: list[str] = [Signal.HONEYPOT] if submission.honeypot else []
    seconds = submission.fill_seconds
    if "fill_time" in spam.points and _SECONDS.fullmatch(seconds) and float(seconds) < spam.min_fill_seconds:
        signals.append(Signal.FILL_TIME)
    return signals


def hash_sender(ip_address: str, site: str, key: str) -> str:
    """Hash an IP address, so that its messages can be counted and only who has the key can find it out.

    Only the first 64 bits of an IPv6 address count: one subscriber has all addresses below them (RFC 6177).
    """
    return _hash_address(ip_address, 32, 64, site, key)


def hash_network(ip_address: str, site: str, key: str) -> str:
    """Hash the network around an IP address, in which somebody may have many: of IPv4 256, of IPv6 a /48."""
    return _hash_address(ip_address, 24, 48, site, key)


def _hash_address(address: str, bits4: int, bits6: int, site: str, key: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    ip = (ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None) or ip
    bits = bits6 if ip.version == 6 else bits4
    network = ipaddress.ip_network((ip, bits), strict=False)
    return hmac.new(subkey(key, "sender"), f"{site}\n{network}".encode(), hashlib.sha256).hexdigest()[:32]


def subkey(key: str, purpose: str) -> bytes:
    """Derive a key for one purpose from the stage's key."""
    return hmac.new(key.encode(), f"herald {purpose}".encode(), hashlib.sha256).digest()


def screen(message: Message, site: Site | None, recent: RecentActivity, extra_signals: Iterable[str] = ()) -> Verdict:
    """Score a message before it is stored. ``site`` is None where it has been removed from ``herald.toml``.

    ``extra_signals`` are those that ``destined`` found by other means.
    """
    if site is None:
        return Verdict(message.signals, person_rank=person_rank(message.signals, message.evidence))
    spam, at = site.spam, message.received_at
    signals: list[str] = [*message.signals, *extra_signals]
    if "links" in spam.points and count_links(message) > spam.most_links:
        signals.append(Signal.LINKS)
    shared_network = False
    if "rate" in spam.points:
        exceeded, shared_network = _check_rate(message, site, recent)
        if exceeded:
            signals.append(Signal.RATE)
    if "proof_of_work" in spam.points and message.solved_challenge:
        used_by = recent.claim_first(f"proof#{message.solved_challenge}", message.id, at, PROOF_LIFE)
        if used_by != message.id:
            signals.append(Signal.REPLAYED_PROOF)
    score = sum(spam.points.get(COUNTS_AS.get(signal, signal), 0) for signal in signals)
    hold_reason = HoldReason.QUARANTINED if score >= spam.quarantine_from else None
    rank = person_rank(signals, message.evidence)
    return Verdict(tuple(signals), score, hold_reason, person_rank=max(0, rank - 1) if shared_network else rank)


def _check_rate(message: Message, site: Site, recent: RecentActivity) -> tuple[bool, bool]:
    """Whether too many messages came from this one's address or network, and whether many people share its network.

    Many do if more came from the network than may from one address: one that few share seldom sends as much.
    """
    spam = site.spam
    # An office or a mobile network is one address: who looks like a person is not held for what a neighbour sends.
    likely_person = person_rank(message.signals, message.evidence) == len(PersonSign)
    # Bounded, as each further write costs as much as all that was counted is long.
    address_limit, network_limit = (
        max(spam.most_messages, min(spam.most_messages * factor, MAX_COUNTED))
        for factor in (PERSON_FACTOR if likely_person else 1, NETWORK_FACTOR)
    )

    def count(hashed: str, most: int) -> int:
        window = spam.rate_minutes * 60
        return recent.count(f"{site.name}#{hashed}", message.id, message.received_at, window, most) if hashed else 0

    if count(message.sender_hash, address_limit) > address_limit:
        # Not counted for the network, so that one address can't use up what its neighbours may send.
        return True, True
    of_network = count(message.network_hash, network_limit)
    return of_network > network_limit, of_network > spam.most_messages


def person_rank(signals: Iterable[str], evidence: Collection[str]) -> int:
    """How likely a person wrote a message: 0 with a signal of spam, else one for each sign of a person."""
    return 0 if set(signals) - {Signal.UNCHECKED, Signal.UNCHECKED_CAPTCHA} else len(set(evidence) & set(PersonSign))


def find_person_signs(form: Submission, spam: Spam, *, from_own_page: bool) -> tuple[PersonSign, ...]:
    """The signs that a person wrote it, as far as the request shows: a script can forge any of them."""
    seconds = form.fill_seconds if _SECONDS.fullmatch(form.fill_seconds) else "0"
    plausible = max(spam.min_fill_seconds, MIN_FILL_SECONDS) <= float(seconds) <= MAX_FILL_SECONDS
    return tuple(
        sign for sign, found in ((PersonSign.ORIGIN, from_own_page), (PersonSign.FILL_TIME, plausible)) if found
    )


def count_links(message: Message) -> int:
    """Count the links in a message's fields, without its ``source``."""
    return sum(sum(1 for _ in _LINK.finditer(text)) for name, text in message.fields.items() if name != _SOURCE)
