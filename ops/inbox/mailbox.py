"""What the page needs of a stage: a part of :class:`~ops.operations.Operations`, as a port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from chalicelib.logic.stored_messages import OwnerMark, StoredMessage
from ops.operations import Erased, Listing, Replayed, Selection, Trace


class Mailbox(Protocol):
    """A stage's messages, and what its owner may do with them.

    Every method asks AWS, and may raise whatever says that it did not answer: ``words.trouble`` knows these errors.
    """

    def page(self, selection: Selection) -> Listing:
        """A page of messages, newest first."""

    def fields_of(self, ids: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """What visitors typed in messages, by their ids; those that are gone are left out."""

    def trace(self, message_id: str, *, logs: bool = True) -> Trace:
        """A message with the steps of its way; without ``logs`` it reads one item."""

    def file(self, message: StoredMessage, number: int) -> bytes | None:
        """A file that came with a message, counted from 1; None where it is there no more."""

    def replay(self, message_id: str) -> Replayed:
        """Have every channel tried now that has not delivered."""

    def release(self, message_id: str) -> Replayed:
        """Let a message out that is held, and have it delivered."""

    def mark(self, message_id: str, mark: OwnerMark) -> None:
        """Hold a message as spam, mark it as answered, or take that mark away."""

    def erase_all(self, ids: Sequence[str]) -> Sequence[Erased]:
        """Delete messages; return which copies remain."""
