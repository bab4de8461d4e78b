"""What the page needs of a stage: a port, with the objects that the Invoke API and the commands show too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.logic.archive import Page, StoredMessage, Wanted


class Mailbox(Protocol):
    """A stage's messages, and what its owner may do with them.

    Every method asks AWS, and may raise whatever says that it did not answer: ``words.trouble`` knows these errors.
    """

    def page(self, wanted: Wanted) -> Page:
        """A page of a site's messages, newest first."""

    def get_all(self, ids: Sequence[str]) -> Sequence[StoredMessage | None]:
        """Messages by their ids, in the same order; None for what is not there (any more)."""

    def replay(self, message_id: str) -> None:
        """Have every channel tried once more that has not delivered; returns when that is over."""

    def release(self, message_id: str) -> None:
        """Let a message that was held ring after all."""
