"""A flood on one channel, from the first message to the last summary: the code of ``destined`` and ``retry_due``
against the real table, with simulated time. What rings, what is told, what is counted; kills change nothing of it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import count, pairwise
from typing import Any, cast

import pytest

from chalicelib.adapters.aws import ServiceError
from chalicelib.adapters.message_table import MessageTable
from chalicelib.adapters.recent_activity import RecentTable
from chalicelib.adapters.replays import ReplayTable
from chalicelib.adapters.ring_budget import RingTable
from chalicelib.adapters.stored_messages import MessageArchive
from chalicelib.adapters.summaries import SummaryTable
from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    DeliveryIncompleteError,
    StoreError,
)
from chalicelib.logic import delivery, spam, summary
from chalicelib.logic.delivery_types import (
    SUMMARY_PREFIX,
    Action,
    DeliveryDependencies,
    DeliveryResult,
    Invocation,
    State,
)
from chalicelib.logic.message import Message
from chalicelib.logic.notification import Notification, Quota
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.replay import apply_replay
from chalicelib.logic.retry_due import DueMessage, retry_due
from chalicelib.logic.ring_budget import DAY, refill_seconds
from chalicelib.logic.spam import PersonSign
from chalicelib.logic.stored_messages import Wanted
from chalicelib.logic.summary import SummaryDependencies
from chalicelib.settings import Rings
from chalicelib.texts import texts
from tests.dynamodb import LocalTable
from tests.fakes import NOW, Clock, channel, site, stage
from tests.rehearsal import amount

RINGS = Rings(hour=30, day=120)
MINUTE = 60
PERSON = (PersonSign.ORIGIN, PersonSign.FILL_TIME)


class Killed(BaseException):
    """What Lambda does to a run: no ``except`` of Herald's sees it."""


@dataclass
class Phone:
    """A provider with a quota: keeps what rang."""

    clock: Clock
    quota: Quota | None = None
    rang: list[tuple[int, Notification]] = field(default_factory=list)
    fail: list[Exception] = field(default_factory=list)

    def notify(self, notification: Notification) -> str:
        if self.fail:
            raise self.fail.pop(0)
        if self.quota:
            assert self.quota.remaining > 0, "the provider's quota was used up"
            self.quota = replace(self.quota, remaining=self.quota.remaining - 1)
        self.rang.append((self.clock.now, notification))
        return "ref"

    def check(self, notification: Notification) -> Quota | None:
        return self.quota

    @property
    def summaries(self) -> list[tuple[int, Notification]]:
        return [(at, one) for at, one in self.rang if one.id.startswith("summary-")]

    @property
    def messages(self) -> list[str]:
        return [one.id for _, one in self.rang if not one.id.startswith("summary-")]

    def most_within(self, seconds: int) -> int:
        times = [at for at, _ in self.rang]
        return max((sum(1 for at in times if start <= at < start + seconds) for start in times), default=0)


class Stage:
    """One site and one channel, several processes of ``destined``, and the schedule of ``retry_due``."""

    def __init__(
        self,
        *,
        kill: float = 0,
        processes: int = 4,
        retry_uncertain: bool = True,
        quota: Quota | None = None,
    ):
        phone = channel(retry_uncertain=retry_uncertain)._replace(rings=RINGS)
        self.stage = stage()._replace(channels={"pushover": phone})
        self.site = site()._replace(spam=site().spam._replace(points={"fill_time": 5}, min_fill_seconds=3))
        self.table = LocalTable(self.stage.table)
        self.clock = Clock(NOW)
        self.phone = Phone(self.clock, quota)
        self._random = random.Random(7)  # noqa: S311
        self._kill = kill
        self.killed = 0
        self.results: list[DeliveryResult] = []
        """Of the summaries' runs."""
        self._runs = 0
        client = cast(Any, self.table)
        self.messages = MessageTable(client, self.stage, self.clock)
        self._budgets = [RingTable(client, self.stage.table) for _ in range(processes)]
        self._summaries = SummaryTable(client, self.stage.table)
        self.recent = RecentTable(client, self.stage.table, self.clock)
        self._next_retry = NOW + 5 * MINUTE
        self._waiting: list[tuple[int, Message]] = []

    def send(self, message: Message) -> None:
        """A run of ``destined``; where it is killed or can't deliver, Lambda's retry comes after a minute."""
        verdict = spam.screen(message, self.site, self.recent)
        try:
            with self._may_die():
                delivery.deliver(message, verdict, self._dependencies(), self._invocation(message.id))
        except (Killed, DeliveryIncompleteError):
            self._waiting.append((self.clock.now + MINUTE, message))

    def let_pass(self, seconds: float) -> None:
        """Time passes, with Lambda's retries and the scheduled one."""
        end = self.clock.now + int(seconds)
        while self.clock.now < end:
            retries = (max(at, self.clock.now + 1) for at, _ in self._waiting)
            self.clock.now = min(end, max(self._next_retry, self.clock.now + 1), *retries)
            due = [one for at, one in self._waiting if at <= self.clock.now]
            self._waiting = [(at, one) for at, one in self._waiting if at > self.clock.now]
            for message in due:
                self.send(message)
            if self.clock.now >= self._next_retry:
                self._next_retry += 5 * MINUTE
                retry_due(self.messages, self, self.clock.now)

    def run(self, due: DueMessage) -> None:
        """What ``retry_due`` queues: as the handler of ``destined`` answers it. A run that dies is looked at again."""
        invocation = self._invocation()
        try:
            with self._may_die():
                if due.id.startswith(SUMMARY_PREFIX):
                    self.results.append(self.tell(due.id.removeprefix(SUMMARY_PREFIX), invocation))
                elif stored := self.messages.find(due.id):
                    delivery.deliver_again(*stored, self._dependencies(), invocation)
        except Killed:
            pass

    def tell(self, name: str = "pushover", invocation: Invocation | None = None) -> DeliveryResult:
        """A run that tells a channel's summary."""
        return summary.send_summary(name, self._telling(), invocation or self._invocation())

    def spent_until(self) -> int:
        """When the day's bucket is full again."""
        return int(self.table.items()["rings#pushover"]["day_at"]["N"])

    def listed(self) -> Counter[MessageState]:
        archive, found = MessageArchive(cast(Any, self.table), self.stage, self.clock), Counter[MessageState]()
        wanted: Wanted | None = Wanted("default")
        while wanted is not None:
            page = archive.page(wanted)
            found.update(one.state for one in page.messages)
            wanted = replace(wanted, after=page.next) if page.next else None
        return found

    @contextmanager
    def _may_die(self) -> Iterator[None]:
        """Kill the run at one of its calls, or not."""
        last = self._random.randrange(1, 10) if self._random.random() < self._kill else 0
        calls = count(1)

        def die(operation: str, request: dict[str, Any]) -> None:
            if next(calls) == last:
                self.killed += 1
                raise Killed

        self.table.before_call = die
        try:
            yield
        finally:
            self.table.before_call = lambda operation, request: None

    def _invocation(self, request: str = "") -> Invocation:
        """A run of the event with this request id, or of another event than all before."""
        self._runs += 1
        return Invocation(request or f"request-{self._runs}", f"run-{self._runs}", self.clock.now + 120)

    def _dependencies(self) -> DeliveryDependencies:
        rings = self._random.choice(self._budgets)

        def slow_down(*_: object) -> None:
            if self.phone.quota:
                rings.slow_down(self.stage.channels["pushover"], self.phone.quota, self.clock.now)

        return DeliveryDependencies(
            self.site,
            self.stage.channels,
            {"pushover": self.phone},
            self.messages,
            self.recent,
            self.clock,
            rings,
            lambda: self._summaries,
            on_recorded=slow_down,
        )

    def _telling(self) -> SummaryDependencies:
        return SummaryDependencies(
            self.stage.channels,
            {"pushover": self.phone},
            self._summaries,
            self._random.choice(self._budgets),
            self.messages.find_fields,
            texts("en"),
            self.clock,
        )


def junk(number: int, at: int, *evidence: PersonSign) -> Message:
    return Message(f"junk-{number}", "default", at, {"message": f"Buy {number}"}, evidence=evidence)


def person(number: int, at: int) -> Message:
    fields = {"name": f"Ada {number}", "message": f"Is number {number} for sale?"}
    return Message(f"person-{number}", "default", at, fields, evidence=PERSON)


def flood(it: Stage, size: int, *evidence: PersonSign, people: int = 10, first: int = 0) -> None:
    """Junk at the throttle of ten a second, with people among it, evenly."""
    every = size // people
    for number in range(first, first + size):
        if number % 10 == 0:
            it.let_pass(1)
        it.send(junk(number, it.clock.now, *evidence))
        if number % every == every // 2:
            it.send(person(number // every, it.clock.now))


def named(it: Stage, what: str, people: int = 10) -> list[int]:
    """Which of these were named, in a ring or in a summary."""
    texts = "\n".join([*(one.message for _, one in it.phone.rang), *it.phone.messages])
    return [number for number in range(people) if f"{what} {number}:" in texts or f"person-{number}" in texts.split()]


@pytest.mark.parametrize("kill", [0, 0.2], ids=["quiet", "kills"])
@pytest.mark.rehearse("2,000 messages", "a phone that a flood rings or silences")
def test_junk_of_a_script_neither_silences_nor_costs_rings_and_who_writes_from_the_page_is_named(kill: float) -> None:
    it, size = Stage(kill=kill), amount(100, 2_000)
    flood(it, size)
    it.let_pass(30 * MINUTE)
    assert bool(it.killed) is bool(kill)
    assert named(it, "Ada") == list(range(10))
    assert it.phone.most_within(3600) <= RINGS.hour
    counts = it.listed()
    assert counts.total() == size + 10
    assert set(counts) <= {MessageState.DELIVERED, MessageState.SUMMARIZED}
    rung = Counter(it.phone.messages)
    if not kill:
        assert max(rung.values()) == 1
        told = sum(int(one.title.split()[0]) for _, one in it.phone.summaries)
        assert told == counts[MessageState.SUMMARIZED] == size + 10 - len(rung)


def test_a_channel_that_holds_what_is_uncertain_never_rings_twice_whatever_dies() -> None:
    it = Stage(kill=0.4, retry_uncertain=False)
    flood(it, 100)
    it.let_pass(30 * MINUTE)
    assert it.killed > 20
    assert max(Counter(one.id for _, one in it.phone.rang).values()) == 1
    assert set(it.listed()) <= {MessageState.DELIVERED, MessageState.SUMMARIZED, MessageState.UNCERTAIN}


@pytest.mark.parametrize("kill", [pytest.param(0, id="quiet"), pytest.param(0.2, id="kills", marks=pytest.mark.full)])
def test_of_junk_that_forges_its_origin_a_fair_share_leaves_room_for_who_can_not_be_told_from_it(kill: float) -> None:
    """Forged origins from many addresses, and a fill time: nothing tells a person from it. A third of what comes is of
    people, so a third of what is named is, but for chance: ids and kills are the same in each run."""
    it = Stage(kill=kill)
    for first in range(0, 240, 60):
        flood(it, 60, *PERSON, people=30, first=first)
        it.let_pass(12 * 3600)
    rung, lines = len(it.phone.messages), sum(one.message.count("\n› ") for _, one in it.phone.summaries)
    assert rung >= 4 * 0.8 * RINGS.hour / 2
    assert lines >= 4 * 10
    assert 0.7 <= len(named(it, "Ada", 120)) / ((rung + lines) / 3) <= 1.3
    assert it.phone.most_within(3600) <= RINGS.hour
    assert it.listed().total() == 360


def test_of_forged_junk_without_a_fill_time_every_person_is_named() -> None:
    it = Stage()
    flood(it, 100, PersonSign.ORIGIN)
    it.let_pass(30 * MINUTE)
    assert named(it, "Ada") == list(range(10))


def test_a_flood_of_a_day_rings_no_more_than_the_budget_and_its_summaries_come_less_and_less_often() -> None:
    it = Stage()
    for hour in range(24):
        for number in range(10):
            it.send(junk(100 * hour + number, it.clock.now))
            it.let_pass(6 * MINUTE)
    assert len(it.phone.rang) <= RINGS.day
    assert it.phone.most_within(3600) <= RINGS.hour
    pauses = [after - before for (before, _), (after, _) in pairwise(it.phone.summaries)]
    assert pauses == sorted(pauses)
    told = sum(int(one.title.split()[0]) for _, one in it.phone.summaries)
    it.let_pass(2 * summary.MAX_PAUSE + 10 * MINUTE)
    assert sum(int(one.title.split()[0]) for _, one in it.phone.summaries) >= told
    assert not any("due" in item for item in it.table.items().values()), "once the flood is over nothing is due"


def test_who_looks_like_a_person_is_named_within_half_an_hour_however_long_the_flood_has_lasted() -> None:
    """More people than the budget has rings for, in a flood of eight hours: each pause of the junk's summaries is
    longer than the one before, and nobody waits for it."""
    it, sent_at = Stage(), {}
    for minute in range(8 * 60):
        if minute % 2:
            it.send(junk(minute, it.clock.now))
        if minute % 10 == 7:
            number = minute // 10
            sent_at[number] = it.clock.now
            # Those without JavaScript have no fill time.
            it.send(replace(person(number, it.clock.now), evidence=PERSON if number % 3 else (PersonSign.ORIGIN,)))
        it.let_pass(MINUTE)
    it.let_pass(30 * MINUTE)
    late = []
    for number, at in sent_at.items():
        told = (when for when, one in it.phone.rang if f"Ada {number}:" in one.message or one.id == f"person-{number}")
        if next(told, at + DAY) > at + 30 * MINUTE:
            late.append(number)
    assert late == []
    assert it.phone.most_within(3600) <= RINGS.hour
    assert it.phone.most_within(DAY) <= RINGS.day


def test_what_a_clock_that_was_years_ahead_has_spent_silences_a_channel_for_a_day_at_most() -> None:
    it = Stage()
    it.clock.now += 5 * 365 * DAY
    it.send(person(0, it.clock.now))
    it.clock.now = NOW + MINUTE
    it.send(person(1, it.clock.now))
    it.let_pass(DAY + 10 * MINUTE)
    assert named(it, "Ada", 2) == [0, 1]
    it.send(person(2, it.clock.now))
    assert it.phone.messages[-1] == "person-2"


def test_one_neighbour_holds_up_nobody_else_of_its_address_or_network() -> None:
    it = Stage()
    it.site = it.site._replace(spam=it.site.spam._replace(points={"rate": 10}, most_messages=5, rate_minutes=60))

    def held(one: Message, address: str) -> bool:
        sent = replace(one, sender_hash=address, network_hash="192.0.2.0/24")
        return spam.screen(sent, it.site, it.recent).hold_reason is not None

    assert [held(junk(number, NOW), "192.0.2.1") for number in range(300)] == [False] * 5 + [True] * 295
    assert not any(held(person(number, NOW), "192.0.2.1") for number in range(10))
    assert not any(held(junk(number, NOW), f"192.0.2.{number}") for number in range(1000, 1020))


@pytest.mark.full
def test_a_provider_that_tells_its_quota_is_never_used_up_and_a_reserve_is_left_for_alarms() -> None:
    quota = Quota(limit=1000, remaining=130, reset=NOW + 10 * 86400)
    it = Stage(quota=quota)
    for number in range(300):
        it.send(person(number, it.clock.now))
        it.let_pass(12 * MINUTE)
    assert it.phone.quota is not None
    assert it.phone.quota.remaining >= 60
    assert it.phone.messages
    assert it.phone.summaries


def test_a_quota_that_is_down_to_its_reserve_is_spent_on_summaries() -> None:
    it = Stage(quota=Quota(limit=10_000, remaining=1_002, reset=NOW + 20 * 86400))
    for number in range(10):
        it.send(person(number, it.clock.now))
        it.let_pass(60 * MINUTE)
    it.let_pass(6 * 60 * MINUTE)
    assert len(it.phone.messages) == 2
    assert named(it, "Ada") == list(range(10))


BUDGET = channel()._replace(rings=RINGS)


def test_a_channel_that_was_slowed_down_before_it_spent_a_ring_spends_the_first_one_by_two_writes() -> None:
    table = LocalTable(stage().table)
    dynamodb = cast(Any, table)
    RingTable(dynamodb, stage().table).slow_down(BUDGET, Quota(1000, 130, NOW + 10 * 86400), NOW)
    assert RingTable(dynamodb, stage().table).take(BUDGET, 2, NOW)
    assert len(table.calls) == 3


def test_of_a_limit_of_one_a_process_that_remembers_nothing_leaves_the_next_ring_to_the_summary() -> None:
    dynamodb = cast(Any, LocalTable(stage().table))
    one = channel()._replace(rings=Rings(hour=1, day=120))
    assert RingTable(dynamodb, stage().table).take(one, 2, NOW)
    later = NOW + 3600
    assert not RingTable(dynamodb, stage().table).take(one, 2, later)
    assert RingTable(dynamodb, stage().table).take_for_summary(one, later, early=False) == 0
    assert RingTable(dynamodb, stage().table).take(one, 2, later + 7200)


def test_a_ring_that_others_are_always_quicker_with_is_given_up_in_time() -> None:
    table, clock = LocalTable(stage().table), Clock()
    dynamodb = cast(Any, table)
    slow, quick = RingTable(dynamodb, stage().table, clock), RingTable(dynamodb, stage().table)

    def be_quicker(operation: str, request: dict[str, Any]) -> None:
        table.before_call = lambda operation, request: None
        assert quick.take(BUDGET, 2, NOW)
        table.before_call = be_quicker
        clock.now += 6

    table.before_call = be_quicker
    assert not slow.take(BUDGET, 2, NOW)
    assert clock.now - NOW <= 14


@pytest.mark.parametrize("error", [ChannelUnavailableError("down"), ChannelUncertainError("?")], ids=["down", "silent"])
def test_a_summary_that_could_not_be_delivered_is_told_again_with_all_that_it_counted(error: Exception) -> None:
    it, counted = beyond_the_budget()
    it.phone.fail = [error]
    it.let_pass(15 * MINUTE)
    assert [int(one.title.split()[0]) for _, one in it.phone.summaries] == [counted]


def test_of_two_summaries_whose_first_messages_came_in_one_second_each_has_an_id_of_its_own() -> None:
    """Or a receiver that drops what it has had drops the second."""
    it = Stage()
    for message_id in ("one", "another"):
        SummaryTable(cast(Any, it.table), it.stage.table).add("pushover", message_id, 0, NOW)
        assert it.tell().action is Action.DELIVERED
        it.clock.now += summary.FIRST_PAUSE
    assert len({told.id for _, told in it.phone.summaries}) == 2


def test_what_a_person_replays_rings_whatever_the_budget() -> None:
    it, _ = beyond_the_budget()
    (told, *_) = [one for one in (junk(n, 0).id for n in range(40)) if one not in it.phone.messages]
    store = ReplayTable(cast(Any, it.table), it.stage)
    apply_replay(told, False, it.stage.channels, store, it.clock.now)
    it.run(DueMessage(told, "default"))
    assert it.phone.messages[-1] == told


def test_a_quiet_channel_spends_a_ring_by_one_write() -> None:
    it = Stage(processes=1)
    for number in range(3):
        before = len(it.table.calls)
        it.send(person(number, it.clock.now))
        rings = [call for call in it.table.calls[before:] if call.key.startswith("rings#")]
        assert [call.units for call in rings] == [1]
        it.let_pass(24 * 3600)


def beyond_the_budget(*, retry_uncertain: bool = True) -> tuple[Stage, int]:
    """A stage after a flood, with a summary due of this many."""
    it = Stage(retry_uncertain=retry_uncertain)
    flood(it, 40, people=2)
    return it, it.listed()[MessageState.SUMMARIZED]


def heard(it: Stage) -> list[tuple[Action, int, dict[str, State]]]:
    """What the owner is alarmed of."""
    alarming = (Action.UNDELIVERABLE, Action.UNCERTAIN)
    return [(one.action, one.messages, dict(one.channels)) for one in it.results if one.action in alarming]


@pytest.mark.parametrize(
    ("error", "action", "state"),
    [
        (ChannelRejectedError("no"), Action.UNDELIVERABLE, State.REJECTED),
        (ChannelUncertainError("?"), Action.UNCERTAIN, State.UNCERTAIN),
    ],
    ids=["refused", "uncertain and held"],
)
def test_a_summary_that_one_call_has_ended_is_tried_once_and_reported(
    error: Exception, action: Action, state: State
) -> None:
    it, counted = beyond_the_budget(retry_uncertain=False)
    it.phone.fail = [error] * 100
    it.let_pass(4 * 3600)
    assert heard(it) == [(action, counted, {"pushover": state})]
    assert len(it.phone.fail) == 99


def test_a_summary_of_a_channel_that_is_down_costs_one_ring_and_is_reported_once_it_is_too_old() -> None:
    it, counted = beyond_the_budget()
    it.phone.fail = [ChannelUnavailableError("down")] * 100
    before = it.spent_until()
    it.let_pass(71 * 3600)
    assert heard(it) == []
    it.let_pass(9 * 3600)
    assert heard(it) == [(Action.UNDELIVERABLE, counted, {"pushover": State.EXPIRED})]
    assert len(it.phone.fail) > 80
    assert it.spent_until() - before == refill_seconds(RINGS.day, DAY)


def test_a_channel_that_has_left_the_configuration_leaves_no_summary_unheard() -> None:
    it, counted = beyond_the_budget()
    it.stage = it.stage._replace(channels={})
    it.let_pass(2 * 3600)
    assert heard(it) == [(Action.UNDELIVERABLE, counted, {})]


def test_a_run_that_a_slow_table_holds_up_rings_nothing_once_another_has_told() -> None:
    it, counted = beyond_the_budget()
    others: list[DeliveryResult] = []

    def hold_up(operation: str, request: dict[str, Any]) -> None:
        if operation == "GetItem":
            it.table.before_call = lambda operation, request: None
            it.clock.now += delivery.CLAIM_SECONDS
            others.append(it.tell())

    it.table.before_call = hold_up
    assert it.tell().action is Action.UNCHANGED
    assert [(one.action, one.messages) for one in others] == [(Action.DELIVERED, counted)]
    assert len(it.phone.summaries) == 1


def test_a_slow_table_makes_a_summary_name_fewer_and_a_run_without_time_for_the_call_leaves_it() -> None:
    it, counted = beyond_the_budget()

    def slow(operation: str, request: dict[str, Any]) -> None:
        it.clock.now += 3

    it.table.before_call = slow
    ends_at = it.clock.now + delivery.CLAIM_SECONDS + 10
    assert it.tell(invocation=Invocation("id", "in a hurry", ends_at)).action is Action.WAITING
    assert it.phone.summaries == []
    assert it.tell().action is Action.DELIVERED
    ((_, told),) = it.phone.summaries
    assert (told.title, told.message.count("\n› ")) == (f"{counted} more messages", 3)


@pytest.mark.parametrize("where", ["fields#", "rings#"])
def test_a_table_that_fails_before_the_call_loses_no_summary_where_what_is_uncertain_is_held(where: str) -> None:
    it, counted = beyond_the_budget(retry_uncertain=False)

    def fail(operation: str, request: dict[str, Any]) -> None:
        if request["Key"]["id"]["S"].startswith(where):
            raise ServiceError("InternalServerError", 500)

    it.table.before_call = fail
    with pytest.raises(StoreError):
        it.tell()
    it.table.before_call = lambda operation, request: None
    it.clock.now += MINUTE
    told = it.tell()
    assert (told.action, told.messages) == (Action.DELIVERED, counted)


@pytest.mark.full
def test_each_message_has_the_same_chance_in_its_rank_however_many_came_in_another() -> None:
    chance, kept = random.Random(5), Counter[int]()  # noqa: S311
    for flood_number in range(20):
        table = LocalTable("herald-test")
        summaries = SummaryTable(cast(Any, table), "herald-test")
        for number in range(100):
            rank = 0 if number < 40 else 2
            summaries.add("pushover", f"{chance.getrandbits(64):x} {number}", rank, NOW)
        batch = summaries.take_batch("pushover", "run", NOW, NOW + 50)
        assert batch is not None
        people = [int(one.split()[1]) - 40 for one in batch.ids[: summary.MAX_NAMED[2]]]
        assert len(people) == summary.MAX_NAMED[2], flood_number
        kept.update(number // 20 for number in people)
    # 240 names, 80 of each third but for chance: a standard deviation is 7.
    assert all(abs(kept[third] - 80) < 25 for third in range(3)), kept


@pytest.mark.parametrize("retry_uncertain", [True, False], ids=["ring again", "hold"])
def test_wherever_a_run_dies_that_tells_a_summary_the_owner_hears_it_and_with_hold_never_twice(
    retry_uncertain: bool,
) -> None:
    outcomes = []
    for last_call in range(1, 100):
        it = Stage(retry_uncertain=retry_uncertain)
        flood(it, 10, people=2)
        calls = iter(range(1, last_call))

        def die(operation: str, request: dict[str, Any], calls: Iterator[int] = calls) -> None:
            if next(calls, None) is None:
                raise Killed

        it.table.before_call = die
        try:
            it.tell()
            break
        except Killed:
            it.table.before_call = lambda operation, request: None
        it.clock.now += MINUTE
        outcomes.append((it.tell().action, len(it.phone.summaries)))
    *before_the_call, after_it = outcomes
    assert len(before_the_call) > 3
    assert set(before_the_call) == {(Action.DELIVERED, 1)}
    assert after_it == ((Action.DELIVERED, 2) if retry_uncertain else (Action.UNCERTAIN, 1))


@pytest.mark.parametrize("after_the_last_call", [False, True], ids=["the write's answer is lost", "before it returns"])
def test_of_a_refused_summary_the_next_run_of_its_event_tells_where_the_first_died_after_it_was_written(
    after_the_last_call: bool,
) -> None:
    it, counted = beyond_the_budget()
    it.phone.fail = [ChannelRejectedError("no")]
    event = "the request id of Lambda's event"

    def lose_the_answer(operation: str, request: dict[str, Any]) -> None:
        if operation == "UpdateItem" and not it.phone.fail and not after_the_last_call:
            it.table.before_call = lambda operation, request: None
            it.table.update_item(**request)
            raise ServiceError("InternalServerError", 500)

    it.table.before_call = lose_the_answer
    with nullcontext() if after_the_last_call else pytest.raises(StoreError):
        it.tell(invocation=Invocation(event, "first run", it.clock.now + 120))
    # Lambda may be late, when others have long been counted.
    it.clock.now += 6 * 3600
    flood(it, 40, people=1, first=100)
    told = it.tell(invocation=Invocation(event, "second run", it.clock.now + 120))
    assert (told.action, told.messages, told.channels) == (Action.UNDELIVERABLE, counted, {"pushover": State.REJECTED})
    assert it.phone.summaries == []
    assert it.tell(invocation=Invocation("another event", "third run", it.clock.now + 120)).action is Action.DELIVERED
