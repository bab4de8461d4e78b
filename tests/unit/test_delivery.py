"""The state machine of docs/delivery.md: whom a message rings, how often, and how it ends."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    DeliveryIncompleteError,
    FunctionError,
    InvalidRequestError,
    StoreError,
)
from chalicelib.logic import delivery
from chalicelib.logic.delivery import CLAIM_SECONDS, deleted_result
from chalicelib.logic.delivery_types import (
    Delivery,
    DeliveryDependencies,
    DeliveryResult,
    Invocation,
    Notifier,
    Record,
    State,
)
from chalicelib.logic.duplicates import content_hash
from chalicelib.logic.message import Message
from chalicelib.logic.notification import Notification, from_contact
from chalicelib.logic.retry_schedule import MAX_PAUSE, next_due_at, pause_after
from chalicelib.logic.ring_budget import RingBudget
from chalicelib.logic.spam import HoldReason, Verdict, screen
from chalicelib.settings import DEFAULT_GIVE_UP_SECONDS, Channel, Rings, Spam
from tests.fakes import (
    NOW,
    Clock,
    ForgetfulSummaries,
    InMemoryMessages,
    InMemoryRecent,
    RecordingNotifier,
    RecoveringNotifier,
    RefusingNotifier,
    SpentRings,
    UnlimitedRings,
    channel,
    message,
    site,
    without_budget,
)

MESSAGE = message()
LONG = NOW + 10**9
"""A run with all the time that it needs."""
FIRST = Invocation("request-1", "run-1", LONG)
RETRY = Invocation("request-1", "run-2", LONG)
"""Lambda's retry of the same event, or the same event handed over twice."""
OTHER = Invocation("request-2", "run-3", LONG)
RING = {"pushover": channel()}
HOLD = {"pushover": channel(retry_uncertain=False)}
TWO = {"a": channel("a"), "b": channel("b")}
UNAVAILABLE = ChannelUnavailableError("down")
UNCERTAIN = ChannelUncertainError("no answer")
REJECTED = ChannelRejectedError("no")


class Run:
    """One message, its record, and runs of ``destined`` on it."""

    def __init__(self, channels: Mapping[str, Channel] | None = None, **notifiers: Notifier) -> None:
        self.channels = RING if channels is None else channels
        self.notifiers: Mapping[str, Notifier] = notifiers
        self.store = InMemoryMessages()
        self.clock = Clock()
        self.verdict = Verdict()
        self.recent = InMemoryRecent()
        self.rings: RingBudget = UnlimitedRings()
        self.on_recorded: Callable[[Message, str, Delivery], None] = lambda message, name, after: None

    def deliver(self, invocation: Invocation = FIRST) -> DeliveryResult:
        return delivery.deliver(MESSAGE, self.verdict, self.means(), invocation)

    def means(self) -> DeliveryDependencies:
        means = without_budget(site(), self.channels, self.notifiers, self.store, self.recent, self.clock)
        return replace(means, ring_budget=self.rings, summaries=ForgetfulSummaries, on_recorded=self.on_recorded)

    def action(self, invocation: Invocation = FIRST) -> str:
        """The action, or ``again`` where Lambda is to run it again."""
        try:
            return str(self.deliver(invocation).action)
        except DeliveryIncompleteError:
            return "again"

    def recorded(self, name: str = "pushover") -> Delivery:
        return self.store.records[MESSAGE.id].deliveries[name]

    def record(self, **deliveries: Delivery) -> None:
        self.store.kept[MESSAGE.id], self.store.records[MESSAGE.id] = MESSAGE, Record(FIRST.event_id, deliveries)

    @property
    def rang(self) -> list[Notification]:
        """What the channel ``pushover`` has delivered."""
        notifier = self.notifiers["pushover"]
        assert isinstance(notifier, RecordingNotifier)
        return notifier.delivered

    @property
    def due_at(self) -> int:
        return self.store.records[MESSAGE.id].due_at

    def again(self) -> str:
        """What ``destined`` answers when the scheduled retry asks for the message."""
        found = self.store.find(MESSAGE.id)
        assert found is not None
        return str(delivery.deliver_again(*found, self.means(), Invocation("retry-1", "retry-run-1", LONG)).action)


class Meanwhile(RecordingNotifier):
    """Delivers after something has happened during the call; what that raises is the provider's error."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self._happens = happens

    def notify(self, notification: Notification) -> str:
        self._happens()
        return super().notify(notification)


class Unwritable(InMemoryMessages):
    """Refuses to store this message."""

    def __init__(self, message_id: str) -> None:
        super().__init__()
        self._message_id = message_id

    def add(self, message: Message, record: Record) -> Record | None:
        if message.id == self._message_id:
            raise StoreError("InternalServerError")
        return super().add(message, record)


# A fresh message


def test_a_fresh_message_rings_once_and_is_recorded_with_the_providers_reference() -> None:
    run = Run(pushover=RecordingNotifier("ref-7"))
    assert run.deliver().as_json() == {
        "source": "herald.contact",
        "action": "delivered",
        "message": {"id": MESSAGE.id, "site": "default", "channels": {"pushover": "delivered"}},
    }
    assert [notification.id for notification in run.rang] == [MESSAGE.id]
    assert run.recorded() == Delivery(State.DELIVERED, 1, FIRST.run_id, 0, 0, "ref-7", "", NOW)
    assert run.store.records[MESSAGE.id].stored_by == FIRST.event_id


@pytest.mark.parametrize(("own", "title"), [("By phone", "By phone"), ("", "By site")])
def test_what_rings_has_the_channels_title_or_the_sites_and_the_link_to_the_inbox(own: str, title: str) -> None:
    run = Run({"pushover": channel()._replace(title=own)}, pushover=RecordingNotifier())
    means = replace(
        run.means(),
        site=site()._replace(title="By site"),
        inbox_link=lambda name, message: f"https://inbox.example/{name}/{message.id}",
    )
    delivery.deliver(MESSAGE, Verdict(), means, FIRST)
    (told,) = run.rang
    assert (told.title, told.inbox) == (title, f"https://inbox.example/pushover/{MESSAGE.id}")


@pytest.mark.parametrize(
    ("error", "pause", "state", "next_attempt_in"),
    [
        (None, 5, State.DELIVERED, None),
        (REJECTED, 5, State.REJECTED, None),
        (InvalidRequestError("no", key="id"), 5, State.REJECTED, None),
        (UNAVAILABLE, 5, State.WAITING, 5),
        (UNAVAILABLE, 3600, State.WAITING, 3600),
        (ChannelUnavailableError("down", retry_after=900), 5, State.WAITING, 900),
        (ChannelUnavailableError("down", retry_after=-9), 5, State.WAITING, 5),
        (UNCERTAIN, 5, State.UNCERTAIN, 5),
        (ChannelUncertainError("?", retry_after=600), 5, State.UNCERTAIN, 600),
    ],
)
def test_an_outcome_and_the_next_attempt_count_from_the_end_of_the_call(
    error: FunctionError | None, pause: int, state: State, next_attempt_in: int | None
) -> None:
    """Of an error the record keeps its class, and nothing of its text."""
    clock = Clock()

    def end() -> None:
        clock.now += 7
        if error:
            raise error

    claimed = Delivery(State.SENDING, 1, "run-1", NOW + CLAIM_SECONDS, since=NOW)
    found = delivery.call_notifier(Meanwhile(end), from_contact(MESSAGE), claimed, channel(pause=pause), clock)
    assert found == Delivery(
        state,
        1,
        "run-1",
        next_attempt_at=0 if next_attempt_in is None else NOW + 7 + next_attempt_in,
        reference="" if error else "ref-1",
        error=type(error).__name__ if error else "",
        since=NOW + 7,
    )


@pytest.mark.parametrize(
    ("attempts", "pause", "asked_for", "seconds"),
    [
        (1, 5, 0, 5),
        (2, 5, 0, 5),
        (2, 5, 60, 60),
        (1, 5, 90_000, 90_000),
        (3, 5, 0, 300),
        (3, 900, 0, 900),
        (3, 5, 400, 400),
        (4, 5, 0, 600),
        (9, 5, 0, 19_200),
        (10, 5, 0, 21_600),
        (10**9, 5, 0, 21_600),
    ],
)
def test_pauses_double_once_lambda_has_given_up_and_are_what_channel_and_provider_want(
    attempts: int, pause: int, asked_for: int, seconds: int
) -> None:
    assert pause_after(attempts, channel(pause=pause), asked_for) == seconds


@pytest.mark.parametrize(
    ("deliveries", "due"),
    [
        ({}, 0),
        ({"rings": Delivery(State.DELIVERED, 1), "holds": Delivery(State.REJECTED, 1)}, 0),
        ({"rings": Delivery()}, 1),
        ({"rings": Delivery(State.SENDING, 1, claimed_until=NOW + 9)}, NOW + 9),
        ({"rings": Delivery(State.WAITING, 1, next_attempt_at=NOW + 3)}, NOW + 3),
        ({"rings": Delivery(State.WAITING, 1, next_attempt_at=NOW + 7)}, NOW + 5),
        ({"rings": Delivery(State.WAITING, 1)}, 0),
        ({"left": Delivery(State.WAITING, 1, next_attempt_at=NOW + 3)}, NOW + 5),
        ({"left": Delivery(State.SENDING, 1, claimed_until=NOW + 9)}, NOW + 9),
        ({"holds": Delivery(State.UNCERTAIN, 1, next_attempt_at=NOW + 3)}, 0),
        ({"rings": Delivery(State.UNCERTAIN, 1, next_attempt_at=NOW + 3)}, NOW + 3),
        (
            {
                "holds": Delivery(State.UNCERTAIN, 1, next_attempt_at=NOW + 1),
                "rings": Delivery(State.DELIVERED, 1),
                "left": Delivery(State.WAITING, 1),
            },
            NOW + 5,
        ),
    ],
)
def test_a_message_is_due_when_the_first_of_its_channels_has_something_to_do(
    deliveries: dict[str, Delivery], due: int
) -> None:
    channels = {"rings": channel("rings"), "holds": channel("holds", retry_uncertain=False)}
    assert next_due_at(deliveries, channels, NOW + 5) == due


def test_the_run_of_a_message_that_is_gone_changes_nothing() -> None:
    assert deleted_result("id-1", "shop").as_json() == {
        "source": "herald.contact",
        "action": "unchanged",
        "message": {"id": "id-1", "site": "shop", "channels": {}},
    }


def test_the_channel_is_claimed_before_the_notifier_is_called() -> None:
    """And due from the moment that it is stored, as whoever stored it may die before it has done anything else."""
    seen: list[tuple[Delivery, int]] = []
    run = Run(pushover=Meanwhile(lambda: seen.append((run.recorded(), run.due_at))))
    run.deliver()
    claimed = Delivery(State.SENDING, 1, FIRST.run_id, NOW + CLAIM_SECONDS, since=NOW)
    assert seen == [(claimed, NOW + CLAIM_SECONDS)]
    assert run.due_at == 0, "and no more once it was delivered"


@pytest.mark.parametrize("broken", ["message", "claim"])
def test_nothing_rings_when_the_message_or_the_claim_cant_be_written(broken: str) -> None:
    def refuse(channel: str, before: Delivery, after: Delivery) -> None:
        raise StoreError("ServiceUnavailable")

    run = Run(pushover=RecordingNotifier())
    run.store = Unwritable(MESSAGE.id if broken == "message" else "")
    run.store.before_change = refuse
    with pytest.raises(StoreError):
        run.deliver()
    assert run.rang == []
    assert bool(run.store.records) is (broken == "claim")


# Redeliveries and retries


@pytest.mark.parametrize("again", [FIRST, OTHER, Invocation("request-3", "run-4", LONG)])
@pytest.mark.parametrize("channels", [RING, HOLD])
def test_a_recorded_delivery_never_rings_again(again: Invocation, channels: Mapping[str, Channel]) -> None:
    run = Run(channels, pushover=RecordingNotifier())
    run.deliver()
    run.clock.now += 1_000_000
    expected = "delivered" if again is FIRST else "unchanged"
    assert [run.action(again), run.action(again)] == [expected, expected]
    assert len(run.rang) == 1


def test_lambdas_retry_of_the_same_request_delivers_what_waited() -> None:
    run = Run(pushover=RecoveringNotifier(UNAVAILABLE, UNAVAILABLE))
    actions = []
    for _ in range(3):
        actions.append(run.action())
        run.clock.now += 60
    assert actions == ["again", "again", "delivered"]
    assert run.recorded().attempts == 3
    assert run.recorded().error == "", "an old error would read as if the delivery had failed"


# Waiting


def test_a_channel_that_waits_is_not_asked_before_it_is_due() -> None:
    notifier = RefusingNotifier(UNAVAILABLE)
    run = Run(pushover=notifier)
    run.action()
    assert (run.recorded().state, run.recorded().next_attempt_at) == (State.WAITING, NOW + 5)
    run.clock.now = NOW + 4
    assert [run.action(), run.action(OTHER), notifier.calls] == ["again", "unchanged", 1]
    run.clock.now = NOW + 5
    assert [run.action(), notifier.calls] == ["again", 2]


# Uncertain, and interrupted claims


@pytest.mark.parametrize("invocation", [RETRY, OTHER])
def test_uncertain_rings_again_once_it_is_due(invocation: Invocation) -> None:
    run = Run(pushover=RecoveringNotifier(UNCERTAIN))
    assert run.action() == "again"
    assert run.recorded().state is State.UNCERTAIN
    assert run.action() == "again"
    assert run.rang == []
    run.clock.now += 5
    assert run.action(invocation) == "delivered"


def interrupted(channels: Mapping[str, Channel]) -> Run:
    """A run that was killed while it called the notifier."""
    run = Run(channels, pushover=RecordingNotifier())
    run.record(pushover=Delivery(State.SENDING, 1, FIRST.run_id, NOW + CLAIM_SECONDS))
    return run


@pytest.mark.parametrize("invocation", [RETRY, OTHER])
def test_an_interrupted_call_rings_again_at_lambdas_retry_and_in_another_run(invocation: Invocation) -> None:
    run = interrupted(RING)
    run.clock.now = NOW + CLAIM_SECONDS
    assert run.action(invocation) == "delivered"
    assert len(run.rang) == 1
    assert (run.recorded().attempts, run.recorded().claimed_by) == (2, invocation.run_id)


@pytest.mark.parametrize("how", [RETRY, OTHER, "scheduled"])
def test_an_interrupted_call_is_held_where_the_channel_says_so_and_the_owner_is_told(how: Invocation | str) -> None:
    run = interrupted(HOLD)
    run.clock.now = NOW + CLAIM_SECONDS
    assert (run.action(how) if isinstance(how, Invocation) else run.again()) == "uncertain"
    assert run.rang == []
    assert (run.recorded().state, run.recorded().error) == (State.UNCERTAIN, "Interrupted"), "and the record says so"


@pytest.mark.parametrize("channels", [RING, HOLD])
def test_another_run_leaves_a_living_claim_alone(channels: Mapping[str, Channel]) -> None:
    run = interrupted(channels)
    run.clock.now = NOW + CLAIM_SECONDS - 1
    assert run.action(OTHER) == "unchanged"
    assert run.rang == []
    assert run.store.journal == []


def test_an_event_that_lambda_hands_over_twice_at_once_rings_once() -> None:
    run = interrupted(RING)
    assert run.action(RETRY) == "again", "its outcome is not known yet"
    assert run.rang == []


def test_a_run_that_could_not_finish_a_call_makes_none() -> None:
    run = Run(pushover=RecordingNotifier())
    assert run.action(Invocation("request-1", "run-1", NOW + CLAIM_SECONDS - 1)) == "again"
    assert run.rang == []
    assert run.recorded() == Delivery()
    assert run.action(Invocation("request-1", "run-2", NOW + CLAIM_SECONDS)) == "delivered"


class SlowRings(UnlimitedRings):
    """A budget that takes its time: others are quicker with each write."""

    def __init__(self, clock: Clock, seconds: int) -> None:
        self._clock, self._seconds = clock, seconds

    def take(self, channel: Channel, person_rank: int, now: int) -> bool:
        self._clock.now += self._seconds
        return True


@pytest.mark.parametrize(("seconds_left", "action"), [(CLAIM_SECONDS - 1, "again"), (CLAIM_SECONDS, "delivered")])
def test_a_claim_has_all_its_time_after_the_ring_was_asked_for_or_is_not_made(seconds_left: int, action: str) -> None:
    claims = []
    run = Run({"pushover": channel()._replace(rings=Rings(30, 120))}, pushover=RecordingNotifier())
    run.rings = SlowRings(run.clock, 14)
    run.store.before_change = lambda name, before, after: claims.append(after)
    assert run.action(Invocation("request-1", "run-1", NOW + 14 + seconds_left)) == action
    assert [claim.claimed_until for claim in claims if claim.state is State.SENDING] == (
        [NOW + 14 + CLAIM_SECONDS] if action == "delivered" else []
    )
    assert (run.recorded() == Delivery()) is (action == "again")


def test_a_channel_for_which_the_one_before_left_no_time_rings_at_the_retry() -> None:
    slow, other = Meanwhile(lambda: setattr(run.clock, "now", run.clock.now + 27)), RecordingNotifier()
    run = Run(TWO, a=slow, b=other)
    assert run.action(Invocation("request-1", "run-1", NOW + CLAIM_SECONDS + 26)) == "again"
    assert (run.recorded("a").state, run.recorded("b")) == (State.DELIVERED, Delivery())
    assert run.action(Invocation("request-1", "run-2", run.clock.now + CLAIM_SECONDS)) == "delivered"
    assert (len(slow.delivered), len(other.delivered)) == (1, 1)


@pytest.mark.parametrize(("channels", "action"), [(RING, "again"), (HOLD, "uncertain")])
def test_a_run_without_the_time_for_a_call_still_records_a_dead_claim(
    channels: Mapping[str, Channel], action: str
) -> None:
    run = interrupted(channels)
    run.clock.now = NOW + CLAIM_SECONDS
    assert run.action(Invocation("request-1", "run-2", run.clock.now + CLAIM_SECONDS - 1)) == action
    assert run.rang == []
    assert (run.recorded().state, run.recorded().error) == (State.UNCERTAIN, "Interrupted")


def test_an_outcome_that_could_not_be_written_is_uncertain_at_the_retry() -> None:
    def break_outcome(channel: str, before: Delivery, after: Delivery) -> None:
        if after.state is State.DELIVERED:
            raise StoreError("ServiceUnavailable")

    run = Run(HOLD, pushover=RecordingNotifier())
    run.store.before_change = break_outcome
    with pytest.raises(StoreError):
        run.deliver()
    assert run.recorded().state is State.SENDING
    run.clock.now += CLAIM_SECONDS
    assert run.action(RETRY) == "uncertain"
    assert len(run.rang) == 1


# Two runs at once


def test_of_two_runs_that_claim_at_once_only_one_rings() -> None:
    run = Run(pushover=RecordingNotifier())

    def be_quicker(channel: str, before: Delivery, after: Delivery) -> None:
        run.store.before_change = lambda *_: None
        run.store.put(MESSAGE.id, channel, Delivery(State.SENDING, 1, OTHER.run_id, NOW + CLAIM_SECONDS))

    run.store.before_change = be_quicker
    assert run.action() == "again", "the other one's outcome is not known yet"
    assert run.rang == []
    assert run.recorded().claimed_by == OTHER.run_id


def test_a_claim_that_somebody_took_over_meanwhile_is_not_overwritten() -> None:
    taken = Delivery(State.DELIVERED, 2, OTHER.run_id, reference="theirs")
    run = Run(pushover=Meanwhile(lambda: run.store.put(MESSAGE.id, "pushover", taken)))
    run.action()
    assert run.recorded() == taken


# Several channels


def test_a_channel_that_fails_keeps_no_other_from_ringing() -> None:
    for error in (UNAVAILABLE, UNCERTAIN, REJECTED):
        notifier = RecordingNotifier()
        run = Run(TWO, a=RefusingNotifier(error), b=notifier)
        run.action()
        assert len(notifier.delivered) == 1


OUTCOMES: dict[str, Callable[[], Notifier]] = {
    "delivered": RecordingNotifier,
    "rejected": lambda: RefusingNotifier(REJECTED),
    "invalid": lambda: RefusingNotifier(InvalidRequestError("no", key="id")),
    "waiting": lambda: RefusingNotifier(UNAVAILABLE),
    "ring again": lambda: RefusingNotifier(UNCERTAIN),
    "held": lambda: RefusingNotifier(UNCERTAIN),
}


def by_the_law(outcomes: tuple[str, ...]) -> str:
    """The table "The message as a whole" of docs/delivery.md, line by line."""
    if "waiting" in outcomes or "ring again" in outcomes:
        return "again"
    if "rejected" in outcomes or "invalid" in outcomes:
        return "undeliverable"
    return "uncertain" if "held" in outcomes else "delivered"


@pytest.mark.parametrize("outcomes", [*itertools.product(OUTCOMES, repeat=2), *itertools.product(OUTCOMES, repeat=3)])
def test_every_mixed_outcome_ends_as_the_law_says(outcomes: tuple[str, ...]) -> None:
    names = "abc"[: len(outcomes)]
    run = Run(
        {name: channel(name, retry_uncertain=outcome != "held") for name, outcome in zip(names, outcomes, strict=True)},
        **{name: OUTCOMES[outcome]() for name, outcome in zip(names, outcomes, strict=True)},
    )
    assert run.action() == by_the_law(outcomes)
    if by_the_law(outcomes) != "again":
        assert run.action() == by_the_law(outcomes), "and so at Lambda's retry"
        assert run.action(OTHER) == "unchanged"


@pytest.mark.parametrize("outcomes", list(itertools.product(OUTCOMES, repeat=2)))
def test_no_sequence_of_runs_rings_a_settled_channel_again(outcomes: tuple[str, ...]) -> None:
    calls = {"a": 0, "b": 0}

    class Counting:
        def __init__(self, name: str, notifier: Notifier) -> None:
            self._name, self._notifier = name, notifier

        def notify(self, notification: Any) -> str:
            calls[self._name] += 1
            return self._notifier.notify(notification)

    pairs = list(zip("ab", outcomes, strict=True))
    run = Run(
        {name: channel(name, retry_uncertain=outcome != "held") for name, outcome in pairs},
        **{name: Counting(name, OUTCOMES[outcome]()) for name, outcome in pairs},
    )
    for invocation in (FIRST, OTHER, FIRST, FIRST, OTHER, Invocation("request-3", "run-4", LONG)):
        run.action(invocation)
        run.clock.now += MAX_PAUSE
    # Each run that found it due tried what may still be delivered.
    assert calls == {name: 6 if outcome in ("waiting", "ring again") else 1 for name, outcome in pairs}


# Channels that come and go


def test_a_message_without_any_channel_is_undeliverable_and_never_delivered() -> None:
    assert Run({}).action() == "undeliverable"


def test_a_channel_that_has_left_the_configuration_is_not_forgotten() -> None:
    for state in (State.PENDING, State.WAITING, State.UNCERTAIN):
        run = Run({})
        run.record(pushover=Delivery(state))
        assert run.action() == "again"
        assert run.recorded().state is state


def test_a_delivery_by_a_channel_that_has_left_since_still_counts() -> None:
    run = Run({})
    run.record(pushover=Delivery(State.DELIVERED, 1))
    assert run.action() == "delivered"


def test_a_channel_without_a_notifier_function_waits_and_is_not_forgotten() -> None:
    run = Run(RING)
    assert run.action() == "again"
    assert run.recorded() == Delivery()


def test_the_error_names_each_channel_that_is_still_open() -> None:
    run = Run(TWO, a=RecordingNotifier(), b=RefusingNotifier(UNAVAILABLE))
    with pytest.raises(DeliveryIncompleteError, match=r"^still to deliver: b waiting$"):
        run.deliver()


# The single steps


@pytest.mark.parametrize("state", [state for state in State if state is not State.SENDING])
def test_only_sending_needs_to_be_understood(state: State) -> None:
    recorded = Delivery(state, 1, OTHER.event_id, 0)
    assert delivery.end_overdue_claim(recorded, NOW) is recorded


@pytest.mark.parametrize(
    ("state", "due", "retry_uncertain", "may"),
    [
        (State.PENDING, False, True, True),
        (State.WAITING, True, True, True),
        (State.WAITING, True, False, True),
        (State.WAITING, False, True, False),
        (State.UNCERTAIN, True, True, True),
        (State.UNCERTAIN, False, True, False),
        (State.UNCERTAIN, True, False, False),
        (State.SENDING, True, True, False),
        (State.DELIVERED, True, True, False),
        (State.REJECTED, True, True, False),
    ],
)
def test_who_may_be_rung(state: State, due: bool, retry_uncertain: bool, may: bool) -> None:
    recorded = Delivery(state, next_attempt_at=NOW if due else NOW + 1)
    assert delivery.may_attempt(recorded, channel(retry_uncertain=retry_uncertain), NOW) is may


def test_a_claim_forgets_the_last_error_and_counts_on() -> None:
    before = Delivery(State.WAITING, 2, OTHER.run_id, 0, NOW - 1, "", "ChannelUnavailableError")
    expected = Delivery(State.SENDING, 3, FIRST.run_id, NOW + CLAIM_SECONDS, since=NOW)
    assert delivery.claim(before, FIRST, NOW) == expected


# Side by side


def test_every_channel_is_tried_before_a_fault_of_our_own_escapes() -> None:
    other = RecordingNotifier()
    run = Run(TWO, a=RefusingNotifier(RuntimeError("a fault of our own")), b=other)
    with pytest.raises(RuntimeError, match="a fault of our own"):
        run.deliver()
    assert len(other.delivered) == 1
    assert run.recorded("b").state is State.DELIVERED
    assert run.recorded("a").state is State.SENDING, "it may have rung, which the next run takes for uncertain"


def test_channels_that_end_at_once_leave_nothing_due_whichever_is_written_last() -> None:
    begun, over = threading.Event(), threading.Event()

    class CrossingStore(InMemoryMessages):
        def replace_delivery(self, message_id: str, channel: str, before: Delivery, after: Delivery, *due: Any) -> bool:
            """The write of a's outcome, which knows nothing of b's, ends after b's."""
            if (channel, after.state) == ("a", State.DELIVERED):
                begun.set()
                assert over.wait(60)
            changed = super().replace_delivery(message_id, channel, before, after, *due)
            if (channel, after.state) == ("b", State.DELIVERED):
                over.set()
            return changed

    def wait_for_a() -> None:
        assert begun.wait(60)

    run = Run(TWO, a=RecordingNotifier(), b=Meanwhile(wait_for_a))
    run.store = CrossingStore()
    assert run.action() == "delivered"
    assert run.due_at == 0


# What is due


def test_a_message_is_due_with_the_first_of_its_channels() -> None:
    later = ChannelUnavailableError("down", retry_after=600)
    run = Run(TWO, a=RefusingNotifier(later), b=RefusingNotifier(UNAVAILABLE))
    run.action()
    assert run.due_at == NOW + 5


def test_what_is_held_is_never_due() -> None:
    run = Run(HOLD, pushover=RefusingNotifier(UNCERTAIN))
    run.action()
    assert run.due_at == 0
    quarantined = Run(pushover=RecordingNotifier())
    quarantined.verdict = Verdict(("links",), 10, HoldReason.QUARANTINED)
    assert quarantined.action() == "quarantined"
    assert quarantined.due_at == 0


def test_the_pauses_grow_once_lambdas_own_attempts_are_over() -> None:
    run = Run(pushover=RefusingNotifier(UNAVAILABLE))
    waits = []
    for number in range(12):
        run.action(Invocation(f"request-{number}", f"run-{number}", LONG))
        waits.append(run.due_at - run.clock.now)
        run.clock.now = run.due_at
    assert waits == [5, 5, 300, 600, 1_200, 2_400, 4_800, 9_600, 19_200, 21_600, 21_600, 21_600]


# The scheduled retry


def test_the_scheduled_retry_delivers_what_has_waited() -> None:
    run = Run(pushover=RecoveringNotifier(UNAVAILABLE))
    assert run.action() == "again"
    run.clock.now = run.due_at
    assert run.again() == "delivered"
    assert len(run.rang) == 1
    assert run.due_at == 0


def test_what_still_waits_is_no_error_for_the_scheduled_retry() -> None:
    run = Run(pushover=RefusingNotifier(UNAVAILABLE))
    run.action()
    run.clock.now = run.due_at
    assert run.again() == "waiting"
    assert run.due_at > run.clock.now


def test_a_scheduled_retry_that_comes_too_early_rings_nobody_and_keeps_the_time() -> None:
    run = Run(pushover=RecoveringNotifier(ChannelUnavailableError("over quota", retry_after=900)))
    run.action()
    run.store.set_due_at(MESSAGE.id, NOW + 1)  # As the scheduled retry does before it asks.
    assert run.again() == "waiting"
    assert (run.rang, run.due_at) == ([], NOW + 900)


def test_a_scheduled_retry_that_died_after_its_last_write_is_reported_by_the_next_run() -> None:
    """Lambda runs the event again, which finds the channel rejected: nobody has heard of it."""
    run = Run(pushover=RefusingNotifier(ChannelUnavailableError("down"), ChannelRejectedError("never")))
    run.action()
    run.clock.now += 900
    run.again()  # Its result is lost.
    assert (run.again(), run.due_at) == ("undeliverable", 0)


def test_the_scheduled_retry_finds_a_delivered_message_and_leaves_it_alone() -> None:
    """The index is a moment behind the table."""
    run = Run(pushover=RecordingNotifier())
    run.action()
    run.store.set_due_at(MESSAGE.id, NOW + 1)
    assert run.again() == "unchanged", "its end was told before"
    assert (len(run.rang), run.due_at) == (1, 0)


def test_the_scheduled_retry_rings_nobody_for_a_message_in_quarantine() -> None:
    run = Run(pushover=RecordingNotifier())
    run.verdict = Verdict(("links",), 10, HoldReason.QUARANTINED)
    run.action()
    run.store.set_due_at(MESSAGE.id, NOW + 1)
    assert run.again() == "quarantined"
    assert (run.rang, run.due_at) == ([], 0)


def test_a_scheduled_retry_without_a_ring_says_that_a_summary_will_tell() -> None:
    run = Run(pushover=RecordingNotifier())
    run.record(pushover=Delivery())
    run.rings = SpentRings()
    assert run.again() == "summarized"
    assert run.recorded() == Delivery(State.SUMMARIZED, since=NOW)


def test_a_run_without_time_for_a_call_asks_for_no_ring() -> None:
    run = Run(pushover=RecordingNotifier())
    run.rings = rings = SpentRings()
    assert run.action(Invocation("request-1", "run-1", NOW + CLAIM_SECONDS - 1)) == "again"
    assert rings.asked == []


def test_a_run_that_rang_one_channel_says_so_also_where_another_run_was_quicker_with_the_other() -> None:
    rung = threading.Event()
    run = Run(TWO, a=RecordingNotifier(), b=RecordingNotifier())
    run.record(a=Delivery(State.WAITING, 1, "run-0", 0, NOW), b=Delivery())

    class QuickerRun(SpentRings):
        def take(self, channel: Channel, person_rank: int, now: int) -> bool:
            assert rung.wait(10)
            run.store.put(MESSAGE.id, channel.name, Delivery(State.DELIVERED, 1, "run-9"))
            return super().take(channel, person_rank, now)

    run.rings, run.on_recorded = QuickerRun(), lambda message, name, after: rung.set()
    assert run.again() == "delivered"


@pytest.mark.parametrize(
    ("other", "action"),
    [
        (Delivery(State.WAITING, 9, "run-0", 0, NOW), "undeliverable"),
        (Delivery(State.SENDING, 9, "run-0", NOW), "uncertain"),
    ],
    ids=["too old", "died"],
)
def test_a_run_that_rang_one_channel_reports_also_where_another_run_ended_the_other(
    other: Delivery, action: str
) -> None:
    rung = threading.Event()
    run = Run(TWO | {"b": channel("b", retry_uncertain=False)}, a=RecordingNotifier(), b=RecordingNotifier())
    run.record(a=Delivery(), b=other)
    run.clock.now = NOW + (DEFAULT_GIVE_UP_SECONDS if action == "undeliverable" else 1)

    def be_quicker(name: str, before: Delivery, after: Delivery) -> None:
        if name == "b":
            assert rung.wait(10)
            run.store.put(MESSAGE.id, name, Delivery(State.DELIVERED, 1, "run-9"))

    run.store.before_change = be_quicker
    run.on_recorded = lambda message, name, after: rung.set()
    assert run.action(replace(OTHER, ends_at=run.clock.now + LONG)) == action


def test_a_claim_whose_run_died_is_uncertain_from_now_on_and_may_be_tried_at_once() -> None:
    died = Delivery(State.SENDING, 2, "run-0", NOW, since=NOW - 60)
    ended = replace(died, state=State.UNCERTAIN, next_attempt_at=NOW, error="Interrupted", since=NOW)
    assert delivery.end_overdue_claim(died, NOW) == ended
    assert delivery.end_overdue_claim(died, NOW - 1) is died


def test_no_channel_waits_for_a_slow_one_however_many_there_are() -> None:
    """Each waits until all others have begun: one after the other, none would end."""
    all_are_called = threading.Barrier(40, timeout=60)
    names = [f"channel-{number}" for number in range(40)]
    run = Run({name: channel(name) for name in names}, **{name: Meanwhile(all_are_called.wait) for name in names})
    assert run.deliver().action == "delivered"


@pytest.mark.parametrize(
    ("channels", "state", "action", "after"),
    [
        (RING, State.WAITING, "undeliverable", State.EXPIRED),
        (RING, State.UNCERTAIN, "undeliverable", State.EXPIRED),
        (HOLD, State.UNCERTAIN, "uncertain", State.UNCERTAIN),
        # What was never tried, and can't be.
        ({}, State.PENDING, "undeliverable", State.EXPIRED),
        # What has ended or is in mid-air.
        (RING, State.DELIVERED, "unchanged", State.DELIVERED),
        (RING, State.REJECTED, "undeliverable", State.REJECTED),
        (RING, State.SENDING, "waiting", State.SENDING),
    ],
)
def test_a_message_that_is_too_old_is_given_up_where_it_may_be_and_the_owner_hears_it(
    channels: Mapping[str, Channel], state: State, action: str, after: State
) -> None:
    """What was known last stays in the record."""
    run = Run(channels, pushover=RecordingNotifier())
    run.clock.now = too_old = MESSAGE.received_at + DEFAULT_GIVE_UP_SECONDS
    recorded = Delivery(state, 9, "run-0", too_old + 1, too_old, "", "ChannelUnavailableError")
    run.record(pushover=recorded)
    assert run.again() == action
    given_up = replace(recorded, state=after, next_attempt_at=0, since=too_old)
    assert run.recorded() == (recorded if after is state else given_up)
    assert run.rang == []


def test_what_was_never_tried_is_tried_once_however_long_it_lay_in_a_queue() -> None:
    notifier = RefusingNotifier(UNAVAILABLE)
    run = Run(pushover=notifier)
    run.clock.now = MESSAGE.received_at + 3 * DEFAULT_GIVE_UP_SECONDS
    assert run.action() == "again"
    assert run.action() == "undeliverable", "and then it is too old"
    assert (notifier.calls, run.recorded().state) == (1, State.EXPIRED)


def test_a_channel_that_has_left_is_given_up_in_the_end() -> None:
    run = Run({})
    run.record(pushover=Delivery(State.WAITING, 3))
    assert run.again() == "waiting"
    assert run.due_at == MESSAGE.received_at + DEFAULT_GIVE_UP_SECONDS
    run.clock.now = run.due_at
    assert run.again() == "undeliverable"


# The same content


def same(number: int, at: int = NOW, **more: Any) -> Message:
    """One of many messages that say the same."""
    return replace(message(f"id-{number}", message="same"), received_at=at, **more)


HONEYPOT = Spam(points={"honeypot": 10}, quarantine_from=10)
SPAMMY = ("honeypot",)
NO_TIME = NOW
"""When a run ends that can store a message and call nobody."""


class Form:
    """Messages of one site, each looked at, stored and delivered as ``destined`` does it."""

    def __init__(self, notifier: Notifier | None = None, *, duplicate_seconds: int = 600, channels: int = 1) -> None:
        self.site = site(duplicate_seconds=duplicate_seconds, spam=HONEYPOT)
        self.channels = {name: channel(name) for name in ("pushover", "email")[:channels]}
        self.notifier = notifier or RecordingNotifier()
        self.store = InMemoryMessages()
        self.recent = InMemoryRecent()
        self.runs = 0

    def deliver(self, it: Message, ends_at: int = LONG) -> DeliveryResult:
        self.runs += 1
        invocation = Invocation(f"request of {it.id}", f"run-{self.runs}", ends_at)
        return delivery.deliver(it, screen(it, self.site, self.recent), self.means(), invocation)

    def means(self, now: int = NOW) -> DeliveryDependencies:
        notifiers = dict.fromkeys(self.channels, self.notifier)
        return without_budget(self.site, self.channels, notifiers, self.store, self.recent, Clock(now))

    def store_only(self, it: Message) -> None:
        """A run that ends after it has stored the message and looked at its content."""
        with pytest.raises(DeliveryIncompleteError):
            self.deliver(it, ends_at=NO_TIME)

    def duplicate_of(self, it: Message) -> str:
        """Which message this one is held for; empty when it rang."""
        told = self.deliver(it)
        assert (told.action == "duplicate") == bool(told.verdict.duplicate_of)
        return told.verdict.duplicate_of

    def erase(self, it: Message) -> None:
        del self.store.records[it.id], self.store.kept[it.id]

    def due(self, it: Message) -> int:
        return self.store.records[it.id].due_at

    @property
    def rang(self) -> list[str]:
        assert isinstance(self.notifier, RecordingNotifier)
        return [each.id for each in self.notifier.delivered]


def test_the_same_content_once_more_is_stored_and_held_as_a_duplicate_of_the_first() -> None:
    form = Form()
    assert form.deliver(same(1)).action == "delivered"
    for number in (2, 3):
        held = {"id": f"id-{number}", "site": "default", "channels": {"pushover": "pending"}, "duplicate_of": "id-1"}
        told = form.deliver(same(number, NOW + number)).as_json()
        assert told == {"source": "herald.contact", "action": "duplicate", "message": held}
        assert form.store.records[f"id-{number}"].verdict == Verdict((), 0, HoldReason.DUPLICATE, "id-1")
        assert form.due(same(number)) == 0, "the scheduled retry has nothing to do for it"
    assert form.rang == ["id-1"]
    assert set(form.store.kept) == {"id-1", "id-2", "id-3"}


def test_another_text_is_another_message() -> None:
    form = Form()
    for number, text in enumerate(["one", "One", "one "]):
        assert form.duplicate_of(replace(same(number), fields={"message": text})) == ""
    assert form.rang == ["id-0", "id-1", "id-2"]


def test_the_same_words_on_another_site_are_another_message() -> None:
    form = Form()
    form.deliver(same(1))
    form.site = site("shop", duplicate_seconds=600)
    assert form.duplicate_of(replace(same(2), site="shop")) == ""
    assert form.rang == ["id-1", "id-2"]


@pytest.mark.parametrize(("later", "held"), [(0, True), (1, True), (599, True), (600, False), (601, False)])
def test_the_window_begins_with_the_first_and_has_no_edge_of_a_clock(later: int, held: bool) -> None:
    for start in range(NOW, NOW + 600, 97):
        form = Form()
        form.deliver(same(1, start))
        assert (form.duplicate_of(same(2, start + later)) == "id-1") is held


def test_repetitions_dont_make_the_window_longer() -> None:
    """Or a form that says the same each minute, such as one without any text, would ring once and never again."""
    form = Form()
    for minute in range(25):
        form.deliver(same(minute, NOW + 60 * minute))
    assert form.rang == ["id-0", "id-10", "id-20"]


def test_without_a_window_every_message_rings_and_nothing_is_noted() -> None:
    form = Form(duplicate_seconds=0)
    assert [form.duplicate_of(same(number)) for number in range(3)] == [""] * 3
    assert form.recent.firsts == {}
    assert len(form.rang) == 3


def test_messages_with_a_key_of_their_own_are_what_their_sender_says_they_are() -> None:
    form = Form()
    form.deliver(same(1))
    noted = dict(form.recent.firsts)
    assert [form.duplicate_of(same(number, has_idempotency_key=True)) for number in (2, 3)] == ["", ""]
    assert form.recent.firsts == noted, "and make none without a key a duplicate"
    assert form.rang == ["id-1", "id-2", "id-3"]


def test_a_message_of_a_site_that_has_left_is_compared_with_none() -> None:
    form = Form()
    form.deliver(same(1))
    means = without_budget(None, {}, {}, form.store, form.recent, Clock())
    told = delivery.deliver(same(2), Verdict(), means, FIRST)
    assert (told.action, told.verdict.duplicate_of) == ("undeliverable", "")


def test_a_repetition_that_looks_like_spam_is_quarantined_rather_than_a_duplicate() -> None:
    form = Form()
    form.deliver(same(1))
    told = form.deliver(same(2, signals=SPAMMY))
    assert (told.action, told.verdict.duplicate_of) == ("quarantined", "")


def test_a_duplicate_keeps_the_signs_that_were_not_enough() -> None:
    form = Form()
    form.site = site(spam=HONEYPOT._replace(quarantine_from=11))
    form.deliver(same(1))
    told = form.deliver(same(2, signals=SPAMMY))
    assert (told.verdict.signals, told.verdict.score) == (("honeypot",), 10)
    assert form.store.records["id-2"].verdict == Verdict(SPAMMY, 10, HoldReason.DUPLICATE, "id-1")


def test_of_two_that_were_stored_at_once_and_compared_afterwards_one_rings() -> None:
    form, compared = Form(), InMemoryRecent()

    class Slow(InMemoryRecent):
        """Lets the other message come, from its store to its end, before it answers for this one."""

        def claim_first(self, what: str, message_id: str, at: int, seconds: int) -> str:
            if message_id == "id-1":
                form.recent = compared
                assert form.duplicate_of(same(2)) == ""
            return compared.claim_first(what, message_id, at, seconds)

    form.recent = Slow()
    assert form.duplicate_of(same(1)) == "id-2"
    assert form.rang == ["id-2"]


# Whom nobody heard of stands in for nobody


def test_no_message_is_a_duplicate_of_one_that_was_put_into_quarantine_afterwards() -> None:
    form = Form()
    form.store_only(same(1))
    record = form.store.records["id-1"]
    form.store.records["id-1"] = replace(record, verdict=Verdict(hold_reason=HoldReason.QUARANTINED))
    assert form.duplicate_of(same(2)) == ""
    assert form.duplicate_of(same(3)) == "id-2"


def test_a_message_that_one_of_its_channels_still_has_makes_a_duplicate() -> None:
    form = Form(channels=2)
    form.store_only(same(1))
    for state in State:
        form.store.put("id-1", "pushover", Delivery(State.REJECTED, 1))
        form.store.put("id-1", "email", Delivery(state, 1))
        number = 2 + list(State).index(state)
        rings = state in (State.REJECTED, State.EXPIRED)
        assert form.duplicate_of(same(number)) == ("" if rings else "id-1"), state
        form.recent.firsts = dict.fromkeys(form.recent.firsts, ("id-1", NOW))


def test_the_window_of_one_that_took_over_begins_with_itself() -> None:
    form = Form()
    form.deliver(same(1))
    form.erase(same(1))
    form.deliver(same(2, NOW + 500))
    assert form.duplicate_of(same(3, NOW + 1_000)) == "id-2"
    assert form.duplicate_of(same(4, NOW + 1_100)) == ""


@pytest.mark.parametrize("before", [600, 6 * 3600])
def test_a_message_that_was_held_up_is_no_duplicate_of_one_that_came_long_after_it(before: int) -> None:
    form = Form()
    form.deliver(same(2))
    assert form.duplicate_of(same(1, NOW - before)) == ""
    assert form.duplicate_of(same(3, NOW + 599)) == "id-2", "nor does it take the later one's place"
    assert form.rang == ["id-2", "id-1"]


def test_a_message_that_was_overtaken_by_its_repetition_is_the_duplicate() -> None:
    form = Form()
    form.deliver(same(2))
    assert form.duplicate_of(same(1, NOW - 599)) == "id-2"
    assert form.rang == ["id-2"]


# One of them rings


ORDERS = list(itertools.permutations(range(4)))


def nth(number: int) -> Message:
    return same(number, NOW + 100 * number)


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_whatever_the_order_in_which_they_come_one_of_the_same_content_rings(order: tuple[int, ...]) -> None:
    form = Form()
    told = {form.duplicate_of(nth(number)) for number in (*order, *order, *reversed(order))}
    assert form.rang == [f"id-{order[0]}"]
    assert told == {"", f"id-{order[0]}"}


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("fate", ["quarantined", "refused", "erased", "never stored"])
def test_whatever_the_order_one_rings_of_those_that_can(order: tuple[int, ...], fate: str) -> None:
    """The second in time is lost, in one way or another, and none is lost with it."""

    class Choosy(RecordingNotifier):
        def notify(self, notification: Notification) -> str:
            if notification.id == "id-1":
                raise REJECTED
            return super().notify(notification)

    form = Form(Choosy() if fate == "refused" else None)
    form.store = Unwritable("id-1" if fate == "never stored" else "")
    for number in order:
        it = nth(number)
        with pytest.raises(StoreError) if (number, fate) == (1, "never stored") else nullcontext():
            form.deliver(replace(it, signals=SPAMMY) if (number, fate) == (1, "quarantined") else it)
        if (number, fate) == (1, "erased"):
            form.erase(it)
    heard = f"id-{next(number for number in order if number != 1)}"
    assert [one for one in form.rang if one != "id-1"] == [heard]
    assert ("id-1" in form.rang) is (fate == "erased" and order[0] == 1)
    others = {record.verdict.duplicate_of for one, record in form.store.records.items() if one != "id-1"}
    assert others == {"", heard}, "nobody is held for the one that is lost"


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_one_rings_also_when_each_run_crashes_once_after_it_has_stored(order: tuple[int, ...]) -> None:
    class CrashesOnce(InMemoryRecent):
        """Notes what it is asked, and its first answer for each message is lost."""

        def __init__(self) -> None:
            super().__init__()
            self.crashed: set[str] = set()

        def claim_first(self, what: str, message_id: str, at: int, seconds: int) -> str:
            found = super().claim_first(what, message_id, at, seconds)
            if message_id not in self.crashed:
                self.crashed.add(message_id)
                raise StoreError("ProvisionedThroughputExceededException")
            return found

    form = Form()
    form.recent = CrashesOnce()
    for number in order:
        with pytest.raises(StoreError):
            form.deliver(nth(number))
    for number in reversed(order):
        form.deliver(nth(number))
    assert form.rang == [f"id-{order[0]}"], "the one whose claim was written, though its answer was lost"
    assert {record.verdict.duplicate_of for record in form.store.records.values()} == {"", *form.rang}


@pytest.mark.parametrize("crash", ["before", "after"])
def test_one_that_takes_over_and_crashes_rings_at_its_retry(crash: str) -> None:
    class CrashesOnce(InMemoryRecent):
        broken = True

        def make_first(self, what: str, message_id: str, at: int, seconds: int) -> None:
            broken, self.broken = self.broken and message_id == "id-2", False
            if broken and crash == "before":
                raise StoreError("InternalServerError")
            super().make_first(what, message_id, at, seconds)
            if broken:
                raise StoreError("InternalServerError")

    form = Form()
    form.deliver(same(1))
    form.erase(same(1))
    noted, form.recent = form.recent.firsts, CrashesOnce()
    form.recent.firsts = noted
    with pytest.raises(StoreError):
        form.deliver(same(2))
    assert form.due(same(2)) > 0, "or the scheduled retry, where there is no retry"
    assert form.duplicate_of(same(2)) == ""
    assert form.duplicate_of(same(3)) == "id-2"


def test_what_replaces_a_first_message_is_compared_for_as_long_as_the_site_says() -> None:
    class Timed(InMemoryRecent):
        seconds = 0

        def make_first(self, what: str, message_id: str, at: int, seconds: int) -> None:
            self.seconds = seconds
            super().make_first(what, message_id, at, seconds)

    form = Form()
    form.deliver(same(1))
    form.erase(same(1))
    firsts, form.recent = form.recent.firsts, Timed()
    form.recent.firsts = firsts
    form.deliver(same(2))
    assert form.recent.seconds == form.site.duplicate_seconds


def test_a_retry_is_no_duplicate_of_what_came_after_it() -> None:
    form = Form()
    form.store_only(same(1))
    assert [form.duplicate_of(same(number)) for number in (2, 1, 2, 2, 1)] == ["id-1", "", "id-1", "id-1", ""]
    assert form.rang == ["id-1"]


def test_a_message_that_waits_for_its_channel_is_not_compared_again() -> None:
    """It has been tried: whoever is held in its stead relies on it."""
    form = Form(RecoveringNotifier(UNAVAILABLE))
    with pytest.raises(DeliveryIncompleteError):
        form.deliver(same(1))
    form.recent.firsts = dict.fromkeys(form.recent.firsts, ("id-9", NOW))
    form.store.records["id-9"] = Record("request-9", {"pushover": Delivery(State.DELIVERED, 1)})
    form.store.kept["id-9"] = same(9)
    form.store.put("id-1", "pushover", replace(form.store.records["id-1"].deliveries["pushover"], next_attempt_at=NOW))
    assert form.deliver(same(1)).action == "delivered"
    assert form.rang == ["id-1"]


def test_the_scheduled_retry_rings_nobody_for_a_duplicate() -> None:
    form = Form()
    form.deliver(same(1))
    form.deliver(same(2))
    found = form.store.find("id-2")
    assert found is not None
    told = delivery.deliver_again(*found, form.means(NOW + 10**6), OTHER)
    assert (told.action, told.verdict.duplicate_of) == ("duplicate", "id-1")
    assert form.rang == ["id-1"]


def test_what_the_record_says_of_a_duplicate_counts_whatever_has_become_of_the_first() -> None:
    form = Form()
    form.deliver(same(1))
    form.deliver(same(2))
    form.erase(same(1))
    assert form.duplicate_of(same(2)) == "id-1"
    assert form.rang == ["id-1"]


def test_a_repetition_whose_run_died_at_once_is_not_retried_on_schedule_either() -> None:
    """Stored, and nothing more: the scheduled retry comes before Lambda's retry, and looks at the content first."""
    run = Run(pushover=RecordingNotifier())
    run.recent.claim_first(f"content#{content_hash('default', MESSAGE.fields)}", "id-0", NOW, 600)
    run.store.add(replace(MESSAGE, id="id-0"), Record("request-0", {"pushover": Delivery(State.DELIVERED, 1)}))
    run.store.add(MESSAGE, Record(FIRST.event_id, {"pushover": Delivery()}, due_at=NOW))
    assert run.again() == "duplicate"
    assert (run.rang, run.due_at) == ([], 0)


# Outcomes of several channels that are written at the same time


class Writes(InMemoryMessages):
    """Writes the outcomes of some channels at the same time, and counts what is written of ``due_at`` alone."""

    def __init__(self, *together: str) -> None:
        super().__init__()
        self.due_at_alone = 0
        self._together = together
        self._meet = threading.Barrier(len(together) or 1, timeout=10)
        self._inside = threading.local()

    def replace_delivery(
        self, message_id: str, channel: str, before: Delivery, after: Delivery, due_at: int | None = None
    ) -> bool:
        if due_at is not None and channel in self._together:
            self._meet.wait()
        self._inside.write = True
        try:
            return super().replace_delivery(message_id, channel, before, after, due_at)
        finally:
            self._inside.write = False

    def set_due_at(self, message_id: str, due_at: int) -> None:
        self.due_at_alone += not getattr(self._inside, "write", False)
        super().set_due_at(message_id, due_at)


@pytest.mark.parametrize(
    ("in_turn", "together", "writes"),
    [(("a", "b"), (), 0), (("a", "b", "c"), (), 0), (("a", "bc", "d"), ("b", "c"), 1)],
    ids=str,
)
def test_only_where_outcomes_were_written_at_the_same_time_due_at_is_written_once_more(
    in_turn: tuple[str, ...], together: tuple[str, ...], writes: int
) -> None:
    names = "".join(in_turn)
    recorded = {name: threading.Event() for name in names}

    def wait_for(earlier: str) -> None:
        assert all(recorded[name].wait(10) for name in earlier)

    turns = {name: partial(wait_for, "".join(in_turn[:turn])) for turn, group in enumerate(in_turn) for name in group}
    run = Run({name: channel(name) for name in names}, **{name: Meanwhile(turn) for name, turn in turns.items()})
    run.store = store = Writes(*together)
    run.on_recorded = lambda message, name, after: recorded[name].set()
    assert run.action() == "delivered"
    assert (store.due_at_alone, store.records[MESSAGE.id].due_at) == (writes, 0)
