"""What failed, was held or was never handled is delivered after all, and nothing twice; and what is erased is gone."""

from __future__ import annotations

import json
import time
import uuid

import pytest

from tests.contracts import fits
from tests.e2e.harness import Harness, marker, wait_for
from tests.e2e.operator import Operator

pytestmark = pytest.mark.full


DOWN = {"do": "status", "status": 500, "times": 1000}


def index(herald: Harness, message_id: str, site: str) -> list[str]:
    """What the index by site holds of a message."""
    pages = herald.account.dynamodb.get_paginator("query").paginate(
        TableName=herald.stage.table,
        IndexName=herald.stage.site_index,
        KeyConditionExpression="site = :site",
        ExpressionAttributeValues={":site": {"S": site}},
    )
    return [item["id"]["S"] for page in pages for item in page["Items"] if item["id"]["S"] == message_id]


def test_a_failed_message_is_replayed_to_exactly_the_missing_channel(herald: Harness, operator: Operator) -> None:
    word = marker()

    def rung() -> tuple[int, int, int]:
        return len(herald.pushes(word)), len(herald.mails(word)), len(herald.hooks(word))

    herald.hook_faults({"do": "status", "status": 422})
    message_id = herald.accepted(word, "/contact/ringing")
    assert herald.line("on_failure", message_id=message_id)["action"] == "undeliverable"
    assert rung() == (1, 1, 0)

    done = operator.json("replay", message_id)
    left = {"pushover": "delivered", "mail_again": "delivered"}
    replayed = {"id": message_id, "channels": ["own"], "left": left, "asked": True}
    assert done == {"replayed": [replayed], "errors": []}
    herald.line("on_success", message_id=message_id, action="delivered", kind="retry")
    assert rung() == (1, 1, 1)

    assert "nothing to try" in operator.gets("replay", message_id)
    steps = operator.json("trace", message_id)["steps"]
    assert [step["channel"] for step in steps if step["kind"] == "replayed"] == ["own"]
    fits("get_message", "answer", operator.json("messages", "show", message_id))
    assert rung() == (1, 1, 1)


def test_all_that_failed_is_replayed_and_the_rest_is_left_alone(herald: Harness, operator: Operator) -> None:
    good, word, begin = marker(), marker(), time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    delivered = herald.accepted(good)
    herald.line("on_success", message_id=delivered)
    herald.faults(DOWN)
    failed = herald.accepted(word)
    assert herald.line("on_failure", message_id=failed)["error_type"] == "DeliveryIncompleteError"
    assert int(herald.delivery(failed)["next_attempt_at"]) > time.time() + 60
    herald.faults()
    nobody = str(uuid.uuid4())
    assert nobody in operator.fails("replay", failed, nobody)
    herald.line("on_success", message_id=failed, action="delivered")
    operator.gets("replay", "--failed", "--since", begin, "--site", "default")
    assert (len(herald.pushes(word)), len(herald.pushes(good))) == (1, 1)
    for words in ([], ["--failed"], [failed, "--letters"], ["--letters", "--since", "1h"]):
        operator.fails("replay", *words, status=2)


def test_dead_letters_are_fed_back_and_ring_once_however_many_there_are(herald: Harness, operator: Operator) -> None:
    for queue in ("failed-events", "topic-dead-letters"):
        herald.empty(queue)
    stored_never, handed_never = marker(), marker()
    with herald.without_statement("destined", "StoreMessages"):
        first = herald.accepted(stored_never)
        body = herald.dead_letter("failed-events", first)
    policy = json.loads(herald.account.functions.get_policy(FunctionName=herald.stage.function("destined"))["Policy"])
    by_sns = next(one for one in policy["Statement"] if one["Principal"].get("Service") == "sns.amazonaws.com")
    with herald.without_permission("destined", by_sns):
        second = herald.accepted(handed_never)
        wait_for(lambda: herald.letters("topic-dead-letters"), "letter of the topic")
    sqs = herald.account.client("sqs")
    url = herald.queue_url("failed-events")
    for text in (body, body, "not a letter"):
        sqs.send_message(QueueUrl=url, MessageBody=text)

    result = operator.types("replay", "--letters", "--json")
    assert result.exit_code == 1, "one can't be read"
    fed = json.loads(result.stdout)
    assert (fed["messages"].count(first), fed["messages"].count(second)) == (2, 1)
    assert (fed["left"], fed["errors"]) == (1, [])
    for message_id in (first, second):
        herald.line("on_success", message_id=message_id, action="delivered")
    # Whichever of the two runs claimed the channel, the other found it claimed or delivered.
    wait_for(lambda: len([line for line in herald.lines("on_success") if line.get("message_id") == first]) == 2, "ends")
    assert (len(herald.pushes(stored_never)), len(herald.pushes(handed_never))) == (1, 1)
    assert (herald.letters("failed-events"), herald.letters("topic-dead-letters")) == (1, 0)
    herald.empty("failed-events")


def test_what_is_in_quarantine_is_listed_and_rings_once_it_is_released(herald: Harness, operator: Operator) -> None:
    word = marker()
    message_id = herald.accepted(word, "/contact/guarded", _gotcha="x")
    herald.line("on_success", message_id=message_id, action="quarantined")
    listed = operator.json("quarantine", "list", "--site", "guarded")["messages"]
    assert [one["signals"] for one in listed if one["id"] == message_id] == [["honeypot", "proof_missing"]]
    assert "honeypot" in operator.gets("quarantine", "list")
    assert "quarantine release" in operator.fails("replay", message_id)
    assert herald.pushes(word) == []

    operator.gets("quarantine", "release", message_id)
    wait_for(lambda: herald.pushes(word), "push")
    assert "not held" in operator.fails("quarantine", "release", message_id)
    assert operator.json("messages", "show", message_id)["signals"] == ["honeypot", "proof_missing"]

    herald.line("on_success", message_id=message_id, action="delivered")
    assert operator.gets("quarantine", "add", message_id) == f"{message_id} is in quarantine\n"
    assert "not held already" in operator.fails("quarantine", "add", message_id)
    operator.gets("quarantine", "release", message_id)
    shown = operator.json("messages", "show", message_id)
    assert (shown["state"], [each["mark"] for each in shown["marks"]]) == ("delivered", ["spam", "not_spam"])
    assert len(herald.pushes(word)) == 1, "what was delivered rings nobody again"

    operator.gets("messages", "mark-answered", message_id)
    assert operator.json("messages", "show", message_id)["answered_at"] > 0
    assert "answered" in operator.gets("messages", "show", message_id)
    operator.gets("messages", "mark-answered", "--undo", message_id)
    assert operator.json("messages", "show", message_id)["answered_at"] is None


def test_an_erased_message_is_gone_with_its_letters_and_what_remains_is_listed(
    herald: Harness, operator: Operator
) -> None:
    word = marker()
    herald.empty("failed-events")
    herald.faults(DOWN)
    message_id = herald.accepted(word)
    herald.line("on_failure", message_id=message_id)
    wait_for(lambda: herald.letters("failed-events"), "letter")
    assert index(herald, message_id, "default") == [message_id]

    said = operator.fails("messages", "erase", message_id[:8], typed="n\n")
    for part in ("1 stored", "of site default (1)", "from senders without an address (1)", message_id):
        assert part in said
    assert herald.item(message_id)
    # The local stack makes the table without them, whatever its template says.
    herald.account.dynamodb.update_continuous_backups(
        TableName=herald.stage.table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    before = int(time.time())
    (erased,) = operator.json("messages", "erase", message_id, "--yes")
    assert herald.item(message_id) == {}
    assert index(herald, message_id, "default") == []
    assert (erased["id"], erased["letters"]) == (message_id, 1)
    copies = {copy["where"]: copy["expires_at"] for copy in erased["copies"]}
    assert copies["backups of the table (point-in-time recovery)"] >= before + 35 * 86400
    assert copies["Lambda's queue of `destined`"] >= before
    assert copies["the recipients of `pushover`"] is None
    assert message_id in operator.fails("messages", "erase", message_id, "--yes")
    operator.fails("messages", "show", message_id)
    # One that there is not keeps none of the others from being erased.
    other = herald.accepted(marker())
    # Erased earlier, Lambda's next attempt would store it again, as the copy in Lambda's queue says.
    herald.line("on_failure", message_id=other)
    assert "dead letter unknown" in operator.fails("messages", "erase", other, "unknown", "--yes")
    assert herald.item(other) == {}

    herald.faults()
    repeated = herald.accepted(word)
    wait_for(lambda: herald.pushes(word), "push, as nothing remembers the content")
    assert "point-in-time recovery" in operator.gets("messages", "erase", repeated, "--yes")


def test_messages_are_erased_by_address_and_by_age(herald: Harness, operator: Operator) -> None:
    address = f"{marker()}@example.com"
    ids = [herald.accepted(marker(), email=address) for _ in range(2)]
    kept: str = herald.post_json({"message": f"not of {address}"}).json()["id"]
    for message_id in (*ids, kept):
        herald.line("on_success", message_id=message_id)
    for blank in ("", " "):
        operator.fails("messages", "erase", "--email", blank, "--until", "0s", "--yes", status=2)
    operator.fails("messages", "erase", "--email", "ada", "--until", "0s", "--yes", status=2)
    assert "2 stored, received" in operator.fails("messages", "erase", "--email", address, typed="n\n")
    erased = operator.json("messages", "erase", "--email", address.upper(), "--site", "default", "--yes")
    assert sorted(one["id"] for one in erased) == sorted(ids)
    assert herald.item(kept)

    old = f"{marker()}-old"
    for prefix in ("fields#", ""):
        item = {**herald.item(prefix + kept), "id": {"S": prefix + old}, "received_at": {"N": "1000"}}
        herald.account.dynamodb.put_item(TableName=herald.stage.table, Item=item)
    assert [one["id"] for one in operator.json("messages", "erase", "--until", "90d", "--yes")] == [old]
    assert operator.json("messages", "erase", "--until", "90d", "--yes") == []
    for words in ([], ["--site", "default"], [kept, "--email", address], [kept, "--site", "default"]):
        operator.fails("messages", "erase", *words, "--yes", status=2)
    assert herald.item(kept)
