"""The owner hears of failures: by another channel than the one that failed, and once rather than for each message."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.logic.failure_alarm import QUIET
from tests.e2e.harness import Harness, marker, wait_for

KEY = {"id": {"S": "alarm#"}}


@pytest.fixture(autouse=True)
def no_alarm_yet(herald: Harness) -> None:
    """As if nobody had been told anything: other tests let messages fail too, and leave some that would fail here."""
    herald.forget_what_is_due()
    herald.account.dynamodb.delete_item(TableName=herald.stage.table, Key=KEY)


def alarm_item(herald: Harness) -> dict[str, Any]:
    found = herald.account.dynamodb.get_item(TableName=herald.stage.table, Key=KEY).get("Item", {})
    return {name: next(iter(value.values())) for name, value in found.items()}


def refused(herald: Harness) -> str:
    """The id of a message that the provider refused for good, once on_failure has seen it."""
    message_id: str = herald.post_json({"name": "MARKER", "message": marker()}).json()["id"]
    herald.line("on_failure", message_id=message_id, action="undeliverable")
    return message_id


def test_many_failures_are_one_alarm_and_one_summary(herald: Harness) -> None:
    herald.faults({"do": "status", "status": 400, "times": 100})
    first = refused(herald)
    (mail,) = wait_for(lambda: herald.mails(first), "mail to the owner")
    assert mail["Subject"] == "Herald: not delivered"
    assert "pushover: rejected ChannelRejectedError" in mail["BodyText"]
    assert "MARKER" not in mail["BodyText"]

    with ThreadPoolExecutor(4) as several:
        others = list(several.map(lambda _: refused(herald), range(8)))
    wait_for(lambda: alarm_item(herald).get("unreported") == "8", "count of the others")
    assert not any(herald.mails(each) for each in others)
    # What other tests' messages that Lambda still tries meet from here on is no failure.
    herald.faults()

    herald.account.dynamodb.update_item(
        TableName=herald.stage.table,
        Key=KEY,
        UpdateExpression="SET notified_at = :then",
        ExpressionAttributeValues={":then": {"N": str(int(time.time()) - QUIET)}},
    )
    before = len(herald.mails("8 more failures"))
    herald.invoke("retry_due", herald.scheduled())
    assert len(herald.mails("8 more failures")) == before + 1
    herald.invoke("retry_due", herald.scheduled())
    assert len(herald.mails("8 more failures")) == before + 1
    assert alarm_item(herald)["unreported"] == "0"
