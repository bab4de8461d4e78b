"""Erasing a message, and the copies of it that remain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of an erased message that remains, or may remain."""

    where: str
    """For a person, such as ``backups of the table (point-in-time recovery)``."""
    expires_at: int | None
    """The second at which it is gone for certain; None where that is up to somebody else."""
    note: str = ""

    def as_json(self) -> dict[str, object]:
        return {"where": self.where, "expires_at": self.expires_at, "note": self.note or None}


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did."""

    id: str
    letters: int
    """Dead letters that held the message and were deleted with it."""
    copies: tuple[Copy, ...]

    def as_json(self) -> dict[str, object]:
        return {"id": self.id, "letters": self.letters, "copies": [copy.as_json() for copy in self.copies]}
