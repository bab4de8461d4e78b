"""What is shown of stored messages, and the cursor from page to page."""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import InvalidRequestError
from chalicelib.logic.delivery_types import Action, Delivery, State
from chalicelib.logic.invoke_contract import MAX_ID
from chalicelib.logic.overall_state import MessageState, current_delivery, state_of
from chalicelib.logic.spam import NOTHING_FOUND, HoldReason, Verdict
from chalicelib.logic.stored_messages import (
    LATEST,
    MAX_CURSOR,
    MAX_PAGE,
    ListedMessage,
    Outcome,
    Page,
    Position,
    StoredMessage,
    Wanted,
)
from tests.fakes import NOW, channel

RINGS, HOLDS = channel("rings"), channel("holds", retry_uncertain=False)
CHANNELS = {"rings": RINGS, "holds": HOLDS}


def delivery(state: State) -> Delivery:
    return Delivery(state, 0 if state is State.PENDING else 1, claimed_until=NOW + 50 if state is State.SENDING else 0)


@pytest.mark.parametrize(
    ("channels", "state"),
    [
        ({"rings": State.PENDING}, "stored"),
        ({"rings": State.PENDING, "holds": State.PENDING}, "stored"),
        ({"rings": State.PENDING, "holds": State.DELIVERED}, "waiting"),
        ({"rings": State.SENDING}, "waiting"),
        ({"rings": State.WAITING}, "waiting"),
        ({"rings": State.UNCERTAIN}, "waiting"),
        ({"holds": State.UNCERTAIN}, "uncertain"),
        ({"rings": State.DELIVERED, "holds": State.UNCERTAIN}, "uncertain"),
        ({"rings": State.REJECTED, "holds": State.UNCERTAIN}, "undeliverable"),
        ({"rings": State.REJECTED, "holds": State.SENDING}, "waiting"),
        ({"rings": State.DELIVERED, "holds": State.REJECTED}, "undeliverable"),
        ({"rings": State.EXPIRED}, "undeliverable"),
        ({}, "undeliverable"),
        ({"rings": State.DELIVERED, "holds": State.DELIVERED}, "delivered"),
        ({"left": State.DELIVERED}, "delivered"),
        ({"left": State.UNCERTAIN}, "waiting"),
    ],
)
def test_a_message_has_one_state_by_the_rules_of_delivery(channels: dict[str, State], state: str) -> None:
    deliveries = {name: delivery(each) for name, each in channels.items()}
    assert state_of(deliveries, NOTHING_FOUND, CHANNELS, NOW) == state


@pytest.mark.parametrize("held", list(HoldReason))
def test_a_message_that_is_held_says_why_whatever_its_channels_are(held: HoldReason) -> None:
    assert state_of({"rings": Delivery()}, Verdict(hold_reason=held), CHANNELS, NOW) == str(held)


def test_whatever_a_message_can_end_in_is_a_state() -> None:
    assert {str(action) for action in Action} - {str(Action.UNCHANGED)} <= {str(state) for state in MessageState}


def test_a_claim_that_is_over_is_shown_as_uncertain_since_its_end() -> None:
    claimed = Delivery(State.SENDING, 1, "run", NOW + 50)
    assert current_delivery(claimed, NOW + 49, CHANNELS["rings"]) == claimed
    over = current_delivery(claimed, NOW + 5_000, CHANNELS["rings"])
    assert (over.state, over.since, over.next_attempt_at) == (State.UNCERTAIN, NOW + 50, NOW + 50)
    assert state_of({"holds": claimed}, NOTHING_FOUND, CHANNELS, NOW + 50) == "uncertain"
    assert state_of({"rings": claimed}, NOTHING_FOUND, CHANNELS, NOW + 50) == "waiting"


@pytest.mark.parametrize("name", ["holds", "has left herald.toml"])
def test_what_is_held_for_its_owner_has_no_next_attempt(name: str) -> None:
    for delivery in (Delivery(State.UNCERTAIN, 1, next_attempt_at=NOW + 9), Delivery(State.SENDING, 1, "run", NOW)):
        taken = current_delivery(delivery, NOW + 1, CHANNELS.get(name))
        assert (taken.state, taken.next_attempt_at) == (State.UNCERTAIN, 0)


LISTED = ListedMessage(
    "id-1",
    "default",
    NOW,
    MessageState.WAITING,
    {"rings": Delivery(State.WAITING, 2, "run", 0, NOW + 9, "", "ChannelUnavailableError", NOW + 4)},
    Verdict(("links",), 5),
)


def test_a_list_shows_nothing_that_a_visitor_typed() -> None:
    assert LISTED.as_json() == {
        "id": "id-1",
        "site": "default",
        "received_at": NOW,
        "state": "waiting",
        "channels": {
            "rings": {"state": "waiting", "attempts": 2, "since": NOW + 4, "next_attempt_at": NOW + 9}
            | {"error": "ChannelUnavailableError", "reference": None}
        },
        "held": None,
        "signals": ["links"],
        "score": 5,
        "rejected": None,
        "answered_at": None,
    }


def test_a_message_is_shown_whole_with_its_fields_in_the_order_sent() -> None:
    outcome = Outcome("rings", State.DELIVERED, 1, NOW + 1, "", "ref")
    listed = replace(LISTED, verdict=Verdict(hold_reason=HoldReason.DUPLICATE, duplicate_of="id-0"))
    stored = StoredMessage(listed, {"zeta": "1", "alpha": "2"}, NOW + 1, NOW + 99, 0, (outcome,))
    found = stored.as_json()
    assert list(found["fields"]) == ["zeta", "alpha"]  # type: ignore[call-overload]
    assert found == listed.as_json() | {
        "held": "duplicate",
        "duplicate_of": "id-0",
        "fields": {"alpha": "2", "zeta": "1"},
        "files": [],
        "stored_at": NOW + 1,
        "expires_at": NOW + 99,
        "due_at": None,
        "history": [
            {"channel": "rings", "state": "delivered", "attempts": 1, "since": NOW + 1}
            | {"error": None, "reference": "ref", "by": None}
        ],
        "marks": [],
    }


def test_a_page_says_where_the_next_one_begins() -> None:
    assert Page((LISTED,), None).as_json() == {"messages": [LISTED.as_json()], "cursor": None}
    cursor = Page((), Position(NOW, "id-1")).as_json()["cursor"]
    assert Position.of_cursor(str(cursor)) == Position(NOW, "id-1")


@settings(deadline=None)
@given(st.integers(0, LATEST), st.text(st.characters(codec="utf-8"), min_size=1, max_size=MAX_ID))
def test_every_position_comes_back_from_its_cursor(received_at: int, message_id: str) -> None:
    position = Position(received_at, message_id)
    assert len(position.as_cursor()) <= MAX_CURSOR
    assert Position.of_cursor(position.as_cursor()) == position


def test_the_longest_id_has_a_cursor() -> None:
    longest = Position(LATEST, "\N{GRINNING FACE}" * MAX_ID)
    assert Position.of_cursor(longest.as_cursor()) == longest


@pytest.mark.parametrize("message_id", ["i", "id", "id-", "ю"])
def test_a_cursor_is_short_whatever_the_id_is(message_id: str) -> None:
    held = f'[1,{NOW},"{message_id}"]'.encode()
    assert Position(NOW, message_id).as_cursor() == base64.urlsafe_b64encode(held).decode().rstrip("=")


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


@pytest.mark.parametrize("cursor", [
    "", "x", "not base64 at all", "é", encoded([2, NOW, "id-1"]), encoded([True, NOW, "id-1"]),
    encoded([1, True, "id-1"]), encoded([1, str(NOW), "id-1"]), encoded([1, -1, "id-1"]),
    encoded([1, LATEST + 1, "id-1"]), encoded([1, NOW, ""]), encoded([1, NOW, "x" * (MAX_ID + 1)]),
    encoded([1, NOW, 7]), encoded([1, NOW]), encoded([1, NOW, "id-1", "shop"]), encoded({"version": 1}),
    encoded([1, NOW, "id-1"]) + "=", encoded([1, NOW, "id-1"]).replace("W", "\n", 1), encoded([[[]]]) * 1000,
    base64.urlsafe_b64encode(b"[" * 700).decode(),
    base64.urlsafe_b64encode(b'[1, 1767225600, "id-1"]').decode().rstrip("="),
    base64.urlsafe_b64encode(b"\xff\xfe").decode().rstrip("="),
], ids=lambda cursor: repr(cursor[:24]))  # fmt: skip
def test_a_cursor_that_no_page_gave_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Position.of_cursor(cursor)
    assert caught.value.key == "cursor"
    assert caught.value.__cause__ is None


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_breaks_the_cursor(text: str) -> None:
    with contextlib.suppress(InvalidRequestError):
        Position.of_cursor(text)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"limit": 0}, "limit: expected 1 to 50"),
        ({"limit": MAX_PAGE + 1}, "limit: expected 1 to 50"),
        ({"since": NOW, "until": NOW}, "until: expected a later second than since"),
        ({"since": -1}, "until: expected a later second than since"),
        ({"until": LATEST + 1}, "until: expected a later second than since"),
        ({"since": NOW, "after": Position(NOW - 1, "id-1")}, "cursor: expected one of the same since and until"),
        ({"until": NOW, "after": Position(NOW, "id-1")}, "cursor: expected one of the same since and until"),
    ],
)
def test_a_page_that_makes_no_sense_is_refused(wanted: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Wanted("default", **wanted)  # type: ignore[arg-type]
    assert (caught.value.message, caught.value.key) == (message, message.partition(":")[0])


def test_a_page_of_one_message_within_one_second_makes_sense() -> None:
    for wanted in (Wanted("a", since=NOW, until=NOW + 1, limit=1, after=Position(NOW, "id-1")), Wanted("a", limit=1)):
        assert wanted.limit == 1
