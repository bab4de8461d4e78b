"""Spam, and the same message twice: through the deployed stage, whose sites ``guarded`` and ``counted`` look for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from altcha import solve_challenge
from altcha.v2 import Challenge, Payload

from tests.e2e.harness import PATIENCE, Harness, marker, wait_for


def proof(herald: Harness, site: str = "guarded") -> str:
    """A solved challenge, as ALTCHA's widget sends it."""
    answer = herald.get(f"/contact/{site}/challenge")
    assert answer.status_code == 200, answer.text
    challenge = Challenge.from_dict(answer.json())
    solution = solve_challenge(challenge)
    assert solution is not None
    return Payload(challenge, solution).to_base64()


def send(herald: Harness, site: str, **fields: str) -> str:
    """The id of a message that was accepted."""
    answer = herald.post_json(fields, f"/contact/{site}")
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted"), answer.text
    message_id: str = answer.json()["id"]
    return message_id


def ended(herald: Harness, message_id: str) -> dict[str, Any]:
    """How ``destined`` handled it."""
    return herald.line("destined", message_id=message_id)


def forget_senders(herald: Harness) -> None:
    """Every test comes from one address."""
    dynamodb, table = herald.account.dynamodb, herald.stage.table
    for item in herald.items():
        if item["id"]["S"].startswith("rate#"):
            dynamodb.delete_item(TableName=table, Key={"id": item["id"]})


def test_a_person_with_a_solved_challenge_rings_the_phone(herald: Harness) -> None:
    word = marker()
    message_id = send(herald, "guarded", message=word, altcha=proof(herald), _fill_seconds="12.5", _gotcha="")
    wait_for(lambda: herald.pushes(word), "push")
    assert "signals" not in ended(herald, message_id)
    item = herald.item(message_id)
    assert not {"signals", "score", "held"} & set(item)
    assert set(json.loads(herald.published(message_id))) == {"version", "id", "site", "received_at", "fields"}


@pytest.mark.parametrize(
    ("token", "fault", "signals", "rings"),
    [
        ("XXXX.DUMMY.TOKEN.XXXX", False, None, True),
        ("0.forged", False, ["captcha_wrong"], False),
        ("XXXX.DUMMY.TOKEN.XXXX.", True, ["captcha_unchecked"], True),
    ],
)
def test_a_captcha_is_verified_by_its_service(
    herald: Harness, token: str, fault: bool, signals: list[str] | None, rings: bool
) -> None:
    word = marker()
    if fault:
        down = {"do": "status", "status": 503, "holding": token}
        herald.fail_captchas(down)
    message_id = send(herald, "asked", message=word, **{"cf-turnstile-response": token})
    line = ended(herald, message_id)
    assert (line["action"], line.get("signals")) == ("delivered" if rings else "quarantined", signals)
    assert bool(herald.pushes(word)) is rings
    assert "cf-turnstile-response" not in json.loads(herald.published(message_id))["fields"]


@pytest.mark.parametrize(
    ("sign", "fields"),
    [
        ("honeypot", {"_gotcha": "x"}),
        ("fill_time", {"_fill_seconds": "0.4"}),
        ("links", {"website": "https://a.example", "more": "www.b.example"}),
        ("proof_missing", {"altcha": ""}),
        ("proof_wrong", {"altcha": "eyJjaGFsbGVuZ2UiOnt9fQ=="}),
    ],
)
def test_a_sign_of_spam_quarantines_and_the_sender_cant_tell(
    herald: Harness, sign: str, fields: dict[str, str]
) -> None:
    word = marker()
    sent = {"message": word, "altcha": proof(herald), **fields}
    answer = herald.post_json(sent, "/contact/guarded")
    assert (answer.status_code, set(answer.json())) == (202, {"id", "status", "next"})
    message_id = answer.json()["id"]
    told = herald.line("on_success", message_id=message_id)
    assert told["action"] == "quarantined"
    assert (ended(herald, message_id)["signals"], ended(herald, message_id)["score"]) == ([sign], 10)
    item = herald.item(message_id)
    assert (item["held"]["S"], item["signals"]["L"], item["score"]["N"]) == ("quarantined", [{"S": sign}], "10")
    assert json.loads(herald.published(message_id))["fields"]["message"] == word
    assert herald.delivery(message_id)["state"] == "pending"
    assert not herald.pushes(word)


def test_what_was_let_out_of_quarantine_and_sent_again_rings(herald: Harness) -> None:
    """As docs/spam.md says."""
    word = marker()
    message_id = send(herald, "guarded", message=word, _gotcha="x")
    assert ended(herald, message_id)["action"] == "quarantined"
    herald.account.dynamodb.update_item(
        TableName=herald.stage.table, Key={"id": {"S": message_id}}, UpdateExpression="REMOVE held"
    )
    herald.publish(herald.published(message_id), site="guarded")
    wait_for(lambda: herald.pushes(word), "push")
    wait_for(lambda: herald.delivery(message_id)["state"] == "delivered", "record of the delivery")


def test_a_solution_is_taken_once(herald: Harness) -> None:
    solved = proof(herald)
    first, second = marker(), marker()
    send(herald, "guarded", message=first, altcha=solved)
    wait_for(lambda: herald.pushes(first), "push")
    message_id = send(herald, "guarded", message=second, altcha=solved)
    assert ended(herald, message_id)["signals"] == ["proof_replayed"]
    assert not herald.pushes(second)


def test_what_was_quarantined_is_no_first_of_its_kind(herald: Harness) -> None:
    """Somebody whose browser couldn't solve sends the same once more with one that can."""
    word = marker()
    assert ended(herald, send(herald, "guarded", message=word))["action"] == "quarantined"
    send(herald, "guarded", message=word, altcha=proof(herald))
    wait_for(lambda: herald.pushes(word), "push")


def test_from_some_number_on_messages_of_one_address_are_quarantined(herald: Harness) -> None:
    forget_senders(herald)
    words = [marker() for _ in range(4)]
    # One after the other: whoever overtakes an earlier one is not counted for it.
    ends = [ended(herald, send(herald, "counted", message=word)) for word in words]
    assert [end["action"] for end in ends] == ["delivered", "delivered", "quarantined", "quarantined"]
    assert [end["signals"] for end in ends if end["action"] == "quarantined"] == [["rate"], ["rate"]]
    assert sum(bool(herald.pushes(word)) for word in words) == 2
    kept = [json.loads(herald.published(end["message_id"])) for end in ends]
    assert not any("sender_hash" in message for message in kept)


def test_no_address_is_written_down(herald: Harness) -> None:
    message_id = send(herald, "counted", message=marker())
    ended(herald, message_id)
    found = herald.items()
    assert any(item["id"]["S"].startswith("rate#counted#") for item in found)
    assert "127.0.0.1" not in json.dumps([item for item in found if "#" in item["id"]["S"]])
    assert not [text for text in herald.texts("destined") + herald.texts("api_handler") if "sourceIp" in text]


def test_the_same_content_rings_once(herald: Harness) -> None:
    word = marker()
    first = send(herald, "default", name="Ada", message=word)
    wait_for(lambda: herald.pushes(word), "push")
    second = send(herald, "default", name="Ada", message=word, _gotcha="")
    assert ended(herald, second)["action"] == "duplicate"
    assert (herald.item(second)["held"]["S"], herald.item(second)["duplicate_of"]["S"]) == ("duplicate", first)
    other = send(herald, "default", name="Bob", message=word)
    assert ended(herald, other)["action"] == "delivered"
    assert len(herald.pushes(word)) == 2


def test_two_keys_are_two_messages_whatever_they_say(herald: Harness) -> None:
    word = marker()
    for key in (marker(), marker()):
        requests.post(
            f"{herald.urls['api']}/contact",
            json={"message": word},
            headers={"Idempotency-Key": key},
            timeout=PATIENCE,
        ).raise_for_status()
    wait_for(lambda: len(herald.pushes(word)) == 2, "second push")


def test_a_challenge_is_for_the_sites_own_pages(herald: Harness) -> None:
    origin = herald.stage.sites["guarded"].origins[0]
    own = herald.get("/contact/guarded/challenge", Origin=origin)
    assert (own.status_code, own.headers["Access-Control-Allow-Origin"], own.headers["Vary"]) == (200, origin, "Origin")
    assert own.headers["Cache-Control"] == "no-store"
    foreign = herald.get("/contact/guarded/challenge", Origin="https://evil.example")
    assert foreign.status_code == 403
    assert "Access-Control-Allow-Origin" not in foreign.headers
    assert herald.get("/contact/default/challenge").status_code == 404
    assert herald.get("/contact/nobody/challenge").status_code == 404
