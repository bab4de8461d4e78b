"""What ``on_success`` and ``on_failure`` read of the events that Lambda Destinations put on the bus."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.logic import message_kinds
from chalicelib.logic.delivery_types import Action, DeliveryResult, State
from chalicelib.logic.message import Message
from chalicelib.logic.outcome_event import read_outcome
from chalicelib.logic.published_notification import read as read_notification
from chalicelib.logic.published_notification import read_unchecked
from tests.fakes import NOW, stage


def sent(message_id: str, kind: str) -> dict[str, Any]:
    """What ``destined`` was run with, as SNS hands it over."""
    sns = {"Message": json.dumps({"id": message_id}), "MessageAttributes": {"kind": {"Value": kind}}}
    return {"Records": [{"Sns": sns}]}


def read(condition: str, response: object, attempts: object = 1, *, kind: str = "contact") -> dict[str, Any]:
    """What is read of the event that a destination made of such a run."""
    detail = {
        "requestContext": {"requestId": "r", "condition": condition, "approximateInvokeCount": attempts},
        "requestPayload": sent("m", kind),
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": response,
    }
    return read_outcome({"detail": detail}).log_fields()


def test_a_success_tells_source_and_action() -> None:
    told = {"source": "herald.contact", "action": "delivered"}
    of_run = {"message_id": "m", "kind": "contact", "condition": "Success", "attempts": 1}
    assert read("Success", {**told, "message": {"id": "m"}}) == told | of_run


def test_a_success_tells_site_channels_and_times_and_nothing_of_the_visitor() -> None:
    result = {"id": "m", "site": "shop", "channels": {"pushover": "delivered"}}
    request = sent("m", "contact")
    request["Records"][0]["Sns"] |= {"Timestamp": "2026-11-20T09:30:00.000Z", "Subject": "MARKER"}
    request["Records"][0]["Sns"]["MessageAttributes"]["site"] = {"Value": "shop"}
    detail = {
        "timestamp": "2026-11-20T09:30:01.250Z",
        "requestContext": {"condition": "Success", "approximateInvokeCount": 1},
        "requestPayload": request,
        "responsePayload": {"source": "herald.contact", "action": "delivered", "message": result},
    }
    told = read_outcome({"detail": detail}).log_fields()
    assert told["site"] == "shop"
    assert told["channels"] == {"pushover": "delivered"}
    assert (told["published_at"], told["ended_at"]) == ("2026-11-20T09:30:00.000Z", "2026-11-20T09:30:01.250Z")
    assert told["seconds"] == 1.25
    assert "MARKER" not in json.dumps(told)
    assert "event" not in told


def test_a_success_without_personal_data_is_told_whole() -> None:
    detail = {
        "requestContext": {"condition": "Success", "approximateInvokeCount": 1},
        "requestPayload": sent("m", message_kinds.KIND_TEST_EVENT),
        "responsePayload": {"source": "herald.event", "action": "message", "message": "hello world"},
    }
    event = {"detail": detail, "source": "lambda"}
    assert read_outcome(event).log_fields()["event"] == event


def test_of_a_summary_it_is_told_how_many_messages_it_is_of() -> None:
    result = DeliveryResult("summary#pushover", "", Action.UNDELIVERABLE, {"pushover": State.REJECTED}, messages=37)
    assert read("Success", result.as_json(), kind="retry")["messages"] == 37


ERROR = {"errorType": "EventFailedError", "errorMessage": "the event asked to fail", "stackTrace": ["line"]}


def test_a_failed_event_tells_its_error_and_all_that_is_needed_to_send_it_again() -> None:
    assert read("RetriesExhausted", ERROR, 3, kind=message_kinds.KIND_TEST_EVENT) == {
        "message_id": "m",
        "kind": "event",
        "condition": "RetriesExhausted",
        "error_type": "EventFailedError",
        "attempts": 3,
        "error": ERROR,
        "request": sent("m", "event"),
    }


def test_a_failed_canary_tells_its_error_and_is_nothing_to_send_again() -> None:
    found = read("RetriesExhausted", ERROR, 3, kind=message_kinds.KIND_CANARY)
    assert found["error"] == ERROR
    assert "request" not in found


@pytest.mark.parametrize("kind", [message_kinds.KIND_CONTACT, message_kinds.KIND_RETRY, "", "Event", "anything"])
def test_of_any_other_kind_neither_error_text_nor_payload_is_told(kind: str) -> None:
    found = read("RetriesExhausted", ERROR, 3, kind=kind)
    assert found["error_type"] == "EventFailedError"
    assert not {"error", "request"} & set(found)


def test_a_failed_notification_is_named_as_it_would_be_stored() -> None:
    body = {"kind": "notification", "version": 1, "title": "Backup", "message": "x"}
    ids = []
    for text in (json.dumps(body), json.dumps(body | {"key": "k"}), "hello"):
        sns = {"MessageId": "sns-1", "Message": text, "MessageAttributes": {}}
        detail = {"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": {"Records": [{"Sns": sns}]}}
        ids.append(read_outcome({"detail": detail}).message_id)
    assert ids[0] == ids[2] == "sns-1"
    assert ids[1] == read_notification(json.dumps(body | {"key": "k"}), "sns-2", 0, stage()).id


@pytest.mark.parametrize(
    ("published", "texts", "named"),
    [
        *(("hello", {"message": "hello"}, False), ("[1]", {"message": "[1]"}, False)),
        *(("null", {"message": "null"}, False), ("[" * 9999, {"message": "[" * 9999}, False)),
        ('{"kind": "notification", "title": "T", "n": 1}', {"kind": "notification", "title": "T"}, False),
        ('{"kind": "notification", "key": "k"}', {"kind": "notification", "key": "k"}, True),
        ('{"kind": "notification", "key": 7}', {"kind": "notification"}, False),
        ('{"kind": "other", "key": "k"}', {"kind": "other", "key": "k"}, False),
    ],
)
def test_of_a_publication_that_nobody_judged_all_texts_are_told_and_its_id(
    published: str, texts: dict[str, str], named: bool
) -> None:
    body = {"kind": "notification", "version": 1, "title": "T", "message": "x", "key": "k"}
    its_id = read_notification(json.dumps(body), "other", 0, stage()).id if named else "sns-1"
    assert read_unchecked(published, "sns-1", NOW) == Message(its_id, "notifications", NOW, texts)


@pytest.mark.parametrize("attributes", [{}, {"kind": {}}, {"kind": {"Value": "retry"}}])
def test_an_event_without_ids_and_texts_has_empty_ones(attributes: dict[str, Any]) -> None:
    for sns in ({}, {"Message": "{}"}, {"Message": None}):
        request = {"Records": [{"Sns": {**sns, "MessageAttributes": attributes}}]}
        for condition in ("Success", "RetriesExhausted"):
            detail = {"requestContext": {"condition": condition}, "requestPayload": request, "responsePayload": {}}
            found = read_outcome({"detail": detail})
            expected = str(sns.get("Message", "")) if attributes.get("kind", {}).get("Value") else ""
            assert (found.message_id, found.source, found.action, found.error_type) == (expected, "", "", "")
            assert found.kind == attributes.get("kind", {}).get("Value", "")


def test_what_a_failed_run_answered_is_no_result_and_a_success_has_no_error() -> None:
    result = {"id": "other", "channels": {"a": "delivered"}, "messages": 7}
    answer = {"message": result, "action": "delivered", "source": "x", "errorType": "Error"}
    failure = read("RetriesExhausted", answer)
    assert failure["message_id"] == "m"
    assert not {"channels", "messages", "action", "source"} & set(failure)
    assert "error_type" not in read("Success", answer)


def test_of_a_result_the_id_is_the_results() -> None:
    found = read("Success", {"source": "herald.notification", "action": "rejected", "message": {"id": "by-result"}})
    assert found["message_id"] == "by-result"


def test_an_event_that_succeeded_tells_no_payload() -> None:
    assert not {"error", "request"} & set(read("Success", {}, kind=message_kinds.KIND_TEST_EVENT))


@pytest.mark.parametrize("response", [None, "text", 7, [], {}])
def test_an_age_limit_leaves_no_answer_and_is_told_all_the_same(response: object) -> None:
    told = {"message_id": "m", "kind": "contact", "condition": "EventAgeExceeded", "attempts": 0}
    assert read("EventAgeExceeded", response, 0) == told


@pytest.mark.parametrize("broken", [{}, {"requestContext": None}, {"requestContext": {"approximateInvokeCount": "3"}}])
def test_an_event_of_another_shape_is_told_as_far_as_it_goes(broken: dict[str, Any]) -> None:
    found = read_outcome({"detail": {**broken, "requestPayload": sent("m", "contact")}})
    assert found.log_fields() == {"message_id": "m", "kind": "contact", "attempts": 0}


def test_the_scheduled_retry_names_the_message_itself() -> None:
    sns = {"Message": "m", "MessageAttributes": {"kind": {"Value": message_kinds.KIND_RETRY}}}
    assert read_outcome({"detail": {"requestPayload": {"Records": [{"Sns": sns}]}}}).message_id == "m"
