"""Notify the owner of messages that were not delivered: at once, but once for many.

The first failure is reported when it happens. Those within :data:`QUIET` seconds after it are counted, and reported
together by the next failure after that time or by the scheduled retry, whichever comes first. An alarm is sent by a
channel that did not fail itself, if there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.errors import FunctionError
from chalicelib.logic.channel_fallback import notify_owner
from chalicelib.logic.delivery_types import SUMMARY_PREFIX, Notifier, Record, State
from chalicelib.logic.message_kinds import KIND_CANARY
from chalicelib.logic.notification import Notification
from chalicelib.logic.outcome_event import RunOutcome

QUIET = 15 * 60
"""Seconds after an alarm in which no other is sent."""
BEFORE_LAMBDAS_RETRY, BEFORE_THE_NEXT_RETRY = 45, 4 * 60
"""Seconds after which an alarm that no channel accepted may be tried again: short enough for Lambda's first retry of
``on_failure``, which can name the message; too long for Lambda's retries of ``retry_due``, but not for its next run."""
TITLE = "Herald: not delivered"
CANARY = "Herald: canary"


class AlarmLog(Protocol):
    """Stores when the owner was last notified, and counts the failures since."""

    def failed(self, now: int, quiet: int) -> int:
        """Count a failure. Returns how many to report now, this one included; 0 during the quiet time."""

    def unreported(self, now: int, quiet: int) -> int:
        """Return how many failures to report now; 0 during the quiet time or if there are none."""

    def put_back(self, number: int, notified_at: int) -> None:
        """Count failures again that could not be reported, and set the start of the quiet time to ``notified_at``."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The part of an outcome that an alarm reports."""

    id: str
    """The message's; a test event has the id that SNS gave it."""
    kind: str
    condition: str
    """``Success`` (a run that returned what is not delivered), ``RetriesExhausted`` or ``EventAgeExceeded``."""
    reason: str
    """The action, or the error's class, or else the condition."""
    words: str = ""
    """For a canary: the channels that failed its check, and their notifiers' error messages."""
    messages: int | None = None
    """For a summary: how many messages it tells of, where that is known."""

    @property
    def summary_of(self) -> str:
        """The channel whose summary this is; empty for a message."""
        return self.id.removeprefix(SUMMARY_PREFIX) if self.id.startswith(SUMMARY_PREFIX) else ""

    @classmethod
    def of(cls, outcome: RunOutcome) -> Failure:
        """Take the part of an outcome that an alarm reports."""
        error = outcome.error if outcome.kind == KIND_CANARY and outcome.error else {}
        words = str(error.get("errorMessage", ""))[:500]
        return cls(outcome.message_id, outcome.kind, outcome.condition, outcome.reason, words, outcome.messages)


def from_failure(failure: Failure, record: Record | None, number: int, now: int) -> Notification:
    """Make the alarm for a failure. It holds ids, states and error classes, and nothing that a visitor typed."""
    if failure.kind == KIND_CANARY:
        title, lines = CANARY, [f"The canary did not get through: {failure.reason}."]
        lines += [failure.words] if failure.words else []
    elif failure.summary_of:
        what = f"{failure.messages} messages" if failure.messages else "messages"
        title, lines = TITLE, [f"A summary of {what} is not delivered: {failure.reason}."]
        lines += [f"Channel {failure.summary_of}", "The messages are stored."]
    else:
        title, lines = TITLE, [f"A message is not delivered: {failure.reason}."]
        if record is not None:
            lines += [
                f"{name}: {delivery.state} {delivery.error}".rstrip()
                for name, delivery in sorted(record.deliveries.items())
            ]
        if failure.condition not in ("", "Success"):
            lines.append("It is stored. Channels that still wait are tried again.")
        lines.append(f"Message {failure.id}")
    if number > 1:
        lines.append(f"{number - 1} more since the last alarm.")
    return Notification(id=f"alarm-{failure.id}"[:128], title=title, message="\n".join(lines), timestamp=now)


def from_count(number: int, now: int) -> Notification:
    """Make the alarm for failures that were counted during the quiet time."""
    message = f"{number} more failures since the last alarm. Channels that still wait are tried again."
    return Notification(id=f"alarm-{now}", title=TITLE, message=message, timestamp=now)


def channels_for(wanted: Sequence[str], failure: Failure, record: Record | None) -> list[str]:
    """Sort the alarm's channels: first those that did not fail for this message or summary."""
    deliveries = record.deliveries if record else {}
    failed = {name for name, delivery in deliveries.items() if delivery.state is not State.DELIVERED}
    failed.add(failure.summary_of)
    return sorted(wanted, key=lambda name: name in failed)


def send(
    alarm: Notification,
    channels: Sequence[str],
    notifiers: Mapping[str, Notifier],
    log: AlarmLog,
    failures: int,
    now: int,
    retry_after: int,
) -> str:
    """Notify the owner by the first channel that accepts; returns its name.

    Where every channel fails, ``failures`` are put back, to be reported again ``retry_after`` seconds from ``now`` or,
    if that is longer, after the provider's wait; the last error is raised.
    """
    try:
        return notify_owner(alarm, channels, notifiers)
    except FunctionError as error:
        wait = max(error.retry_after or 0, retry_after)
        log.put_back(failures, now + wait - QUIET)
        raise
