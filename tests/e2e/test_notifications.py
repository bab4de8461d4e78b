"""What programs publish to the topic: from `aws sns publish` to the phone, and back to whoever published it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contracts import fits
from tests.e2e.harness import Harness, marker, wait_for

TITLE = "Backup"


@pytest.fixture
def publish(herald: Harness) -> Any:
    """Publishes, as any program does that may; returns the id that SNS gave it."""
    topic = herald.account.where.arn("sns", herald.stage.topic)
    return lambda body: str(herald.account.sns.publish(TopicArn=topic, Message=json.dumps(body))["MessageId"])


def notification(word: str, **more: object) -> dict[str, object]:
    return {"kind": "notification", "version": 1, "title": TITLE, "message": word, **more}


def ended(herald: Harness, publications: list[str]) -> Iterator[dict[str, Any]]:
    """Each publication as its sender looks it up, once nothing of it is under way."""

    def found(publication: str) -> Any:
        message, error = herald.ask("get_message", {"version": 1, "id": publication})
        return message if not error and message["state"] not in ("stored", "waiting") else None

    for publication in publications:
        yield wait_for(lambda publication=publication: found(publication), f"end of {publication}")  # type: ignore[misc]


@pytest.mark.full
def test_a_hundred_publications_with_one_key_ring_the_phone_once(herald: Harness, publish: Any) -> None:
    word = marker()
    body = notification(word, key=word, link=f"https://www.example.com/{word}", priority="high")
    with ThreadPoolExecutor(8) as pool:
        publications = list(pool.map(publish, [body] * 100))
    found = list(ended(herald, publications))
    (message_id,) = {message["id"] for message in found}
    assert {message["state"] for message in found} == {"delivered"}

    def handled() -> list[str] | None:
        lines = [line for line in herald.lines("destined") if line.get("message") == "Handled"]
        actions = [str(line["action"]) for line in lines if line["message_id"] == message_id]
        return actions if len(actions) >= 100 else None

    # Of runs at the same moment more than one may tell how it ended.
    assert wait_for(handled, "a hundred runs").count("unchanged") >= 90
    (push,) = herald.pushes(word)
    assert (push["title"], push["message"], push["priority"]) == (TITLE, word, "1")
    assert push["url"] == f"https://www.example.com/{word}"


def test_what_is_no_notification_is_told_to_its_sender_and_rings_nobody(herald: Harness, publish: Any) -> None:
    publication = publish({"AlarmName": "cpu"})
    (message,) = ended(herald, [publication])
    assert (message["id"], message["state"], message["rejected"]["key"]) == (publication, "rejected", "kind")
    assert message["fields"] == {}
    told = herald.line("on_failure", message_id=publication)
    assert (told["source"], told["action"], told["attempts"]) == ("herald.notification", "rejected", 1)
    fields = {"id": publication, "site": "notifications", "channels": {}, "rejected": message["rejected"]}
    fits("notification", "error", {"source": told["source"], "action": told["action"], "message": fields})
    assert herald.provider_requests() == 0, "neither for it nor for an alarm"
