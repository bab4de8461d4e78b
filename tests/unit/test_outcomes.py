"""What ``on_success`` and ``on_failure`` read of the events that Lambda Destinations put on the bus, and log."""

from __future__ import annotations

import json
import logging
import time
from datetime import datetime
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest

import outcomes
from chalicelib.logic import events
from chalicelib.logs import logger
from chalicelib.metrics import Metric, emit
from tests.fakes import Context, stage


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
    return outcomes.outcome({"detail": detail})


def test_a_success_tells_source_and_action() -> None:
    response = {"source": "herald.contact", "action": "delivered", "message": {"id": "m"}}
    assert read("Success", response) == {
        "message_id": "m",
        "kind": "contact",
        "source": "herald.contact",
        "action": "delivered",
        "condition": "Success",
        "attempts": 1,
    }


ERROR = {"errorType": "EventFailedError", "errorMessage": "the event asked to fail", "stackTrace": ["line"]}


def test_a_failed_event_tells_its_error_and_all_that_is_needed_to_send_it_again() -> None:
    assert read("RetriesExhausted", ERROR, 3, kind=events.KIND_EVENT) == {
        "message_id": "m",
        "kind": "event",
        "condition": "RetriesExhausted",
        "error_type": "EventFailedError",
        "attempts": 3,
        "error": ERROR,
        "request": sent("m", "event"),
    }


def test_a_failed_canary_tells_its_error_and_is_nothing_to_send_again() -> None:
    found = read("RetriesExhausted", ERROR, 3, kind=events.KIND_CANARY)
    assert found["error"] == ERROR
    assert "request" not in found


@pytest.mark.parametrize("kind", [events.KIND_CONTACT, events.KIND_REDRIVE, "", "Event", "anything"])
def test_of_any_other_kind_neither_error_text_nor_payload_is_told(kind: str) -> None:
    found = read("RetriesExhausted", ERROR, 3, kind=kind)
    assert found["error_type"] == "EventFailedError"
    assert not {"error", "request"} & set(found)


def test_an_event_that_succeeded_tells_no_payload() -> None:
    assert not {"error", "request"} & set(read("Success", {}, kind=events.KIND_EVENT))


@pytest.mark.parametrize("response", [None, "text", 7, [], {}])
def test_an_age_limit_leaves_no_answer_and_is_told_all_the_same(response: object) -> None:
    assert read("EventAgeExceeded", response, 0) == {
        "message_id": "m",
        "kind": "contact",
        "condition": "EventAgeExceeded",
        "attempts": 0,
    }


def test_a_failure_whose_payload_holds_an_action_is_not_told_as_one() -> None:
    assert not {"action", "source"} & set(read("RetriesExhausted", {"action": "delivered", "source": "x"}))


@pytest.mark.parametrize("broken", [{}, {"requestContext": None}, {"requestContext": {"approximateInvokeCount": "3"}}])
def test_an_event_of_another_shape_is_told_as_far_as_it_goes(broken: dict[str, Any]) -> None:
    assert outcomes.outcome({"detail": {**broken, "requestPayload": sent("m", "contact")}}) == {
        "message_id": "m",
        "kind": "contact",
        "attempts": 0,
    }


def test_the_redrive_names_the_message_itself() -> None:
    request = {"Records": [{"Sns": {"Message": "m", "MessageAttributes": {"kind": {"Value": events.KIND_REDRIVE}}}}]}
    assert outcomes.outcome({"detail": {"requestPayload": request}})["message_id"] == "m"


# Its lines beside those of Powertools


SUCCESS = {
    "detail": {
        "requestContext": {"condition": "Success", "approximateInvokeCount": 1},
        "requestPayload": sent("m", "contact"),
        "responsePayload": {"source": "herald.contact", "action": "delivered"},
    }
}


def powertools(found: dict[str, Any]) -> dict[str, Any]:
    """The line that the logger of every other function would write."""
    told: list[str] = []

    @logger.inject_lambda_context(clear_state=True)
    def other(event: object, context: Context) -> None:
        logger.set_correlation_id(found.get("message_id", ""))
        record = logger._logger.makeRecord("herald", logging.INFO, "f", 1, "Message handled", (), None, extra=found)
        told.append(logger.registered_formatter.format(record))

    other({}, Context())
    line: dict[str, Any] = json.loads(told[0])
    return line


def seconds(timestamp: str) -> float:
    return datetime.strptime(timestamp, "%Y-%m-%d %H:%M:%S,%f%z").timestamp()


@pytest.mark.parametrize("trace", ["", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"])
@pytest.mark.parametrize("request_", [sent("m", "contact"), sent("ü", "event"), None])
def test_a_line_has_the_keys_of_every_other_functions_line(
    trace: str, request_: dict[str, Any] | None, printed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Powertools' own formatter says what these are; the place in the source is left out."""
    if trace:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
    event = {"detail": {**SUCCESS["detail"], "requestPayload": request_}}
    outcomes.on_success(event, Context())
    (line,) = printed.lines
    expected = powertools(outcomes.outcome(event))
    assert expected.pop("location")
    assert abs(seconds(line["timestamp"]) - time.time()) < 60
    assert len(line.pop("timestamp")) == len(expected.pop("timestamp"))
    assert type(line.pop("cold_start")) is type(expected.pop("cold_start"))
    assert line == expected


def test_only_the_first_line_of_a_process_is_of_a_cold_start(printed: Any) -> None:
    spec = spec_from_file_location("outcomes_of_a_new_process", outcomes.__file__)
    assert spec is not None
    assert spec.loader is not None
    started = module_from_spec(spec)
    spec.loader.exec_module(started)
    for _ in range(3):
        started.on_success(SUCCESS, Context())
    assert [line["cold_start"] for line in printed.lines] == [True, False, False]


def test_a_text_that_is_no_text_can_be_logged_too(printed: Any) -> None:
    """Half of a character, which JSON can hold and no encoding can."""
    request = sent("m", events.KIND_EVENT)
    request["Records"][0]["Sns"]["Subject"] = "\ud83d"
    outcomes.on_failure({"detail": {"requestPayload": request}}, Context())
    assert printed.lines[0]["request"] == request


def test_a_failure_is_counted_as_every_other_metric_is_written(printed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERALD_STAGE", "dev")
    failure = {"detail": {**SUCCESS["detail"], "requestContext": {"condition": "RetriesExhausted"}}}
    outcomes.on_failure(failure, Context())
    emit(stage(), Metric.FAILED, {"message_id": "m", "kind": "contact", "reason": "RetriesExhausted"})
    _, one, other = map(json.loads, printed.text.splitlines())
    assert abs(one["_aws"].pop("Timestamp") - other["_aws"].pop("Timestamp")) < 60_000
    assert one == other


@pytest.mark.parametrize(("setting", "lines"), [("off", 1), ("", 2)])
def test_a_stage_that_wants_no_metrics_has_none(
    setting: str, lines: int, printed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERALD_METRICS", setting)
    monkeypatch.setenv("HERALD_STAGE", "dev")
    outcomes.on_failure({"detail": {"requestPayload": sent("m", "contact")}}, Context())
    assert len(printed.text.splitlines()) == lines
