"""The digest on the deployed stage: one push with the right counts, once; none where nothing happened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib.logic.digest import DAY, SETTLED
from tests.e2e.harness import Harness, marker

SITE = "digested"
DONE = {"delivered": "on_success", "quarantined": "on_success", "undeliverable": "on_failure"}


def reported_until(herald: Harness, site: str = SITE) -> int:
    return int(herald.item(f"digest#{site}")["reported_until"]["N"])


def yesterday() -> int:
    """A second of the last day whose digest is due: it is due half an hour after the day's end."""
    return (int(time.time()) - SETTLED) // DAY * DAY - 60


def let_be_told(herald: Harness, until: int, site: str = SITE) -> None:
    """As if the site had been told until then."""
    herald.forget(f"digest#{site}")
    herald.change(f"digest#{site}", {"reported_until": until})


@contextmanager
def a_day(herald: Harness) -> Iterator[None]:
    """A day of which the site was not told yet, in which one message came."""
    at = yesterday()
    message = {"id": {"S": marker()}}
    delivered = {"pushover": {"M": {"state": {"S": "delivered"}, "attempts": {"N": "1"}}}}
    herald.account.dynamodb.put_item(
        TableName=herald.stage.table,
        Item={**message, "site": {"S": SITE}, "received_at": {"N": str(at)}, "deliveries": {"M": delivered}},
    )
    let_be_told(herald, at - 60)
    try:
        yield
    finally:
        herald.forget(message["id"]["S"])
        herald.forget(f"digest#{SITE}")


def send(herald: Harness, at: int, action: str, **fields: str) -> str:
    """A message that ended so, received at this second; returns its word."""
    word = marker()
    message_id = herald.accepted(word, f"/contact/{SITE}", **fields)
    herald.line(DONE[action], message_id=message_id, action=action)
    herald.change(message_id, {"received_at": at})
    return word


def digests(herald: Harness) -> list[dict[str, Any]]:
    """What the phone shows of them, by whatever site."""
    return [push for push in herald.pushes("") if push["title"].startswith("Herald: ")]


def test_a_day_is_told_once_in_numbers_alone_and_a_site_to_which_nothing_happened_is_told_nothing(
    herald: Harness,
) -> None:
    at = yesterday()
    words = [send(herald, at, "delivered"), send(herald, at - 1, "delivered")]
    words.append(send(herald, at - 2, "quarantined", _gotcha="filled"))
    herald.faults({"do": "status", "status": 400})
    words.append(send(herald, at - 3, "undeliverable"))
    herald.clear()
    herald.faults(quota=500)
    let_be_told(herald, at - 3600)
    let_be_told(herald, at - 3600, "puzzled")

    herald.invoke("digest", herald.scheduled())

    (push,) = (push for push in digests(herald) if push["title"] == f"Herald: {SITE}")
    assert push["message"].splitlines()[:-1] == [
        "Messages: 4",
        "Delivered: 2",
        "Not delivered: 1",
        "In quarantine: 1",
        "Failed by pushover: 1",
        "Quota left of pushover: 500 / 500",
    ]
    assert push["message"].splitlines()[-1].startswith("Received: ")
    assert not any(word in push["message"] for word in words)
    assert herald.line("digest", site=SITE, channel="pushover")
    assert reported_until(herald) > at
    assert reported_until(herald, "puzzled") > at
    assert not [push for push in digests(herald) if push["title"] == "Herald: puzzled"]

    herald.invoke("digest", herald.scheduled())
    assert [each["title"] for each in digests(herald)].count(push["title"]) == 1
