"""What a summary says, how many messages since when and who wrote what; and what becomes of a run that sends one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from chalicelib.errors import ChannelRejectedError, ChannelUnavailableError, ChannelUncertainError, HeraldError
from chalicelib.logic.delivery import CLAIM_SECONDS
from chalicelib.logic.delivery_types import Action, DeliveryResult, Invocation, State
from chalicelib.logic.notification import Notification
from chalicelib.logic.retry_schedule import LAMBDA_ATTEMPTS, pause_after
from chalicelib.logic.summary import (
    FIRST_PAUSE,
    MAX_LINE,
    MAX_LINES,
    MAX_PAUSE,
    NAMING_TIME,
    Batch,
    Loss,
    SummaryDependencies,
    choose_replaced,
    message_line,
    send_summary,
    summary_notification,
)
from chalicelib.settings import DEFAULT_GIVE_UP_SECONDS, Channel
from chalicelib.texts import texts
from tests.fakes import NOW, Clock, RecordingNotifier, RecoveringNotifier, channel

EN = texts("en")
WRITTEN = {str(number): {"name": f"Ada {number}", "message": "Hi"} for number in range(30)}


def summary(
    batch: Batch, find: Callable[[str], Mapping[str, str] | None] = WRITTEN.get, now: Clock | None = None
) -> Notification:
    means = SummaryDependencies({}, {}, None, None, find, EN, now or Clock())  # type: ignore[arg-type]
    return summary_notification("phone", batch, means)


def test_a_summary_says_how_many_since_when_and_names_those_that_are_still_there() -> None:
    found = summary(Batch(5, NOW - 90, ("1", "gone", "2"), "3", NOW - 60))
    since, more = EN["summary_since"].format(count=5, since="2025-12-31 23:58"), EN["summary_more"].format(count=2)
    text = "\n".join([since, "› Ada 1: Hi", "› Ada 2: Hi", "› Ada 3: Hi", more])
    assert found == Notification(f"summary-phone-{NOW - 60}-3", EN["summary_title"].format(count=5), text, NOW)
    assert summary(Batch(1, NOW, ("3",), "3", NOW)).message.splitlines()[1:] == ["› Ada 3: Hi"]


def test_of_many_the_first_eleven_and_the_newest_are_named() -> None:
    ids = tuple(map(str, range(20)))
    lines = summary(Batch(40, NOW, ids, "29", NOW)).message.splitlines()
    assert lines[1:-1] == [f"› Ada {number}: Hi" for number in (*range(11), 29)]
    assert len(lines[1:-1]) == MAX_LINES
    assert lines[-1] == EN["summary_more"].format(count=28)


@pytest.mark.parametrize("newest", ["0", "10", "11"])
def test_of_twelve_all_are_named_in_their_order_whichever_is_the_newest(newest: str) -> None:
    lines = summary(Batch(12, NOW, tuple(map(str, range(12))), newest, NOW)).message.splitlines()
    assert lines[1:] == [f"› Ada {number}: Hi" for number in range(12)]


def test_a_message_that_was_counted_twice_takes_no_line_of_another() -> None:
    lines = summary(Batch(13, NOW, ("0", *map(str, range(12))), "3", NOW)).message.splitlines()
    assert lines[1:] == [*(f"› Ada {number}: Hi" for number in range(12)), EN["summary_more"].format(count=1)]


@pytest.mark.parametrize(("seconds", "named"), [(0, 3), (NAMING_TIME - 1, 2), (NAMING_TIME, 1)])
def test_a_slow_table_delays_no_summary(seconds: int, named: int) -> None:
    now = Clock()

    def find(message_id: str) -> Mapping[str, str] | None:
        now.now += seconds
        return WRITTEN[message_id]

    lines = summary(Batch(3, NOW, ("1", "2"), "3", NOW), find, now).message.splitlines()
    assert len([line for line in lines if line.startswith("› ")]) == named


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"name": "Ada", "email": "a@example.com", "title": "T", "message": "Hi\nthere"}, "Ada: Hi there"),
        ({"name": "", "email": "a@example.com", "title": "T", "message": "Hi"}, "a@example.com: Hi"),
        ({"title": "Backup", "message": "Failed"}, "Backup: Failed"),
        ({"message": "Hi"}, "Hi"),
        ({"a": " ", "b": "text", "c": "more"}, "text"),
        ({"name": "\u2800", "message": "\u3164", "b": "text"}, "text"),
        ({"name": "Ada"}, "Ada: Ada"),
        ({}, ""),
        ({"message": "x" * MAX_LINE}, "x" * MAX_LINE),
        ({"message": "x" * (MAX_LINE + 1)}, "x" * (MAX_LINE - 1) + "…"),
    ],
)
def test_a_line_says_who_wrote_and_how_it_begins(fields: dict[str, str], line: str) -> None:
    assert message_line(fields) == line


def test_each_of_many_has_the_same_chance_to_be_named() -> None:
    assert [choose_replaced(str(number), 0, 3) for number in range(5)] == [0] * 5
    found = [choose_replaced(str(number), 9, 3) for number in range(10_000)]
    assert found == [choose_replaced(str(number), 9, 3) for number in range(10_000)], "the same answer each time"
    for index in range(3):
        assert 900 < found.count(index) < 1100
    assert {index for index in found if index is not None} == {0, 1, 2}


# A run


@dataclass
class OneBatch:
    """A store and a budget for one batch; ``calls`` are those that change something."""

    batch: Batch | None = None
    lost: int = 0
    free_at: int = 0
    """When there is a ring; 0 for now."""
    calls: list[tuple[object, ...]] = field(default_factory=list)

    def take_batch(self, channel: str, run_id: str, now: int, until: int) -> Batch | None:
        self.calls.append(("take", channel, run_id, now, until))
        return self.batch

    def claim(self, channel: str, run_id: str, attempt: int, until: int) -> bool:
        self.calls.append(("claim", channel, run_id, attempt, until))
        return True

    def postpone(self, channel: str, run_id: str, due_at: int) -> None:
        self.calls.append(("postpone", channel, run_id, due_at))

    def finish(self, channel: str, run_id: str, early_at: int, next_at: int, pause: int) -> None:
        self.calls.append(("finish", channel, run_id, early_at, next_at, pause))

    def note_loss(self, event_id: str, loss: Loss, now: int) -> None:
        self.calls.append(("loss", event_id, loss, now))

    def find_loss(self, event_id: str) -> Loss | None:
        return None

    def abandon(self, channel: str) -> int:
        return self.lost

    def take_for_summary(self, channel: Channel, now: int, *, early: bool) -> int:
        self.calls.append(("ring", channel.name, now, early))
        return self.free_at


def run(
    store: OneBatch, notifier: RecordingNotifier | None = None, seconds: int = 1000, **channels: Channel
) -> DeliveryResult:
    notifiers = {"phone": notifier or RecordingNotifier()}
    means = SummaryDependencies(channels, notifiers, store, store, WRITTEN.get, EN, Clock())  # type: ignore[arg-type]
    return send_summary("phone", means, Invocation("event-1", "run-1", NOW + seconds))


PHONE, HOLDING = channel("phone"), channel("phone", retry_uncertain=False)
BATCH = Batch(3, NOW - 90, ("1",), "2", NOW - 60)
TAKEN = ("take", "phone", "run-1", NOW, NOW + CLAIM_SECONDS)


def ended(action: Action, state: State | None = None, messages: int = 0) -> DeliveryResult:
    return DeliveryResult("summary#phone", "", action, {"phone": state} if state else {}, messages=messages)


@pytest.mark.parametrize("pause", [0, FIRST_PAUSE, MAX_PAUSE])
def test_a_batch_is_sent_with_a_ring_and_the_next_pause_is_twice_as_long(pause: int) -> None:
    store, notifier = OneBatch(replace(BATCH, pause=pause)), RecordingNotifier()
    assert run(store, notifier, phone=PHONE) == ended(Action.DELIVERED, State.DELIVERED, 3)
    assert [one.id for one in notifier.delivered] == [f"summary-phone-{NOW - 60}-2"]
    longer = {0: FIRST_PAUSE, FIRST_PAUSE: 2 * FIRST_PAUSE, MAX_PAUSE: MAX_PAUSE}[pause]
    assert store.calls == [
        TAKEN,
        ("ring", "phone", NOW, False),
        ("claim", "phone", "run-1", 1, NOW + CLAIM_SECONDS),
        ("finish", "phone", "run-1", NOW - 60 + FIRST_PAUSE, NOW - 60 + longer, longer),
    ]


def test_where_nothing_is_due_nothing_happens() -> None:
    store = OneBatch()
    assert run(store, phone=PHONE) == ended(Action.UNCHANGED)
    assert store.calls == [TAKEN]


@pytest.mark.parametrize(("lost", "action"), [(0, Action.UNCHANGED), (3, Action.UNDELIVERABLE)])
def test_of_a_channel_that_is_gone_what_it_was_to_tell_is_reported(lost: int, action: Action) -> None:
    assert run(OneBatch(lost=lost)) == ended(action, messages=lost)


@pytest.mark.parametrize(
    ("next_at", "early", "due_at"),
    [(0, False, NOW + 500), (NOW, False, NOW + 500), (NOW + 300, True, NOW + 300), (NOW + 900, True, NOW + 500)],
)
def test_without_a_ring_it_waits_for_one_and_an_early_summary_at_most_for_the_pause(
    next_at: int, early: bool, due_at: int
) -> None:
    store = OneBatch(replace(BATCH, next_at=next_at), free_at=NOW + 500)
    assert run(store, phone=PHONE) == ended(Action.WAITING, State.PENDING, 3)
    assert store.calls == [TAKEN, ("ring", "phone", NOW, early), ("postpone", "phone", "run-1", due_at)]


def test_what_the_owner_may_have_heard_is_told_as_uncertain_where_the_channel_holds_that() -> None:
    store, notifier = OneBatch(replace(BATCH, interrupted=True)), RecordingNotifier()
    assert run(store, notifier, phone=HOLDING) == ended(Action.UNCERTAIN, State.UNCERTAIN, 3)
    assert ("loss", "event-1", Loss(Action.UNCERTAIN, State.UNCERTAIN, 3), NOW) in store.calls
    assert notifier.delivered == []


@pytest.mark.parametrize(
    ("age", "attempts", "action"),
    [
        (DEFAULT_GIVE_UP_SECONDS, 1, Action.UNDELIVERABLE),
        (DEFAULT_GIVE_UP_SECONDS - 1, 1, Action.DELIVERED),
        (DEFAULT_GIVE_UP_SECONDS, 0, Action.DELIVERED),
    ],
)
def test_a_batch_is_given_up_once_it_is_too_old_and_not_before_it_was_tried(
    age: int, attempts: int, action: Action
) -> None:
    store = OneBatch(replace(BATCH, taken_at=NOW - age, attempts=attempts))
    assert run(store, phone=PHONE).action is action


@pytest.mark.parametrize(("error", "shown", "action", "state"), [
    (ChannelRejectedError("no"), PHONE, Action.UNDELIVERABLE, State.REJECTED),
    (ChannelUncertainError("?"), HOLDING, Action.UNCERTAIN, State.UNCERTAIN),
    (ChannelUncertainError("?"), PHONE, Action.WAITING, State.UNCERTAIN),
    (ChannelUnavailableError("down"), PHONE, Action.WAITING, State.WAITING),
])  # fmt: skip
def test_what_the_channel_says_decides_how_it_ends(
    error: HeraldError, shown: Channel, action: Action, state: State
) -> None:
    store = OneBatch(BATCH)
    assert run(store, RecoveringNotifier(error), phone=shown) == ended(action, state, 3)
    assert store.calls[-1][0] == ("postpone" if action is Action.WAITING else "finish")


@pytest.mark.parametrize(("age", "attempts", "due_in"), [
    (60, 0, pause_after(LAMBDA_ATTEMPTS, PHONE, 0)), (60, 2, pause_after(LAMBDA_ATTEMPTS + 2, PHONE, 0)),
    (DEFAULT_GIVE_UP_SECONDS - 5, 0, 5), (DEFAULT_GIVE_UP_SECONDS + 5, 0, 1),
])  # fmt: skip
def test_the_pauses_grow_and_none_ends_after_the_batch_is_too_old(age: int, attempts: int, due_in: int) -> None:
    store = OneBatch(replace(BATCH, taken_at=NOW - age, attempts=attempts))
    run(store, RecoveringNotifier(ChannelUnavailableError("down")), phone=PHONE)
    assert store.calls[-1] == ("postpone", "phone", "run-1", NOW + due_in)


def test_without_time_for_a_call_none_is_claimed() -> None:
    store = OneBatch(BATCH)
    assert run(store, seconds=CLAIM_SECONDS - 1, phone=PHONE) == ended(Action.WAITING, State.PENDING, 3)
    assert store.calls[-1] == ("postpone", "phone", "run-1", NOW)
    assert run(OneBatch(BATCH), seconds=CLAIM_SECONDS, phone=PHONE).action is Action.DELIVERED


def test_a_run_that_another_has_overtaken_rings_nobody() -> None:
    class Overtaken(OneBatch):
        def claim(self, channel: str, run_id: str, attempt: int, until: int) -> bool:
            return False

    notifier = RecordingNotifier()
    assert run(Overtaken(BATCH), notifier, phone=PHONE) == ended(Action.UNCHANGED)
    assert notifier.delivered == []
