"""Fakes of Herald's interfaces, named after their behaviour, and a container made of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from chalicelib.adapters.secrets import Secrets
from chalicelib.composition import Container, Topic
from chalicelib.errors import AlarmError, HeraldError, InvalidRequestError, PublishError, SecretsError, StoreError
from chalicelib.logic.captcha_verdict import Verify
from chalicelib.logic.delivery_types import Delivery, DeliveryDependencies, MessageStore, Notifier, Record, State
from chalicelib.logic.failure_alarm import LEASE, AlarmLog, Turn
from chalicelib.logic.message import Message
from chalicelib.logic.notification import Notification, Quota
from chalicelib.logic.replay import ReplayUpdate
from chalicelib.logic.retry_due import Destined, DueMessages
from chalicelib.logic.spam import HoldReason, RecentActivity
from chalicelib.logic.stored_messages import Archive, Page, Position, StoredMessage, Wanted
from chalicelib.settings import SITE_OF_PROGRAMS, Channel, Limits, Notifications, Site, Spam, Stage

NOW = 1_767_225_600
"""2026-01-01T00:00:00Z, the time in every test."""
FUNCTION_ARN = "arn:aws:lambda:eu-central-1:123456789012:function:herald-local"


@dataclass
class Context:
    """The context object that Lambda passes to a function together with the event."""

    aws_request_id: str = "request-1"
    function_name: str = "herald-local"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = FUNCTION_ARN
    remaining: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining


def channel(name: str = "pushover", *, retry_uncertain: bool = True, pause: int = 5) -> Channel:
    return Channel(name, "pushover", retry_uncertain, pause, "https://api.pushover.net")


def mail_channel(name: str = "email", **options: str | tuple[str, ...]) -> Channel:
    found: dict[str, str | tuple[str, ...]] = {
        "from": "Herald <herald@example.com>",
        "from_address": "herald@example.com",
        "to": ("owner@example.org",),
        "configuration_set": "",
        "identities": ("example.com",),
    }
    return Channel(name, "email", True, 5, "", found | options)


EVERYWHERE = {"api_handler", "destined", "retry_due", "get_message", "list_messages", "on_success", "on_failure"}
"""The functions of every stage, regardless of its configuration."""
LIMITS = Limits(body_bytes=64 * 1024, field_count=50, field_bytes=10 * 1024)
"""The limits in the shipped ``herald.toml``."""
LONGEST = {"source": 200, "name": 200, "email": 254, "subject": 200, "message": 10_240}
"""The length limits of a site that sets no ``longest``."""


def site(
    name: str = "default",
    *channels: str,
    required: tuple[str, ...] = ("message",),
    thanks: str = "https://www.example.com/thanks.html",
    origins: tuple[str, ...] = ("https://www.example.com",),
    without_origin: bool = True,
    null_origin: bool = False,
    language: str = "en",
    longest: Mapping[str, int] | None = None,
    duplicate_seconds: int = 600,
    spam: Spam | None = None,
) -> Site:
    return Site(
        name=name,
        thanks=thanks,
        channels=channels or ("pushover",),
        required=required,
        retention_days=365,
        origins=origins,
        without_origin=without_origin,
        null_origin=null_origin,
        language=language,
        longest=LONGEST | dict(longest or {}),
        duplicate_seconds=duplicate_seconds,
        spam=spam or Spam(),
    )


def stage(
    name: str = "dev", *, channels: tuple[str, ...] = ("pushover",), hint: str = "", limits: Limits = LIMITS
) -> Stage:
    """Return a stage with one site. Without ``channels`` it notifies nobody."""
    return Stage(
        name,
        {"default": site()._replace(channels=channels)},
        {one: channel(one) for one in channels},
        limits,
        hint=hint,
        notifications=Notifications(channels),
    )


def mailing_stage(*channels: Channel, name: str = "dev") -> Stage:
    """Return a stage with one site that has only channels of kind ``email``."""
    found = {one.name: one for one in channels or (mail_channel(),)}
    return stage(name)._replace(sites={"default": site()._replace(channels=tuple(found))}, channels=found)


def message(message_id: str = "11111111-1111-4111-8111-111111111111", site: str = "default", **fields: str) -> Message:
    return Message(message_id, site, NOW, fields or {"message": "Hello"})


class Clock:
    """A clock that changes only when a test sets ``now``."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def identity(delivery: Delivery) -> tuple[State, int, str]:
    """Return the fields that a conditional write compares."""
    return delivery.state, delivery.attempts, delivery.claimed_by


@dataclass
class InMemoryMessages:
    """A message store with the same conditional writes as the real one. ``journal`` has every successful change."""

    records: dict[str, Record] = field(default_factory=dict)
    kept: dict[str, Message] = field(default_factory=dict)
    journal: list[tuple[str, State, State]] = field(default_factory=list)
    before_change: Callable[[str, Delivery, Delivery], None] = lambda channel, before, after: None
    """Called before each change. A test can raise here, or make a competing change."""
    before_revival: Callable[[], None] = lambda: None
    """Called before a replay's write, in the same way."""

    links: dict[str, str] = field(default_factory=dict)
    """The messages that publications became."""

    def add(self, message: Message, record: Record) -> Record | None:
        if message.id in self.records:
            if message.site == SITE_OF_PROGRAMS and message.fields != self.kept[message.id].fields:
                raise InvalidRequestError("key: was used before", key="key")
            return self.records[message.id]
        # The table stores neither sender nor proof nor captcha.
        self.kept[message.id] = replace(message, sender_hash="", solved_challenge="", captcha="")
        self.records[message.id] = record
        return None

    def remember_publication(self, publication: str, message_id: str) -> None:
        self.links[publication] = message_id

    def hold(self, message_id: str, duplicate_of: str) -> None:
        record = self.records[message_id]
        verdict = replace(record.verdict, hold_reason=HoldReason.DUPLICATE, duplicate_of=duplicate_of)
        self.records[message_id] = replace(record, verdict=verdict, due_at=0)

    def find(self, message_id: str) -> tuple[Message, Record] | None:
        if message_id not in self.records:
            return None
        return self.kept[message_id], self.records[message_id]

    def find_record(self, message_id: str) -> Record | None:
        return self.records.get(message_id)

    def replace_delivery(
        self, message_id: str, channel: str, before: Delivery, after: Delivery, due_at: int | None = None
    ) -> bool:
        self.before_change(channel, before, after)
        if self.records[message_id].deliveries[channel] != before:
            return False
        self.put(message_id, channel, after)
        if due_at is not None:
            self.set_due_at(message_id, due_at)
        self.journal.append((channel, before.state, after.state))
        return True

    def apply(self, message_id: str, update: ReplayUpdate) -> bool:
        self.before_revival()
        record = self.records[message_id]
        known = {name: identity(record.deliveries[name]) for name in update.before}
        if known != {name: identity(before) for name, before in update.before.items()}:
            return False
        if record.verdict.hold_reason is not update.hold_reason:
            return False
        self.records[message_id] = replace(
            record,
            deliveries={**record.deliveries, **update.after},
            verdict=replace(record.verdict, hold_reason=None),
            due_at=update.due_at,
            replayed_at=update.at,
        )
        return True

    def set_due_at(self, message_id: str, due_at: int) -> None:
        self.records[message_id] = replace(self.records[message_id], due_at=due_at)

    def put(self, message_id: str, channel: str, delivery: Delivery) -> None:
        record = self.records[message_id]
        self.records[message_id] = replace(record, deliveries={**record.deliveries, channel: delivery})


class InMemoryArchive:
    """Returns the messages that it was given, and records each request."""

    def __init__(self, *messages: StoredMessage) -> None:
        self._messages = {message.listed.id: message for message in messages}
        self.asked: list[str | Wanted] = []

    def get(self, message_id: str) -> StoredMessage | None:
        self.asked.append(message_id)
        return self._messages.get(message_id)

    def page(self, wanted: Wanted) -> Page:
        self.asked.append(wanted)
        listed = tuple(one.listed for one in self._messages.values() if one.listed.site == wanted.site)[: wanted.limit]
        return Page(listed, Position(listed[-1].received_at, listed[-1].id) if listed else None)


class UnreachableArchive:
    """Fails on every request."""

    def get(self, message_id: str) -> StoredMessage | None:
        raise StoreError("ProvisionedThroughputExceededException")

    def page(self, wanted: Wanted) -> Page:
        raise StoreError("ProvisionedThroughputExceededException")


class InMemoryRecent:
    """Remembers recent senders and contents for as long as each call asks."""

    def __init__(self) -> None:
        self.firsts: dict[str, tuple[str, int]] = {}
        self.senders: dict[str, set[tuple[int, str]]] = {}

    def count(self, sender: str, message_id: str, at: int, seconds: int, most: int) -> int:
        members = self.senders.setdefault(sender, set())
        members.add((at, message_id))
        return len({one for time, one in members if at - seconds < time <= at})

    def claim_first(self, what: str, message_id: str, at: int, seconds: int) -> str:
        there, came_at = self.firsts.get(what, (message_id, at))
        if there != message_id and abs(came_at - at) < seconds:
            return there
        if at >= came_at:
            self.make_first(what, message_id, at, seconds)
        return message_id

    def make_first(self, what: str, message_id: str, at: int, seconds: int) -> None:
        self.firsts[what] = (message_id, at)


class InMemoryAlarms:
    """Remembers in memory until when the owner is not notified. One run at a time."""

    def __init__(self) -> None:
        self.quiet_until = 0
        self.waiting = 0
        self.unheard: str | None = None

    def failed(self, event: str, now: int) -> Turn | None:
        if now >= self.quiet_until:
            return self._begin(now, event)
        if self.unheard == event:
            raise AlarmError
        self.waiting += 1
        return None

    def unreported(self, now: int) -> Turn | None:
        if now >= self.quiet_until and self.waiting:
            return self._begin(now, "")
        if self.unheard is not None and self.waiting:
            raise AlarmError
        return None

    def told(self, turn: Turn, quiet_until: int) -> None:
        self.quiet_until, self.waiting, self.unheard = quiet_until, self.waiting - turn.counted, None

    def reached_nobody(self, turn: Turn, quiet_until: int) -> None:
        self.quiet_until, self.unheard = quiet_until, turn.event

    def _begin(self, now: int, event: str) -> Turn:
        self.quiet_until = now + LEASE
        return Turn(uuid.uuid4().hex, self.waiting, event)


class Key:
    """The stage's key, already set."""

    def __init__(self, key: str = "0123456789abcdef" * 4) -> None:
        self._key = key

    def read(self) -> dict[str, str]:
        return {"key": self._key}

    def forget(self) -> None:
        """Do nothing, as the key never changes."""


class MissingKey:
    """A key that has not been set."""

    def read(self) -> dict[str, str]:
        raise SecretsError("not set in Parameter Store: /herald/dev/spam/key")

    def forget(self) -> None:
        """Do nothing, as no key was read."""


class RecordingNotifier:
    """Records each notification. Raises the same error as a notifier's function for an invalid one."""

    quota: Quota | None = None

    def __init__(self, reference: str = "ref-1", quota: Quota | None = None) -> None:
        self.delivered: list[Notification] = []
        self.checked: list[Notification] = []
        self._reference = reference
        self._quota = quota

    def notify(self, notification: Notification) -> str:
        self.delivered.append(Notification.from_request(notification.as_request()))
        return self._reference

    def check(self, notification: Notification) -> Quota | None:
        self.checked.append(Notification.from_request(notification.as_request()))
        return self._quota


class RefusingNotifier:
    """Raises each of its errors in turn, then the last one for ever."""

    quota: Quota | None = None

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.calls = 0

    def notify(self, notification: Notification) -> str:
        self.calls += 1
        raise self._errors.pop(0) if len(self._errors) > 1 else self._errors[0]

    def check(self, notification: Notification) -> Quota | None:
        self.notify(notification)
        return None


class RecoveringNotifier(RecordingNotifier):
    """Raises each of its errors in turn, then delivers."""

    def __init__(self, *errors: HeraldError) -> None:
        super().__init__()
        self._errors = list(errors)

    def notify(self, notification: Notification) -> str:
        if self._errors:
            raise self._errors.pop(0)
        return super().notify(notification)

    def check(self, notification: Notification) -> Quota | None:
        if self._errors:
            raise self._errors.pop(0)
        return super().check(notification)


@dataclass(frozen=True)
class Published:
    text: str
    site: str
    kind: str
    function_arn: str


SNS_LIMIT = 262_144
"""Bytes of a message with its attributes: https://docs.aws.amazon.com/general/latest/gr/sns.html"""


class RecordingTopic:
    """Records each message that SNS would accept. A message that SNS would refuse fails the test."""

    def __init__(self) -> None:
        self.published: list[Published] = []

    def publish(self, text: str, *, site: str, kind: str, function_arn: str) -> None:
        size = sum(len(each.encode()) for each in (text, "site", "String", site, "kind", "String", kind))
        assert text, "SNS takes no empty message"
        assert site, "SNS takes no empty attribute"
        assert kind, "SNS takes no empty attribute"
        assert size <= SNS_LIMIT
        self.published.append(Published(text, site, kind, function_arn))


class RefusingTopic:
    """Refuses every message."""

    def __init__(self, reason: str = "Throttled") -> None:
        self._reason = reason

    def publish(self, text: str, *, site: str, kind: str, function_arn: str) -> None:
        raise PublishError(self._reason)


class UnlimitedRings:
    """A budget that always has a ring."""

    def take(self, channel: Channel, person_rank: int, now: int) -> bool:
        return True

    def take_for_summary(self, channel: Channel, now: int, *, early: bool) -> int:
        return 0

    def slow_down(self, channel: Channel, quota: Quota, now: int) -> None:
        pass


class SpentRings(UnlimitedRings):
    """A budget that is spent; ``asked`` has the channel and the rank of each message for which a ring was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def take(self, channel: Channel, person_rank: int, now: int) -> bool:
        self.asked.append((channel.name, person_rank))
        return False


class ForgetfulSummaries:
    """Summaries that count nothing."""

    def add(self, channel: str, message_id: str, person_rank: int, now: int) -> None:
        """Do nothing."""


def without_budget(
    site: Site | None,
    channels: Mapping[str, Channel],
    notifiers: Mapping[str, Notifier],
    store: MessageStore,
    recent_activity: RecentActivity,
    now: Callable[[], int],
    **more: Any,
) -> DeliveryDependencies:
    """What a run works with where nothing is limited, so that no summary is ever asked for."""

    def unexpected() -> NoReturn:
        raise AssertionError("no ring was refused")

    return DeliveryDependencies(
        site, channels, notifiers, store, recent_activity, now, UnlimitedRings(), unexpected, **more
    )


class FakeContainer(Container):
    """A container of fakes.

    It has an empty environment, so using a part that the test didn't pass fails.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        topic: Topic | None = None,
        messages: MessageStore | None = None,
        archive: Archive | None = None,
        recent: RecentActivity | None = None,
        key: Secrets | None = None,
        alarm_log: AlarmLog | None = None,
        due_messages: DueMessages | None = None,
        destined: Destined | None = None,
        notifiers: Mapping[str, Notifier] | None = None,
        providers: Mapping[str, Notifier] | None = None,
        captcha_services: Mapping[str, Verify] | None = None,
        dynamodb: Any = None,
        now: int = NOW,
    ) -> None:
        super().__init__({})
        given = {
            "topic": topic,
            "messages": messages,
            "archive": archive,
            # Few tests need earlier messages, so by default there are none.
            "recent_activity": recent or InMemoryRecent(),
            "spam_key_secret": key,
            "alarm_log": alarm_log,
            "due_messages": due_messages,
            "destined": destined,
            "notifiers": notifiers,
            "_provider_notifiers": providers,
            "_captcha_services": captcha_services,
            "_dynamodb": dynamodb,
        }
        # A cached property of the parent class returns the value in ``__dict__`` and creates nothing.
        self.__dict__.update(
            {"stage": stage, "ring_budget": UnlimitedRings()}
            | {name: fake for name, fake in given.items() if fake is not None}
        )
        self._now = now

    def now(self) -> int:
        return self._now
