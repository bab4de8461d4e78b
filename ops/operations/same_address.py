"""Whether two texts are the same e-mail address, in whatever way people and programs write one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

import idna

_ADDRESS = re.compile(r"[^\s@<>]{1,64}@[^\s@<>]{1,255}")
_NAMED = re.compile(r"(?:[^<>@]{0,100}|\"[^\"]{0,100}\"\s*)<([^<>]+)>", re.DOTALL)
_BETWEEN = re.compile(r"[,;\s]+")


def address_of(text: str) -> str:
    """The one address that a text is, as it is compared; empty where it is none, or several."""
    found = list(addresses(text))
    return found[0] if len(found) == 1 else ""


def addresses(text: str) -> Iterator[str]:
    """The addresses that a text consists of, as they are compared; none where it is something else.

    ``mailto:``, a name beside the address, and several addresses between commas, semicolons or spaces are understood.
    A text that only mentions an address is not that address.
    """
    # Without the names, each of which may hold what else separates addresses.
    bare = _NAMED.sub(lambda named: f" {named[1].strip()} ", text)
    parts = [_without_scheme(part) for part in _BETWEEN.split(bare) if part]
    if all(_ADDRESS.fullmatch(part) for part in parts):
        yield from map(_compared, parts)


def _without_scheme(part: str) -> str:
    """RFC 6068: the address of a ``mailto:`` link."""
    scheme, colon, rest = part.partition(":")
    return unquote(rest.partition("?")[0]) if colon and scheme.lower() == "mailto" else part


def _compared(address: str) -> str:
    """NFC, one case, and the domain as Punycode without a full stop at its end.

    RFC 5321, 2.4: the part before the ``@`` could differ by its case; no provider of mailboxes lets it.
    """
    local, _, domain = unicodedata.normalize("NFC", address).rpartition("@")
    domain = domain.rstrip(".")
    try:
        domain = idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        domain = unicodedata.normalize("NFKC", domain)
    return f"{unicodedata.normalize('NFC', local.casefold())}@{domain.casefold()}"
