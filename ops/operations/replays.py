"""A person's replay and release, by the rules of docs/delivery.md: never what was delivered or is being sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay or a release did."""

    id: str
    channels: tuple[str, ...]
    """Those that will be tried."""
    left: Mapping[str, str]
    """Those that were left alone, and why: ``delivered``, ``sending`` (somebody is at it now) or ``gone`` (the channel
    doesn't serve the site any more)."""
    asked: bool
    """Whether ``destined`` took the run. Where it didn't, though there is something to do, the redrive comes within 15
    minutes."""

    def as_json(self) -> dict[str, object]:
        return {"id": self.id, "channels": list(self.channels), "left": dict(self.left), "asked": self.asked}
