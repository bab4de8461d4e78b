"""Show each message's steps as they happen, in the words of ``make run``, from the functions' logs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.settings import Stage
from ops.aws.account import Account
from ops.operations import logs
from ops.terminal import one_line

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
_PAUSE = 0.25
_LATE = 5
"""Seconds by which a line may appear late in a log of the local stack."""


def follow(
    account: Account, stage: Stage, since: float, report: Callable[[str], None], ended: Callable[[], bool]
) -> None:
    """Report each step that was logged after ``since``, until ``ended``."""
    client = account.logs

    def functions() -> list[str]:
        """Return the functions that have a log by now, including those deployed since the start."""
        first = stage.log_group("api_handler")
        pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=first)
        groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
        others = [group.removeprefix(f"{first}-") for group in groups if group.startswith(f"{first}-")]
        return ["api_handler", *others]

    while not ended():
        with suppress(BotoCoreError, ClientError):  # The stack is stopping, or did not answer in time.
            for line in logs.followed(client, stage, functions, since, stopped=ended, pause=_PAUSE, late=_LATE):
                since = line.at + 0.001
                if text := one_line(step_text(line.function, line.text)):
                    report(text)
        time.sleep(_PAUSE)


def step_text(function: str, message: str) -> str:
    """Format one log line for a person. Return "" for a traceback, and for the lines that Lambda itself logs."""
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
