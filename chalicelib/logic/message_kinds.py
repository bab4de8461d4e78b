"""The kinds of events that ``destined`` handles, and the answer to a test event."""

from __future__ import annotations

from chalicelib.errors import EventFailedError

TEST_EVENT_SOURCE = "herald.event"
KIND_TEST_EVENT = "event"
"""What ``GET /SendEvent`` publishes: its text is answered, and nothing is stored."""
KIND_CONTACT = "contact"
KIND_NOTIFICATION = "notification"
"""What a program publishes: ``logic/published_notification.py``."""
KIND_RETRY = "retry"
"""Asks for another run; the text is the id of a stored message, or of a channel's summary.

Nothing on the topic has this kind."""
KIND_CANARY = "canary"
"""Published by the function ``canary`` on a schedule. Nobody is notified of it: ``logic/canary_arrival.py``."""
REJECTED_PUBLICATION = "rejected"
"""The action for a publication that is not a valid message."""
PLEASE_FAIL = "please fail"


def answer_test_event(text: str) -> dict[str, object]:
    """Return a test event's text; raises :class:`EventFailedError` for ``please fail``."""
    if text == PLEASE_FAIL:
        raise EventFailedError("the event asked to fail")
    return {"source": TEST_EVENT_SOURCE, "action": "message", "message": text}
