"""Test events, and the kinds of what is published to the topic. How each ends: ``outcome.py``."""

from __future__ import annotations

from chalicelib.errors import EventFailedError

SOURCE = "herald.event"
KIND_EVENT = "event"
KIND_CONTACT = "contact"
KIND_RETRY = "retry"
"""The message is in the table; the event holds its id alone."""
KIND_CANARY = "canary"
"""It goes the whole path and rings nobody: ``logic/canary.py``."""
PLEASE_FAIL = "please fail"


def answer(text: str) -> dict[str, object]:
    """Answer a test event: its text back, or :class:`EventFailedError` for ``please fail``."""
    if text == PLEASE_FAIL:
        raise EventFailedError("the event asked to fail")
    return {"source": SOURCE, "action": "message", "message": text}
