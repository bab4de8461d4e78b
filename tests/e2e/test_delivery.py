"""docs/delivery.md, line by line, against a provider that fails on command."""

from __future__ import annotations

import json

import pytest
import requests

from tests.e2e.harness import Harness, marker, wait_for


def send(herald: Harness) -> tuple[str, str]:
    """Post a message; returns its word and its id."""
    word = marker()
    answer = herald.post_json({"name": "n", "message": word})
    assert answer.status_code == 202
    return word, answer.json()["id"]


def test_a_provider_that_fails_for_a_moment_is_asked_again_and_rings_once(herald: Harness) -> None:
    herald.faults({"do": "status", "status": 500, "times": 2})
    word, message_id = send(herald)
    done = herald.line("on_success", message_id=message_id)
    assert (done["action"], done["attempts"]) == ("delivered", 3)
    assert len(herald.pushes(word)) == 1
    assert herald.delivery(message_id)["attempts"] == "3"


def test_a_refusal_is_never_repeated_and_reaches_on_failure(herald: Harness) -> None:
    herald.faults({"do": "status", "status": 400})
    word, message_id = send(herald)
    failed = herald.line("on_failure", message_id=message_id)
    assert (failed["condition"], failed["action"]) == ("Success", "undeliverable")
    assert "request" not in failed, "a contact message's payload is personal"
    assert herald.delivery(message_id)["state"] == "rejected"
    assert herald.provider_requests() == 1
    assert not herald.pushes(word)
    assert not [line for line in herald.lines("on_success") if line.get("message_id") == message_id]


@pytest.mark.full
def test_a_provider_that_stays_down_is_heard_of_and_the_message_waits(herald: Harness) -> None:
    herald.faults({"do": "status", "status": 500, "times": 50})
    _, message_id = send(herald)
    failed = herald.line("on_failure", message_id=message_id)
    assert (failed["condition"], failed["error_type"]) == ("RetriesExhausted", "DeliveryIncompleteError")
    assert failed["attempts"] == 3
    delivery = herald.delivery(message_id)
    assert delivery["state"] == "waiting"
    assert int(delivery["next_attempt_at"]) > 0


def test_a_redelivered_message_rings_nobody_again(herald: Harness) -> None:
    word, message_id = send(herald)
    wait_for(lambda: herald.pushes(word), "push")
    herald.line("on_success", message_id=message_id, action="delivered")
    for _ in range(3):
        herald.publish(herald.published(message_id))
    wait_for(
        lambda: (
            len(
                [
                    line
                    for line in herald.lines("on_success")
                    if line.get("message_id") == message_id and line.get("action") == "unchanged"
                ]
            )
            == 3
        ),
        "three duplicates",
    )
    assert len(herald.pushes(word)) == 1
    assert herald.provider_requests() == 1


def test_a_message_that_is_sent_twice_with_one_key_rings_once(herald: Harness) -> None:
    word = marker()

    def send_it() -> str:
        answer = requests.post(
            f"{herald.urls['api']}/contact",
            json={"message": word},
            headers={"Idempotency-Key": f"key of {word}"},
            timeout=60,
        )
        assert answer.status_code == 202
        return str(answer.json()["id"])

    message_id = send_it()
    herald.line("on_success", message_id=message_id, action="delivered")
    assert send_it() == message_id
    herald.line("on_success", message_id=message_id, action="unchanged")
    assert len(herald.pushes(word)) == 1


@pytest.mark.full
def test_an_answer_that_was_lost_rings_again_rather_than_never(herald: Harness) -> None:
    # The stand-in accepts, and breaks the connection before it answers in time: nobody can know.
    herald.faults({"do": "accept_then_stall", "seconds": 11})
    word, message_id = send(herald)
    done = wait_for(
        lambda: next((line for line in herald.lines("on_success") if line.get("message_id") == message_id), None),
        "delivery after a lost answer",
        40,
    )
    assert (done["action"], done["attempts"]) == ("delivered", 2)
    assert len(herald.pushes(word)) == 2


def test_secrets_that_are_missing_are_heard_of_and_set_later_deliver(herald: Harness) -> None:
    ssm = herald.account.ssm
    name = f"{herald.stage.parameters}/pushover/user"
    value = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    herald.restart("notify_pushover")  # A warm function keeps what it has read.
    ssm.delete_parameter(Name=name)
    try:
        word, message_id = send(herald)
        wait_for(lambda: herald.delivery(message_id).get("state") == "waiting", "waiting message")
    finally:
        ssm.put_parameter(Name=name, Value=value, Type="SecureString")
    herald.line("on_success", message_id=message_id, action="delivered")
    assert len(herald.pushes(word)) == 1


def test_a_message_of_ten_thousand_characters_is_cut_for_the_phone_and_kept_whole(herald: Harness) -> None:
    word = marker()
    text = f"{word} " + "ü" * 10_000
    message_id = herald.post_json({"name": "n", "message": text}).json()["id"]
    push = wait_for(lambda: herald.pushes(word), "push")[0]
    assert len(push["message"]) == 1024
    assert push["message"].endswith(f"… Cut to fit. In full: ./herald messages show --stage local {message_id}")
    assert json.loads(herald.published(message_id))["fields"]["message"] == text
