"""Proof of work: a puzzle that costs a visitor's browser a second and a robot a second for each message.

The format is that of ALTCHA, second version, so that its widget and libraries solve it too: https://altcha.org/docs/v2/
Nothing is remembered between a challenge and its solution: the challenge is signed. Loaded only for a site that asks.
"""

from __future__ import annotations

import secrets
from typing import Any

from altcha import create_challenge, verify_solution
from altcha.v2 import Payload

from chalicelib.logic.spam import PROOF_LIFE, subkey

ALGORITHM = "PBKDF2/SHA-256"
COST = 5000
"""Iterations for one try: two or three milliseconds of a browser's time."""


def challenge(site: str, tries: int, key: str, now: int) -> dict[str, Any]:
    """A challenge ``{"parameters": {…}, "signature": "…"}`` that takes ``tries`` tries on average.

    Half as many at least and half as many more at most, so that nobody is unlucky.
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


def solved(text: str, site: str, key: str) -> str:
    """The id of the challenge that ``text`` is a solution of; empty when it is none, too old, or another site's.

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
