"""Webhooks on the whole path, to receivers that verify what they get and fail on command."""

from __future__ import annotations

import time
from typing import Any

import pytest

from chalicelib.functions import functions_of
from chalicelib.logic.webhook_request import webhook_id
from ops.local.deployment import keep_secrets
from ops.local.stack import Pushover
from ops.local.web.settings import LOCAL_WEBHOOK_SECRET
from tests.e2e.harness import Harness, marker, wait_for

pytestmark = pytest.mark.full

ALL = ["own", "slack", "discord", "teams", "chat"]


def send(herald: Harness, site: str, *faults: dict[str, Any]) -> tuple[str, str]:
    """Post a message, for which alone its receivers fail like this; returns its word and its id."""
    word = marker()
    herald.hook_faults(*({**fault, "holding": word} for fault in faults))
    answer = herald.post_json(
        {"name": "Ada <!channel>", "email": "ada@example.com", "message": word}, f"/contact/{site}"
    )
    assert answer.status_code == 202
    return word, answer.json()["id"]


def faulted(herald: Harness) -> dict[str, int]:
    """The faults that occurred, and how often."""
    found: dict[str, int] = herald.counted("webhooks")["faulted"]
    return found


def test_a_message_reaches_a_receiver_of_every_format_and_the_signed_one_verifies(herald: Harness) -> None:
    word, message_id = send(herald, "hooked")
    herald.line("on_success", message_id=message_id, action="delivered")
    hooks = {hook["channel"]: hook for hook in herald.hooks(word)}
    assert sorted(hooks) == sorted(ALL), "side by side, in any order"
    assert {channel: hook["verified"] for channel, hook in hooks.items() if hook["verified"]} == {"own": True}
    own = hooks["own"]
    assert own["id"] == webhook_id(message_id, "own")
    assert own["headers"]["x-tag"] == "test"
    assert (own["body"]["type"], own["body"]["data"]["id"]) == ("message.received", message_id)
    assert own["body"]["data"]["reply_to"] == "ada@example.com"
    assert {"name": "message", "value": word} in own["body"]["data"]["fields"]
    assert "Ada &lt;!channel&gt;" in hooks["slack"]["body"]["text"]
    assert hooks["discord"]["body"]["allowed_mentions"] == {"parse": []}
    (ntfy,) = herald.taken_by("ntfy", word)
    assert (ntfy["body"]["topic"], ntfy["body"]["priority"]) == ("herald-local-topic", 4)
    (many,) = herald.taken_by("apprise", word)
    assert many["path"].endswith("/notify/herald-local-key")
    assert many["headers"]["authorization"].startswith("Basic ")
    (chat,) = herald.taken_by("telegram", word)
    assert (chat["path"].rpartition("/")[2], chat["body"]["chat_id"]) == ("sendMessage", "987654321")
    assert hooks["chat"]["body"] == {"text": f"New message: hooked: {word}"}
    assert herald.delivery(message_id, "slack")["reference"] == webhook_id(message_id, "slack")
    assert herald.delivery(message_id, "discord")["reference"].isdigit()
    assert herald.delivery(message_id, "ntfy")["reference"] == "hwQ2YpKdmg", "the id of the documented answer"
    assert herald.delivery(message_id, "telegram")["reference"] == "42"


def test_a_receiver_that_fails_for_a_moment_is_asked_again_with_the_same_id(herald: Harness) -> None:
    word, message_id = send(herald, "signed", {"do": "status", "status": 500})
    done = herald.line("on_success", message_id=message_id)
    assert (done["action"], done["attempts"]) == ("delivered", 2)
    (hook,) = herald.hooks(word)
    assert (hook["id"], hook["repeated"]) == (webhook_id(message_id, "own"), False)
    assert faulted(herald) == {"status_500": 1}


def test_an_answer_that_was_lost_is_sent_again_and_the_receiver_knows_the_repetition(herald: Harness) -> None:
    word, message_id = send(herald, "signed", {"do": "accept_then_stall", "seconds": 11})
    done = wait_for(
        lambda: next((line for line in herald.lines("on_success") if line.get("message_id") == message_id), None),
        "delivery after a lost answer",
        40,
    )
    assert (done["action"], done["attempts"]) == ("delivered", 2)
    first, second = herald.hooks(word)
    assert first["id"] == second["id"]
    assert [first["repeated"], second["repeated"]] == [False, True]
    assert [first["verified"], second["verified"]] == [True, True]


def test_a_channel_that_holds_says_uncertain_and_sends_nothing_again(herald: Harness) -> None:
    _, message_id = send(herald, "held", {"do": "refuse", "times": 50})
    failed = herald.line("on_failure", message_id=message_id)
    assert (failed["condition"], failed["action"]) == ("Success", "uncertain")
    assert faulted(herald) == {"refuse": 1}


def test_a_webhook_that_is_gone_waits_for_its_owner_and_is_heard_of(herald: Harness) -> None:
    before = int(time.time())
    _, message_id = send(herald, "signed", {"do": "status", "status": 410, "times": 50})
    failed = herald.line("on_failure", message_id=message_id)
    assert (failed["condition"], failed["error_type"]) == ("RetriesExhausted", "DeliveryIncompleteError")
    delivery = herald.delivery(message_id, "own")
    assert delivery["state"] == "waiting"
    assert int(delivery["next_attempt_at"]) >= before + 3600
    assert faulted(herald) == {"status_410": 1}


def test_a_redirect_is_not_followed(herald: Harness) -> None:
    word, message_id = send(herald, "signed", {"do": "redirect", "times": 50})
    herald.line("on_failure", message_id=message_id)
    assert herald.delivery(message_id, "own")["state"] == "waiting"
    assert faulted(herald) == {"redirect": 1}
    assert not herald.hooks(word)


def test_a_refusal_is_never_repeated(herald: Harness) -> None:
    _, message_id = send(herald, "signed", {"do": "status", "status": 422, "times": 50})
    failed = herald.line("on_failure", message_id=message_id)
    assert (failed["condition"], failed["action"]) == ("Success", "undeliverable")
    assert herald.delivery(message_id, "own")["state"] == "rejected"
    assert faulted(herald) == {"status_422": 1}


def test_one_channels_failure_keeps_no_other_from_being_reached_once(herald: Harness) -> None:
    word, message_id = send(herald, "hooked", {"do": "status", "status": 503})
    herald.line("on_success", message_id=message_id, action="delivered")
    assert sorted(hook["channel"] for hook in herald.hooks(word)) == [
        "chat",
        "discord",
        "own",
        "slack",
        "teams",
    ]


def test_no_log_holds_a_visitors_text_an_address_or_a_secret(herald: Harness) -> None:
    faults = ({"do": "refuse"}, {"do": "status", "status": 404}, {"do": "garbage"}, {"do": "redirect"})
    word, message_id = send(herald, "hooked", *faults)
    herald.line("on_failure", message_id=message_id)
    written = [(spec.name, text) for spec in functions_of(herald.stage) for text in herald.texts(spec.name)]
    assert any(message_id in text for _, text in written)
    for secret in (word, "/webhooks/", LOCAL_WEBHOOK_SECRET):
        assert not [(name, text) for name, text in written if secret in text]


def test_an_address_that_somebody_has_set_is_left_alone(herald: Harness) -> None:
    ssm, name = herald.account.ssm, f"{herald.stage.parameters}/held/url"
    before = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    ssm.put_parameter(Name=name, Value="https://example.com/mine", Type="SecureString", Overwrite=True)
    try:
        keep_secrets(herald.account, herald.stage, herald.stack.ports, Pushover.of({}))
        assert ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"] == "https://example.com/mine"
    finally:
        ssm.put_parameter(Name=name, Value=before, Type="SecureString", Overwrite=True)
