"""Webhooks on the whole path, to receivers that verify what they get and fail on command."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.logic.webhook_request import webhook_id
from ops.local.deployment import keep_secrets
from ops.local.stack import Pushover
from tests.e2e.harness import Harness, marker

pytestmark = pytest.mark.full

ALL = ["own", "slack", "discord", "teams", "chat"]


def send(herald: Harness, site: str, *faults: dict[str, Any]) -> tuple[str, str]:
    """Post a message, for which alone its receivers fail like this; returns its word and its id."""
    word = marker()
    herald.hook_faults(*({**fault, "holding": word} for fault in faults))
    return word, herald.accepted(word, f"/contact/{site}", name="Ada <!channel>", email="ada@example.com")


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


def test_an_answer_that_was_lost_is_sent_again_and_the_receiver_knows_the_repetition(herald: Harness) -> None:
    word, message_id = send(herald, "signed", {"do": "accept_then_stall", "seconds": 11})
    done = herald.line("on_success", message_id=message_id)
    assert (done["action"], done["attempts"]) == ("delivered", 2)
    first, second = herald.hooks(word)
    assert (first["id"], first["repeated"], first["verified"]) == (second["id"], False, True)
    assert (second["repeated"], second["verified"]) == (True, True)


def test_one_channels_failure_keeps_no_other_from_being_reached_once(herald: Harness) -> None:
    word, message_id = send(herald, "hooked", {"do": "status", "status": 503})
    herald.line("on_success", message_id=message_id, action="delivered")
    assert sorted(hook["channel"] for hook in herald.hooks(word)) == sorted(ALL)


def test_an_address_that_somebody_has_set_is_left_alone(herald: Harness) -> None:
    ssm, name = herald.account.ssm, f"{herald.stage.parameters}/held/url"
    before = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    ssm.put_parameter(Name=name, Value="https://example.com/mine", Type="SecureString", Overwrite=True)
    try:
        keep_secrets(herald.account, herald.stage, herald.stack.ports, Pushover.of({}))
        assert ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"] == "https://example.com/mine"
    finally:
        ssm.put_parameter(Name=name, Value=before, Type="SecureString", Overwrite=True)
