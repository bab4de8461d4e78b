"""``on_success`` and ``on_failure``: one JSON line for each event."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from chalice.test import Client

from chalicelib.composition import override_container
from chalicelib.functions import FUNCTIONS
from chalicelib.settings import Stage
from tests.fakes import FakeContainer, message

MESSAGE = message(source="MARKER-source", name="MARKER-name", email="MARKER@example.com", message="MARKER-message")
SNS_ID = "95df01b4-ee98-5cb9-9903-4c221d41eb5e"
"""The id of the sample's notification."""
OURS = {
    *("message_id", "kind", "source", "action", "condition", "error_type", "attempts", "error", "request"),
    "correlation_id",
}


def event(root: Path, sample: str, text: str, kind: str, **detail: Any) -> dict[str, Any]:
    """A documented sample, with ``destined``'s request and answer in it."""
    found: dict[str, Any] = json.loads((root / "tests/contract/samples" / sample).read_text())
    request = json.loads((root / "tests/contract/samples/sns-event.json").read_text())
    request.pop("_source")
    sns = request["Records"][0]["Sns"]
    sns["Message"] = text
    attributes = {"kind": kind, "site": "default"}
    sns["MessageAttributes"] = {name: {"Type": "String", "Value": value} for name, value in attributes.items()}
    found["detail"] = {**found["detail"], "requestPayload": request, **detail}
    return found


def ours(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name in OURS}


@pytest.mark.parametrize(
    ("kind", "text", "action", "message_id"),
    [("contact", MESSAGE.serialize(), "delivered", MESSAGE.id), ("event", "hello world", "message", SNS_ID)],
)
def test_what_went_well_leaves_one_line(
    client: Client, root: Path, log: Any, kind: str, text: str, action: str, message_id: str
) -> None:
    answer = {"source": f"herald.{kind}", "action": action, "message": {"id": message_id, "channels": {}}}
    went_well = event(root, "success.json", text, kind, responsePayload=answer)
    assert client.lambda_.invoke("on_success", went_well).payload is None
    (line,) = log.lines
    assert line["level"] == "INFO"
    said = {"source": f"herald.{kind}", "action": action, "condition": "Success", "attempts": 1}
    assert ours(line) == {"message_id": message_id, "correlation_id": message_id, "kind": kind, **said}
    assert "MARKER" not in log.text


def test_a_failed_test_event_is_logged_with_all_that_is_needed_to_send_it_again(
    client: Client, root: Path, log: Any
) -> None:
    error = {"errorMessage": "the event asked to fail", "errorType": "EventFailedError", "stackTrace": ["line"]}
    failed = event(root, "failure.json", "please fail", "event", responsePayload=error)
    client.lambda_.invoke("on_failure", failed)
    (line,) = log.lines
    assert line["level"] == "ERROR"
    assert ours(line) == {
        "message_id": SNS_ID,
        "correlation_id": SNS_ID,
        "kind": "event",
        "condition": "RetriesExhausted",
        "error_type": "EventFailedError",
        "attempts": 3,
        "error": error,
        "request": failed["detail"]["requestPayload"],
    }


ERROR = {"errorType": "DeliveryIncompleteError", "errorMessage": "MARKER", "stackTrace": ["MARKER"]}
TOO_OLD = {"condition": "EventAgeExceeded", "approximateInvokeCount": 0}
UNDELIVERABLE = {"source": "herald.contact", "action": "undeliverable", "message": {}}


@pytest.mark.parametrize(
    ("sample", "more", "expected"),
    [
        (
            "failure.json",
            {"responsePayload": ERROR},
            {"condition": "RetriesExhausted", "error_type": "DeliveryIncompleteError", "attempts": 3},
        ),
        (
            "failure.json",
            {"requestContext": TOO_OLD, "responsePayload": None},
            {"condition": "EventAgeExceeded", "attempts": 0},
        ),
        (
            "success.json",
            {"responsePayload": UNDELIVERABLE},
            {"condition": "Success", "source": "herald.contact", "action": "undeliverable", "attempts": 1},
        ),
    ],
)
def test_a_failed_contact_message_is_logged_by_its_id_and_never_with_its_payload(
    client: Client, root: Path, log: Any, sample: str, more: dict[str, Any], expected: dict[str, Any]
) -> None:
    client.lambda_.invoke("on_failure", event(root, sample, MESSAGE.serialize(), "contact", **more))
    (line,) = log.lines
    assert line["level"] == "ERROR"
    assert ours(line) == {"message_id": MESSAGE.id, "correlation_id": MESSAGE.id, "kind": "contact", **expected}
    assert "MARKER" not in log.text


@pytest.mark.parametrize("kind", ["", "Event", "other"])
def test_a_kind_that_is_not_known_to_be_without_personal_data_is_treated_as_personal(
    client: Client, root: Path, log: Any, kind: str
) -> None:
    client.lambda_.invoke("on_failure", event(root, "failure.json", MESSAGE.serialize(), kind))
    assert "MARKER" not in log.text


@pytest.mark.parametrize("text", ["", "hello", "7", "null", "[1]", '{"x": 1}', '"id"'])
def test_a_message_without_an_id_of_its_own_goes_by_the_one_of_sns(
    client: Client, root: Path, log: Any, text: str
) -> None:
    client.lambda_.invoke("on_failure", event(root, "failure.json", text, "event"))
    assert log.lines[0]["message_id"] == SNS_ID


@pytest.mark.parametrize("request_", [None, {}, {"Records": []}, {"Records": [{}]}, {"Records": None}])
@pytest.mark.parametrize("function", ["on_success", "on_failure"])
def test_an_outcome_of_another_request_is_logged_all_the_same(
    client: Client, root: Path, log: Any, function: str, request_: object
) -> None:
    found = event(root, "failure.json", "", "")
    found["detail"]["requestPayload"] = request_
    client.lambda_.invoke(function, found)
    assert len(log.lines) == 1
    assert log.lines[0]["condition"] == "RetriesExhausted"


def test_lambda_calls_what_the_manifest_names(module: ModuleType) -> None:
    declared = {spec.name: spec.handler for spec in FUNCTIONS}
    registered = {it.name: it.handler_string for it in module.app.pure_lambda_functions}
    registered |= {it.name: it.handler_string for it in module.app.event_sources}
    assert registered == {name: declared[name] for name in registered}
    assert declared["api_handler"] == "app.app"


@pytest.mark.parametrize(("metrics", "counted"), [(True, ["Failed"]), (False, [])])
def test_a_failure_is_counted_unless_its_stage_wants_no_metrics(
    client: Client, root: Path, local: Stage, capsys: pytest.CaptureFixture[str], metrics: bool, counted: list[str]
) -> None:
    with override_container(FakeContainer(local._replace(metrics=metrics))):
        client.lambda_.invoke("on_failure", event(root, "failure.json", MESSAGE.serialize(), "contact"))
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [name for line in printed if "_aws" in line for name in line if name == "Failed"] == counted


def test_a_text_with_half_a_character_can_be_logged(client: Client, root: Path, log: Any) -> None:
    """JSON can hold one, and no encoding can."""
    failed = event(root, "failure.json", "please fail", "event")
    failed["detail"]["requestPayload"]["Records"][0]["Sns"]["Subject"] = "\ud83d"
    client.lambda_.invoke("on_failure", failed)
    assert log.lines[0]["request"] == failed["detail"]["requestPayload"]
