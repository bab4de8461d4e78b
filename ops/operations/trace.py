"""A message's way as a timeline: from the table, and from the logs what the table doesn't know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from chalicelib.logic.archive import MessageState, StoredMessage


class StepKind(StrEnum):
    """What happened in a step."""

    ACCEPTED = "accepted"
    """The API said so, or the topic took it from elsewhere."""
    STORED = "stored"
    ATTEMPT = "attempt"
    """A channel was tried; ``state`` is how that ended."""
    EXPIRED = "expired"
    """A channel was given up without a further try."""
    REPLAYED = "replayed"
    """A person had a channel tried again."""
    ENDED = "ended"
    """A run of ``destined`` ended; ``details["action"]`` is what it told the bus."""
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
    """``table``, or the name of the function in whose log it stands."""
    channel: str = ""
    state: str = ""
    """Of an attempt: ``delivered``, ``rejected``, ``waiting``, ``uncertain`` or ``expired``."""
    attempt: int = 0
    """The number of the attempt, from 1."""
    error: str = ""
    reference: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
    """What else the log line says. Nothing that a visitor typed."""

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
    """Whom a rule of the bus tells of the message's last outcome."""

    rule: str
    arn: str

    def as_json(self) -> dict[str, object]:
        return {"rule": self.rule, "arn": self.arn}


@dataclass(frozen=True, slots=True)
class Trace:
    """All that is known of a message's way."""

    id: str
    message: StoredMessage | None
    """None where the table has no such message: not stored yet, erased or expired. Logs may know of it all the same."""
    steps: tuple[Step, ...]
    """Oldest first; empty where nobody knows of such a message."""
    targets: tuple[Target, ...]
    """The targets of the rules that match the last outcome, asked of EventBridge; not whether they were reached."""
    notes: tuple[str, ...]
    """What could not be read, and what is missing in the steps because of that; for a person."""

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
