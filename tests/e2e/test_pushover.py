"""Pushover's own: emergencies, refused secrets, an account without devices, the quota, two connections at most."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from chalicelib.adapters.provider_http import WAIT_FOR_OWNER
from tests.e2e.harness import Harness, marker, wait_for


def send(herald: Harness, site: str = "urgent") -> tuple[str, str]:
    """Post a message; returns its word and its id."""
    word = marker()
    answer = herald.post_json({"message": word}, f"/contact/{site}")
    assert answer.status_code == 202
    return word, answer.json()["id"]


def retry_due(herald: Harness, message_id: str, channel: str = "urgent") -> None:
    """Let the message be due now, and have what is due tried again."""
    herald.account.dynamodb.update_item(
        TableName=herald.stage.table,
        Key={"id": {"S": message_id}},
        UpdateExpression="SET due_at = :past, deliveries.#channel.next_attempt_at = :past",
        ExpressionAttributeNames={"#channel": channel},
        ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 1)}},
    )
    herald.invoke("retry_due", herald.scheduled())


@contextmanager
def secret(herald: Harness, name: str, value: str) -> Iterator[None]:
    """Let a secret of the channel be another, as after a mistake, and mend it."""
    ssm, path = herald.account.ssm, f"{herald.stage.parameters}/urgent/{name}"
    right = ssm.get_parameter(Name=path, WithDecryption=True)["Parameter"]["Value"]
    ssm.put_parameter(Name=path, Value=value, Type="SecureString", Overwrite=True)
    herald.restart("notify_pushover")  # A warm function keeps what it has read.
    try:
        yield
    finally:
        ssm.put_parameter(Name=path, Value=right, Type="SecureString", Overwrite=True)


def waits_for_the_owner(herald: Harness, message_id: str) -> bool:
    """Whether the message waits as long as only the owner can help, without anybody having been asked again."""
    failed = herald.line("on_failure", message_id=message_id)
    delivery = herald.delivery(message_id, "urgent")
    assert (failed["condition"], failed["error_type"]) == ("RetriesExhausted", "DeliveryIncompleteError")
    assert (delivery["state"], delivery["error"]) == ("waiting", "ChannelUnavailableError")
    assert int(delivery["next_attempt_at"]) == int(delivery["since"]) + WAIT_FOR_OWNER
    return int(delivery["attempts"]) == 1


def test_an_emergency_has_the_channels_options_and_its_receipt_is_kept(herald: Harness) -> None:
    word, message_id = send(herald)
    push = wait_for(lambda: herald.pushes(word), "push")[0]
    wanted = {
        "priority": "2",
        "retry": "30",
        "expire": "3600",
        "sound": "siren",
        "url": "https://www.example.com/inbox",
        "url_title": "Inbox",
        "tags": "contact",
    }
    assert {name: push.get(name) for name in wanted} == wanted
    submission = json.loads(herald.published(message_id))
    assert push["timestamp"] == str(submission["received_at"])
    herald.line("on_success", message_id=message_id, action="delivered")
    assert herald.delivery(message_id, "urgent")["reference"] == push["receipt"]


@pytest.mark.parametrize("name", ["token", pytest.param("user", marks=pytest.mark.full)])
def test_a_wrong_secret_loses_nothing_and_once_mended_the_scheduled_retry_delivers(herald: Harness, name: str) -> None:
    with secret(herald, name, "x" * 30):
        word, message_id = send(herald)
        assert waits_for_the_owner(herald, message_id)
    retry_due(herald, message_id)
    wait_for(lambda: herald.pushes(word), "push")
    assert herald.line("on_success", message_id=message_id)["action"] == "delivered"


@pytest.mark.full
def test_a_message_of_which_no_device_hears_waits_until_one_does(herald: Harness) -> None:
    herald.faults({"do": "no_device"})
    word, message_id = send(herald)
    assert waits_for_the_owner(herald, message_id)
    retry_due(herald, message_id)
    wait_for(lambda: herald.pushes(word), "push")
    assert herald.line("on_success", message_id=message_id)["action"] == "delivered"


def test_what_is_left_of_the_quota_is_told_and_warned_of_when_it_is_little(herald: Harness) -> None:
    herald.faults(quota=100_000)
    word, _ = send(herald)
    wait_for(lambda: herald.pushes(word), "push")
    metric = wait_for(
        lambda: [json.loads(text) for text in herald.texts("notify_pushover") if '"limit":"100000"' in text], "metric"
    )[0]
    assert (metric["stage"], metric["channel"], metric["QuotaRemaining"]) == ("local", "urgent", [99_999])
    herald.faults(quota=1)
    word, message_id = send(herald)
    warning = herald.line("notify_pushover", code="QUOTA_LOW", correlation_id=message_id)
    assert (warning["level"], warning["remaining"], warning["limit"]) == ("WARNING", 0, 1)
    assert not [line for line in herald.lines("notify_pushover") if line.get("limit") == 100_000]


def test_concurrency_is_reserved_as_herald_toml_says(herald: Harness) -> None:
    found = herald.account.functions.get_function_concurrency(FunctionName=herald.stage.function("destined"))
    assert found.get("ReservedConcurrentExecutions") == herald.config.reserved == 10


@pytest.mark.full
def test_with_two_reserved_there_are_never_more_than_two_connections(herald: Harness) -> None:
    herald.faults({"do": "accept_then_stall", "seconds": 1, "times": 6})
    with herald.reserved(2, "destined"):
        with ThreadPoolExecutor(6) as visitors:
            sent = list(visitors.map(lambda _: send(herald), range(6)))
        wait_for(lambda: all(herald.pushes(word) for word, _ in sent), "every push", 300)
    assert herald.provider()["max_concurrent"] == 2
