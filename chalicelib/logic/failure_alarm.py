"""Notify the owner of messages that were not delivered: at once, but once for many.

The first failure is reported when it happens. Those within :data:`QUIET` seconds after it are counted, and reported
together by the next failure after that time or by the scheduled retry, whichever comes first. An alarm is sent by a
channel that did not fail itself, if there is one.

Each failure is reported, or still counted, or its event becomes a dead letter. A run takes its turn before it sends,
and settles afterwards what became of the alarm. If it was killed in between, it may have rung: the next run reports the
same once more, rather than nobody. Where no channel accepts, CloudWatch must be able to tell: in the quiet time that
then begins, Lambda's retries of the same event fail, so that it becomes a letter, and those of the scheduled retry fail
while failures are counted, so that its alarm sounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from chalicelib.errors import FunctionError, StoreError
from chalicelib.logic.channel_fallback import notify_owner
from chalicelib.logic.delivery_types import SUMMARY_PREFIX, Notifier, Record, State
from chalicelib.logic.invoke_contract import MAX_ID
from chalicelib.logic.message_kinds import KIND_CANARY
from chalicelib.logic.notification import Notification
from chalicelib.logic.outcome_event import RunOutcome

QUIET = 15 * 60
"""Seconds after an alarm in which no other is sent."""
LEASE = 60
"""Seconds of a turn: as long as ``on_failure`` and ``retry_due`` may run, so that no two runs notify the owner."""
BEFORE_LAMBDAS_RETRY = 45
"""Seconds after which an alarm that no channel accepted may be tried again: short enough for Lambda's first retry."""
TITLE = "Herald: not delivered"
CANARY = "Herald: canary"


class Turn(NamedTuple):
    """A run's right to notify the owner, for :data:`LEASE` seconds."""

    run: str
    counted: int
    """Failures that were counted and not reported."""
    event: str = ""
    """Of the failure that is reported besides them; empty for the scheduled retry."""


class AlarmLog(Protocol):
    """Stores until when the owner is not notified, and counts the failures meanwhile. Times are in seconds.

    Its methods raise :class:`~chalicelib.errors.StoreError`.
    """

    def failed(self, event: str, now: int) -> Turn | None:
        """Take a turn to report the failure of this event. In the quiet time count it instead, and return None.

        Raises :class:`~chalicelib.errors.AlarmError` if the last alarm was its own, and reached nobody.
        """

    def unreported(self, now: int) -> Turn | None:
        """Take a turn to report counted failures; None in the quiet time, or if there are none.

        Raises :class:`~chalicelib.errors.AlarmError` in the quiet time if the last alarm reached nobody.
        """

    def told(self, turn: Turn, quiet_until: int) -> None:
        """End a turn whose failures were reported."""

    def reached_nobody(self, turn: Turn, quiet_until: int) -> None:
        """End a turn whose alarm no channel accepted."""


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


def from_failure(failure: Failure, record: Record | None, turn: Turn, now: int) -> Notification:
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
    if turn.counted:
        lines.append(f"{turn.counted} more since the last alarm.")
    # A message or a channel can fail again. Lambda's retry of an event tells the same, unless others were counted.
    alarm_id = f"alarm-{turn.counted}-{turn.event}"[:MAX_ID]
    return Notification(id=alarm_id, title=title, message="\n".join(lines), timestamp=now)


def from_count(turn: Turn, now: int) -> Notification:
    """Make the alarm for failures that were counted during the quiet time."""
    message = f"{turn.counted} more failures since the last alarm. Channels that still wait are tried again."
    return Notification(id=f"alarm-{turn.run}", title=TITLE, message=message, timestamp=now)


def channels_for(wanted: Sequence[str], failure: Failure, record: Record | None) -> list[str]:
    """Sort the alarm's channels: first those that did not fail for this message or summary."""
    deliveries = record.deliveries if record else {}
    failed = {name for name, delivery in deliveries.items() if delivery.state is not State.DELIVERED}
    failed.add(failure.summary_of)
    return sorted(wanted, key=lambda name: name in failed)


class Sent(NamedTuple):
    """An alarm that was accepted."""

    channel: str
    recorded: bool
    """False where the turn could not be ended, so that the next alarm may come early."""


def send(
    alarm: Notification,
    channels: Sequence[str],
    notifiers: Mapping[str, Notifier],
    log: AlarmLog,
    turn: Turn,
    now: int,
) -> Sent:
    """Notify the owner by the first channel that accepts, and end the turn.

    Where every channel fails, the error of the one that may be tried again first is raised, and no alarm is sent before
    that.
    """
    try:
        channel = notify_owner(alarm, channels, notifiers)
    except FunctionError as error:
        log.reached_nobody(turn, now + max(error.retry_after or 0, BEFORE_LAMBDAS_RETRY))
        raise
    try:
        log.told(turn, now + QUIET)
    except StoreError:
        # The owner has heard. If this were raised, Lambda's retry would ring again as soon as the turn is over; so only
        # the next failure does, or the scheduled retry if failures were counted, which are then reported twice.
        return Sent(channel, recorded=False)
    return Sent(channel, recorded=True)
