"""The operations of one stage, with the clients that they need."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, cast

from chalicelib.adapters.aws.botocore_client import Sdk
from chalicelib.adapters.destined import AsynchronousDestined
from chalicelib.adapters.replays import ReplayTable
from chalicelib.logic.archive import ListedMessage, MessageState, StoredMessage
from chalicelib.logic.delivery import LAMBDA_ATTEMPTS
from chalicelib.logic.delivery_types import State
from chalicelib.logic.submission import Message
from chalicelib.settings import Stage
from ops.aws.account import Account
from ops.errors import OpsError
from ops.operations import dead_letters, erasure, listing, short_ids
from ops.operations import replay as replays
from ops.operations import trace as tracing
from ops.operations.dead_letters import RedriveResult
from ops.operations.erasure import Erased
from ops.operations.listing import Listing, OperatorArchive, Selection
from ops.operations.replay import Replayed
from ops.operations.trace import Trace

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_lambda import LambdaClient


class Operations:
    """What an operator can do with the messages of one stage."""

    def __init__(
        self, stage: Stage, account: Account, clock: Callable[[], float] = time.time, sent_to: Sequence[str] = ()
    ) -> None:
        """``sent_to``: the owner's own targets of rules and subscribers, who have a copy of what they were sent."""
        self.stage = stage
        self.account = account
        self._clock = clock
        self._sent_to = tuple(sent_to)

    # Looking: changes nothing.

    def page(self, selection: Selection) -> Listing:
        """A page of messages, newest first: one query for each site that is asked for, of 50 items at most.

        Raises :class:`~chalicelib.errors.InvalidRequestError` for a limit, times or a cursor that don't fit, and
        :class:`~chalicelib.errors.StoreError` where the table doesn't answer.
        """
        return listing.page(self._archive, tuple(self.stage.sites), selection)

    def every(self, selection: Selection) -> Iterator[ListedMessage]:
        """All that are selected, page by page as they are taken; ``limit`` and ``cursor`` don't count."""
        return listing.every(self._archive, tuple(self.stage.sites), selection)

    def get(self, message_id: str) -> StoredMessage | None:
        """A message with all that is known of it; None where there is none of this id (any more)."""
        return self._archive.get(message_id)

    def whole_ids(self, typed: Sequence[str]) -> list[str]:
        """The ids that are meant by ids, or by how they begin: looked for among the newest messages of all sites.

        What begins none of these is given back as it is: logs and dead letters may know it. Raises
        :class:`~ops.errors.OpsError` for what begins several.
        """
        return short_ids.whole_ids(
            typed, lambda one: self.get(one) is not None, lambda: islice(self.every(Selection()), short_ids.NEWEST)
        )

    def several(self, ids: Sequence[str]) -> dict[str, StoredMessage]:
        """Messages by their ids; those that are gone are left out. One BatchGetItem for each hundred."""
        return self._archive.several(ids)

    def whole(self, selection: Selection) -> Iterator[StoredMessage]:
        """All that are selected, with what visitors typed: beside the pages one BatchGetItem for each hundred."""
        return listing.whole(self._archive, self.every(selection))

    def of_address(self, address: str, selection: Selection) -> Iterator[StoredMessage]:
        """Those of the selected messages of which a field is this e-mail address (docs/decisions/0024): reads all."""
        return (message for message in self.whole(selection) if listing.is_of(address, message.fields))

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
        return replays.again(self.get(message_id), message_id, self._replay_means(), held=False)

    def release(self, message_id: str) -> Replayed:
        """Let a message out that is held, in quarantine or as a duplicate, and have it delivered.

        Raises :class:`~ops.errors.OpsError` where there is no such message, or where it isn't held.
        """
        return replays.again(self.get(message_id), message_id, self._replay_means(), held=True)

    def failed(self, since: int, site: str | None = None) -> Iterator[ListedMessage]:
        """What was not delivered and that nobody is at: undeliverable, uncertain and held, or waiting after the last
        attempt of Lambda's own."""
        for message in self.every(Selection(site, since=since)):
            state = message.state
            if state in (MessageState.UNDELIVERABLE, MessageState.UNCERTAIN) or (
                state is MessageState.WAITING
                and any(
                    each.attempts >= LAMBDA_ATTEMPTS and each.state in (State.WAITING, State.UNCERTAIN)
                    for each in message.channels.values()
                )
            ):
                yield message

    def redrive(self) -> RedriveResult:
        """Have ``destined`` run once more with the events of dead letters (docs/delivery.md)."""
        now = int(self._clock())
        return dead_letters.redrive(self.account.client("sqs"), self.account.functions, self.stage, now)

    def erase(self, message_id: str) -> Erased:
        """Delete a message, and the dead letters that hold it; says which copies remain.

        Raises :class:`~ops.errors.OpsError` where there is neither message nor letter.
        """
        for erased in self.erase_all([message_id]):
            return erased
        raise OpsError(f"there is neither a message nor a dead letter {message_id} in stage {self.stage.name}")

    def in_letters(self, address: str | None, selection: Selection) -> list[str]:
        """The ids of messages in dead letters that are of this site, time and, if one is given, address; their state
        is not known. They may be in the table as well."""

        def wanted(message: Message) -> bool:
            return (
                selection.site in (None, message.site)
                and selection.since <= message.received_at < selection.until
                and (address is None or listing.is_of(address, message.fields))
            )

        return dead_letters.ids_of(self.account.client("sqs"), self.stage, wanted)

    def erase_all(
        self, ids: Sequence[str], each: Callable[[str], None] = lambda message_id: None, *, letters_seen: bool = False
    ) -> tuple[Erased, ...]:
        """The same for many, whose letters are looked for once; those that are neither message nor letter are left
        out. ``each`` is told of each message that was deleted; ``letters_seen``: :meth:`in_letters` came just before.
        """
        ids = list(dict.fromkeys(ids))
        if not all(ids):
            raise OpsError("an id is empty: dead letters without a message would be taken for it")
        messages = self._archive.several(ids)
        # Letters first: as long as the message is there, whoever may not see them can be sent to somebody who may.
        with_letters = dead_letters.erase(self.account.client("sqs"), self.stage, ids, seen=letters_seen)
        for message in messages.values():
            erasure.delete(self._dynamodb, self.stage, message)
            each(message.listed.id)
        gone = [one for one in ids if one in messages or with_letters[one]]
        remaining = erasure.remaining(gone, messages, self.stage, self.account, self._sent_to, int(self._clock()))
        return tuple(Erased(one, with_letters[one], remaining[one]) for one in gone)

    def _replay_means(self) -> replays.ReplayDependencies:
        destined = AsynchronousDestined(
            cast("LambdaClient", Sdk(self.account.functions)), self.stage.function("destined")
        )
        store = ReplayTable(self._dynamodb, self.stage)
        return replays.ReplayDependencies(self.stage, store, destined, int(self._clock()))

    @cached_property
    def _archive(self) -> OperatorArchive:
        return OperatorArchive(self._dynamodb, self.stage, self._clock)

    @cached_property
    def _dynamodb(self) -> DynamoDBClient:
        return cast("DynamoDBClient", Sdk(self.account.dynamodb))
