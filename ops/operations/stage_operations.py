"""What an operator can do with the messages of one stage: a facade over the other modules and their clients."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, cast

from chalicelib.adapters.aws.botocore_client import Sdk
from chalicelib.adapters.destined_runs import AsynchronousDestined
from chalicelib.adapters.inbox_sessions import SessionTable
from chalicelib.adapters.marks_and_erasure import MarkTable
from chalicelib.adapters.replays import ReplayTable
from chalicelib.logic import message_kinds, published_notification
from chalicelib.logic.delivery_types import State
from chalicelib.logic.inbox_sessions import OpenSession
from chalicelib.logic.message import Message
from chalicelib.logic.message_pages import Listing, Selection, page
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.recorded_timeline import Trace, trace_of_table
from chalicelib.logic.replay import Replayed
from chalicelib.logic.retry_schedule import LAMBDA_ATTEMPTS
from chalicelib.logic.stored_messages import ListedMessage, Marked, OwnerMark, StoredMessage
from chalicelib.settings import SITE_OF_PROGRAMS, Stage
from ops.aws.account import Account
from ops.errors import OpsError
from ops.operations import copies_after_erasure, dead_letters, listing, message_files, short_ids
from ops.operations.copies_after_erasure import Erased
from ops.operations.listing import OperatorArchive
from ops.operations.message_files import Fetched
from ops.operations.redrive import RedriveResult, redrive
from ops.operations.replay import ReplayDependencies, again
from ops.operations.trace import full_trace

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_lambda import LambdaClient


class Operations:
    """What an operator can do with the messages of one stage."""

    def __init__(
        self, stage: Stage, account: Account, clock: Callable[[], float] = time.time, sent_to: Sequence[str] = ()
    ) -> None:
        """``sent_to`` holds the targets of the owner's own rules and subscribers, which may have copies of messages."""
        self.stage = stage
        self.account = account
        self._clock = clock
        self._sent_to = tuple(sent_to)

    # Read: changes nothing.

    def page(self, selection: Selection) -> Listing:
        """A page of messages, newest first: one query of at most 50 items for each site.

        Raises :class:`~chalicelib.errors.InvalidRequestError` for a limit, times or a cursor that don't fit, and
        :class:`~chalicelib.errors.StoreError` where the table doesn't answer.
        """
        return page(self._archive, self.stage.site_names, selection)

    def every(self, selection: Selection) -> Iterator[ListedMessage]:
        """All selected messages, read page by page as they are needed; ``limit`` and ``cursor`` are ignored."""
        return listing.every(self._archive, self.stage.site_names, selection)

    def get(self, message_id: str) -> StoredMessage | None:
        """A whole message, also by the id of its publication; None where there is none with this id."""
        return self._archive.get(message_id)

    def whole_ids(self, typed: Sequence[str]) -> list[str]:
        """The whole ids for typed ids or their first characters, searched among the newest messages of all sites.

        A text that no id begins with is returned unchanged, as logs and dead letters may know it. Raises
        :class:`~ops.errors.OpsError` where several ids begin with a text.
        """
        return short_ids.whole_ids(
            typed, lambda text: self.get(text) is not None, lambda: islice(self.every(Selection()), short_ids.NEWEST)
        )

    def several(self, ids: Sequence[str]) -> dict[str, StoredMessage]:
        """Whole messages by their ids; those that don't exist are left out. One BatchGetItem for each hundred."""
        return self._archive.several(ids)

    def fields_of(self, ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """What visitors typed in messages, by their ids, 100 at most: one BatchGetItem."""
        return self._archive.fields_of(ids)

    def whole(self, selection: Selection) -> Iterator[StoredMessage]:
        """All selected messages with what visitors typed: needs one BatchGetItem more for each hundred.

        Where no site is selected, also those of sites that have left ``herald.toml`` (docs/decisions/0059).
        """
        sites = {*self.stage.site_names, *self._archive.sites()} if selection.site is None else self.stage.site_names
        return listing.whole(self._archive, listing.every(self._archive, sorted(sites), selection))

    def of_address(self, address: str, selection: Selection) -> Iterator[StoredMessage]:
        """The selected messages with a field that is this e-mail address (docs/decisions/0024). Reads all selected."""
        return (message for message in self.whole(selection) if listing.is_of(address, message.fields))

    def files(self, message: StoredMessage) -> Iterator[Fetched]:
        """The files that came with a message, as they were sent; raises :class:`~ops.errors.OpsError` for one that was
        changed since."""
        return message_files.fetch(self.account, self.stage, message)

    def file(self, message: StoredMessage, number: int) -> bytes | None:
        """One of them, counted from 1; None where the bucket has it no more."""
        return message_files.read(self.account, self.stage, message, number)

    def trace(self, message_id: str, *, logs: bool = True) -> Trace:
        """The message's timeline. Without ``logs`` it reads one item, and has no outcomes and targets."""
        message = self.get(message_id)
        message_id = message.listed.id if message else message_id
        if not logs:
            return trace_of_table(message_id, message)
        return full_trace(message_id, message, self.stage, self.account, self._clock())

    # Change: docs/delivery.md.

    def notify(self, notification: Mapping[str, object]) -> str:
        """Publish a notification (docs/notify.md); returns the id by which it is looked up.

        Raises :class:`~chalicelib.errors.InvalidRequestError` for one that would be rejected, save for a key that was
        used for other content.
        """
        text = json.dumps(notification, ensure_ascii=False)
        published_notification.read(text, "", int(self._clock()), self.stage)
        attributes = {"kind": message_kinds.KIND_NOTIFICATION, "site": SITE_OF_PROGRAMS}
        answer = self.account.sns.publish(
            TopicArn=self.account.where.arn("sns", self.stage.topic),
            Message=text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )
        return answer["MessageId"]

    def replay(self, message_id: str) -> Replayed:
        """Try every channel now that has not delivered and has no attempt in progress. The message's age starts anew.

        Raises :class:`~ops.errors.OpsError` where there is no such message, or where it is held: use :meth:`release`.
        """
        return again(self.get(message_id), message_id, self._replay_dependencies(), held=False)

    def release(self, message_id: str) -> Replayed:
        """Release a message that is held, in quarantine or as a duplicate, and have it delivered.

        Raises :class:`~ops.errors.OpsError` where there is no such message, or where it isn't held.
        """
        return again(self.get(message_id), message_id, self._replay_dependencies(), held=True)

    def mark(self, message_id: str, mark: OwnerMark) -> None:
        """Hold a message as spam, mark it as answered, or take that mark away.

        Raises :class:`~ops.errors.OpsError` where there is no such message, or where what is to be held is already.
        """
        if self._marks.mark(message_id, Marked(mark, int(self._clock()))):
            return
        if mark is OwnerMark.SPAM:
            raise OpsError(f"there is no message {message_id} in stage {self.stage.name} that is not held already")
        raise OpsError(short_ids.no_message(message_id, self.stage))

    def inbox_sessions(self, channel: str = "") -> dict[str, list[OpenSession]]:
        """The browsers in which the inbox in the pocket is open, of each channel or of one, the newest first.

        Raises :class:`~ops.errors.OpsError` for a channel without links, or a stage without an inbox.
        """
        names, now = self.stage.inbox_channels, self._clock()
        if not names:
            raise OpsError(f"stage {self.stage.name} has no inbox in the pocket: set inbox = true of it, and deploy")
        if channel and channel not in names:
            raise OpsError(f"channel {channel} carries no links to the inbox; these do: {', '.join(names)}")
        return {
            name: [session for session in self._sessions.sessions(name) if session.ends_at > now]
            for name in ((channel,) if channel else names)
        }

    def end_inbox_sessions(self, channel: str = "") -> int:
        """End the sessions and links so far of each channel, or of one; returns how many sessions."""
        now = int(self._clock())
        return sum(self._sessions.end_all(name, now) for name in self.inbox_sessions(channel))

    def failed(self, since: int, site: str | None = None) -> Iterator[ListedMessage]:
        """The messages that were not delivered and have no attempt in progress: undeliverable, uncertain and held, or
        waiting after Lambda's own attempts."""
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
        """Invoke ``destined`` again with the events of dead letters (docs/delivery.md)."""
        now = int(self._clock())
        return redrive(self.account.client("sqs"), self.account.functions, self.stage, now)

    def in_letters(self, address: str | None, selection: Selection) -> list[str]:
        """The ids of messages in dead letters of the selection's site and times and, if given, of this address.

        A dead letter has no state. The messages may be in the table as well.
        """

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
        """Delete messages and the dead letters that hold them; returns what was erased and which copies remain.

        Ids without a message or letter are left out. ``each`` is called with the id of each deleted message.
        ``letters_seen`` means that :meth:`in_letters` was called just before.
        """
        ids = list(dict.fromkeys(ids))
        if not all(ids):
            raise OpsError("an id is empty, and would match dead letters without a message")
        messages = self._archive.several(ids)
        # Letters first: where they may not be read, nothing is erased, and somebody else can run this again.
        with_letters = dead_letters.erase(self.account.client("sqs"), self.stage, ids, seen=letters_seen)
        without_record = set()
        for message_id in ids:
            if message_id in messages:
                # First, so that an erasure that was interrupted can be repeated.
                if messages[message_id].files:
                    message_files.delete(self.account, self.stage, messages[message_id])
                self._marks.erase(messages[message_id])
                each(message_id)
            elif self._marks.erase_fields(message_id):
                without_record.add(message_id)
        found = messages.keys() | without_record | {each for each, number in with_letters.items() if number}
        erased = [message_id for message_id in ids if message_id in found]
        remaining = copies_after_erasure.remaining(
            erased, messages, self.stage, self.account, self._sent_to, int(self._clock())
        )
        return tuple(Erased(message_id, with_letters[message_id], remaining[message_id]) for message_id in erased)

    def _replay_dependencies(self) -> ReplayDependencies:
        destined = AsynchronousDestined(
            cast("LambdaClient", Sdk(self.account.functions)), self.stage.function("destined")
        )
        store = ReplayTable(self._dynamodb, self.stage)
        return ReplayDependencies(self.stage, store, destined, int(self._clock()))

    @cached_property
    def _sessions(self) -> SessionTable:
        return SessionTable(self._dynamodb, self.stage.table)

    @cached_property
    def _marks(self) -> MarkTable:
        return MarkTable(self._dynamodb, self.stage.table, self._clock)

    @cached_property
    def _archive(self) -> OperatorArchive:
        return OperatorArchive(self._dynamodb, self.stage, self._clock)

    @cached_property
    def _dynamodb(self) -> DynamoDBClient:
        return cast("DynamoDBClient", Sdk(self.account.dynamodb))
