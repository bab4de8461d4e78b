"""How a run of ``destined`` ended, read from the event that Lambda Destinations put on the bus.

The event's shape is Lambda's: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from chalicelib.logic.message_kinds import KIND_CANARY, KIND_NOTIFICATION, KIND_RETRY, KIND_TEST_EVENT

_WITHOUT_PERSONAL_DATA = (KIND_TEST_EVENT, KIND_CANARY)
"""Kinds whose errors may be logged. Errors and payloads of other kinds never are."""


class RunOutcome(NamedTuple):
    """How a run of ``destined`` ended. A field that does not apply is empty."""

    message_id: str
    """The message's; a test event has the id that SNS gave it."""
    kind: str
    """``contact``, ``notification``, ``event``, ``retry`` or ``canary``, from the SNS message attributes; empty where
    there are none."""
    source: str
    action: str
    """What a successful run returned, as ``source`` is."""
    condition: str
    """``Success``, ``RetriesExhausted`` or ``EventAgeExceeded``."""
    error_type: str
    """The error's class, of a failure; empty for an event that expired before its first run."""
    attempts: int
    error: Mapping[str, Any] | None
    """The whole error, for a kind without personal data."""
    request: Mapping[str, Any] | None
    """The payload of a failed test event, with which it can be sent again."""
    messages: int | None = None
    """Of a summary: how many messages it tells of, where that is known."""
    site: str = ""
    channels: Mapping[str, Any] | None = None
    """The state of each channel, by its name."""
    published_at: str = ""
    """When SNS accepted the message, as it says: ``2026-11-20T09:30:00.000Z``."""
    ended_at: str = ""
    """When the run ended, as Lambda says."""
    seconds: float | None = None
    """From the one to the other."""
    event: Mapping[str, Any] | None = None
    """The whole event as it came, of a success of a kind without personal data."""

    @property
    def reason(self) -> str:
        """Why the message was not delivered: the action, else the error's class, else Lambda's condition."""
        return self.action or self.error_type or self.condition

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of a log line, without empty ones."""
        return {name: value for name, value in self._asdict().items() if value not in ("", None)}


def read_outcome(event: Mapping[str, Any]) -> RunOutcome:
    """Read an event of the bus. What it lacks is left empty."""
    detail = event["detail"]
    context = _mapping(detail.get("requestContext"))
    response = _mapping(detail.get("responsePayload"))
    request = detail.get("requestPayload")
    records = (request or {}).get("Records") or [{}]
    sns = records[0].get("Sns", {})
    attributes = sns.get("MessageAttributes", {})
    kind = str(attributes.get("kind", {}).get("Value", ""))
    attempts = context.get("approximateInvokeCount")
    failed = context.get("condition") != "Success"
    answer = {} if failed else _mapping(response.get("message"))
    published, ended = str(sns.get("Timestamp", "")), str(detail.get("timestamp", ""))
    return RunOutcome(
        # What destined returned of a test event or a canary has no id.
        message_id=str(answer.get("id", "")) or _message_id(sns, kind),
        kind=kind,
        source="" if failed else str(response.get("source", "")),
        action="" if failed else str(response.get("action", "")),
        condition=str(context.get("condition", "")),
        error_type=str(response.get("errorType", "")) if failed else "",
        attempts=attempts if isinstance(attempts, int) else 0,
        error=response if failed and kind in _WITHOUT_PERSONAL_DATA else None,
        request=request if failed and kind == KIND_TEST_EVENT else None,
        messages=answer.get("messages"),
        site=str(_mapping(attributes.get("site")).get("Value", "")),
        channels=_mapping(answer.get("channels")) or None,
        published_at=published,
        ended_at=ended,
        seconds=_seconds(published, ended),
        event=event if not failed and kind in _WITHOUT_PERSONAL_DATA else None,
    )


def _seconds(start: str, end: str) -> float | None:
    """Return the time between two times of AWS; None where one is missing."""
    from datetime import datetime

    try:
        return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 3)
    except (ValueError, TypeError):
        return None


def _message_id(sns: Mapping[str, Any], kind: str) -> str:
    """Return the id in a contact message, the text of a retry's event, a notification's, or
    else the id that SNS gave."""
    if kind == KIND_RETRY:
        return str(sns.get("Message", ""))
    publication = str(sns.get("MessageId", ""))
    try:
        data = json.loads(sns["Message"])
        if data.get("kind") == KIND_NOTIFICATION:
            from chalicelib.logic.published_notification import read_unchecked

            return read_unchecked(sns["Message"], publication, 0).id
        return str(data["id"])
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return publication


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
