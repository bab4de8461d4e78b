"""Test events, and what the bus tells about any message: the events that Lambda Destinations put there.

The shape of a destination's event is Lambda's, not ours:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.errors import EventFailedError

SOURCE = "herald.event"
KIND_EVENT = "event"
KIND_CONTACT = "contact"
KIND_REDRIVE = "redrive"
"""The message is in the table; the event holds its id alone."""
KIND_CANARY = "canary"
"""It goes the whole path and rings nobody: ``logic/canary.py``."""
PLEASE_FAIL = "please fail"


def answer(text: str) -> dict[str, object]:
    """Answer a test event: its text back, or :class:`EventFailedError` for ``please fail``."""
    if text == PLEASE_FAIL:
        raise EventFailedError("the event asked to fail")
    return {"source": SOURCE, "action": "message", "message": text}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an asynchronous invocation of ``destined`` ended, as read from the bus."""

    id: str
    """The message's id; a test event has the id that SNS gave it."""
    kind: str
    """``contact``, ``event``, ``redrive`` or ``canary``, from the SNS message attributes."""
    condition: str
    """``Success``, ``RetriesExhausted`` or ``EventAgeExceeded``."""
    attempts: int
    source: str = ""
    action: str = ""
    error_type: str = ""
    error: Mapping[str, object] | None = None
    """What was thrown, for a kind without personal data."""
    request: object = None
    """The whole request payload, for a kind without personal data: enough to send it again."""

    def as_log(self) -> dict[str, object]:
        """The fields of the one log line; what has no value is left out."""
        fields = {
            "message_id": self.id,
            "kind": self.kind,
            "source": self.source,
            "action": self.action,
            "condition": self.condition,
            "error_type": self.error_type,
            "attempts": self.attempts,
            "error": self.error,
            "request": self.request,
        }
        return {name: value for name, value in fields.items() if value not in ("", None)}


def outcome(detail: Mapping[str, object], message_id: str, kind: str) -> Outcome:
    """Read the ``detail`` of a destination's event.

    Parameters
    ----------
    detail:
        ``{"requestContext": {…}, "requestPayload": {…}, "responseContext": {…}, "responsePayload": …}``
    message_id, kind:
        Found in the request payload by the caller, which knows how SNS wraps a message.
    """
    context = _mapping(detail.get("requestContext"))
    response = _mapping(detail.get("responsePayload"))
    attempts = context.get("approximateInvokeCount")
    # An age limit that ends an event before its first run leaves neither response nor error.
    failed = context.get("condition") != "Success"
    replayable = failed and kind == KIND_EVENT
    return Outcome(
        id=message_id,
        kind=kind,
        condition=str(context.get("condition", "")),
        attempts=attempts if isinstance(attempts, int) else 0,
        source="" if failed else str(response.get("source", "")),
        action="" if failed else str(response.get("action", "")),
        error_type=str(response.get("errorType", "")) if failed else "",
        error=response if failed and kind in (KIND_EVENT, KIND_CANARY) else None,
        request=detail.get("requestPayload") if replayable else None,
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
