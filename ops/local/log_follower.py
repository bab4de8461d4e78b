"""Each message's steps as they happen, read from the functions' own logs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.settings import Stage
from ops.aws.account import Account
from ops.terminal import one_line

if TYPE_CHECKING:
    from types_boto3_logs.type_defs import FilteredLogEventTypeDef

_SHOWN = (
    "site",
    "channel",
    "reference",
    "source",
    "action",
    "condition",
    "error_type",
    "attempts",
    "status",
    "problems",
    "origin",
)


_OVERLAP = 5_000
"""Milliseconds."""


class Steps:
    """Follows the log groups of one stage."""

    def __init__(self, account: Account, stage: Stage) -> None:
        self._logs = account.logs
        self._first = stage.log_group("api_handler")
        self._since = int(time.time() * 1000)
        self._looked: dict[str, int] = {}
        self._seen: set[str] = set()

    def new(self) -> Iterator[str]:
        """One line for each step since the last call, oldest first."""
        found: list[tuple[int, str]] = []
        for group, function in self._groups():
            for event in self._events(group):
                # The local stack gives events no id of their own.
                identity = event.get("eventId") or f"{event['logStreamName']} {event['timestamp']} {event['message']}"
                if identity not in self._seen:
                    self._seen.add(identity)
                    line = one_line(told(function, event["message"]))
                    if line:
                        found.append((event["timestamp"], line))
        yield from (line for _, line in sorted(found))

    def _groups(self) -> Iterator[tuple[str, str]]:
        """The log of each function that the stage has by now, with the function's name."""
        pages = self._logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self._first)
        with suppress(BotoCoreError, ClientError):  # The stack is ending.
            for name in [group["logGroupName"] for page in pages for group in page["logGroups"]]:
                if name == self._first:
                    yield name, "api_handler"
                elif name.startswith(f"{self._first}-"):
                    yield name, name.removeprefix(f"{self._first}-")

    def _events(self, group: str) -> list[FilteredLogEventTypeDef]:
        """What was logged since the last look, and a little before it: events of one moment may arrive apart."""
        since = self._looked.get(group, self._since)
        pages = self._logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
        try:
            events = [event for page in pages for event in page["events"]]
        except (BotoCoreError, ClientError):
            return []  # No such group yet, or the stack is ending.
        if events:
            self._looked[group] = max(since, max(event["timestamp"] for event in events) - _OVERLAP)
        return events

    def follow(self, say: Callable[[str], None], ended: Callable[[], bool], pause: float = 0.25) -> None:
        """Say each step until ``ended``."""
        while not ended():
            for line in self.new():
                say(line)
            time.sleep(pause)


def told(function: str, message: str) -> str:
    """One log line of a function in a person's words; empty for tracebacks and what Lambda writes around each run."""
    text = message.strip()
    try:
        entry: Any = json.loads(text)
        details = [f"{key} {_value(entry[key])}" for key in _SHOWN if entry.get(key) not in (None, "", [])]
        details += [entry["hint"]] if entry.get("hint") else []
        identity = str(entry.get("message_id") or entry.get("correlation_id") or "")[:8]
        return f"{function:<16} {identity:<8}  {entry['message']}{': ' if details else ''}{', '.join(details)}"
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"{function:<16} {'':<8}  {text.splitlines()[0]}" if text.startswith("[ERROR]") else ""


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
