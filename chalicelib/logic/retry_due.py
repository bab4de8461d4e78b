"""The scheduled retry: what Lambda's own retries could not deliver is tried again, on a schedule, until it is too old.

It only finds what is due and asks ``destined`` to run, under the rules of docs/delivery.md and with the same outcome
on the bus. Each message is put off before, so that none is asked for again while it still waits in Lambda's queue.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from chalicelib.errors import RetryError

MAX_MESSAGES = 200
"""Messages that one run asks for; the next run goes on."""
POSTPONED_BY = 15 * 60
"""Seconds."""


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A message that something has to be done for."""

    id: str
    site: str


class DueMessages(Protocol):
    """Knows what still waits."""

    def due(self, now: int, most: int) -> Iterable[DueMessage]:
        """Messages that are due, the longest overdue first."""

    def postpone(self, message_id: str, due_at: int) -> None:
        """Change when a message is due."""


class Destined(Protocol):
    """Has a message run through ``destined`` once more."""

    def run(self, message: DueMessage) -> None:
        """Return once that is queued; raises :class:`~chalicelib.errors.RetryError`."""


def retry_due(messages: DueMessages, destined: Destined, now: int) -> int:
    """Have everything run that is due; returns how many. An error with one message leaves the others their turn."""
    failed: RetryError | None = None
    run = 0
    for message in messages.due(now, MAX_MESSAGES):
        messages.postpone(message.id, now + POSTPONED_BY)
        try:
            destined.run(message)
            run += 1
        except RetryError as error:
            failed = error
    if failed:
        raise failed
    return run
