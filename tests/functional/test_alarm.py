"""``on_failure`` and ``retry_due`` telling the owner; and the item that keeps it from being told too often."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
from chalice.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.aws import ServiceError
from chalicelib.adapters.last_alarm import AlarmItem
from chalicelib.composition import override_container
from chalicelib.errors import AlarmError, ChannelUnavailableError, ChannelUncertainError, FunctionError, StoreError
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.failure_alarm import LEASE, QUIET, Turn
from chalicelib.logic.notification import Notification
from chalicelib.logic.retry_due import DueMessage
from chalicelib.settings import Stage
from tests.dynamodb import LocalTable
from tests.fakes import (
    NOW,
    FakeContainer,
    InMemoryAlarms,
    InMemoryMessages,
    RecordingNotifier,
    RefusingNotifier,
    message,
)

TABLE = "herald-dev-messages"


class Killed(BaseException):
    """What Lambda does to a run: no ``except`` of Herald's sees it."""


class NothingDue:
    """Knows of no message that waits."""

    def find_due(self, now: int, most: int) -> list[DueMessage]:
        return []

    def set_due_at(self, message_id: str, due_at: int) -> None:
        raise AssertionError("nothing was due")


class NobodyRuns:
    """Must not be asked to run anything."""

    def run(self, message: DueMessage) -> None:
        raise AssertionError("nothing was due")


class World:
    """Everything around ``on_failure`` and ``retry_due``, in a stage that tells its owner by ``channels``."""

    def __init__(self, client: Client, local: Stage, event: dict[str, Any]) -> None:
        self.event = event
        self.log: Any = InMemoryAlarms()
        self.channels: tuple[str, ...] = ("email",)
        self.messages = InMemoryMessages()
        self.mail = RecordingNotifier()
        self.told = self.mail.delivered
        self.notifiers: dict[str, Any] = {"email": self.mail}
        self._client, self._local, self._ids = client, local, count()

    def fails(self, now: int = NOW, event: str = "") -> None:
        """Have ``on_failure`` hear of a failure: one of its own, or that of the event with this id."""
        self._invoke("on_failure", self.event | {"id": event or f"own-{next(self._ids)}"}, now)

    def retries(self, now: int) -> None:
        """Let the scheduled retry come."""
        event = self._client.events.generate_cw_event("aws.events", "Scheduled Event", {}, [])
        self._invoke("retry_due", event, now)

    def _invoke(self, function: str, event: dict[str, Any], now: int) -> None:
        container = FakeContainer(
            self._local._replace(alarm_channels=self.channels),
            messages=self.messages,
            notifiers=self.notifiers,
            alarm_log=self.log,
            due_messages=NothingDue(),
            destined=NobodyRuns(),
            now=now,
        )
        with override_container(container):
            self._client.lambda_.invoke(function, event)


@pytest.fixture
def event(root: Path) -> dict[str, Any]:
    """A failure as Lambda puts it on the bus."""
    found: dict[str, Any] = json.loads((root / "tests/contract/samples/failure.json").read_text(encoding="utf-8"))
    kind = {"kind": {"Type": "String", "Value": "contact"}}
    sns = {"MessageId": "sns-1", "Message": message("id-1", message="MARKER").serialize(), "MessageAttributes": kind}
    found["detail"]["requestPayload"] = {"Records": [{"Sns": sns}]}
    return found


@pytest.fixture
def world(client: Client, local: Stage, event: dict[str, Any]) -> World:
    return World(client, local, event)


@pytest.fixture
def table() -> LocalTable:
    return LocalTable(TABLE)


@pytest.fixture
def item(table: LocalTable) -> AlarmItem:
    return AlarmItem(table, TABLE)  # type: ignore[arg-type]


def test_the_first_failure_is_told_at_once_and_those_after_it_together(world: World) -> None:
    for seconds in range(4):
        world.fails(NOW + seconds)
    (told,) = world.told
    assert told.message.splitlines() == [
        "A message is not delivered: RetriesExhausted.",
        "It is stored. Channels that still wait are tried again.",
        "Message id-1",
    ]
    world.fails(NOW + QUIET)
    assert len(world.told) == 2
    assert "3 more since the last alarm." in world.told[1].message
    assert not any("MARKER" in told.message + told.title for told in world.told)


def test_what_was_rejected_is_logged_and_rings_nobody(world: World, log: Any) -> None:
    result = {"source": "herald.notification", "action": "rejected", "message": {"id": "sns-1"}}
    world.event["detail"] |= {"requestContext": {"condition": "Success"}, "responsePayload": result}
    world.fails()
    line = log.line("Notification rejected")
    assert (line["level"], line["message_id"]) == ("WARNING", "sns-1")
    assert world.told == []
    assert (world.log.waiting, world.log.quiet_until) == (0, 0)


def test_what_nobody_has_told_the_scheduled_retry_tells(world: World) -> None:
    for _ in range(3):
        world.fails()
    for now in (NOW + QUIET - 1, NOW + QUIET, NOW + QUIET + 1):
        world.retries(now)
    assert [told.message for told in world.told[1:]] == [
        "2 more failures since the last alarm. Channels that still wait are tried again."
    ]


def test_the_alarm_goes_by_a_channel_that_did_not_fail_itself(world: World) -> None:
    phone = RecordingNotifier()
    world.channels, world.notifiers["pushover"] = ("pushover", "email"), phone
    world.messages.add(message("id-1"), Record("request-1", {"pushover": Delivery(State.WAITING, 3)}))
    world.fails()
    assert (len(phone.delivered), len(world.told)) == (0, 1)


def test_an_alarm_that_nobody_took_is_an_error_and_lambdas_retry_tells_it(world: World) -> None:
    world.notifiers["email"] = RefusingNotifier(ChannelUnavailableError("down"))
    with pytest.raises(ChannelUnavailableError):
        world.fails(NOW, "1")
    world.notifiers["email"] = world.mail
    world.fails(NOW + 60, "1")
    (told,) = world.told
    assert "more since" not in told.message


def test_each_alarm_has_an_id_of_its_own_and_lambdas_retry_that_of_its_event(world: World) -> None:
    """By it a receiver of webhooks drops what it knows: one message can fail twice, a retry may tell of more."""

    class StoredAndFailed(RecordingNotifier):
        def notify(self, notification: Notification) -> NoReturn:
            super().notify(notification)
            raise ChannelUnavailableError("HTTP 502")

    owner = StoredAndFailed()
    world.notifiers = {"email": owner}
    # An event of this message, and how many were counted when it came.
    for at, (event, counted) in enumerate([("1", 0), ("1", 0), ("2", 0), ("2", 3)]):
        world.log.waiting = counted
        with pytest.raises(ChannelUnavailableError):
            world.fails(NOW + at * QUIET, event)
    for at in (4, 5):
        with pytest.raises(ChannelUnavailableError):
            world.retries(NOW + at * QUIET)
    first, again, *others = [told.id for told in owner.delivered]
    assert first == again
    assert len({first, *others}) == 5


@pytest.mark.parametrize(("wait", "tries"), [(None, [True, True, True]), (3600, [True, False, False])])
@pytest.mark.parametrize("function", ["on_failure", "retry_due"])
def test_where_no_channel_works_every_attempt_of_lambdas_fails_also_those_that_ask_no_provider(
    world: World, item: AlarmItem, function: str, wait: int | None, tries: list[bool]
) -> None:
    """So the event becomes a letter, and the alarm ``retry_due-errors`` sounds, of both of which CloudWatch mails."""
    world.log = item
    for _ in range(2):
        world.fails()
    world.notifiers["email"] = broken = RefusingNotifier(ChannelUnavailableError("token revoked", retry_after=wait))
    run = partial(world.fails, event="1") if function == "on_failure" else world.retries
    tried = []
    for seconds in (0, 60, 180):
        before = broken.calls
        with pytest.raises((ChannelUnavailableError, AlarmError)):
            run(NOW + QUIET + seconds)
        tried.append(broken.calls > before)
    assert tried == tries
    world.notifiers["email"] = world.mail
    world.retries(NOW + QUIET + 4000)
    assert world.told[1].message.startswith("1 more failures"), "what became a letter is not counted"


def test_what_was_counted_outlives_a_run_that_was_killed(world: World, item: AlarmItem) -> None:
    class Hanging(RecordingNotifier):
        def notify(self, notification: Notification) -> NoReturn:
            raise Killed

    world.log = item
    for _ in range(3):
        world.fails()
    world.notifiers["email"] = Hanging()
    with pytest.raises(Killed):
        world.retries(NOW + QUIET)
    world.notifiers["email"] = world.mail
    for seconds in (LEASE - 1, LEASE, LEASE + 1):
        world.retries(NOW + QUIET + seconds)
    assert [told.message.partition(".")[0] for told in world.told[1:]] == ["2 more failures since the last alarm"]


def test_a_table_that_can_not_be_read_forgets_no_failure(world: World) -> None:
    world.log.waiting = 7

    class Unreadable(InMemoryMessages):
        def find_record(self, message_id: str) -> NoReturn:
            raise StoreError("Throttled")

    readable, world.messages = world.messages, Unreadable()
    with pytest.raises(StoreError):
        world.fails(NOW, "1")
    world.messages = readable
    world.fails(NOW + 60, "1")
    (told,) = world.told
    assert "7 more since the last alarm." in told.message


def test_a_stage_without_alarm_channels_asks_for_nothing(client: Client, local: Stage, event: dict[str, Any]) -> None:
    """A composition without table and notifiers would fail if it were asked for one."""
    with override_container(FakeContainer(local)):
        client.lambda_.invoke("on_failure", event)


# The item


def told(item: AlarmItem, turn: Turn | None, now: int) -> int:
    """How many failures a turn reports, once it is over."""
    assert turn is not None
    item.told(turn, now + QUIET)
    return turn.counted


def test_a_failure_after_a_quiet_time_is_told_with_those_within_it(item: AlarmItem) -> None:
    assert told(item, item.failed("0", NOW), NOW) == 0
    assert [item.failed(f"{at}", NOW + at) for at in (1, QUIET - 1)] == [None, None]
    assert told(item, item.failed("3", NOW + QUIET), NOW + QUIET) == 2
    assert item.failed("4", NOW + QUIET + 1) is None
    assert told(item, item.failed("5", NOW + 2 * QUIET), NOW + 2 * QUIET) == 1


def test_what_is_untold_is_told_once_after_the_quiet_time(item: AlarmItem) -> None:
    assert item.unreported(NOW) is None, "where nothing has ever failed"
    told(item, item.failed("0", NOW), NOW)
    assert item.unreported(NOW + QUIET) is None, "where nothing is untold"
    item.failed("1", NOW + 1)
    item.failed("2", NOW + 2)
    assert item.unreported(NOW + QUIET - 1) is None
    assert told(item, item.unreported(NOW + QUIET), NOW + QUIET) == 2
    assert [item.unreported(NOW + at) for at in (QUIET, 2 * QUIET, 3 * QUIET)] == [None] * 3


def test_after_an_alarm_that_reached_nobody_its_event_fails_again_and_others_are_counted(item: AlarmItem) -> None:
    turn = item.failed("0", NOW)
    assert turn is not None
    item.failed("1", NOW + 1)
    item.reached_nobody(turn, NOW + 60)
    with pytest.raises(AlarmError):
        item.failed("0", NOW + 59)
    with pytest.raises(AlarmError):
        item.unreported(NOW + 59)
    assert [item.failed("2", NOW + 59) for _ in range(2)] == [None, None], "its second attempt was counted before"
    turn = item.failed("0", NOW + 60)
    with pytest.raises(AlarmError):
        item.failed("0", NOW + 61)
    assert told(item, turn, NOW + 62) == 2
    assert item.failed("0", NOW + 63) is None, "the owner has heard since"
    turn = item.unreported(NOW + 62 + QUIET)
    assert turn is not None
    item.reached_nobody(turn, NOW + 2 * QUIET)
    with pytest.raises(AlarmError):
        item.unreported(NOW + 2 * QUIET - 1)
    assert item.failed("3", NOW + 2 * QUIET - 1) is None
    assert told(item, item.unreported(NOW + 2 * QUIET), NOW) == 2


def test_where_all_events_became_letters_the_scheduled_retry_has_nothing_to_tell(item: AlarmItem) -> None:
    turn = item.failed("0", NOW)
    assert turn is not None
    item.reached_nobody(turn, NOW + 60)
    assert [item.unreported(NOW + at) for at in (1, 60)] == [None, None]


def test_while_one_run_tells_what_fails_is_counted_for_the_next(item: AlarmItem) -> None:
    turn = item.failed("0", NOW)
    assert (item.failed("1", NOW), item.unreported(NOW)) == (None, None)
    assert told(item, turn, NOW) == 0
    assert told(item, item.unreported(NOW + QUIET), NOW) == 1


def test_the_turn_of_a_run_that_was_killed_passes_to_another_and_can_end_no_more(
    item: AlarmItem, table: LocalTable
) -> None:
    killed = item.failed("0", NOW)
    assert killed is not None
    item.failed("1", NOW + LEASE - 1)
    turn = item.failed("0", NOW + LEASE)
    assert turn is not None
    before = table.item("alarm#")
    item.told(killed, NOW + QUIET)
    item.reached_nobody(killed, NOW + QUIET)
    assert table.item("alarm#") == before
    assert told(item, turn, NOW) == 1


def test_every_write_is_safe_to_repeat_where_its_answer_was_lost(item: AlarmItem, table: LocalTable) -> None:
    """As the client does, which makes two attempts."""
    again = True

    def repeat(operation: str, request: dict[str, Any]) -> None:
        nonlocal again
        again = not again
        if not again:
            with suppress(ServiceError):
                table.update_item(**request)

    table.before_call = repeat
    assert told(item, item.failed("0", NOW), NOW) == 0
    assert [item.failed(f"{number}", NOW + 1) for number in (1, 2)] == [None, None]
    turn = item.unreported(NOW + QUIET)
    assert turn is not None
    assert turn.counted == 2
    item.reached_nobody(turn, NOW + QUIET + 60)
    assert told(item, item.failed("3", NOW + QUIET + 60), NOW + QUIET) == 2
    assert item.unreported(NOW + 3 * QUIET) is None


# Whatever the world does


class Fault(NamedTuple):
    """What happens at one call of a run, of the table or a notifier."""

    kind: str
    """``killed``; ``refused`` by the table; ``lost``: done, but the answer is an error; ``repeated`` by the client, as
    the first answer was lost; ``overtaken`` by a whole run for another failure."""
    at: int


class Step(NamedTuple):
    what: str
    """``failure``; ``lambda``: runs the oldest event again; ``schedule``."""
    seconds: int
    """That pass before."""
    fault: Fault | None
    channels: tuple[str, str]
    """What each provider does."""


class Run:
    def __init__(self, event: str = "") -> None:
        self.event = event
        self.rang: int | None = None
        """How many counted failures it reported, if it rang."""


class AlarmWorld(LocalTable):
    """Runs ``on_failure`` and ``retry_due`` with the real item, and knows of each failure what became of it."""

    def __init__(self, world: World) -> None:
        super().__init__(TABLE)
        self.before_call = self.meet_fault
        self.now = NOW
        self.queue: list[tuple[int, str, int]] = []
        """When Lambda runs which event again, and how often it has."""
        self.waiting: list[str] = []
        self.told: set[str] = set()
        self.letters: set[str] = set()
        self.rang: list[int] = []
        self.number = 0
        self.runs: list[Run] = []
        self.fault: Fault | None = None
        self.call = 0
        self.channels = ("works", "works")
        self.world = world
        world.log = AlarmItem(self, TABLE)  # type: ignore[arg-type]
        world.channels = ("a", "b")
        world.notifiers = {name: _Channel(self, index) for index, name in enumerate(world.channels)}

    def take(self, step: Step) -> None:
        self.now += step.seconds
        self.channels, self.fault, self.call = step.channels, step.fault, 0
        match step.what:
            case "failure":
                self.fail()
            case "lambda" if self.queue:
                due, event, runs = self.queue.pop(0)
                self.now = max(self.now, due)
                self.fail(event, runs)
            case "schedule":
                if self.run(Run(), self.world.retries) and self.waiting and "telling" not in self.item("alarm#"):
                    assert self.now - self.rang[-1] < QUIET, "no alarm of CloudWatch will sound"
        self.fault = None
        known = {*self.told, *self.waiting, *self.letters, *(event for _, event, _ in self.queue)}
        assert len(known) == self.number, "a failure was forgotten"

    def fail(self, event: str = "", runs: int = 0) -> None:
        if not event:
            self.number += 1
            event = f"event-{self.number}"
        if self.run(Run(event), partial(self.world.fails, event=event)):
            assert event in self.told or event in self.waiting, "its event is gone, and nobody was told"
        elif runs == 2:
            self.letters.add(event)
        else:
            self.queue.append((self.now + 60, event, runs + 1))

    def run(self, run: Run, invoke: Callable[[int], None]) -> bool:
        """Whether it ended well."""
        self.runs.append(run)
        try:
            invoke(self.now)
        except (Killed, StoreError, AlarmError, FunctionError):
            return False
        finally:
            self.runs.pop()
        return True

    def meet_fault(self, operation: str, request: dict[str, Any]) -> None:
        self.call += 1
        fault = self.fault
        if fault is None or fault.at > self.call:
            return
        self.fault = None
        match fault.kind:
            case "killed":
                raise Killed
            case "overtaken":
                self.fail()
            case _ if request:
                if fault.kind != "refused":
                    with suppress(ServiceError):
                        self.update_item(**request)
                if fault.kind != "repeated":
                    raise ServiceError("InternalServerError", 500, fields={})

    def update_item(self, **request: Any) -> Any:
        try:
            return super().update_item(**request)
        finally:
            run = self.runs[-1]
            more = self.unreported() - len(self.waiting)
            if more > 0:
                self.waiting.append(run.event)
            elif more < 0:
                assert run.rang == -more, "failures were taken from the count that were not reported"
                self.told.update(self.waiting[:-more])
                del self.waiting[:-more]

    def unreported(self) -> int:
        return int(self.item("alarm#").get("unreported", {"N": "0"})["N"])

    def ring(self, alarm: Notification) -> None:
        number = re.search(r"(\d+) more", alarm.message)
        run = self.runs[-1]
        run.rang = int(number[1]) if number else 0
        self.rang.append(self.now)
        if run.event:
            self.told.add(run.event)


class _Channel(RecordingNotifier):
    def __init__(self, world: AlarmWorld, index: int) -> None:
        super().__init__()
        self.world, self.index = world, index

    def notify(self, notification: Notification) -> str:
        self.world.meet_fault("notify", {})
        match self.world.channels[self.index]:
            case "down":
                raise ChannelUnavailableError("down")
            case "for an hour":
                raise ChannelUnavailableError("down", retry_after=3600)
            case "uncertain":
                self.world.ring(notification)
                raise ChannelUncertainError("?")
        self.world.ring(notification)
        return "reference"


CHANNELS = st.sampled_from(["works", "works", "down", "for an hour", "uncertain"])


def steps(faults: list[str], channels: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[list[Step]]:
    fault = st.none() | st.builds(Fault, st.sampled_from(faults), st.integers(1, 5))
    seconds = st.sampled_from([0, 0, 1, 44, 60, 300, QUIET, 3600])
    return st.lists(
        st.builds(Step, st.sampled_from(["failure", "failure", "lambda", "schedule"]), seconds, fault, channels),
        min_size=5,
        max_size=30,
    )


ANYTHING = steps(["killed", "refused", "lost", "repeated", "overtaken"], st.tuples(CHANNELS, CHANNELS))
ONE_WORKS = steps(
    ["repeated", "overtaken"], st.sampled_from([("works", "down"), ("down", "works"), ("for an hour", "works")])
)
SLOW = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@SLOW
@given(ANYTHING)
def test_whatever_happens_each_failure_is_told_or_counted_or_its_event_is_kept(world: World, taken: list[Step]) -> None:
    alarms = AlarmWorld(world)
    for step in taken:
        alarms.take(step)
    for _ in range(2 * len(taken) + 2):
        alarms.take(Step("lambda" if alarms.queue else "schedule", 3600, None, ("works", "works")))
    assert not alarms.waiting
    assert len(alarms.told | alarms.letters) == alarms.number


@SLOW
@given(ONE_WORKS)
def test_while_a_channel_works_and_no_run_is_killed_the_owner_is_rung_once_in_a_quiet_time(
    world: World, taken: list[Step]
) -> None:
    alarms = AlarmWorld(world)
    for step in taken:
        alarms.take(step)
    assert all(later - earlier >= QUIET for earlier, later in pairwise(alarms.rang))
    assert not alarms.letters
