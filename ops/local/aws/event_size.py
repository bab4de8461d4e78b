"""Enforce the size limit of PutEvents, as MiniStack accepts events of any size.

The entries of one request must total less than 256 KB. An entry's size is 14 bytes for Time, if it is given, plus the
UTF-8 bytes of Source, DetailType, Detail and each of Resources.

https://docs.aws.amazon.com/eventbridge/latest/userguide/calculate-putevents-entry-size.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ops.local.aws.ministack_modules import eventbridge, extend, responses

EXTENDS = ("ministack.core.responses:error_response_json", "ministack.services.eventbridge:_put_events")

LIMIT = 256 * 1024


def install() -> None:
    """Reject a request that is too large before any of its entries is accepted."""
    extend(eventbridge, "_put_events", _within_limit)


def entry_size(entry: dict[str, Any]) -> int:
    """Return the size in bytes that EventBridge counts for a PutEventsRequestEntry."""
    texts = [entry.get("Source"), entry.get("DetailType"), entry.get("Detail"), *(entry.get("Resources") or [])]
    timed = 14 if entry.get("Time") is not None else 0
    return timed + sum(len(text.encode()) for text in texts if text)


def _within_limit(put_events: Callable[..., Any], data: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    if sum(entry_size(entry) for entry in data.get("Entries", [])) >= LIMIT:
        return responses.error_response_json(
            "ValidationException", "Total size of the entries in the request is over the limit.", 400
        )
    return put_events(data, *args, **kwargs)
