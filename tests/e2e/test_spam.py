"""Spam, and the same message twice: through the deployed stage, whose sites ``guarded`` and ``counted`` look for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from altcha import solve_challenge
from altcha.v2 import Challenge, Payload

from tests.e2e.harness import Harness, marker, wait_for


def proof(herald: Harness, site: str = "guarded") -> str:
    """A solved challenge, as ALTCHA's widget sends it."""
    answer = herald.get(f"/contact/{site}/challenge")
    assert answer.status_code == 200, answer.text
    challenge = Challenge.from_dict(answer.json())
    solution = solve_challenge(challenge)
    assert solution is not None
    return Payload(challenge, solution).to_base64()


def ended(herald: Harness, message_id: str) -> dict[str, Any]:
    """How ``destined`` handled it."""
    return herald.line("destined", message_id=message_id)


def test_a_person_with_a_solved_challenge_rings_the_phone(herald: Harness) -> None:
    word = marker()
    solved = proof(herald)
    message_id = herald.accepted(word, "/contact/guarded", altcha=solved, _fill_seconds="12.5", _gotcha="")
    wait_for(lambda: herald.pushes(word), "push")
    assert "signals" not in ended(herald, message_id)
    item = herald.item(message_id)
    assert not {"signals", "score", "held"} & set(item)
    assert set(json.loads(herald.published(message_id))) == {"version", "id", "site", "received_at", "fields"}


@pytest.mark.parametrize(
    ("token", "action", "signals"),
    [("XXXX.DUMMY.TOKEN.XXXX", "delivered", None), ("0.forged", "quarantined", ["captcha_wrong"])],
)
def test_a_captcha_is_verified_by_its_service(
    herald: Harness, token: str, action: str, signals: list[str] | None
) -> None:
    word = marker()
    message_id = herald.accepted(word, "/contact/asked", **{"cf-turnstile-response": token})
    line = ended(herald, message_id)
    assert (line["action"], line.get("signals")) == (action, signals)
    assert bool(herald.pushes(word)) is (action == "delivered")
    assert "cf-turnstile-response" not in json.loads(herald.published(message_id))["fields"]


def test_a_sign_of_spam_quarantines_and_the_sender_cant_tell(herald: Harness) -> None:
    word = marker()
    sent = {"message": word, "altcha": proof(herald), "_gotcha": "x"}
    answer = herald.post_json(sent, "/contact/guarded")
    assert (answer.status_code, set(answer.json())) == (202, {"id", "status", "next"})
    message_id = answer.json()["id"]
    assert herald.line("on_success", message_id=message_id)["action"] == "quarantined"
    line, item = ended(herald, message_id), herald.item(message_id)
    assert (line["signals"], line["score"]) == (["honeypot"], 10)
    assert (item["held"]["S"], item["signals"]["L"], item["score"]["N"]) == ("quarantined", [{"S": "honeypot"}], "10")
    assert json.loads(herald.published(message_id))["fields"]["message"] == word
    assert herald.delivery(message_id)["state"] == "pending"
    assert not herald.pushes(word)


def test_from_some_number_on_messages_of_one_address_are_quarantined(herald: Harness) -> None:
    for item in herald.items():  # Every test comes from one address.
        if item["id"]["S"].startswith("rate#"):
            herald.forget(item["id"]["S"])
    words = [marker() for _ in range(4)]
    # One after the other: whoever overtakes an earlier one is not counted for it.
    ends = [ended(herald, herald.accepted(word, "/contact/counted")) for word in words]
    assert [end["action"] for end in ends] == ["delivered", "delivered", "quarantined", "quarantined"]
    assert [end["signals"] for end in ends if end["action"] == "quarantined"] == [["rate"], ["rate"]]
    assert sum(bool(herald.pushes(word)) for word in words) == 2
    assert not any("sender_hash" in json.loads(herald.published(end["message_id"])) for end in ends)
    # What is counted names nobody.
    counted = [item for item in herald.items() if "#" in item["id"]["S"]]
    assert any(item["id"]["S"].startswith("rate#counted#") for item in counted)
    assert "127.0.0.1" not in json.dumps(counted)
    assert not [text for text in herald.texts("destined") + herald.texts("api_handler") if "sourceIp" in text]
