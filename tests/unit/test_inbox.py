"""What the inbox is made of, apart from HTTP: elements, filters, words, timelines."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from xml.etree.ElementTree import Element

import pytest

from chalicelib.logic.archive import LATEST, MessageState, Outcome, StoredMessage
from chalicelib.logic.delivery_types import Delivery, State
from chalicelib.logic.spam import HoldReason, Verdict
from ops.inbox import timeline, words
from ops.inbox.filters import Filter
from ops.inbox.glyphs import glyph
from ops.inbox.tags import document, tag
from ops.operations import Replayed, Step
from ops.operations.trace import StepKind, of_table
from tests.fakes import NOW
from tests.mailbox import one_of_each, stored

# Elements.


def test_text_and_attributes_are_escaped() -> None:
    page = document(tag("p", "<b>&", tag("i", "x"), "</p>", title='"><script>'))
    assert page == b'<!doctype html>\n<p title="&quot;&gt;<script&gt;">&lt;b&gt;&amp;<i>x</i>&lt;/p&gt;</p>'


def test_an_attribute_is_there_or_not() -> None:
    element = tag("input", class_="a", aria_label="b", disabled=True, checked=False, value=None, width=3)
    assert element.attrib == {"class": "a", "aria-label": "b", "disabled": "", "width": "3"}


def test_half_a_character_breaks_no_page() -> None:
    assert document(tag("p", "\ud800")).endswith(b"<p>?</p>")


@pytest.mark.parametrize("name", ["script", "style", "iframe"])
def test_what_is_not_escaped_is_never_made(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        tag(name, "alert(1)")


# Filters.


@pytest.mark.parametrize(
    "shown",
    [
        Filter(),
        Filter("shop"),
        Filter("default", MessageState.WAITING, date(2025, 12, 30), date(2026, 1, 2), "a-cursor_1"),
    ],
)
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


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3661, "1 h 1 min"),
        (90_000, "1 d 1 h"),
        (86_405, "1 d 5 s"),
    ],
)
def test_how_long_something_took(seconds: int, said: str) -> None:
    assert words.lasting(seconds) == said


def test_every_state_has_its_words_and_its_shape() -> None:
    assert set(words.MESSAGE_STATES) == set(MessageState)
    assert set(words.CHANNEL_STATES) == set(State)
    for states in (MessageState, State):
        shapes = {str(state): [path.get("d") for path in glyph(str(state))] for state in states}
        drawn = ["".join(map(str, paths)) for paths in shapes.values()]
        assert len(set(drawn)) == len(drawn), "none is told by its colour alone"


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (Replayed("x", ("a",), {}, True), "Asked to ring a."),
        (Replayed("x", ("a", "b"), {"c": "sending"}, True), "Asked to ring a and b. Left alone: c (sending)."),
        (Replayed("x", (), {"c": "delivered"}, False), "There was nothing to ring. Left alone: c (delivered)."),
        (Replayed("x", ("a",), {}, False), "Will ring a within 15 minutes: destined could not be asked now."),
    ],
)
def test_what_a_replay_did(done: Replayed, said: str) -> None:
    assert words.replayed(done) == said


# Timelines.


def events(message: StoredMessage) -> list[tuple[str, str, str]]:
    return [(each.channel, each.glyph, each.what) for each in timeline.events(of_table(message.listed.id, message))]


@pytest.mark.parametrize("message", one_of_each(), ids=lambda message: message.listed.id)
def test_the_picture_and_its_description_have_every_event(message: StoredMessage) -> None:
    found = timeline.events(of_table(message.listed.id, message))
    picture = timeline.picture(found)
    said = [str(text.text) for text in picture.iter("text") if text.get("class") == "what"]
    assert said == [f"{each.channel}: {each.what}" if each.channel else each.what for each in found]
    heights = [float(str(text.get("y"))) for text in picture.iter("text") if text.get("class") == "what"]
    assert heights == sorted(set(heights))
    description = str(next(picture.iter("desc")).text)
    assert all(f"{each.channel} {each.what}".strip() in description for each in found)


def test_what_is_held_ends_there() -> None:
    one = stored(
        "x", MessageState.QUARANTINED, {"a": Delivery()}, verdict=Verdict(("links",), 10, HoldReason.QUARANTINED)
    )
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
    trace = of_table("x", stored("x", MessageState.DELIVERED, {"a": delivered}, *lines))
    logged = [
        Step(NOW + 91.5, StepKind.ENDED, "destined", details={"action": "delivered"}),
        Step(NOW + 92.0, StepKind.TOLD, "on_success"),
        Step(NOW + 93.0, StepKind.LOGGED, "notify_pushover", details={"message": "Quota low"}),
    ]
    found = timeline.events(replace(trace, steps=(*trace.steps, *logged)))
    assert [each.what for each in found][2:] == [
        "to be tried again",
        "delivered",
        "A run ended: delivered",
        "on_success was told",
        "notify_pushover: Quota low",
    ]


def test_a_longer_pause_is_a_longer_gap_and_what_is_ahead_is_dashed() -> None:
    found = timeline.events(of_table("waiting-1", one_of_each()[1]))
    picture = timeline.picture(found)
    rows = [each for each in picture.iter("g") if each.get("class") == "glyph"]
    heights = [float(str(each.get("transform")).rstrip(")").split()[1]) for each in rows]
    gaps = {round(found[n + 1].at - found[n].at): heights[n + 1] - heights[n] for n in range(3, len(found) - 1)}
    assert [gaps[pause] for pause in sorted(gaps)] == sorted(gaps.values())
    assert len([each for each in picture.iter("path") if is_ahead(each)]) == 1


def is_ahead(path: Element) -> bool:
    return path.get("class") == "lane ahead"
