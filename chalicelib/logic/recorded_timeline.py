"""The timeline of a message: what happened to it, as its record in the table says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from chalicelib.logic.delivery_types import State
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.stored_messages import Outcome, OwnerMark, StoredMessage


class StepKind(StrEnum):
    """What happened in a step."""

    ACCEPTED = "accepted"
    """The API or another publisher published the message."""
    STORED = "stored"
    ATTEMPT = "attempt"
    """A channel was tried; ``state`` is the result."""
    EXPIRED = "expired"
    """A channel was given up without another attempt."""
    SUMMARIZED = "summarized"
    """A channel had rung as often as it may: a summary tells of the message."""
    REPLAYED = "replayed"
    """A person asked for another attempt by a channel."""
    MARKED = "marked"
    """A person decided something about it: ``details["mark"]``."""
    ENDED = "ended"
    """A run of ``destined`` ended; ``details["action"]`` is the action of its outcome."""
    TOLD = "told"
    """A rule ran ``on_success`` or ``on_failure``."""
    LOGGED = "logged"
    """Any other line of a log."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a message."""

    at: float
    """Seconds since the epoch: whole ones from the table, with milliseconds from a log."""
    kind: StepKind
    source: str
    """``table``, or the name of the function that logged it."""
    channel: str = ""
    state: str = ""
    """The result of an attempt: ``delivered``, ``rejected``, ``waiting``, ``uncertain`` or ``expired``."""
    attempt: int = 0
    """The number of the attempt, from 1."""
    error: str = ""
    reference: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
    """The other fields of the log line. Nothing that a visitor typed."""

    def as_json(self) -> dict[str, object]:
        return {
            "at": self.at,
            "kind": str(self.kind),
            "source": self.source,
            "channel": self.channel or None,
            "state": self.state or None,
            "attempt": self.attempt or None,
            "error": self.error or None,
            "reference": self.reference or None,
            "details": dict(self.details),
        }


@dataclass(frozen=True, slots=True)
class Target:
    """A target of a rule that matches the message's last outcome."""

    rule: str
    arn: str

    def as_json(self) -> dict[str, object]:
        return {"rule": self.rule, "arn": self.arn}


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that is known about what happened to a message."""

    id: str
    message: StoredMessage | None
    """None where the table has no such message: not stored yet, erased or expired. Logs may still mention it."""
    steps: tuple[Step, ...]
    """Oldest first; empty where neither table nor logs know the message."""
    targets: tuple[Target, ...]
    """The targets of the rules that match the last outcome, by EventBridge's test; not whether they were reached."""
    notes: tuple[str, ...]
    """What could not be read, for a person: its steps are missing."""

    @property
    def state(self) -> MessageState | None:
        return self.message.listed.state if self.message else None

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "state": str(self.state) if self.state else None,
            "message": self.message.as_json() if self.message else None,
            "steps": [step.as_json() for step in self.steps],
            "targets": [target.as_json() for target in self.targets],
            "notes": list(self.notes),
        }


def trace_of_table(message_id: str, message: StoredMessage | None) -> Trace:
    """The timeline of a message from the table alone."""
    return Trace(message_id, message, tuple(sorted(recorded(message), key=order_of)), (), ())


def recorded(message: StoredMessage | None) -> Iterator[Step]:
    """The steps that a message's record holds."""
    if message is None:
        return
    yield Step(message.listed.received_at, StepKind.ACCEPTED, "table")
    verdict = message.listed.verdict
    # What a person called spam was not held when it was stored.
    by_hand = any(marked.mark is OwnerMark.SPAM for marked in message.marks)
    held = {"held": str(verdict.hold_reason)} if verdict.hold_reason and not by_hand else {}
    signs = {"signals": list(verdict.signals), "score": verdict.score} if verdict.signals else {}
    other = {"duplicate_of": verdict.duplicate_of} if verdict.duplicate_of else {}
    why = {"reason": verdict.reason} if verdict.reason else {}
    yield Step(message.stored_at, StepKind.STORED, "table", details={**held, **signs, **other, **why})
    for line in message.history:
        yield _attempt(line)
    for marked in message.marks:
        details = {"mark": str(marked.mark), **_by(marked.by)}
        yield Step(marked.at, StepKind.MARKED, "table", details=details)


def _attempt(line: Outcome) -> Step:
    kind = {
        State.PENDING: StepKind.REPLAYED,
        State.EXPIRED: StepKind.EXPIRED,
        State.SUMMARIZED: StepKind.SUMMARIZED,
    }.get(line.state, StepKind.ATTEMPT)
    state, by = str(line.state), _by(line.by)
    return Step(line.since, kind, "table", line.channel, state, line.attempts, line.error, line.reference, by)


def _by(channel: str) -> dict[str, object]:
    return {"by": f"{channel}'s inbox"} if channel else {}


_OF_HISTORY = (StepKind.ATTEMPT, StepKind.EXPIRED, StepKind.SUMMARIZED, StepKind.REPLAYED, StepKind.MARKED)
_RANK = {kind: number for number, kind in enumerate(StepKind)} | dict.fromkeys(
    _OF_HISTORY, list(StepKind).index(StepKind.ATTEMPT)
)
"""The order of steps within one second. Steps of a message's history have the same rank, and keep their order."""


def order_of(step: Step) -> tuple[int, int]:
    """By second, as the table has whole seconds, and within a second in the order in which things happen."""
    return int(step.at), _RANK[step.kind]
