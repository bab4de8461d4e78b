"""Pushover's own: emergencies, refused secrets, two connections at most."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from chalicelib.adapters.provider_http import WAIT_FOR_OWNER
from tests.e2e.harness import Harness, marker, wait_for


def send(herald: Harness) -> tuple[str, str]:
    """Post a message; returns its word and its id."""
    word = marker()
    return word, herald.accepted(word, "/contact/urgent")


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


def test_an_emergency_has_the_channels_options_and_its_receipt_is_kept(herald: Harness) -> None:
    word, message_id = send(herald)
    push = wait_for(lambda: herald.pushes(word), "push")[0]
    wanted = {
        **{"priority": "2", "retry": "30", "expire": "3600", "sound": "siren", "tags": "contact"},
        **{"url": "https://www.example.com/inbox", "url_title": "Inbox"},
    }
    assert {name: push.get(name) for name in wanted} == wanted
    submission = json.loads(herald.published(message_id))
    assert push["timestamp"] == str(submission["received_at"])
    herald.line("on_success", message_id=message_id, action="delivered")
    assert herald.delivery(message_id, "urgent")["reference"] == push["receipt"]


def test_a_wrong_secret_loses_nothing_and_once_mended_the_scheduled_retry_delivers(herald: Harness) -> None:
    with secret(herald, "token", "x" * 30):
        word, message_id = send(herald)
        failed = herald.line("on_failure", message_id=message_id)
        delivery = herald.delivery(message_id, "urgent")
        assert (failed["condition"], failed["error_type"]) == ("RetriesExhausted", "DeliveryIncompleteError")
        assert (delivery["state"], delivery["error"]) == ("waiting", "ChannelUnavailableError")
        assert int(delivery["next_attempt_at"]) == int(delivery["since"]) + WAIT_FOR_OWNER
        assert delivery["attempts"] == "1", "nobody was asked again"
    herald.let_time_pass(message_id)
    herald.run_retry_due()
    wait_for(lambda: herald.pushes(word), "push")
    assert herald.line("on_success", message_id=message_id)["action"] == "delivered"


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
    assert herald.counted("pushover")["max_concurrent"] == 2
