"""Check e-mail addresses in ``herald.toml``, and write them as Amazon SES accepts them.

SES does not support SMTPUTF8: an address must be ASCII, its domain Punycode, a sender's name a MIME encoded word.
https://docs.aws.amazon.com/ses/latest/dg/send-email-formatted.html
"""

from __future__ import annotations

import re
from email.header import Header
from email.utils import formataddr
from typing import NamedTuple

import idna
from email_validator import EmailNotValidError, validate_email

LONGEST_NAME = 100
_SENDER = re.compile(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>]*)>\s*")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")


class Sender(NamedTuple):
    """The sender of a mail."""

    name: str
    address: str

    @property
    def header(self) -> str:
        """The header ``From``, in ASCII."""
        if self.name.isascii():
            return formataddr((self.name, self.address))
        # An encoded word has at most 75 characters (RFC 2047, 2), so a long name becomes several.
        return f"{Header(self.name, 'utf-8', maxlinelen=75).encode(linesep='')} <{self.address}>"


def address(value: str) -> str:
    """The address in ASCII; raises ``ValueError`` with what is wrong."""
    try:
        found = validate_email(value, check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(f"must be an e-mail address such as you@example.com, ASCII before the @: {error}") from None
    return str(found.ascii_email)


def sender(value: str) -> Sender:
    """``you@example.com`` or ``Your name <you@example.com>``."""
    parts = _SENDER.fullmatch(value)
    if parts is None:
        return Sender("", address(value))
    name = parts["name"]
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = name[1:-1]
    if not name.isprintable():
        raise ValueError("must have no line breaks or control characters in the name")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"must have at most {LONGEST_NAME} characters before the <")
    return Sender(name, address(parts["address"]))


def identity(value: str) -> str:
    """An identity that can be verified in SES, a domain or an address, in ASCII."""
    if "@" in value:
        return address(value)
    try:
        domain = value.lower() if value.isascii() else idna.encode(value, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        domain = ""
    if len(domain) > 253 or not _DOMAIN.fullmatch(domain):
        raise ValueError("must be a domain such as example.com, or an e-mail address")
    return domain


def covers(identity: str, address: str) -> bool:
    """Whether a verified ``identity`` allows sending from ``address``: the address itself, its domain or a parent.

    https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html
    """
    domain = address.rpartition("@")[2]
    return identity in (address, domain) or domain.endswith(f".{identity}")
