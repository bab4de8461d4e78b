"""What Lambda's own retries could not deliver: found by its time, tried again, and given up in the end."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from tests.e2e.harness import Harness, marker, wait_for

DOWN = {"do": "status", "status": 500, "times": 1000}


def send_into_an_outage(herald: Harness) -> tuple[str, str]:
    """A word and the id of a message for which Lambda's attempts are over."""
    word = marker()
    herald.faults(DOWN)
    message_id = herald.post_json({"message": word}).json()["id"]
    assert herald.line("on_failure", message_id=message_id)["error_type"] == "DeliveryIncompleteError"
    return word, message_id


def let_time_pass(herald: Harness, message_id: str, received_at: int | None = None) -> None:
    """Let the message be due now, and if wished be as old as ``received_at`` says."""
    herald.let_time_pass(message_id)
    if received_at:
        item = {**herald.item(message_id), "received_at": {"N": str(received_at)}}
        herald.account.dynamodb.put_item(TableName=herald.stage.table, Item=item)


def run_retry_due(herald: Harness) -> None:
    herald.invoke("retry_due", herald.scheduled())


def history(herald: Harness, message_id: str) -> list[str]:
    """The states in which each attempt of the message ended."""
    return [line["M"]["state"]["S"] for line in herald.item(message_id)["history"]["L"]]


def test_an_outage_longer_than_lambdas_retries_heals_by_itself(herald: Harness) -> None:
    word, message_id = send_into_an_outage(herald)
    assert herald.delivery(message_id)["state"] == "waiting"
    herald.faults()
    let_time_pass(herald, message_id)
    run_retry_due(herald)
    wait_for(lambda: herald.pushes(word), "push")
    told = herald.line("on_success", message_id=message_id)
    assert (told["kind"], told["action"], told["source"]) == ("retry", "delivered", "herald.contact")
    item = herald.item(message_id)
    assert not {"due", "due_at"} & set(item)
    assert history(herald, message_id) == ["waiting", "waiting", "waiting", "delivered"]
    run_retry_due(herald)
    assert herald.line("retry_due", messages=1), "and the second run found nothing more"
    assert len(herald.pushes(word)) == 1


@pytest.mark.full
def test_an_outage_that_goes_on_is_no_further_failure_and_the_pause_grows(herald: Harness) -> None:
    _, message_id = send_into_an_outage(herald)
    let_time_pass(herald, message_id)
    before = int(time.time())
    run_retry_due(herald)
    herald.line("destined", message_id=message_id, action="waiting")
    assert int(herald.delivery(message_id)["next_attempt_at"]) >= before + 600
    assert int(herald.item(message_id)["due_at"]["N"]) >= before + 600
    failures = [line for line in herald.lines("on_failure") if line.get("message_id") == message_id]
    assert len(failures) == 1


@pytest.mark.full
def test_a_message_that_is_too_old_is_given_up_and_the_owner_hears_it(herald: Harness) -> None:
    _, message_id = send_into_an_outage(herald)
    let_time_pass(herald, message_id, received_at=int(time.time()) - herald.stage.retry_times.give_up_seconds)
    run_retry_due(herald)
    assert herald.line("on_failure", message_id=message_id, action="undeliverable")["kind"] == "retry"
    assert herald.delivery(message_id)["state"] == "expired"
    assert "due" not in herald.item(message_id)


def test_a_run_that_died_before_it_rang_is_taken_up(herald: Harness) -> None:
    """Its claim is over, and Lambda has given the event up: only the index knows of it."""
    word = marker()
    message_id = herald.post_json({"message": word}).json()["id"]
    wait_for(lambda: herald.pushes(word), "push")
    wait_for(lambda: herald.delivery(message_id)["state"] == "delivered", "record of the delivery")
    now = int(time.time())
    item = herald.item(message_id)
    claimed: dict[str, Any] = {
        **item["deliveries"]["M"]["pushover"]["M"],
        "state": {"S": "sending"},
        "claimed_until": {"N": str(now - 1)},
    }
    item["deliveries"]["M"]["pushover"]["M"] = claimed
    herald.account.dynamodb.put_item(
        TableName=herald.stage.table, Item={**item, "due": {"S": "yes"}, "due_at": {"N": str(now - 1)}}
    )
    run_retry_due(herald)
    wait_for(lambda: len(herald.pushes(word)) == 2, "second push, as nobody can know of the first")


def test_a_message_that_was_deleted_meanwhile_stays_so(herald: Harness) -> None:
    """The scheduled retry's event may wait in Lambda's queue while the owner erases the message."""
    gone = str(uuid.uuid4())
    answer = herald.invoke("destined", herald.retried(gone))
    assert (answer["action"], answer["message"]["channels"]) == ("unchanged", {})
    assert herald.item(gone) == {}


def test_the_scheduled_retry_runs_on_a_schedule(herald: Harness) -> None:
    events = herald.account.client("events")
    rules = [
        rule
        for rule in events.list_rules()["Rules"]
        if any(
            target["Arn"].endswith(f":function:{herald.stage.function('retry_due')}")
            for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        )
    ]
    assert [rule["ScheduleExpression"] for rule in rules] == [f"rate({herald.stage.retry_times.retry_minutes} minutes)"]
