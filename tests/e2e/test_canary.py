"""A canary on the deployed stage: it goes the whole path, rings nobody, and is silent where a message would be lost."""

from __future__ import annotations

import json
import time
from base64 import b64decode

import pytest

from ops.templates import canary_rule
from tests.e2e.harness import Harness, wait_for
from tests.e2e.test_pushover import secret

IN_FLIGHT = 90
"""Seconds after which a canary has ended, or was lost to a test that took something away."""
TEXT = "Nobody is to read this."
"""What a canary would say if it rang somebody."""


def send(herald: Harness) -> str:
    """Let the schedule's function run; returns the canary's id, as this very run has logged it.

    Each deployment sends one too, and the record is the last one's: those on their way must have ended before.
    """
    wait_for(lambda: _sent(herald) <= _ended(herald), "end of every canary on its way", IN_FLIGHT + 60)
    function, payload = herald.stage.function("canary"), json.dumps(herald.scheduled()).encode()
    answer = herald.account.functions.invoke(FunctionName=function, Payload=payload, LogType="Tail")
    assert "FunctionError" not in answer, answer["Payload"].read()
    lines = b64decode(answer["LogResult"]).decode().splitlines()
    (sent,) = (json.loads(line) for line in lines if "Canary sent" in line)
    return str(sent["message_id"])


def _sent(herald: Harness) -> set[str]:
    """The canaries of the last :data:`IN_FLIGHT` seconds."""
    texts = herald.texts("canary", time.time() - IN_FLIGHT)
    return {json.loads(text)["message_id"] for text in texts if "Canary sent" in text}


def _ended(herald: Harness) -> set[str]:
    since = time.time() - 2 * IN_FLIGHT
    lines = (line for function in ("on_success", "on_failure") for line in herald.lines(function, since))
    return {line["message_id"] for line in lines if line.get("kind") == "canary"}


def listed(herald: Harness) -> set[str]:
    found = (herald.ask("list_messages", {"version": 1, "site": site})[0] for site in (*herald.stage.sites, "-"))
    return {message["id"] for page in found for message in page["messages"]}


def test_it_gets_through_by_a_rule_of_its_own_and_rings_nobody(herald: Harness) -> None:
    sent = send(herald)
    arrived = herald.line("on_success", message_id=sent)
    assert (arrived["kind"], arrived["source"], arrived["action"]) == ("canary", "herald.canary", "arrived")
    item = herald.item("canary#")
    assert item["canary"] == {"S": sent}
    assert {name: error["S"] for name, error in item["channels"]["M"].items()} == dict.fromkeys(
        herald.stage.message_channels, ""
    )
    assert int(item["came_at"]["N"]) <= int(item["ended_at"]["N"]) <= time.time()
    assert [*herald.pushes(TEXT), *herald.hooks(TEXT), *herald.mails(TEXT)] == []
    assert sent not in listed(herald)
    assert herald.ask("get_message", {"version": 1, "id": sent})[1] == "NotFoundError"
    assert not [text for text in herald.texts("destined") if sent in text and "_aws" in text], "no metric"
    # The rule whose runs the alarm watches is what has run on_success: its own pattern leaves canaries out.
    rule = herald.account.client("events").describe_rule(
        Name=canary_rule.rule(herald.stage), EventBusName=herald.stage.bus
    )
    assert rule["State"] == "ENABLED"


@pytest.mark.full
def test_with_a_secret_that_was_revoked_it_does_not_get_through_and_on_failure_warns(herald: Harness) -> None:
    with secret(herald, "token", "x" * 30):
        sent = send(herald)
        warned = herald.line("on_failure", message_id=sent)
    assert (warned["level"], warned["message"]) == ("WARNING", "Canary did not get through")
    assert (warned["condition"], warned["error_type"]) == ("RetriesExhausted", "CanaryError")
    assert warned["error"]["errorMessage"].startswith("urgent: Pushover would not deliver: ")
    assert "x" * 30 not in str(warned)
    assert herald.item("canary#")["channels"]["M"]["urgent"] == {"S": "ChannelUnavailableError"}
    assert not [line for line in herald.lines("on_success") if line.get("message_id") == sent]
    assert not kept(herald, sent), "there is nothing to send again"
    assert not herald.pushes(TEXT)


def kept(herald: Harness, sent: str) -> bool:
    sqs = herald.account.client("sqs")
    url = herald.queue_url("failed-events")
    while letters := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=2).get("Messages"):
        if any(sent in letter["Body"] for letter in letters):
            return True
    return False
