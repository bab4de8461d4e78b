"""Sign and read the tokens of the inbox's links and sessions: nothing is read from the table for one made up.

A token is ``base64url(words).base64url(HMAC-SHA256 of words)``. The words are a JSON array: what the token is, of which
stage, and what its maker adds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from chalicelib.logic.spam import subkey

MAX_TOKEN = 600
"""Characters; a longer token is none of ours."""


class InvalidTokenError(ValueError):
    """A token that this stage did not make."""


def signed(words: list[str | int], key: str) -> str:
    """Make a token of words; the first says what it is, the second of which stage."""
    text = json.dumps(words, separators=(",", ":"), ensure_ascii=False).encode()
    return f"{_encoded(text)}.{_encoded(_signature(text, key))}"


def read_signed(token: str, what: str, stage_name: str, key: str, size: int) -> list[object]:
    """The ``size`` words of a token after the first two; raises :class:`InvalidTokenError`."""
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
    if words[:2] != [what, stage_name] or len(words) != 2 + size:
        raise InvalidTokenError("of something else")
    rest: list[object] = words[2:]
    return rest


def _signature(text: bytes, key: str) -> bytes:
    return hmac.digest(subkey(key, "inbox"), text, "sha256")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_")
    # Base64 has several texts for the same bytes, and a link counts as used by its text.
    if _encoded(data) != text:
        raise ValueError
    return data


def hashed(secret: str) -> str:
    """What stands in the table for a token or a session's id, which could be used by who reads the table."""
    return hashlib.sha256(secret.encode()).hexdigest()
