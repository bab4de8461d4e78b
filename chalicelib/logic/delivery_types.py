"""What is known of a message and its channels, and what a run of ``destined`` works with. No rules: ``delivery.py``.

docs/delivery.md defines each state and action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from chalicelib.logic import message_kinds
from chalicelib.logic.message import Message
from chalicelib.logic.notification import Notification, Quota
from chalicelib.logic.ring_budget import RingBudget
from chalicelib.logic.spam import NOTHING_FOUND, HoldReason, RecentActivity, Verdict
from chalicelib.settings import DEFAULT_GIVE_UP_SECONDS, SITE_OF_PROGRAMS, Channel, Site

if TYPE_CHECKING:
    from chalicelib.logic.message_files import FileKeeper

SOURCE = "herald.contact"
"""The ``source`` of every result that is about a message."""
NOTIFICATION_SOURCE = "herald.notification"
"""The same for what a program published."""
NEVER = 0
"""The ``due_at`` of a message that the scheduled retry leaves alone."""
SUMMARY_PREFIX = "summary#"
"""Begins the id of a channel's summary of what its budget of rings left out; no message has such an id."""


class State(StrEnum):
    """What is known of one message on one channel."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    REJECTED = "rejected"
    """The provider refused it for good."""
    WAITING = "waiting"
    UNCERTAIN = "uncertain"
    EXPIRED = "expired"
    SUMMARIZED = "summarized"
    """The channel's budget of rings was spent: the next summary tells of it."""

    @property
    def is_final(self) -> bool:
        """Whether only a person's replay can change it."""
        return self in (State.DELIVERED, State.SUMMARIZED) or self.is_lost

    @property
    def is_lost(self) -> bool:
        """Whether the channel will never notify of it."""
        return self in (State.REJECTED, State.EXPIRED)


class Action(StrEnum):
    """How a run of ``destined`` ended, as the bus reports it."""

    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    UNCERTAIN = "uncertain"
    DUPLICATE = "duplicate"
    """It is held, as another message has the same content."""
    UNCHANGED = "unchanged"
    """This run changed nothing: the same message came again, it had ended before, or it was deleted meanwhile."""
    QUARANTINED = "quarantined"
    SUMMARIZED = "summarized"
    WAITING = "waiting"
    """A channel still can't deliver: how a retry, replay or release ends. The run of a new message raises instead."""
    REJECTED_PUBLICATION = message_kinds.REJECTED_PUBLICATION
    """What was published is not a valid message."""

    @classmethod
    def of_held(cls, reason: HoldReason) -> Action:
        """The action that reports a message held for this reason: the one of the same value."""
        return cls(reason)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The state of one message on one channel. Times are seconds since the epoch."""

    state: State = State.PENDING
    attempts: int = 0
    claimed_by: str = ""
    """The run that claimed the channel last."""
    claimed_until: int = 0
    """While ``sending``: when the claim ends. By then the claimant's call has ended too."""
    next_attempt_at: int = 0
    """While ``waiting`` or ``uncertain``: the earliest time of the next attempt."""
    reference: str = ""
    """The provider's id of what it accepted."""
    error: str = ""
    """The class of the last error; ``Interrupted`` where a run died."""
    since: int = 0
    """When this state began: by an attempt, a replay or a release from quarantine; 0 before the first of them."""

    @property
    def is_untouched(self) -> bool:
        """Whether nobody has tried, replayed or released it yet."""
        return self == Delivery()

    def needs_owner_decision(self, channel: Channel | None) -> bool:
        """Whether the owner must decide: the outcome is uncertain, and the channel doesn't retry that by itself."""
        return self.state is State.UNCERTAIN and channel is not None and not channel.retry_uncertain


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored about one message. Times are seconds since the epoch."""

    stored_by: str
    """The ``event_id`` of the invocation that stored it."""
    deliveries: Mapping[str, Delivery]
    """By the channel's name."""
    verdict: Verdict = NOTHING_FOUND
    due_at: int = NEVER
    """When the scheduled retry runs the message again."""
    replayed_at: int = 0
    """When a person last replayed it, from which its age counts; 0 for never."""

    @property
    def is_untouched(self) -> bool:
        """Whether no channel was tried, replayed or released yet."""
        return all(delivery.is_untouched for delivery in self.deliveries.values())

    @property
    def can_notify(self) -> bool:
        """Whether the owner was notified of the message, or still may be."""
        may_notify = any(not delivery.state.is_lost for delivery in self.deliveries.values())
        return may_notify and not self.verdict.hold_reason

    def held_as_duplicate_of(self, message_id: str) -> Record:
        """The record of a message that is held because ``message_id`` has the same content."""
        return replace(self, verdict=replace(self.verdict, hold_reason=HoldReason.DUPLICATE, duplicate_of=message_id))


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of ``destined``."""

    event_id: str
    """Lambda's request id: the same for all runs of one event, which Lambda retries and may deliver twice."""
    run_id: str
    """Another one for each run."""
    ends_at: int
    """The second at which Lambda ends this run, finished or not."""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What a run of ``destined`` reports about a message, or about a channel's summary of many."""

    message_id: str
    site: str
    action: Action
    channels: Mapping[str, State]
    verdict: Verdict = NOTHING_FOUND
    messages: int = 0
    """Of a summary: how many messages it tells of."""

    def as_json(self) -> dict[str, object]:
        """The JSON object that Lambda puts on the bus; docs/bus.md describes it."""
        verdict = self.verdict
        return {
            "source": source_of(self.site),
            "action": str(self.action),
            "message": {
                "id": self.message_id,
                "site": self.site,
                "channels": {name: str(state) for name, state in self.channels.items()},
                **({"signals": list(verdict.signals), "score": verdict.score} if verdict.signals else {}),
                **({"duplicate_of": verdict.duplicate_of} if verdict.duplicate_of else {}),
                **({"messages": self.messages} if self.messages else {}),
                **({"rejected": verdict.rejection} if verdict.rejection else {}),
            },
        }


def source_of(site: str) -> str:
    """The ``source`` of a result about a message of this site."""
    return NOTIFICATION_SOURCE if site == SITE_OF_PROGRAMS else SOURCE


class MessageStore(Protocol):
    """Stores messages and what became of them; raises :class:`~chalicelib.errors.StoreError` where it can't."""

    def add(self, message: Message, record: Record) -> Record | None:
        """Store a new message; if it is already stored, change nothing and return its record.

        Raises :class:`~chalicelib.errors.InvalidRequestError` where a notification's key was used for other content.
        """

    def remember_publication(self, publication: str, message_id: str) -> None:
        """Remember for some days which message the publication of this id became."""

    def find(self, message_id: str) -> tuple[Message, Record] | None:
        """A message and its record; None when either doesn't exist (any more)."""

    def find_record(self, message_id: str) -> Record | None:
        """A message's record alone, whose size no visitor chooses; None when it doesn't exist (any more)."""

    def replace_delivery(
        self, message_id: str, channel: str, before: Delivery, after: Delivery, due_at: int | None = None
    ) -> bool:
        """Replace one channel's delivery; return False, and change nothing, when it is no longer ``before``.

        Pass ``due_at`` with an outcome: it becomes the record's, and the outcome a line of its history. None, for a
        claim, changes neither.
        """

    def set_due_at(self, message_id: str, due_at: int) -> None:
        """Set when the scheduled retry runs the message again, or :data:`NEVER`; nothing else changes."""

    def hold(self, message_id: str, duplicate_of: str) -> None:
        """Hold a message as a duplicate: no channel is tried, and it is never due."""


class Summaries(Protocol):
    """Counts the messages over a channel's budget, until a summary reports them."""

    def add(self, channel: str, message_id: str, person_rank: int, now: int) -> None:
        """Count a message, and keep its id if there is room among those of its rank.

        ``person_rank`` is 0 to 2: how likely a person wrote it.
        """


class Notifier(Protocol):
    """Delivers a notification to the owner by one channel."""

    def notify(self, notification: Notification) -> str:
        """Deliver and return the provider's reference; raises a :class:`~chalicelib.errors.FunctionError`."""


class CheckingNotifier(Notifier, Protocol):
    """A notifier that can also check whether it could deliver."""

    @property
    def quota(self) -> Quota | None:
        """What the provider still takes, as its answer to the last delivery said; None where it said nothing."""

    def check(self, notification: Notification) -> Quota | None:
        """Check without delivering; raises the :class:`~chalicelib.errors.FunctionError` that a delivery would.

        Returns the remaining quota of the provider; None where there is none, or it is unknown.
        """


@dataclass(frozen=True, slots=True)
class DeliveryDependencies:
    """What a run works with, for the message's site."""

    site: Site | None
    """None for a site that has left the configuration since."""
    channels: Mapping[str, Channel]
    notifiers: Mapping[str, Notifier]
    store: MessageStore
    recent_activity: RecentActivity
    now: Callable[[], int]
    ring_budget: RingBudget
    summaries: Callable[[], Summaries]
    """Called only when a budget is spent, so that other runs don't load it."""
    give_up_seconds: int = DEFAULT_GIVE_UP_SECONDS
    """The age at which a message is not tried any more."""
    on_recorded: Callable[[Message, str, Delivery], None] = lambda message, channel, delivery: None
    """Called with each outcome of a channel, once it is recorded."""
    stage_name: str = ""
    """For the command that shows a message whole."""
    inbox_link: Callable[[str, Message], str] = lambda channel, message: ""
    """Returns the address that opens a message in the inbox, for a channel; empty where it has none."""
    file_keeper: Callable[[], FileKeeper | None] = lambda: None
    """Makes what keeps a message's files and has them examined; None where the stage takes none."""
