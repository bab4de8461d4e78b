"""Test events, and what is read of the events that Lambda Destinations put on the bus."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import EventFailedError
from chalicelib.logic import events


def detail(condition: str, response: object, attempts: object = 1) -> dict[str, Any]:
    return {
        "requestContext": {"requestId": "r", "condition": condition, "approximateInvokeCount": attempts},
        "requestPayload": {"Records": [{"Sns": {"Message": "please fail"}}]},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": response,
    }


def test_a_test_event_is_answered_with_its_own_text() -> None:
    assert events.answer("hello world") == {"source": "herald.event", "action": "message", "message": "hello world"}


def test_please_fail_fails() -> None:
    with pytest.raises(EventFailedError):
        events.answer("please fail")


@pytest.mark.parametrize("text", ["", "Please fail", "please fail ", "please  fail"])
def test_only_the_exact_words_fail(text: str) -> None:
    assert events.answer(text)["message"] == text


def test_a_success_tells_source_and_action() -> None:
    response = {"source": "herald.contact", "action": "delivered", "message": {"id": "m"}}
    assert events.outcome(detail("Success", response), "m", "contact").as_log() == {
        "message_id": "m",
        "kind": "contact",
        "source": "herald.contact",
        "action": "delivered",
        "condition": "Success",
        "attempts": 1,
    }


ERROR = {"errorType": "EventFailedError", "errorMessage": "the event asked to fail", "stackTrace": ["line"]}


def test_a_failed_event_tells_its_error_and_all_that_is_needed_to_send_it_again() -> None:
    told = detail("RetriesExhausted", ERROR, 3)
    assert events.outcome(told, "m", "event").as_log() == {
        "message_id": "m",
        "kind": "event",
        "condition": "RetriesExhausted",
        "error_type": "EventFailedError",
        "attempts": 3,
        "error": ERROR,
        "request": told["requestPayload"],
    }


@pytest.mark.parametrize("kind", ["contact", "", "Event", "anything"])
def test_of_any_other_kind_neither_error_text_nor_payload_is_told(kind: str) -> None:
    logged = events.outcome(detail("RetriesExhausted", ERROR, 3), "m", kind).as_log()
    assert logged["error_type"] == "EventFailedError"
    assert not {"error", "request"} & set(logged)


def test_an_event_that_succeeded_tells_no_payload() -> None:
    assert not {"error", "request"} & set(events.outcome(detail("Success", {}), "m", "event").as_log())


@pytest.mark.parametrize("response", [None, "text", 7, [], {}])
def test_an_age_limit_leaves_no_answer_and_is_told_all_the_same(response: object) -> None:
    outcome = events.outcome(detail("EventAgeExceeded", response, 0), "m", "contact")
    assert outcome.as_log() == {"message_id": "m", "kind": "contact", "condition": "EventAgeExceeded", "attempts": 0}


def test_a_failure_whose_payload_holds_an_action_is_not_told_as_one() -> None:
    outcome = events.outcome(detail("RetriesExhausted", {"action": "delivered", "source": "x"}), "m", "contact")
    assert (outcome.action, outcome.source) == ("", "")


@pytest.mark.parametrize("broken", [{}, {"requestContext": None}, {"requestContext": {"approximateInvokeCount": "3"}}])
def test_an_event_of_another_shape_is_told_as_far_as_it_goes(broken: dict[str, Any]) -> None:
    outcome = events.outcome(broken, "m", "contact")
    assert (outcome.condition, outcome.attempts) == ("", 0)
