"""A flood on the deployed stage: what rings, what the summary tells, and that nothing is lost.

tests/functional/test_flood.py has the same with simulated time, kills and forged origins.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from chalicelib.adapters.archive import MessageArchive
from chalicelib.adapters.providers import kind_of
from chalicelib.logic.archive import MessageState, Wanted
from tests.e2e.harness import PATIENCE, Harness, marker, wait_for
from tests.e2e.operator import Operator
from tests.rehearsal import amount

SITE, SUMMARY = "flooded", "summary#flooded"


def post(herald: Harness, word: str, person: int | None) -> str:
    """The id of a message: of a script, or of a person on the site's page."""
    fields = {"message": f"{word} {marker()}"}
    headers = {}
    if person is not None:
        fields = {"message": word, "name": f"Ada {person}", "_fill_seconds": "12"}
        headers = {"Origin": herald.stage.sites[SITE].origins[0]}

    def accepted() -> requests.Response | None:
        answer = requests.post(f"{herald.urls['api']}/contact/{SITE}", json=fields, headers=headers, timeout=PATIENCE)
        assert answer.status_code in (202, 429), answer.text
        return answer if answer.ok else None

    return str(wait_for(accepted, "free place", 120, pause=0.2).json()["id"])


def states(herald: Harness, since: int) -> Counter[MessageState]:
    found: Counter[MessageState] = Counter()
    wanted: Wanted | None = Wanted(SITE, since=since)
    while wanted is not None:
        page = MessageArchive(herald.account.dynamodb, herald.stage).page(wanted)
        found.update(message.state for message in page.messages)
        wanted = Wanted(SITE, since=since, after=page.next) if page.next else None
    return found


@pytest.mark.rehearse("2,000 messages")
def test_junk_at_the_throttle_rings_as_often_as_the_budget_says_and_hides_nobody(
    herald: Harness, checkout: Path
) -> None:
    size, since, word = amount(60, 2_000), int(time.time()), marker()
    people = {size // 10 * number + size // 20: number for number in range(10)}
    with ThreadPoolExecutor(4) as senders:
        ids = list(senders.map(lambda number: post(herald, word, people.get(number)), range(size)))

    def all_ended() -> bool:
        found = states(herald, since)
        return found.total() == size and set(found) <= {MessageState.DELIVERED, MessageState.SUMMARIZED}

    wait_for(all_ended, "end of every message", 300 + size, pause=1)
    pushes = herald.pushes(word)
    rung = [push for push in pushes if not push["title"].endswith("more messages")]
    assert 0 < len(rung) <= kind_of("pushover").rings.hour
    assert states(herald, since) == {MessageState.DELIVERED: len(rung), MessageState.SUMMARIZED: size - len(rung)}

    herald.account.dynamodb.update_item(
        TableName=herald.stage.table,
        Key={"id": {"S": SUMMARY}},
        UpdateExpression="SET due_at = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
    herald.invoke("retry_due", herald.scheduled())
    (summary,) = wait_for(lambda: [one for one in herald.pushes(word) if one not in pushes], "summary", 60)
    assert summary["title"] == f"{size - len(rung)} more messages"
    told = "\n".join(push["message"] for push in (*rung, summary))
    assert [number for number in range(10) if f"Ada {number}" not in told] == []
    left = next(one for one in ids if herald.delivery(one, "flooded")["state"] == "summarized")
    (step,) = (step for step in Operator(herald, checkout).json("trace", left, "--no-logs")["steps"] if step["channel"])
    assert (step["kind"], step["channel"]) == ("summarized", "flooded")
