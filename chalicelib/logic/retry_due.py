"""The scheduled retry: try messages again that Lambda's own retries could not deliver, until they are too old.

It finds the messages that are due and queues a run of ``destined`` for each. Each message is postponed first, so that
none is queued again while it waits in Lambda's queue.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from chalicelib.errors import RetryError

MAX_MESSAGES = 200
"""Most messages that one run queues; the next run continues."""
POSTPONED_BY = 15 * 60
"""Seconds until a message is due again if its queued run is lost."""


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A message whose ``due_at`` has passed."""

    id: str
    site: str


class DueMessages(Protocol):
    """Finds the messages that are due."""

    def find_due(self, now: int, most: int) -> Iterable[DueMessage]:
        """Return up to ``most`` messages that are due, the longest overdue first."""

    def set_due_at(self, message_id: str, due_at: int) -> None:
        """Set when a message is due."""


class Destined(Protocol):
    """Queues runs of ``destined``."""

    def run(self, message: DueMessage) -> None:
        """Queue a run for a stored message; raises :class:`~chalicelib.errors.RetryError`."""


def retry_due(messages: DueMessages, destined: Destined, now: int) -> int:
    """Queue a run for every message that is due; returns how many. An error of one is raised after the others."""
    failed: RetryError | None = None
    queued = 0
    for message in messages.find_due(now, MAX_MESSAGES):
        messages.set_due_at(message.id, now + POSTPONED_BY)
        try:
            destined.run(message)
            queued += 1
        except RetryError as error:
            failed = error
    if failed:
        raise failed
    return queued
