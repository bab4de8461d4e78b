"""What the inbox is made of, apart from HTTP: elements, filters, words, timelines."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date, datetime

import pytest

from chalicelib.inbox import timeline_picture, words
from chalicelib.inbox.filters import Filter
from chalicelib.inbox.state_shapes import shape
from chalicelib.logic.delivery_types import Delivery, State
from chalicelib.logic.message import LATEST as LAST_SECOND
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.recorded_timeline import StepKind, trace_of_table
from chalicelib.logic.spam import HoldReason, Verdict
from chalicelib.logic.stored_messages import LATEST, Outcome, StoredMessage
from ops.cli import times
from ops.config.schema import _DAYS as MAX_RETENTION_DAYS
from ops.operations import Replayed, Step
from tests.fakes import NOW
from tests.mailbox import one_of_each, stored

# Filters.


EVERYTHING = Filter("default", MessageState.WAITING, date(2025, 12, 30), date(2026, 1, 2), "a-cursor_1")


@pytest.mark.parametrize("shown", [Filter(), Filter("shop"), EVERYTHING])
def test_an_address_leads_back_to_the_same_filter(shown: Filter) -> None:
    query = dict(pair.split("=") for pair in shown.query().lstrip("?").split("&") if pair)
    assert Filter.of(query, ("default", "shop")) == shown


def test_days_are_whole_ones() -> None:
    selection = Filter(since=date(2026, 3, 1), until=date(2026, 3, 1)).selection()
    assert selection.until - selection.since == 24 * 3600
    assert (Filter().selection().since, Filter().selection().until) == (0, LATEST)


def test_another_state_begins_with_its_newest() -> None:
    assert Filter("shop", cursor="x").having(MessageState.STORED) == Filter("shop", MessageState.STORED)


# Words.


def second(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp())


@pytest.mark.parametrize(
    ("at", "said"),
    [
        *(("2026-03-10 12:00:00", "just now"), ("2026-03-10 11:59:01", "just now")),
        *(("2026-03-10 11:59:00", "1 minute ago"), ("2026-03-10 11:10:01", "50 minutes ago")),
        *(("2026-03-10 10:59:59", "1 hour ago"), ("2026-03-10 00:00:01", "12 hours ago")),
        *(("2026-03-09 23:59:59", "yesterday"), ("2026-03-04 12:00:00", "6 days ago")),
        *(("2026-03-03 12:00:00", "3 Mar"), ("2025-12-31 12:00:00", "31 Dec 2025")),
        *(("2026-03-10 12:00:30", "in a moment"), ("2026-03-10 12:05:00", "in 5 minutes")),
        *(("2026-03-10 15:00:00", "in 3 hours"), ("2026-03-11 12:00:00", "tomorrow")),
        *(("2026-03-12 12:00:00", "in 2 days"), ("2027-03-10 12:00:00", "10 Mar 2027")),
    ],
)
def test_a_time_is_said_as_people_do(at: str, said: str) -> None:
    assert words.spoken(second(at), second("2026-03-10 12:00:00")) == said


def test_shortly_after_midnight_yesterday_evening_is_hours_ago() -> None:
    assert words.spoken(second("2026-03-09 23:00"), second("2026-03-10 01:00")) == "2 hours ago"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((-1, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min")),
        *((90_000, "1 d 1 h"), (86_405, "1 d 5 s")),
    ],
)
def test_how_long_something_took(seconds: int, said: str) -> None:
    assert words.lasting(seconds) == said


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])  # UTC+14, UTC-12
@pytest.mark.parametrize("at", [0, LAST_SECOND, LAST_SECOND + MAX_RETENTION_DAYS * 86_400])
def test_every_time_that_a_message_may_have_is_shown_in_every_zone(
    at: int, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its expiry too. One that can't be shown would take the whole list with it."""
    with monkeypatch.context() as environment:
        environment.setenv("TZ", zone)
        time.tzset()
        assert words.when(at, NOW).full == words.when(at).text
        assert times.shown(at)[:4] in words.moment(at)
        assert times.stamp(at).endswith("Z")
    time.tzset()


def test_every_state_has_its_words_and_its_shape() -> None:
    assert set(words.MESSAGE_STATES) == set(MessageState)
    assert set(words.CHANNEL_STATES) == set(State)
    for states in (MessageState, State):
        drawn = [(shape(str(state)).outline, shape(str(state)).inside) for state in states]
        assert len(set(drawn)) == len(drawn), "none is told by its colour alone"


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (Replayed("x", ("a",), {}, True), "Delivering by a."),
        (Replayed("x", ("a", "b"), {"c": "sending"}, True), "Delivering by a and b. Left alone: c (sending)."),
        (Replayed("x", (), {"c": "delivered"}, False), "Nothing is left to deliver. Left alone: c (delivered)."),
        (Replayed("x", ("a",), {}, False), "Will deliver by a within 15 minutes: destined can't be reached now."),
    ],
)
def test_what_a_replay_did(done: Replayed, said: str) -> None:
    assert words.replayed(done) == said


# Timelines.


def events(message: StoredMessage) -> list[tuple[str, str, str]]:
    found = timeline_picture.events(trace_of_table(message.listed.id, message))
    return [(each.channel, each.glyph, each.what) for each in found]


@pytest.mark.parametrize("message", one_of_each(), ids=lambda message: message.listed.id)
def test_the_picture_and_its_description_have_every_event(message: StoredMessage) -> None:
    found = timeline_picture.events(trace_of_table(message.listed.id, message))
    picture = timeline_picture.picture(found)
    assert [step.what for step in picture.steps] == [
        f"{each.channel}: {each.what}" if each.channel else each.what for each in found
    ]
    heights = [step.y for step in picture.steps]
    assert heights == sorted(set(heights))
    assert all(f"{each.channel} {each.what}".strip() in picture.description for each in found)


def test_what_is_held_ends_there() -> None:
    verdict = Verdict(("links",), 10, HoldReason.QUARANTINED)
    one = stored("x", MessageState.QUARANTINED, {"a": Delivery()}, verdict=verdict)
    assert events(one)[-1] == ("", "quarantined", "Stored, and held as spam")


def test_what_is_being_sent_is_shown_as_of_now() -> None:
    failed = Outcome("a", State.WAITING, 1, NOW + 2, "ChannelUnavailableError")
    sending = Delivery(State.SENDING, 2, "run", NOW + 60, since=NOW + 10)
    one = stored("x", MessageState.WAITING, {"a": sending}, failed, due=True)
    assert events(one)[2:] == [("a", "waiting", "waiting"), ("a", "sending", "being sent")]


def test_a_claim_that_is_over_is_shown_though_no_outcome_was_recorded() -> None:
    over = Delivery(State.UNCERTAIN, 1, next_attempt_at=NOW + 60, error="Interrupted", since=NOW + 60)
    one = stored("x", MessageState.WAITING, {"a": over}, due=True)
    assert events(one)[2:] == [("a", "uncertain", "uncertain"), ("a", "next", "next attempt")]


def test_nothing_is_ahead_of_what_waits_for_its_owner() -> None:
    held = Delivery(State.UNCERTAIN, 1, next_attempt_at=NOW + 5, error="ChannelUncertainError", since=NOW + 2)
    line = Outcome("a", State.UNCERTAIN, 1, NOW + 2, "ChannelUncertainError")
    assert events(stored("x", MessageState.UNCERTAIN, {"a": held}, line))[2:] == [("a", "uncertain", "uncertain")]


def test_a_replay_and_what_only_logs_know_are_shown() -> None:
    delivered = Delivery(State.DELIVERED, 2, since=NOW + 90)
    lines = [Outcome("a", State.PENDING, 1, NOW + 80), Outcome("a", State.DELIVERED, 2, NOW + 90, reference="r")]
    trace = trace_of_table("x", stored("x", MessageState.DELIVERED, {"a": delivered}, *lines))
    logged = [
        Step(NOW + 91.5, StepKind.ENDED, "destined", details={"action": "delivered"}),
        Step(NOW + 92.0, StepKind.TOLD, "on_success"),
        Step(NOW + 93.0, StepKind.LOGGED, "notify_pushover", details={"message": "Quota low"}),
    ]
    found = timeline_picture.events(replace(trace, steps=(*trace.steps, *logged)))
    assert [each.what for each in found][2:] == [
        *("to be tried again", "delivered", "A run ended: delivered", "on_success was told"),
        "notify_pushover: Quota low",
    ]


def test_a_longer_pause_is_a_longer_gap_and_what_is_ahead_is_dashed() -> None:
    found = timeline_picture.events(trace_of_table("waiting-1", one_of_each()[1]))
    picture = timeline_picture.picture(found)
    heights = [step.y for step in picture.steps]
    gaps = {round(found[n + 1].at - found[n].at): heights[n + 1] - heights[n] for n in range(3, len(found) - 1)}
    assert [gaps[pause] for pause in sorted(gaps)] == sorted(gaps.values())
    assert [lane.is_ahead for lane in picture.lanes].count(True) == 1
