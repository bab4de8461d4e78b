"""What the functions of a stage wrote, from CloudWatch Logs: bounded in time, in requests and in lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.settings import Stage
from ops.errors import unless

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

MOST_REQUESTS = 50
"""For one log group. An answer may be empty and have more behind it:
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"""
MOST_LINES = 1000
"""For one log group."""


@dataclass(frozen=True, slots=True)
class Line:
    """One log event."""

    at: float
    """Seconds since the epoch, with milliseconds."""
    function: str
    """The function's name in the manifest."""
    id: str
    """That of the log event, which no other has."""
    text: str

    @property
    def entry(self) -> Mapping[str, Any]:
        """The line as an object; empty for one that is none, as Lambda's own are."""
        try:
            found = json.loads(self.text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def is_metric(self) -> bool:
        """Whether it is a number for CloudWatch (``chalicelib/metrics.py``)."""
        return "_aws" in self.entry


def lines(
    logs: CloudWatchLogsClient, stage: Stage, function: str, since: float, until: float, phrase: str = ""
) -> Iterator[Line]:
    """A function's lines of a time, oldest first, with ``phrase`` in them; none for a group that there is not.

    Ends at :data:`MOST_LINES`, or at :data:`MOST_REQUESTS`, whichever comes first.
    """
    asked: dict[str, Any] = {
        "logGroupName": stage.log_group(function),
        "startTime": int(since * 1000),
        "endTime": int(until * 1000),
        "limit": MOST_LINES,
    }
    if phrase:
        # A phrase in quotation marks is looked for as it stands:
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
        asked["filterPattern"] = json.dumps(phrase, ensure_ascii=False)
    found = 0
    for _ in range(MOST_REQUESTS):
        answer: dict[str, Any] = {}
        with unless("ResourceNotFoundException"):
            answer = dict(logs.filter_log_events(**asked))
        for event in answer.get("events", []):
            yield Line(event["timestamp"] / 1000, function, event.get("eventId", ""), event["message"])
            found += 1
        if found >= MOST_LINES or "nextToken" not in answer:
            return
        asked["nextToken"] = answer["nextToken"]


def printed(text: str) -> str:
    """A name from outside, fit for one line of a message."""
    return text if text.isprintable() else ascii(text)
