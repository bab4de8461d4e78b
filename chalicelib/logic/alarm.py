"""Telling the owner that something was not delivered: at once, and once rather than for each message.

The first failure is told when it happens. Those within :data:`QUIET` after it are counted, and told together by whoever
comes first afterwards: the next failure, or the scheduled retry. An alarm goes by a channel that did not fail
itself, as long as there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.errors import ChannelUncertainError, InvokeError
from chalicelib.logic.delivery_types import Notifier, Record, State
from chalicelib.logic.events import KIND_CANARY
from chalicelib.logic.notification import Notification

QUIET = 15 * 60
"""Seconds after an alarm in which there is no other."""
BEFORE_LAMBDAS_RETRY, BEFORE_THE_NEXT_RETRY = 45, 4 * 60
"""Seconds at least after which it is tried again to tell what nobody took: by Lambda's first retry of ``on_failure``,
which knows the message, and by the scheduled retry's next run and not by Lambda's retries of it."""
TITLE = "Herald: not delivered"
CANARY = "Herald: canary"


class AlarmLog(Protocol):
    """Remembers when the owner was last told, and how many failures there were since."""

    def failed(self, now: int, quiet: int) -> int:
        """Count a failure. Returns how many to tell now, this one included; 0 while it is quiet."""

    def untold(self, now: int, quiet: int) -> int:
        """How many failures to tell now, once it was quiet for long enough; 0 if there are none."""

    def put_back(self, number: int, told_at: int) -> None:
        """Nobody could be told: let these failures be told by whoever comes when it was quiet since ``told_at``."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What ``on_failure`` heard, as far as the owner is told of it."""

    id: str
    """The message's; a test event has the id that SNS gave it."""
    kind: str
    condition: str
    """``Success`` (of a run that says itself what is not delivered), ``RetriesExhausted`` or ``EventAgeExceeded``."""
    reason: str
    """The action, or the error's class, or else the condition."""
    words: str = ""
    """Of a canary alone: channels' names and their notifiers' words."""

    @classmethod
    def read(cls, outcome: Mapping[str, object]) -> Failure:
        """Of the fields that ``on_failure`` logs (:func:`chalicelib.logic.outcome.outcome`), and ``reason``."""

        def text(name: str) -> str:
            return str(outcome.get(name, ""))

        error = outcome.get("error")
        thrown = error if isinstance(error, Mapping) and text("kind") == KIND_CANARY else {}
        return cls(
            id=text("message_id"),
            kind=text("kind"),
            condition=text("condition"),
            reason=text("reason"),
            words=str(thrown.get("errorMessage", ""))[:500],
        )


def of_failure(failure: Failure, record: Record | None, number: int, now: int) -> Notification:
    """What the owner is told of a failure. Nothing of what a visitor wrote: ids, states and error classes alone."""
    if failure.kind == KIND_CANARY:
        title, lines = CANARY, [f"The canary did not get through: {failure.reason}."]
        lines += [failure.words] if failure.words else []
    else:
        title, lines = TITLE, [f"A message is not delivered: {failure.reason}."]
        if record is not None:
            lines += [f"{name}: {each.state} {each.error}".rstrip() for name, each in sorted(record.deliveries.items())]
        if failure.condition not in ("", "Success"):
            lines.append("It is kept, and what still waits is tried again.")
        lines.append(f"Message {failure.id}")
    if number > 1:
        lines.append(f"{number - 1} more since the last alarm.")
    return Notification(id=f"alarm-{failure.id}"[:128], title=title, message="\n".join(lines), timestamp=now)


def of_many(number: int, now: int) -> Notification:
    """What the owner is told of failures that came while it was quiet."""
    message = f"{number} more failures since the last alarm. What still waits is tried again."
    return Notification(id=f"alarm-{now}", title=TITLE, message=message, timestamp=now)


def channels_for(wanted: Sequence[str], record: Record | None) -> list[str]:
    """The alarm's channels in the order to try them: those that did not fail first."""
    failed = {name for name, it in record.deliveries.items() if it.state is not State.DELIVERED} if record else set()
    return sorted(wanted, key=lambda name: name in failed)


def tell(
    what: Notification,
    channels: Sequence[str],
    notifiers: Mapping[str, Notifier],
    log: AlarmLog,
    untold: int,
    now: int,
    least: int,
) -> str:
    """Tell by the first channel that takes it; returns its name.

    Where none does, one that may have taken it will do: else the owner might be rung again and again. Where none may
    have, the last error is raised, and ``untold`` failures are put back for who comes ``least`` seconds from ``now``
    or, if that is longer, after the provider's wait.
    """
    perhaps = ""
    failed: InvokeError | None = None
    for channel in channels:
        try:
            notifiers[channel].notify(what)
            return channel
        except ChannelUncertainError:
            perhaps = perhaps or channel
        except InvokeError as error:
            failed = error
    if perhaps:
        return perhaps
    if failed is None:
        raise ValueError("there is no channel to tell the owner by")
    wait = max(failed.retry_after or 0, least)
    log.put_back(untold, now + wait - QUIET)
    raise failed
