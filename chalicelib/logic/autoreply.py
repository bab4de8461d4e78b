"""Answer a visitor by mail that their message has arrived: docs/autoreply.md

Whoever fills in a form chooses the address, so this must be of no use to anybody who wants a stranger mailed: one
answer to a message, few to an address, none where anything looks like spam, and nothing in it that the visitor wrote.
Machines are not answered, and the answer says that it is a machine's (RFC 3834).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from chalicelib.logic.delivery_types import MessageStore, Record, State
from chalicelib.logic.message import Message
from chalicelib.logic.notification_mail import reply_to
from chalicelib.logic.placeholders import fill
from chalicelib.settings import Autoreply, Site, Stage

PLACEHOLDERS = ("site", "id", "received")
"""What a text may hold. None is the visitor's: a robot would have its own words mailed."""
TOO_LATE = 24 * 3600
"""Seconds after which an answer that nobody waits for any more is left out."""
HEADERS: Mapping[str, str] = {
    "Auto-Submitted": "auto-replied",
    "Precedence": "bulk",
    "X-Auto-Response-Suppress": "All",
}
"""RFC 3834, 5; what older list software looks at; and what Exchange does (MS-OXCMAIL, 2.2.3.2.14)."""
DAY, HOUR = 24 * 3600, 3600

_MACHINES = re.compile(
    r"(no|do-?not|dont|never)-?reply(-.*)?|.*-no-?reply|postmaster|mailer-?daemon|daemon|root|nobody|abuse|noc|security"
    r"|hostmaster|webmaster|usenet|news|uucp|ftp|www|listserv|majordomo|mailman|bounces?(-.*)?|.*-bounces?|owner-.*"
    r"|.*-owner|.*-request|.*-(un)?subscribe|auto-?(reply|responder)|devnull"
)
"""Mailboxes of machines (RFC 2142, 5 and 6; RFC 3834, 2). What follows ``+`` is cut; ``_`` and ``.`` count as ``-``."""
_NOWHERE = re.compile(r"(.*\.)?(example(\.(com|net|org))?|test|invalid|localhost|local|internal|onion)")
"""Domains that nobody has (RFC 2606, RFC 6761, RFC 6762, RFC 7686): forms are tried out with them."""
_DOTS_ARE_NOTHING = ("gmail.com", "googlemail.com")


class Answer(StrEnum):
    """Whether a visitor was answered, and why not; this is what the log says."""

    SENT = "sent"
    OFF = "the site answers nobody, or the message is gone"
    NO_ADDRESS = "no address"
    MACHINE = "a machine's address"
    NOWHERE = "a domain that nobody has"
    OWN_ADDRESS = "an address of the owner's"
    SIGNS = "signs of spam"
    HELD = "quarantined or duplicate"
    FLOODED = "told in a summary"
    REPLAYED = "replayed or released by a person"
    LATE = "too late"
    SENT_BEFORE = "sent before"
    ADDRESS_BUDGET = "enough to this address"
    SITE_BUDGET = "enough this hour"


class AutoreplyLog(Protocol):
    """Remembers what was answered."""

    def claim(self, message_id: str, now: int) -> bool:
        """Record that a message is answered; False where it was before, or is gone."""

    def take(self, key: str, most: int, until: int) -> bool:
        """Count one more under this key until then; False, and nothing is counted, once there were ``most``."""


class Mailer(Protocol):
    """Sends an answer."""

    def send(self, autoreply: Autoreply, to: str, subject: str, text: str) -> None:
        """Send once; raises an :class:`~chalicelib.errors.AutoreplyError`."""


@dataclass(frozen=True, slots=True)
class AutoreplyDependencies:
    """What answering a visitor needs."""

    stage: Stage
    store: MessageStore
    log: AutoreplyLog
    mailer: Mailer


def answer(message_id: str, now: int, dependencies: AutoreplyDependencies) -> Answer:
    """Answer the visitor who sent a message.

    It is recorded before it is sent: a run that dies in between answers nobody, and none answers twice. Raises
    :class:`~chalicelib.errors.AutoreplyError` where it was not sent, or may not have been.
    """
    stored = dependencies.store.find(message_id)
    site = dependencies.stage.sites.get(stored[0].site) if stored else None
    if stored is None or site is None or site.autoreply is None:
        return Answer.OFF
    message, record = stored
    to = reply_to(message.fields.get("email", ""))
    if reason := why_not(to, message, record, own_addresses(dependencies.stage), now):
        return reason
    autoreply, log = site.autoreply, dependencies.log
    if not log.claim(message.id, now):
        return Answer.SENT_BEFORE
    if not log.take(f"{site.name}#{mailbox(to)}#{now // DAY}", autoreply.per_address, now + DAY):
        return Answer.ADDRESS_BUDGET
    if not log.take(f"{site.name}#{now // HOUR}", autoreply.per_hour, now + HOUR):
        return Answer.SITE_BUDGET
    subject, text = written(autoreply, message, site)
    dependencies.mailer.send(autoreply, to, subject, text)
    return Answer.SENT


def why_not(to: str, message: Message, record: Record, own: Collection[str], now: int) -> Answer | None:
    """Why this message is not answered, whatever was sent before. ``to`` is empty where SES takes no such address."""
    # A quoted mailbox is the same as another way of writing it (RFC 5321, 4.1.2), and would have a budget of its own.
    if not to or '"' in to:
        return Answer.NO_ADDRESS
    local, _, domain = to.lower().rpartition("@")
    if _MACHINES.fullmatch(re.sub(r"[._]", "-", local.partition("+")[0])):
        return Answer.MACHINE
    if _NOWHERE.fullmatch(domain):
        return Answer.NOWHERE
    if mailbox(to) in map(mailbox, own):
        return Answer.OWN_ADDRESS
    if record.verdict.hold_reason:
        return Answer.HELD
    if record.verdict.signals:
        return Answer.SIGNS
    if record.replayed_at:
        return Answer.REPLAYED
    if any(delivery.state is State.SUMMARIZED for delivery in record.deliveries.values()):
        return Answer.FLOODED
    return Answer.LATE if now - message.received_at > TOO_LATE else None


def own_addresses(stage: Stage) -> frozenset[str]:
    """The addresses that a stage sends from and to, in lower case: answering them could go round in a circle."""
    of_sites = [
        address
        for site in stage.sites.values()
        if site.autoreply
        for address in (site.autoreply.from_address, site.autoreply.reply_to)
    ]
    of_channels = [
        address
        for channel in stage.channels.values()
        if channel.kind == "email"
        for option in ("from_address", "to")
        for address in channel.texts(option)
    ]
    return frozenset(address.lower() for address in (*of_sites, *of_channels) if address)


def mailbox(address: str) -> str:
    """Hash the mailbox that an address leads to, so that one person's many addresses are one."""
    local, _, domain = address.lower().rpartition("@")
    local = local.partition("+")[0]
    if domain in _DOTS_ARE_NOTHING:
        local, domain = local.replace(".", ""), _DOTS_ARE_NOTHING[0]
    return hashlib.sha256(f"{local}@{domain}".encode()).hexdigest()[:32]


def written(autoreply: Autoreply, message: Message, site: Site) -> tuple[str, str]:
    """The subject and the text in the message's language, else in the site's."""
    subject, text = autoreply.texts.get(message.language) or autoreply.texts[site.language]
    values = {
        "site": site.origins[0].partition("://")[2],
        "id": message.id,
        "received": f"{datetime.fromtimestamp(message.received_at, UTC):%Y-%m-%d %H:%M} UTC",
    }
    return fill(subject, values.__getitem__), fill(text, values.__getitem__)
