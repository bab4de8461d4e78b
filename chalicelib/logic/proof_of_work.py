"""Proof of work: a challenge that costs a browser about a second, and a robot a second for each message.

The format is ALTCHA's, version 2, so that its widget and libraries solve it: https://altcha.org/docs/v2/
A challenge is signed, so none has to be stored. This module is loaded only for a site that asks for proofs.
"""

from __future__ import annotations

import secrets
from typing import Any

from altcha import create_challenge, verify_solution
from altcha.v2 import Payload

from chalicelib.logic.spam import PROOF_LIFE, subkey

ALGORITHM = "PBKDF2/SHA-256"
COST = 5000
"""Iterations of one attempt: two or three milliseconds in a browser."""


def make_challenge(site: str, tries: int, key: str, now: int) -> dict[str, Any]:
    """Make a challenge ``{"parameters": {…}, "signature": "…"}`` that takes ``tries`` attempts on average.

    It takes at least half and at most one and a half times as many.
    """
    made = create_challenge(
        ALGORITHM,
        COST,
        counter=tries - tries // 2 + secrets.randbelow(tries + 1),
        expires_at=now + PROOF_LIFE,
        data={"site": site},
        hmac_secret=subkey(key, "challenge"),
        hmac_key_secret=subkey(key, "solution"),
    )
    answer: dict[str, Any] = made.to_dict()
    return answer


def solved_challenge(text: str, site: str, key: str) -> str:
    """Return the id of the challenge that ``text`` solves; empty if it solves none, or is expired or another site's.

    ``text`` is base64 of ``{"challenge": …, "solution": {"counter", "derivedKey"}}``, as ALTCHA's widget sends it.
    """
    try:
        payload = Payload.from_base64(text)
        result = verify_solution(payload, subkey(key, "challenge"), hmac_key_secret=subkey(key, "solution"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return ""
    if not result.verified or payload.challenge.parameters.data != {"site": site}:
        return ""
    return str(payload.challenge.parameters.nonce)
