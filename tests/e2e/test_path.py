"""A message's whole path, as a visitor and an owner see it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from chalicelib.functions import functions_of
from tests.e2e.harness import PATIENCE, Harness, marker, wait_for


def test_a_form_rings_the_phone_and_sends_the_browser_to_the_thanks_page(herald: Harness) -> None:
    word = marker()
    answer = herald.post_form(
        name="Ada Lovelace", email="ada@example.com", message=f"{word}\r\nsecond line", source="/about"
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, herald.stage.sites["default"].thanks)
    push = wait_for(lambda: herald.pushes(word), "push")[0]
    assert push["title"] == "New message: default"
    assert push["message"] == (
        f"{word}\nsecond line\n\nName: Ada Lovelace\nEmail: ada@example.com\nSource: /about\nSite: default"
    )


def test_a_program_gets_the_id_under_which_everything_is_found(herald: Harness) -> None:
    word = marker()
    answer = herald.post_json({"name": "Grace", "email": "grace@example.com", "description": word})
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    message_id = answer.json()["id"]
    wait_for(lambda: herald.pushes(word), "push")

    done = herald.line("on_success", message_id=message_id)
    assert (done["source"], done["action"], done["condition"]) == ("herald.contact", "delivered", "Success")
    for function in ("api_handler", "destined", "notify_pushover", "on_success"):
        assert herald.line(function, correlation_id=message_id)
    delivery = herald.delivery(message_id)
    assert (delivery["state"], delivery["attempts"]) == ("delivered", "1")
    assert delivery["reference"] == herald.pushes(word)[0]["request"]
    assert json.loads(herald.published(message_id))["fields"]["message"] == word


BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"


@pytest.mark.parametrize(
    ("charset", "parameter", "text"),
    [("utf-8", "", "Grüße, Юлия 🚀 שלום"), ("windows-1252", "; charset=windows-1252", "Grüße „100 €“")],
)
def test_multipart_arrives_as_it_was_typed_in_any_charset(
    herald: Harness, charset: str, parameter: str, text: str
) -> None:
    """Bytes that are not UTF-8 survive only if the gateway hands them on in base64."""
    word = marker()
    parts = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {"name": text, "Größe": text, "message": f"{word}\r\n{text}"}.items()
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}{parameter}", "Accept": "application/json"}
    body = f"{''.join(parts)}--{BOUNDARY}--\r\n".encode(charset)
    answer = requests.post(f"{herald.urls['api']}/contact", data=body, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 202, answer.text
    push = wait_for(lambda: herald.pushes(word), "push")[0]
    assert push["message"] == f"{word}\n{text}\n\nName: {text}\nSite: default\n\n› Größe: {text}"
    fields = json.loads(herald.published(answer.json()["id"]))["fields"]
    assert fields == {"name": text, "Größe": text, "message": f"{word}\n{text}"}


def send_event(herald: Harness, mode: str, function: str) -> dict[str, Any]:
    """The line in which this function tells of the event, as soon as it is there."""

    def events() -> list[dict[str, Any]]:
        return [line for line in herald.lines(function) if line.get("kind") == "event"]

    before = events()
    answer = herald.send_event(mode)
    assert (answer.status_code, answer.json()) == (200, {"message": "Message added to SNS topic"})
    return wait_for(lambda: [line for line in events() if line not in before], f"event at {function}")[0]


def test_send_event_reaches_on_success(herald: Harness) -> None:
    done = send_event(herald, "", "on_success")
    assert (done["source"], done["action"], done["attempts"]) == ("herald.event", "message", 1)


def test_a_failing_event_reaches_on_failure_with_all_that_is_needed_to_send_it_again(herald: Harness) -> None:
    failed = send_event(herald, "fail", "on_failure")
    assert (failed["condition"], failed["attempts"]) == ("RetriesExhausted", 3)
    assert failed["error_type"] == failed["error"]["errorType"] == "EventFailedError"
    assert failed["error"]["stackTrace"]

    # Sent again from nothing but the log line, it fails in the same way under an id of its own.
    sns = failed["request"]["Records"][0]["Sns"]
    assert sns["Message"] == "please fail"
    attributes: dict[str, Any] = {
        name: {"DataType": value["Type"], "StringValue": value["Value"]}
        for name, value in sns["MessageAttributes"].items()
    }
    topic, text = sns["TopicArn"], sns["Message"]
    again = herald.account.sns.publish(TopicArn=topic, Message=text, MessageAttributes=attributes)["MessageId"]
    assert herald.line("on_failure", message_id=again)["error_type"] == "EventFailedError"


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


def test_a_form_becomes_a_mail_that_an_answer_to_reaches_the_visitor(herald: Harness) -> None:
    word = marker()
    answer = herald.post_form(
        "/contact/mailed",
        source="/about",
        name="Ada Lovelace",
        email="ada@Bücher.example",
        phone="1\r\n2",
        message=f"{word}\r\n\r\nsecond line",
    )
    assert answer.status_code == 303
    mail = wait_for(lambda: herald.mails(word), "mail")[0]
    assert mail["Source"] == "Herald <herald@mail.example.com>"
    assert (mail["To"], mail["CC"], mail["BCC"]) == (["owner@example.org", "second@example.net"], [], [])
    assert mail["ReplyTo"] == ["ada@xn--bcher-kva.example"]
    assert mail["Subject"] == "[/about] Ada Lovelace"
    *lines, received, id_, last = mail["BodyText"].split("\n")
    assert received.startswith("Received: 20")
    assert [*lines, last] == [
        *(word, "", "second line", "", "Name: Ada Lovelace", "Email: ada@Bücher.example", "Source: /about"),
        *("Site: mailed", "", "› phone: 1", "›   2", "", ""),
    ]
    assert f"{word}<br\n><br\n>second line</div>" in mail["BodyHtml"]
    message_id = id_.removeprefix("Id: ")
    done = herald.line("on_success", message_id=message_id)
    assert (done["action"], done["attempts"]) == ("delivered", 1)
    delivery = herald.delivery(message_id, "email")
    assert (delivery["state"], delivery["reference"]) == ("delivered", mail["MessageId"])


def test_a_visitor_is_answered_once_in_their_language_by_a_machine(herald: Harness) -> None:
    word = marker()
    fields = {"email": f"{word}@visitor.site", "message": word, "_language": "en"}
    message_id: str = herald.post_json(fields, "/contact/answered").json()["id"]
    (mail,) = wait_for(lambda: herald.mails(message_id), "mail")
    assert (mail["Source"], mail["To"]) == ("Shop <shop@mail.example.com>", [f"{word}@visitor.site"])
    assert (mail["Subject"], mail["BodyText"]) == ("We got it", f"Your message {message_id} has arrived.")
    assert mail["Headers"]["Auto-Submitted"] == "auto-replied"
    assert herald.line("autoreply", message_id=message_id)["result"] == "sent"
    # Another message of the same address, and what is in quarantine.
    again: str = herald.post_json(fields | {"message": f"{word} again"}, "/contact/answered").json()["id"]
    trapped: str = herald.post_json(fields | {"_gotcha": "x"}, "/contact/answered").json()["id"]
    assert herald.line("autoreply", message_id=again)["result"] == "enough to this address"
    assert herald.line("on_success", message_id=trapped)["action"] == "quarantined"
    assert herald.mails(again) == herald.mails(trapped) == []
    assert not [line for line in herald.lines("autoreply") if line.get("message_id") == trapped]
    assert word not in "".join(herald.texts("autoreply"))
