"""Delivery as a model: Hypothesis arranges what the world may do to it; docs/delivery.md must hold at each call, and in
the end. The code of ``destined`` and ``retry_due`` runs against the real table, with simulated time.

What is left out: sites with two channels, as their threads take turns as they like, and erasing.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from chalicelib.adapters.aws import ServiceError
from chalicelib.adapters.dynamodb_items import from_item
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
    RetryError,
    StoreError,
)
from chalicelib.logic import delivery, spam, summary
from chalicelib.logic.delivery_types import (
    SUMMARY_PREFIX,
    Action,
    DeliveryDependencies,
    DeliveryResult,
    Invocation,
    Record,
    State,
)
from chalicelib.logic.message import Message
from chalicelib.logic.notification import Notification, Quota
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.replay import apply_replay
from chalicelib.logic.retry_due import DueMessage, retry_due
from chalicelib.logic.ring_budget import DAY, HOUR
from chalicelib.logic.spam import HoldReason, PersonSign
from chalicelib.logic.stored_messages import Wanted
from chalicelib.logic.summary import SummaryDependencies
from chalicelib.settings import Rings, Spam
from chalicelib.texts import texts
from tests.dynamodb import LocalTable
from tests.fakes import NOW, channel, site, stage
from tests.rehearsal import amount

RINGS = Rings(hour=4, day=14)
RUN_SECONDS = 120
"""How long Lambda lets ``destined`` run."""
RUNS = 3
"""How often Lambda runs an event that fails."""
SKEW = 5
"""Seconds by which a machine's clock may be wrong."""
PERSON = (PersonSign.ORIGIN, PersonSign.FILL_TIME)
CHANNELS = {
    "phone": channel("phone")._replace(rings=RINGS),
    "mail": channel("mail", retry_uncertain=False)._replace(rings=RINGS),
}
STAGE = stage()._replace(
    channels=CHANNELS,
    sites={name: site(name, name)._replace(spam=Spam({"honeypot": 10}, quarantine_from=10)) for name in CHANNELS},
)
"""Two sites, each with the channel of its name: one rings again where an outcome is uncertain, one holds."""


class Killed(BaseException):
    """What Lambda does to a run: no ``except`` of Herald's sees it."""


@dataclass(frozen=True)
class Fault:
    """What happens at one call, of the table or a notifier, of a run."""

    kind: str
    """``killed`` before it, or ``killed in the end`` of the run; ``refused`` by the table; ``lost``: done, but the
    answer is an error; ``repeated`` by the client, as the answer to the first was lost; ``slow``; ``overtaken``: the
    same event runs from begin to end."""
    at: int


FAULTS = st.none() | st.builds(
    Fault,
    st.sampled_from(["killed", "killed in the end", "refused", "lost", "repeated", "slow", "overtaken"]),
    st.integers(1, 12),
)
OUTCOMES = st.lists(
    st.sampled_from(
        ["delivered", "unavailable", "in a minute", "in a day", "rejected", "uncertain", "delivered, answer lost"]
    ),
    max_size=2,
)
PICK = st.integers(0, 1000)


@dataclass
class Event:
    """An event in Lambda's queue for ``destined``: a message, or with none the id that a scheduled retry names."""

    request: str
    id: str
    message: Message | None = None
    runs: int = 0


@dataclass
class Notifier:
    """A channel's notifier: does what the world says, and finds fault with calls that must not be."""

    world: DeliveryModel
    name: str
    quota: Quota | None = None
    rang: Counter[str] = field(default_factory=Counter)
    """How often the provider accepted each notification."""
    texts: list[str] = field(default_factory=list)
    """Of the summaries, also of those that the provider refused: on_failure hears of these."""
    uncertain: set[str] = field(default_factory=set)
    """Ids that it may have accepted."""
    spent: list[int] = field(default_factory=list)
    """When rings of the budget were spent."""
    calling: set[str] = field(default_factory=set)

    def notify(self, notification: Notification) -> str:
        found = notification.id
        self.world.before_call("notify")
        self.check_call(found)
        self.calling.add(found)
        try:
            return self.answer(notification)
        finally:
            self.calling.discard(found)

    def check_call(self, found: str) -> None:
        is_summary = found.startswith("summary-")
        item = self.world.look(SUMMARY_PREFIX + self.name if is_summary else found)
        assert found not in self.calling, "two runs call one notifier for one message at once"
        assert (found, self.name) not in self.world.recorded, "a recorded delivery is repeated"
        assert CHANNELS[self.name].retry_uncertain or found not in self.uncertain, "what is uncertain was not held"
        claimed = item if is_summary else item["deliveries"][self.name]
        # Retries, replays and releases spend nothing.
        if claimed["attempts"] == 1 and "replayed_at" not in item:
            self.spent.append(self.world.time)
            for limit, period in ((RINGS.hour, HOUR), (RINGS.day, DAY)):
                within = [at for at in self.spent if at > self.world.time - period + self.world.slack]
                assert len(within) <= limit, f"{len(within)} rings within {period} seconds"

    def answer(self, notification: Notification) -> str:
        if notification.id.startswith("summary-"):
            self.texts.append(notification.message)
        outcome = self.world.outcomes.pop(0) if self.world.outcomes else "delivered"
        match outcome:
            case "unavailable" | "in a minute" | "in a day":
                wait = {"in a minute": 60, "in a day": DAY}.get(outcome)
                raise ChannelUnavailableError("unavailable", retry_after=wait)
            case "rejected":
                raise ChannelRejectedError("rejected")
        self.uncertain.add(notification.id)
        if outcome == "uncertain":
            raise ChannelUncertainError("uncertain")
        self.rang[notification.id] += 1
        if notification.id.startswith("summary-"):
            self.world.reported[self.name][notification.id] = int(notification.title.split()[0])
        if outcome == "delivered, answer lost":
            raise ChannelUncertainError("uncertain")
        return "reference"

    def check(self, notification: Notification) -> Quota | None:
        return None


class DeliveryModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.time = NOW
        self.skew = 0
        self.slack = 0
        """Seconds by which a ring may come later than its ring of the budget was spent."""
        self.queue: list[Event] = []
        self.messages: dict[str, Message] = {}
        self.recorded: set[tuple[str, str]] = set()
        """Messages and channels whose delivery the table has held at some time."""
        self.summarized: set[tuple[str, str]] = set()
        self.failures: set[str] = set()
        """Messages of which ``on_failure`` has heard, since a person last replayed them."""
        self.reported: defaultdict[str, dict[str, int]] = defaultdict(dict)
        """Of each channel: the summaries that somebody heard of, and of how many messages each told."""
        self.may_count_twice = 0
        """Runs with a fault: a message may be counted for its summary, and run again before its record says so."""
        self.outcomes: list[str] = []
        self.fault: Fault | None = None
        self.running: Event | None = None
        self.calls = self.number = 0
        self.ends_at = 0
        self.notifiers = {name: Notifier(self, name) for name in CHANNELS}
        self.table = LocalTable(STAGE.table)
        self.table.before_call = self.before_table_call
        client = cast(Any, self.table)
        self.store = MessageTable(client, STAGE, self.clock)
        self.recent = RecentTable(client, STAGE.table, self.clock)
        self.budgets = [RingTable(client, STAGE.table, self.clock) for _ in range(2)]
        self.summaries = SummaryTable(client, STAGE.table)
        self.replays = ReplayTable(client, STAGE)

    # What the world may do.

    @rule(
        where=st.sampled_from(sorted(CHANNELS)),
        same_as=st.none() | PICK,
        evidence=st.sampled_from([(), PERSON[:1], PERSON]),
        spam=st.sampled_from([False, False, False, True]),
        age=st.sampled_from([0, 0, 0, 5, 700, 4 * DAY]),
        fault=FAULTS,
        outcomes=OUTCOMES,
    )
    def a_message_arrives(
        self,
        where: str,
        same_as: int | None,
        evidence: tuple[PersonSign, ...],
        spam: bool,
        age: int,
        fault: Fault | None,
        outcomes: list[str],
    ) -> None:
        fields = None
        if same_as is not None and (known := list(self.messages.values())):
            fields = known[same_as % len(known)].fields
        self.process(self.accept(where, evidence, fields, age, spam), fault, outcomes)

    @rule(where=st.sampled_from(sorted(CHANNELS)), size=st.integers(3, 7), evidence=st.sampled_from([(), PERSON]))
    def a_flood_comes(self, where: str, size: int, evidence: tuple[PersonSign, ...]) -> None:
        for _ in range(size):
            self.process(self.accept(where, evidence), None, [])

    @precondition(lambda self: self.queue)
    @rule(which=PICK, fault=FAULTS, outcomes=OUTCOMES)
    def lambda_runs_an_event(self, which: int, fault: Fault | None, outcomes: list[str]) -> None:
        self.process(self.queue[which % len(self.queue)], fault, outcomes)

    @precondition(lambda self: self.messages)
    @rule(which=PICK, by_sns=st.booleans())
    def an_event_is_delivered_twice(self, which: int, by_sns: bool) -> None:
        found = list(self.messages.values())[which % len(self.messages)]
        self.queue.append(Event(self.unique("request") if by_sns else f"request of {found.id}", found.id, found))

    @rule(seconds=st.sampled_from([1, 20, 51, 61, 5 * 60, 10 * 60, HOUR, 6 * HOUR, DAY, 80 * HOUR]))
    def time_passes(self, seconds: int) -> None:
        self.time += seconds

    @rule(seconds=st.integers(-SKEW, SKEW))
    def a_clock_is_wrong(self, seconds: int) -> None:
        self.skew = seconds
        self.slack = max(self.slack, 2 * SKEW)

    @rule(fault=FAULTS.filter(lambda fault: not fault or fault.kind != "overtaken"), runs=st.booleans())
    def the_scheduled_retry_comes(self, fault: Fault | None, runs: bool) -> None:
        before = len(self.queue)
        self.during(fault, [], lambda: retry_due(self.store, self, self.clock()))
        for event in self.queue[before:] if runs else ():
            self.process(event, None, [])

    @rule(where=st.sampled_from(sorted(CHANNELS)), fault=FAULTS, outcomes=OUTCOMES)
    def a_summary_is_due(self, where: str, fault: Fault | None, outcomes: list[str]) -> None:
        found = SUMMARY_PREFIX + where
        item = from_item(self.table.item(found))
        if "due" in item:
            self.time = max(self.time, item["due_at"], item.get("next_at", 0)) + SKEW
            self.queue.append(Event(self.unique("request"), found))
            self.process(self.queue[-1], fault, outcomes)

    @precondition(lambda self: self.messages)
    @rule(which=PICK, queued=st.booleans(), fault=FAULTS, outcomes=OUTCOMES)
    def a_person_replays_or_releases(self, which: int, queued: bool, fault: Fault | None, outcomes: list[str]) -> None:
        found = list(self.messages.values())[which % len(self.messages)]
        record = self.store.find_record(found.id)
        if record is None:
            return
        served = STAGE.channels_serving(found.site)
        result = apply_replay(found.id, record.verdict.hold_reason is not None, served, self.replays, self.clock())
        if not result.channels:
            return
        self.failures.discard(found.id)
        for name in result.channels:
            self.notifiers[name].uncertain.discard(found.id)
        if queued:
            self.queue.append(Event(self.unique("request"), found.id))
            self.process(self.queue[-1], fault, outcomes)

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:
            self.calm_down()
            self.check_that_everything_is_told()

    # What must hold in the end.

    def calm_down(self) -> None:
        """Nothing fails any more, until nothing is due."""
        for _ in range(300):
            for event in list(self.queue):
                self.time += 60
                self.process(event, None, [])
            due = [int(item["due_at"]["N"]) for item in self.table.items().values() if "due" in item]
            if not self.queue and not due:
                return
            self.time = max(self.time + 5 * 60, min(due, default=0) + SKEW)
            retry_due(self.store, self, self.clock())
        raise AssertionError("it never ends")

    def check_that_everything_is_told(self) -> None:
        stored = {found: record for found in self.messages if (record := self.store.find_record(found))}
        states = Counter[MessageState]()
        for name in CHANNELS:
            archive, wanted = MessageArchive(cast(Any, self.table), STAGE, self.clock), Wanted(name)
            while page := archive.page(wanted):
                states.update(one.state for one in page.messages)
                if page.next is None:
                    break
                wanted = replace(wanted, after=page.next)
        assert states.total() == len(stored)
        assert not {MessageState.STORED, MessageState.WAITING} & set(states)
        for found in self.messages:
            assert self.is_told(found, stored), f"nobody hears of {found}: {stored.get(found)}"
        for name, notifier in self.notifiers.items():
            counted = {found for found, where in self.summarized if where == name}
            assert sum(self.reported[name].values()) >= len(counted), "summaries tell of too few"
            told = sum(count for found, count in self.reported[name].items() if found.startswith("summary-"))
            assert told <= len(counted) + self.may_count_twice, "summaries tell of too many"
            # Of one that was lost on_failure hears, which names nobody.
            heard = self.reported[name]
            if all(found.startswith("summary-") and count <= summary.MAX_LINES for found, count in heard.items()):
                lines = "\n".join(notifier.texts)
                ranked = {found for found in counted if self.messages[found].evidence}
                lost = {found for found in ranked if f"{self.messages[found].fields['name']}:" not in lines}
                assert not lost, f"summaries do not name {lost}"

    def is_told(self, found: str, stored: dict[str, Record]) -> bool:
        """Whether somebody heard of a message, or will where people look."""
        for _ in stored:
            record = stored.get(found)
            if record is None:
                break
            if record.verdict.hold_reason is HoldReason.QUARANTINED:
                return True
            if record.verdict.hold_reason is None:
                name = self.messages[found].site
                state = record.deliveries[name].state
                assert state is not State.UNCERTAIN or not CHANNELS[name].retry_uncertain
                if state is State.DELIVERED:
                    return self.notifiers[name].rang[found] > 0
                # How many the summaries tell of is counted over all.
                return state is State.SUMMARIZED or found in self.failures
            found = record.verdict.duplicate_of
        return found in self.failures

    # How it runs.

    def run(self, message: DueMessage) -> None:
        """Queue a run, for ``retry_due``."""
        self.queue.append(Event(self.unique("request"), message.id))

    def clock(self) -> int:
        return self.time + self.skew

    def unique(self, what: str) -> str:
        self.number += 1
        return f"{what}-{self.number}"

    def look(self, key: str) -> dict[str, Any]:
        """Note what the table holds of a message; returns its item, or that of a channel's summary."""
        item = from_item(self.table.item(key))
        for name, held in item.get("deliveries", {}).items():
            if held["state"] == State.DELIVERED:
                self.recorded.add((key, name))
            if held["state"] == State.SUMMARIZED:
                self.summarized.add((key, name))
        return item

    def accept(
        self,
        where: str,
        evidence: tuple[PersonSign, ...],
        fields: Mapping[str, str] | None = None,
        age: int = 0,
        spam: bool = False,
    ) -> Event:
        found = self.unique("message")
        fields = fields or {"name": f"Ada {found}", "message": "Hello"}
        signals = ("honeypot",) if spam else ()
        message = Message(found, where, self.clock() - age, fields, signals=signals, evidence=evidence)
        self.messages[found] = message
        self.queue.append(Event(f"request of {found}", found, message))
        return self.queue[-1]

    def process(self, event: Event, fault: Fault | None, outcomes: list[str]) -> None:
        """A run of ``destined``; Lambda keeps an event whose run failed, and reports it after the last."""
        self.running = event
        event.runs += 1
        if self.during(fault, outcomes, lambda: self.handle(event)):
            self.queue.remove(event)
        elif event.runs == RUNS:
            self.queue.remove(event)
            self.failures.add(event.id)
            if lost := self.summaries.find_loss(event.request):
                # on_failure hears of the summary, although not of how many messages it was.
                self.reported[event.id.removeprefix(SUMMARY_PREFIX)][self.unique("lost")] = lost.count
        self.running = None
        self.look(event.id)

    def during(self, fault: Fault | None, outcomes: list[str], work: Any) -> bool:
        """Whether the work ended well. Killed is also a run that ends before it would have been."""
        self.fault, self.outcomes, self.calls, began = fault, list(outcomes), 0, self.time
        self.may_count_twice += fault is not None
        self.ends_at = self.time + RUN_SECONDS
        try:
            result = work()
            if self.fault and self.fault.kind.startswith("killed"):
                raise Killed
        except (Killed, DeliveryIncompleteError, StoreError, RetryError):
            return False
        finally:
            self.fault, self.outcomes = None, []
            self.slack = max(self.slack, 2 * SKEW + self.time - began) if self.time > began else self.slack
        if isinstance(result, DeliveryResult):
            self.hear(result)
        return True

    def hear(self, result: DeliveryResult) -> None:
        """What the bus tells ``on_failure``."""
        if result.action in (Action.UNDELIVERABLE, Action.UNCERTAIN):
            if result.message_id.startswith(SUMMARY_PREFIX):
                name = result.message_id.removeprefix(SUMMARY_PREFIX)
                self.reported[name][self.unique("lost")] = result.messages
            else:
                self.failures.add(result.message_id)

    def handle(self, event: Event) -> DeliveryResult:
        """What the handler of ``destined`` does."""
        invocation = Invocation(event.request, self.unique("run"), self.clock() + RUN_SECONDS)
        if event.message:
            where = STAGE.sites[event.message.site]
            verdict = spam.screen(event.message, where, self.recent)
            return delivery.deliver(event.message, verdict, self.dependencies(where.name), invocation)
        if event.id.startswith(SUMMARY_PREFIX):
            return summary.send_summary(event.id.removeprefix(SUMMARY_PREFIX), self.summary_dependencies(), invocation)
        stored = self.store.find(event.id)
        assert stored
        return delivery.deliver_again(*stored, self.dependencies(stored[0].site), invocation)

    def dependencies(self, where: str) -> DeliveryDependencies:
        return DeliveryDependencies(
            STAGE.sites[where],
            STAGE.channels_serving(where),
            self.notifiers,
            self.store,
            self.recent,
            self.clock,
            self.budgets[self.number % 2],
            lambda: self.summaries,
        )

    def summary_dependencies(self) -> SummaryDependencies:
        return SummaryDependencies(
            CHANNELS,
            self.notifiers,
            self.summaries,
            self.budgets[self.number % 2],
            self.store.find_fields,
            texts("en"),
            self.clock,
        )

    def before_table_call(self, operation: str, request: dict[str, Any]) -> None:
        self.before_call(operation, request)

    def before_call(self, operation: str, request: dict[str, Any] | None = None) -> None:
        """Let the fault of this run happen if this is its call."""
        self.calls += 1
        fault = self.fault
        if fault is None or self.calls < fault.at or fault.kind == "killed in the end":
            return
        self.fault = None
        match fault.kind:
            case "killed":
                raise Killed
            case "slow":
                self.time += 7 if request else 25
            case "overtaken" if self.running:
                other, outcomes = self.running, self.outcomes
                self.outcomes = []
                try:
                    result = self.handle(replace(other, request=self.unique("request")) if fault.at % 2 else other)
                    self.hear(result)
                except DeliveryIncompleteError:
                    pass
                self.outcomes = outcomes
            case _ if request:
                if fault.kind != "refused":
                    self.apply(operation, request)
                if fault.kind != "repeated":
                    raise ServiceError("InternalServerError", 500, fields={})

    def apply(self, operation: str, request: dict[str, Any]) -> None:
        do = {
            "PutItem": self.table.put_item,
            "UpdateItem": self.table.update_item,
            "DeleteItem": self.table.delete_item,
            "GetItem": self.table.get_item,
            "Query": self.table.query,
        }[operation]
        with suppress(ServiceError):  # The repetition is answered likewise.
            do(**request)


@pytest.mark.rehearse(
    "500 worlds of up to 40 steps: kills at each call, events twice, late, out of order, wrong clocks, floods, replays",
    "a recorded delivery that rings again, a message nobody hears of, more rings than the budget",
)
def test_whatever_the_world_does_no_delivery_repeats_no_message_is_silent_and_the_budget_holds() -> None:
    run_state_machine_as_test(
        DeliveryModel,
        settings=settings(
            max_examples=amount(20, 500),
            stateful_step_count=amount(15, 40),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
