"""Read the log lines of a stage's functions from CloudWatch Logs, with limits on requests and lines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.settings import Stage
from ops.errors import ignoring_aws_error

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

MAX_REQUESTS = 50
"""The limit for one log group. An answer may be empty and still be followed by another:
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"""
MAX_LINES = 1000
"""The limit for one log group."""
_LATE = 30
"""Seconds that a line may appear late."""
_PAUSE = 2
"""Seconds between two requests for new lines. CloudWatch allows ten requests a second, or fewer in some regions:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html"""
OF_EACH_LINE = (
    "level",
    "location",
    "message",
    "timestamp",
    "service",
    "cold_start",
    "function_name",
    "function_memory_size",
    "function_arn",
    "function_request_id",
    "xray_trace_id",
)
"""Fields that every line has, and a person need not read each time."""


@dataclass(frozen=True, slots=True)
class Line:
    """One log event."""

    at: float
    """Seconds since the epoch, with milliseconds."""
    function: str
    """The function's name in the manifest."""
    id: str
    """The unique id of the log event."""
    text: str

    @property
    def entry(self) -> Mapping[str, Any]:
        """The line as an object; empty for a line that is not JSON, such as Lambda's own."""
        try:
            found = json.loads(self.text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def summary(self) -> str:
        """The line for a person: its level, its message, and its other fields."""
        entry = self.entry
        if not entry:
            return self.text.rstrip()
        rest = (f"{name}={value}" for name, value in entry.items() if name not in OF_EACH_LINE and value is not None)
        return " ".join([str(entry.get("level", "")), str(entry.get("message", "")), *rest])

    @property
    def is_metric(self) -> bool:
        """Whether it is a metric for CloudWatch (``chalicelib/metrics.py``)."""
        return "_aws" in self.entry


def lines(
    logs: CloudWatchLogsClient, stage: Stage, function: str, since: float, until: float, phrase: str = ""
) -> Iterator[Line]:
    """A function's lines between two times, oldest first, that contain ``phrase``; none where it has no log group.

    Ends after :data:`MAX_LINES` lines or :data:`MAX_REQUESTS` requests, whichever comes first.
    """
    asked: dict[str, Any] = {
        "logGroupName": stage.log_group(function),
        "startTime": int(since * 1000),
        "endTime": int(until * 1000),
        "limit": MAX_LINES,
    }
    if phrase:
        # A phrase in quotation marks is searched literally:
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
        asked["filterPattern"] = json.dumps(phrase, ensure_ascii=False)
    found = 0
    for _ in range(MAX_REQUESTS):
        answer: dict[str, Any] = {}
        with ignoring_aws_error("ResourceNotFoundException"):
            answer = dict(logs.filter_log_events(**asked))
        for event in answer.get("events", []):
            yield Line(event["timestamp"] / 1000, function, event.get("eventId", ""), event["message"])
            found += 1
        if found >= MAX_LINES or "nextToken" not in answer:
            return
        asked["nextToken"] = answer["nextToken"]


def printed(text: str) -> str:
    """A name from outside, safe to print in one line."""
    return text if text.isprintable() else ascii(text)


def merged(
    logs: CloudWatchLogsClient, stage: Stage, functions: Sequence[str], since: float, until: float, phrase: str = ""
) -> list[Line]:
    """The lines of several functions between two times, oldest first."""
    found = [line for function in functions for line in lines(logs, stage, function, since, until, phrase)]
    return sorted(found, key=lambda line: line.at)


def followed(
    logs: CloudWatchLogsClient,
    stage: Stage,
    functions: Callable[[], Sequence[str]],
    since: float,
    phrase: str = "",
    seconds: float | None = None,
    stopped: Callable[[], bool] = lambda: False,
    pause: float = _PAUSE,
    late: float = _LATE,
) -> Iterator[Line]:
    """The lines of several functions, and then each new one, for ``seconds``, or until ``stopped``, or without end.

    CloudWatch shows a line some seconds after it was written. So each request, ``pause`` seconds after the last, begins
    ``late`` seconds before it.
    """
    end = None if seconds is None else time.monotonic() + seconds
    seen: set[Line] = set()
    while not stopped():
        now = time.time()
        for line in merged(logs, stage, functions(), since, now + 1, phrase):
            if line not in seen:
                seen.add(line)
                yield line
        since = max(since, now - late)
        seen = {line for line in seen if line.at >= since}
        if end is not None and time.monotonic() >= end:
            return
        time.sleep(pause)
