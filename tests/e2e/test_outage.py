"""A provider that is down for longer than Lambda's retries: the owner hears it once, and every message comes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.logic.failure_alarm import QUIET
from tests.e2e.harness import Harness, marker, wait_for
from tests.rehearsal import amount

MESSAGES = amount(10, 40)
ALARM = {"id": {"S": "alarm#"}}


def send(herald: Harness) -> tuple[str, str]:
    """The id and the word of a message that was accepted, once the gateway has let it in."""
    word = marker()
    (answer,) = wait_for(lambda: [a for a in [herald.post_json({"message": word})] if a.ok], "free place", pause=0.2)
    return str(answer.json()["id"]), word


def alarms(herald: Harness, words: set[str]) -> list[dict[str, Any]]:
    """The mails about these messages, and those that sum failures up."""
    return [mail for mail in herald.mails("") if any(word in mail["BodyText"] for word in {*words, " more failures"})]


def states(herald: Harness, ids: Iterable[str]) -> set[str]:
    return {str(herald.delivery(message_id)["state"]) for message_id in ids}


def quiet_time_passes(herald: Harness) -> None:
    herald.account.dynamodb.update_item(
        TableName=herald.stage.table,
        Key=ALARM,
        UpdateExpression="SET notified_at = :then",
        ExpressionAttributeValues={":then": {"N": str(int(time.time()) - QUIET)}},
    )


@pytest.mark.full
@pytest.mark.rehearse("40 messages", "an owner told of every failure, or of none")
def test_an_outage_is_told_once_and_heals_by_itself(herald: Harness) -> None:
    herald.forget_what_is_due()
    herald.account.dynamodb.delete_item(TableName=herald.stage.table, Key=ALARM)
    summaries = len(alarms(herald, set()))
    herald.faults({"do": "status", "status": 503, "times": 100_000})
    with ThreadPoolExecutor(4) as visitors:
        sent = dict(visitors.map(lambda _: send(herald), range(MESSAGES)))

    def heard() -> list[str]:
        """The messages that on_failure has heard of, once for each time."""
        lines = [line for line in herald.lines("on_failure") if "condition" in line]
        return [line["message_id"] for line in lines if line["message_id"] in sent]

    wait_for(lambda: set(heard()) == set(sent), "failure of every message", 300, pause=0.5)
    wait_for(lambda: len(alarms(herald, set(sent))) > summaries, "alarm")
    assert len(alarms(herald, set(sent))) == summaries + 1
    assert not any(herald.pushes(word) for word in sent.values())

    # It goes on. The scheduled retry tries, and nobody is told of each message once more.
    for message_id in sent:
        herald.let_time_pass(message_id)
    requests = herald.provider_requests()
    herald.invoke("retry_due", herald.scheduled())
    wait_for(lambda: herald.provider_requests() >= requests + MESSAGES, "attempt of every message", 300)
    assert len(heard()) == MESSAGES
    assert len(alarms(herald, set(sent))) == summaries + 1
    quiet_time_passes(herald)
    herald.invoke("retry_due", herald.scheduled())
    last = alarms(herald, set(sent))
    assert len(last) == summaries + 2, "one summary of all the others"
    assert any(f"{MESSAGES - 1} more failures" in mail["BodyText"] for mail in last)

    # It is over.
    herald.faults()
    wait_for(lambda: states(herald, sent) == {"waiting"}, "end of the attempts")
    for message_id in sent:
        herald.let_time_pass(message_id)
    herald.invoke("retry_due", herald.scheduled())
    wait_for(lambda: states(herald, sent) == {"delivered"}, "every delivery", 300, pause=0.5)
    assert [len(herald.pushes(word)) for word in sent.values()] == [1] * MESSAGES
    quiet_time_passes(herald)
    herald.invoke("retry_due", herald.scheduled())
    assert len(alarms(herald, set(sent))) == summaries + 2, "and nothing more is said of it"
