"""A message's whole path, as a visitor and an owner see it."""

from __future__ import annotations

import json

import pytest
import requests

from chalicelib.functions import functions_of
from tests.e2e.harness import Harness, marker, wait_for


def test_a_form_rings_the_phone_and_sends_the_browser_to_the_thanks_page(herald: Harness) -> None:
    word = marker()
    answer = herald.post_form(
        name="Ada Lovelace", email="ada@example.com", message=f"{word}\r\nsecond line", source="/about"
    )
    assert answer.status_code == 303
    assert answer.headers["Location"] == herald.stage.sites["default"].thanks
    push = wait_for(lambda: herald.pushes(word), "push")[0]
    assert push["title"] == "New message: default"
    assert push["message"] == (
        f"{word}\nsecond line\n\nName: Ada Lovelace\nEmail: ada@example.com\nSource: /about\nSite: default"
    )


def test_a_program_gets_the_id_under_which_everything_is_found(herald: Harness) -> None:
    word = marker()
    answer = herald.post_json({"name": "Grace", "email": "grace@example.com", "description": word})
    assert answer.status_code == 202
    assert answer.json()["status"] == "accepted"
    message_id = answer.json()["id"]
    wait_for(lambda: herald.pushes(word), "push")

    done = herald.line("on_success", message_id=message_id)
    assert done["source"] == "herald.contact"
    assert done["action"] == "delivered"
    assert done["condition"] == "Success"
    for function in ("api_handler", "destined", "notify_pushover", "on_success"):
        assert herald.line(function, correlation_id=message_id)
    delivery = herald.delivery(message_id)
    assert delivery["state"] == "delivered"
    assert delivery["attempts"] == "1"
    assert delivery["reference"] == herald.pushes(word)[0]["request"]
    assert json.loads(herald.published(message_id))["fields"]["message"] == word


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"<x/>", "text/xml", 415),
        (b'{"name": "nobody"}', "application/json", 422),
        (b"email=not-an-address&message=x", "application/x-www-form-urlencoded", 422),
        (b"message=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_what_is_refused_is_not_published(herald: Harness, body: bytes, content_type: str, status: int) -> None:
    answer = requests.post(
        f"{herald.urls['api']}/contact",
        data=body,
        headers={"Content-Type": content_type, "Accept": "application/json"},
        timeout=60,
    )
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    # A message that is accepted afterwards has passed everything that could have come of the one before.
    word = marker()
    herald.post_form(message=word)
    wait_for(lambda: herald.pushes(word), "push")
    assert herald.provider_requests() == 1


def test_an_unknown_site_is_a_404(herald: Harness) -> None:
    for path in ("/contact/nowhere", "/f/nowhere"):
        document, page = herald.post_json({"message": "x"}, path), herald.post_form(path, message="x")
        assert (document.status_code, page.status_code) == (404, 404)
        assert document.headers["Content-Type"] == "application/problem+json"
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"


def test_send_event_reaches_on_success(herald: Harness) -> None:
    before = {line["message_id"] for line in herald.lines("on_success") if line.get("kind") == "event"}
    answer = herald.send_event()
    assert (answer.status_code, answer.json()) == (200, {"message": "Message added to SNS topic"})
    done = wait_for(
        lambda: next(
            (
                line
                for line in herald.lines("on_success")
                if line.get("kind") == "event" and line["message_id"] not in before
            ),
            None,
        ),
        "event at on_success",
    )
    assert (done["source"], done["action"], done["attempts"]) == ("herald.event", "message", 1)


def test_a_failing_event_reaches_on_failure_with_all_that_is_needed_to_send_it_again(herald: Harness) -> None:
    before = {line["message_id"] for line in herald.lines("on_failure")}
    answer = herald.send_event("fail")
    assert (answer.status_code, answer.json()) == (200, {"message": "Message added to SNS topic"})
    failed = wait_for(
        lambda: next((line for line in herald.lines("on_failure") if line["message_id"] not in before), None),
        "event at on_failure",
    )
    assert failed["condition"] == "RetriesExhausted"
    assert failed["attempts"] == 3
    assert failed["error_type"] == "EventFailedError"
    assert failed["error"]["errorType"] == "EventFailedError"
    assert failed["error"]["stackTrace"]

    # Sent again from nothing but the log line, it fails in the same way under an id of its own.
    sns = failed["request"]["Records"][0]["Sns"]
    assert sns["Message"] == "please fail"
    again = herald.account.sns.publish(
        TopicArn=sns["TopicArn"],
        Message=sns["Message"],
        MessageAttributes={
            name: {"DataType": value["Type"], "StringValue": value["Value"]}
            for name, value in sns["MessageAttributes"].items()
        },
    )
    assert herald.line("on_failure", message_id=again["MessageId"])["error_type"] == "EventFailedError"


def test_nothing_that_a_visitor_typed_is_in_any_log(herald: Harness) -> None:
    words = {field: marker() for field in ("name", "message", "source")}
    mail = f"{marker()}@example.com"
    herald.faults({"do": "status", "status": 400})
    herald.post_form(email=mail, **words)
    refused = herald.post_json({"message": "x", "email": f"broken {marker()}", "name": words["name"]})
    assert refused.status_code == 422
    wait_for(lambda: [line for line in herald.lines("on_failure") if line.get("action") == "undeliverable"], "failure")
    for spec in functions_of(herald.stage):
        said = "\n".join(herald.texts(spec.name))
        for word in (*words.values(), mail.partition("@")[0]):
            assert word not in said, f"{spec.name} logged what a visitor typed"
