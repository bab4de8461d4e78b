"""docs/delivery.md, line by line, against a provider that fails on command."""

from __future__ import annotations

import time

from tests.e2e.harness import Harness, marker, wait_for


def send(herald: Harness) -> tuple[str, str]:
    """Post a message; returns its word and its id."""
    word = marker()
    return word, herald.accepted(word)


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


def test_a_redelivered_message_rings_nobody_again(herald: Harness) -> None:
    word, message_id = send(herald)
    herald.line("on_success", message_id=message_id, action="delivered")
    for _ in range(3):
        herald.publish(herald.published(message_id))

    def is_unchanged_thrice() -> bool:
        lines = [line for line in herald.lines("on_success") if line.get("message_id") == message_id]
        return [line["action"] for line in lines].count("unchanged") == 3

    wait_for(is_unchanged_thrice, "three duplicates")
    assert len(herald.pushes(word)) == herald.provider_requests() == 1


# What Lambda's own retries could not deliver: the scheduled retry finds it by its time.


def test_an_outage_longer_than_lambdas_retries_heals_by_itself(herald: Harness) -> None:
    herald.faults({"do": "status", "status": 500, "times": 1000})
    word, message_id = send(herald)
    failed = herald.line("on_failure", message_id=message_id)
    assert (failed["condition"], failed["error_type"]) == ("RetriesExhausted", "DeliveryIncompleteError")
    assert herald.delivery(message_id)["state"] == "waiting"
    herald.faults()
    herald.let_time_pass(message_id)
    herald.run_retry_due()
    wait_for(lambda: herald.pushes(word), "push")
    told = herald.line("on_success", message_id=message_id)
    assert (told["kind"], told["action"], told["source"]) == ("retry", "delivered", "herald.contact")
    item = herald.item(message_id)
    assert not {"due", "due_at"} & set(item)
    states = [line["M"]["state"]["S"] for line in item["history"]["L"]]
    assert states == ["waiting", "waiting", "waiting", "delivered"]
    herald.run_retry_due()
    assert (herald.item(message_id), len(herald.pushes(word))) == (item, 1), "the second run found nothing more"


def test_a_run_that_died_before_it_rang_is_taken_up(herald: Harness) -> None:
    """Its claim is over, and Lambda has given the event up: only the index knows of it."""
    word, message_id = send(herald)
    wait_for(lambda: herald.delivery(message_id).get("state") == "delivered", "record of the delivery")
    past, item = {"N": str(int(time.time()) - 1)}, herald.item(message_id)
    item["deliveries"]["M"]["pushover"]["M"] |= {"state": {"S": "sending"}, "claimed_until": past}
    herald.account.dynamodb.put_item(TableName=herald.stage.table, Item={**item, "due": {"S": "yes"}, "due_at": past})
    herald.run_retry_due()
    wait_for(lambda: len(herald.pushes(word)) == 2, "second push, as nobody can know of the first")


def test_the_scheduled_retry_runs_as_often_as_the_configuration_says(herald: Harness) -> None:
    events = herald.account.client("events")
    target = herald.account.where.arn("lambda", f"function:{herald.stage.function('retry_due')}")
    (rule,) = events.list_rule_names_by_target(TargetArn=target)["RuleNames"]
    rate = f"rate({herald.stage.retry_times.retry_minutes} minutes)"
    assert events.describe_rule(Name=rule)["ScheduleExpression"] == rate
