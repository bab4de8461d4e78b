"""A person's replay and release: the tables of docs/delivery.md, and that nothing which was delivered rings again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.errors import ChannelUnavailableError, StoreError
from chalicelib.logic import delivery, replay
from chalicelib.logic.delivery import CLAIM_SECONDS
from chalicelib.logic.delivery_types import Delivery, DeliveryDependencies, Invocation, Notifier, Record, State
from chalicelib.logic.duplicates import content_hash
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.replay import DUE_AFTER, MAX_TRIES, ReplayResult, ReplayUpdate, SkipReason
from chalicelib.logic.retry_due import DueMessage
from chalicelib.logic.spam import HoldReason, Verdict
from chalicelib.logic.stored_messages import ListedMessage, StoredMessage
from chalicelib.settings import DEFAULT_GIVE_UP_SECONDS
from ops.errors import OpsError
from ops.operations.replay import ReplayDependencies, again
from tests.fakes import (
    NOW,
    Clock,
    InMemoryMessages,
    InMemoryRecent,
    RecordingNotifier,
    RefusingNotifier,
    channel,
    message,
    site,
    stage,
    without_budget,
)

MESSAGE = message()
LONG = NOW + 10**9
FOUND: dict[str, Delivery] = {
    "delivered": Delivery(State.DELIVERED, 1, "run-0", reference="ref"),
    "sending": Delivery(State.SENDING, 1, "run-0", NOW + CLAIM_SECONDS),
    "died": Delivery(State.SENDING, 1, "run-0", NOW - 1),
    "rejected": Delivery(State.REJECTED, 1, "run-0", error="ChannelRejectedError"),
    "expired": Delivery(State.EXPIRED, 9, "run-0", error="ChannelUnavailableError"),
    "waiting": Delivery(State.WAITING, 4, "run-0", next_attempt_at=NOW + 9999),
    "uncertain": Delivery(State.UNCERTAIN, 4, "run-0", next_attempt_at=NOW + 9999),
    "pending": Delivery(),
}
"""Every state in which a replay may find a channel."""
LEFT = {"delivered": SkipReason.DELIVERED, "sending": SkipReason.SENDING}
"""The law: these are left alone, all others are tried."""


class MessageWithChannels:
    """One message with a record, its channels, and whom they ring."""

    def __init__(self, *, retry_uncertain: bool = True, held: HoldReason | None = None, **deliveries: Delivery) -> None:
        self.channels = {name: channel(name, retry_uncertain=retry_uncertain) for name in deliveries}
        self.notifiers = {name: RecordingNotifier() for name in deliveries}
        self.store = InMemoryMessages()
        self.clock = Clock()
        self.recent = InMemoryRecent()
        self.store.kept[MESSAGE.id] = MESSAGE
        self.store.records[MESSAGE.id] = Record("request-1", deliveries, Verdict(("links",) if held else (), 9, held))

    def revive(self, *, held: bool = False) -> ReplayResult:
        return replay.apply_replay(MESSAGE.id, held, self.channels, self.store, self.clock())

    def run(self, name: str = "run-9", notifiers: dict[str, Notifier] | None = None) -> str:
        """The run that is asked for, as ``destined`` does it; its action."""
        found = self.store.find(MESSAGE.id)
        assert found is not None
        return str(delivery.deliver_again(*found, self.means(notifiers), Invocation("request-9", name, LONG)).action)

    def deliver(self, request: str, run: str) -> str:
        """A run of the first event, as SNS or Lambda hands it over once more; its action."""
        return str(delivery.deliver(MESSAGE, Verdict(), self.means(), Invocation(request, run, LONG)).action)

    def means(self, notifiers: dict[str, Notifier] | None = None) -> DeliveryDependencies:
        notifiers = notifiers or dict(self.notifiers)
        return without_budget(site(), self.channels, notifiers, self.store, self.recent, self.clock)

    def rung(self) -> dict[str, int]:
        return {name: len(notifier.delivered) for name, notifier in self.notifiers.items()}

    @property
    def record(self) -> Record:
        return self.store.records[MESSAGE.id]


def test_what_a_replay_did_is_told_as_json() -> None:
    done = replay.Replayed("id-1", ("phone",), {"post": SkipReason.DELIVERED}, False)
    assert done.as_json() == {"id": "id-1", "channels": ["phone"], "left": {"post": "delivered"}, "asked": False}


# One channel


@pytest.mark.parametrize("state", FOUND)
@pytest.mark.parametrize("retry_uncertain", [True, False])
def test_a_replay_tries_what_has_not_delivered_and_nothing_else(state: str, retry_uncertain: bool) -> None:
    world = MessageWithChannels(retry_uncertain=retry_uncertain, a=FOUND[state])
    before = world.record
    done = world.revive()
    if state in LEFT:
        assert done == ReplayResult((), {"a": LEFT[state]})
        assert world.record == before, "nothing is changed, not even its age"
        return
    assert done == ReplayResult(("a",), {})
    assert world.record.deliveries["a"] == Delivery(State.PENDING, FOUND[state].attempts, since=NOW)
    assert (world.record.due_at, world.record.replayed_at) == (NOW + DUE_AFTER, NOW)
    assert world.run() == "delivered"
    assert world.rung() == {"a": 1}
    assert world.record.deliveries["a"].attempts == FOUND[state].attempts + 1
    assert world.record.due_at == 0


@pytest.mark.parametrize("state", FOUND)
def test_a_channel_that_no_longer_serves_the_site_is_left_alone(state: str) -> None:
    world = MessageWithChannels(a=FOUND[state])
    world.channels = {}
    assert world.revive() == ReplayResult((), {"a": LEFT.get(state, SkipReason.GONE)})


# Two channels


@pytest.mark.parametrize(("a", "b"), list(itertools.product(FOUND, repeat=2)))
def test_of_two_channels_exactly_the_missing_ones_ring_and_once(a: str, b: str) -> None:
    world = MessageWithChannels(a=FOUND[a], b=FOUND[b])
    for _ in range(2):
        world.revive()
        world.run()
        world.run()
    expected = {name: 0 if state in LEFT else 1 for name, state in (("a", a), ("b", b))}
    assert world.rung() == expected
    if "sending" not in (a, b):
        assert {each.state for each in world.record.deliveries.values()} == {State.DELIVERED}


def test_what_was_delivered_never_rings_again_however_often_it_is_replayed() -> None:
    world = MessageWithChannels(a=FOUND["rejected"], b=FOUND["delivered"])
    for number in range(5):
        world.revive()
        world.run(f"run-{number}")
        world.clock.now += 10 * DEFAULT_GIVE_UP_SECONDS
    assert world.rung() == {"a": 1, "b": 0}
    assert world.run() == "unchanged", "its end was told"


# What happens at the same time


def test_a_run_that_read_the_record_before_the_replay_can_not_claim_it_after() -> None:
    world = MessageWithChannels(a=replace(FOUND["waiting"], next_attempt_at=NOW))
    world.store.before_change = lambda *_: _once(world, world.revive)
    assert world.run("run-8") == "waiting"
    assert world.rung() == {"a": 0}
    assert world.run("run-9") == "delivered"
    assert world.rung() == {"a": 1}


def test_a_replay_that_comes_second_to_a_claim_leaves_the_channel_alone() -> None:
    world = MessageWithChannels(a=FOUND["waiting"], b=FOUND["rejected"])
    claimed = Delivery(State.SENDING, 5, "run-8", NOW + CLAIM_SECONDS)
    world.store.before_revival = lambda: _once(world, lambda: world.store.put(MESSAGE.id, "a", claimed))
    assert world.revive() == ReplayResult(("b",), {"a": SkipReason.SENDING})
    assert world.record.deliveries["a"] == claimed


def test_a_replay_that_is_always_second_gives_up_and_changes_nothing() -> None:
    world = MessageWithChannels(a=FOUND["waiting"])
    looked = 0

    def be_quicker() -> None:
        nonlocal looked
        looked += 1
        world.store.put(MESSAGE.id, "a", replace(FOUND["waiting"], attempts=10 + looked))

    world.store.before_revival = be_quicker
    with pytest.raises(StoreError) as caught:
        world.revive()
    assert caught.value.reason == "ConditionalCheckFailedException"
    assert (looked, world.record.replayed_at) == (MAX_TRIES, 0)


def test_two_replays_at_once_ring_once() -> None:
    world = MessageWithChannels(a=FOUND["rejected"])
    world.store.before_revival = lambda: _once(world, world.revive)
    assert world.revive() == ReplayResult(("a",), {})
    assert [world.run("run-8"), world.run("run-9")] == ["delivered", "unchanged"]
    assert world.rung() == {"a": 1}


def test_a_claimant_that_comes_back_from_the_dead_does_not_undo_the_replay() -> None:
    world = MessageWithChannels(a=FOUND["died"])
    world.revive()
    late = replace(FOUND["died"], state=State.DELIVERED, claimed_until=0)
    assert world.store.replace_delivery(MESSAGE.id, "a", FOUND["died"], late) is False


def _once(world: MessageWithChannels, do: Callable[[], object]) -> None:
    world.store.before_change = lambda *_: None
    world.store.before_revival = lambda: None
    do()


# Age


def test_the_age_counts_from_the_replay_on() -> None:
    down: dict[str, Notifier] = {"a": RefusingNotifier(ChannelUnavailableError("down"))}
    world = MessageWithChannels(a=FOUND["expired"])
    world.clock.now = replayed = NOW + 3 * DEFAULT_GIVE_UP_SECONDS
    world.revive()
    assert world.run(notifiers=down) == "waiting"
    world.clock.now = replayed + DEFAULT_GIVE_UP_SECONDS - 1
    assert world.run(notifiers=down) == "waiting"
    world.clock.now = replayed + DEFAULT_GIVE_UP_SECONDS
    assert world.run(notifiers=down) == "undeliverable"


# Release


@pytest.mark.parametrize("held", HoldReason)
def test_a_release_rings_and_keeps_what_was_found(held: HoldReason) -> None:
    world = MessageWithChannels(held=held, a=Delivery(), b=Delivery())
    assert world.run() == held
    assert world.revive(held=True) == ReplayResult(("a", "b"), {})
    assert world.run() == "delivered"
    assert world.rung() == {"a": 1, "b": 1}
    assert world.record.verdict == Verdict(("links",), 9, None)


def test_what_is_released_is_not_held_again_because_another_has_its_content() -> None:
    world = MessageWithChannels(held=HoldReason.DUPLICATE, a=Delivery())
    other = message("22222222-2222-4222-8222-222222222222")
    world.store.add(other, Record("request-2", {"a": FOUND["delivered"]}))
    what = f"content#{content_hash('default', MESSAGE.fields)}"
    world.recent.make_first(what, other.id, NOW - 1, 600)
    world.revive(held=True)
    assert world.run() == "delivered"
    assert world.rung() == {"a": 1}


def test_a_replay_refuses_what_is_held_and_a_release_what_is_not() -> None:
    with pytest.raises(LookupError):
        MessageWithChannels(held=HoldReason.QUARANTINED, a=Delivery()).revive()
    with pytest.raises(LookupError):
        MessageWithChannels(a=FOUND["rejected"]).revive(held=True)


def test_what_is_not_there_is_neither_replayed_nor_released() -> None:
    world = MessageWithChannels(a=FOUND["rejected"])
    world.store.records.clear()
    with pytest.raises(LookupError, match=MESSAGE.id):
        world.revive()


def test_a_release_waits_for_an_attempt_that_is_in_progress() -> None:
    world = MessageWithChannels(held=HoldReason.DUPLICATE, a=FOUND["sending"])
    assert world.revive(held=True) == ReplayResult((), {"a": SkipReason.SENDING})
    assert world.record.verdict.hold_reason is HoldReason.DUPLICATE


def test_a_replay_that_no_inbox_asked_for_names_none() -> None:
    class Applied(InMemoryMessages):
        by = ""

        def apply(self, message_id: str, update: ReplayUpdate) -> bool:
            self.by = f"asked for by {update.by!r}"
            return super().apply(message_id, update)

    world = MessageWithChannels(a=FOUND["rejected"])
    assert replay.plan_replay(world.record, world.channels, NOW)[0].by == ""
    store = Applied(world.store.records, world.store.kept)
    replay.apply_replay(MESSAGE.id, False, world.channels, store, NOW)
    assert store.by == "asked for by ''"


# Lambda's own attempts


def test_lambda_s_retry_of_the_first_event_after_a_replay_rings_once_with_it() -> None:
    world = MessageWithChannels(a=FOUND["rejected"])
    world.revive()
    assert world.deliver("request-1", "run-7") == "delivered"
    assert world.run() == "unchanged"
    assert world.rung() == {"a": 1}


@pytest.mark.parametrize("state", ["delivered", "rejected", "expired", "sending"])
def test_a_letter_that_is_fed_back_rings_nothing_that_has_ended(state: str) -> None:
    """Another request id, the same event: what SNS's redelivery is."""
    world = MessageWithChannels(a=FOUND[state])
    assert world.deliver("letter", "run-7") == "unchanged"
    assert world.rung() == {"a": 0}


def test_a_letter_of_a_message_that_was_never_stored_delivers_it_however_old_it_is() -> None:
    world = MessageWithChannels(a=Delivery())
    world.store.records.clear()
    world.clock.now = NOW + 10 * DEFAULT_GIVE_UP_SECONDS
    assert [world.deliver(f"letter-{number}", f"run-{number}") for number in range(2)] == ["delivered", "unchanged"]
    assert world.rung() == {"a": 1}


# What can't be tried any more


class NobodyIsAsked:
    def run(self, message: DueMessage) -> None:
        raise AssertionError(message)


@pytest.mark.parametrize("held", [False, True])
def test_what_was_rejected_is_neither_replayed_nor_released(held: bool) -> None:
    world = MessageWithChannels()
    verdict = Verdict(hold_reason=HoldReason.REJECTED_PUBLICATION, wrong_key="title", reason="title: expected a text")
    listed = ListedMessage("sns-1", "notifications", NOW, MessageState.REJECTED_PUBLICATION, {}, verdict)
    needed = ReplayDependencies(stage(), world.store, NobodyIsAsked(), NOW)
    with pytest.raises(OpsError, match="sns-1 was rejected, and nothing of it is stored: title: expected a text"):
        again(StoredMessage(listed, {}, NOW, NOW, 0, ()), "sns-1", needed, held=held)


@pytest.mark.parametrize(
    ("site", "deliveries", "words"),
    [
        ("notifications", {"old": FOUND["rejected"]}, "any more. Name old in channels of [notifications] again"),
        ("default", {"old": FOUND["rejected"]}, "old does not serve its site default any more. Name old in channels"),
        ("shop", {"old": FOUND["rejected"]}, "its site shop has left herald.toml. Put [sites.shop] back"),
        ("default", {}, "it was stored for no channel"),
    ],
)
def test_what_has_no_channel_left_is_an_error_that_says_why_and_what_to_do(
    site: str, deliveries: dict[str, Delivery], words: str
) -> None:
    world = MessageWithChannels()
    world.store.records[MESSAGE.id] = Record("request-1", deliveries, Verdict())
    listed = ListedMessage(MESSAGE.id, site, NOW, MessageState.UNDELIVERABLE, deliveries, Verdict())
    kept = StoredMessage(listed, MESSAGE.fields, NOW, NOW, 0, ())
    needed = ReplayDependencies(stage(), world.store, NobodyIsAsked(), NOW)
    with pytest.raises(OpsError) as caught:
        again(kept, MESSAGE.id, needed, held=False)
    assert words in str(caught.value)
    assert f"messages erase {MESSAGE.id}" in str(caught.value)
