"""The operations of one stage, with the clients that they need."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, cast

from chalicelib.adapters.aws.sdk import Sdk
from chalicelib.logic.archive import ListedMessage, StoredMessage
from chalicelib.settings import Stage
from ops.account import Account
from ops.operations import archive
from ops.operations import trace as tracing
from ops.operations.archive import Listing, OperatorArchive, Selection
from ops.operations.copies import Erased
from ops.operations.replays import Replayed
from ops.operations.trace import Trace

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class Operations:
    """What an operator can do with the messages of one stage."""

    def __init__(self, stage: Stage, account: Account, clock: Callable[[], float] = time.time) -> None:
        self.stage = stage
        self.account = account
        self._clock = clock

    # Looking: changes nothing.

    def page(self, selection: Selection) -> Listing:
        """A page of messages, newest first: one query for each site that is asked for, of 50 items at most.

        Raises :class:`~chalicelib.errors.InvalidRequestError` for a limit, times or a cursor that don't fit, and
        :class:`~chalicelib.errors.StoreError` where the table doesn't answer.
        """
        return archive.page(self._archive, tuple(self.stage.sites), selection)

    def every(self, selection: Selection) -> Iterator[ListedMessage]:
        """All that are selected, page by page as they are taken; ``limit`` and ``cursor`` don't count."""
        return archive.every(self._archive, tuple(self.stage.sites), selection)

    def get(self, message_id: str) -> StoredMessage | None:
        """A message with all that is known of it; None where there is none of this id (any more)."""
        return self._archive.get(message_id)

    def several(self, ids: Sequence[str]) -> dict[str, StoredMessage]:
        """Messages by their ids; those that are gone are left out. One BatchGetItem for each hundred."""
        return self._archive.several(ids)

    def whole(self, selection: Selection) -> Iterator[StoredMessage]:
        """All that are selected, with what visitors typed: beside the pages one BatchGetItem for each hundred."""
        return archive.whole(self._archive, self.every(selection))

    def of_address(self, address: str, selection: Selection) -> Iterator[StoredMessage]:
        """Those of the selected messages of which a field is this e-mail address (docs/decisions/0024): reads all."""
        return (message for message in self.whole(selection) if archive.is_of(address, message))

    def trace(self, message_id: str, *, logs: bool = True) -> Trace:
        """The message's way as a timeline. Without ``logs``, and so without outcomes and targets, it reads one item."""
        message = self.get(message_id)
        if not logs:
            return tracing.of_table(message_id, message)
        return tracing.trace(message_id, message, self.stage, self.account, self._clock())

    # Changing: docs/delivery.md.

    def replay(self, message_id: str) -> Replayed:
        """Have every channel tried now that has not delivered and is not being sent; its age counts from now on.

        Raises :class:`~ops.errors.OpsError` where there is no such message, or where it is held: that takes
        :meth:`release`.
        """
        raise NotImplementedError

    def release(self, message_id: str) -> Replayed:
        """Let a message out that is held, in quarantine or as a duplicate, and have it delivered.

        Raises :class:`~ops.errors.OpsError` where there is no such message, or where it isn't held.
        """
        raise NotImplementedError

    def erase(self, message_id: str) -> Erased:
        """Delete a message, and the dead letters that hold it; says which copies remain.

        Raises :class:`~ops.errors.OpsError` where there is neither message nor letter.
        """
        raise NotImplementedError

    @cached_property
    def _archive(self) -> OperatorArchive:
        return OperatorArchive(self._dynamodb, self.stage, self._clock)

    @cached_property
    def _dynamodb(self) -> DynamoDBClient:
        return cast("DynamoDBClient", Sdk(self.account.dynamodb))
