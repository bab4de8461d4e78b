"""Messages seen, explained and taken elsewhere from a terminal."""

from __future__ import annotations

import csv
import io
import json
import stat
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from chalicelib.logic.stored_messages import MAX_PAGE
from ops.operations.short_ids import NEWEST
from tests.contracts import fits
from tests.e2e.harness import Harness, marker, wait_for
from tests.e2e.operator import Operator, calls


@pytest.fixture
def operator(herald: Harness, checkout: Path) -> Operator:
    return Operator(herald, checkout)


def sent(herald: Harness, path: str = "/contact", **fields: str) -> str:
    """The id of a message that has come to its end."""
    answer = herald.post_json(fields, path)
    assert answer.status_code == 202, answer.text
    message_id: str = answer.json()["id"]
    wait_for(lambda: herald.item(message_id) and "due" not in herald.item(message_id), "end of the message")
    return message_id


def test_a_message_from_the_form_is_listed_shown_and_explained(herald: Harness, operator: Operator) -> None:
    word = marker()
    message_id = sent(herald, message=word, name="=HYPERLINK(1)", email="Alice@example.com")

    page = operator.json("messages", "list", "--site", "default", "--since", "1h")
    fits("list_messages", "answer", page)
    listed = next(message for message in page["messages"] if message["id"] == message_id)
    assert (listed["state"], listed["channels"]["pushover"]["state"]) == ("delivered", "delivered")
    assert word not in json.dumps(page)
    assert message_id in operator.gets("messages", "list")
    # As `make run` shows it; of several that begin so, the longer beginning is unlike.
    assert operator.json("messages", "show", message_id[:8]) == operator.json("messages", "show", message_id)
    assert operator.json("trace", message_id[:13])["id"] == message_id
    assert message_id in operator.gets("logs", "--message", message_id[:8])

    shown = operator.json("messages", "show", message_id)
    fits("get_message", "answer", shown)
    assert shown["fields"]["message"] == word
    assert word in operator.gets("messages", "show", message_id)

    herald.line("on_success", message_id=message_id)
    trace = operator.json("trace", message_id)
    kinds = [step["kind"] for step in trace["steps"]]
    assert kinds == ["accepted", "stored", "attempt", "ended", "told"]
    assert (trace["state"], trace["steps"][2]["channel"], trace["steps"][2]["state"]) == (
        "delivered",
        "pushover",
        "delivered",
    )
    # The rule of automatic answers matches too; their function then finds that the site gives none.
    assert trace["targets"] == [
        {"rule": f"herald-local-{name}", "arn": herald.account.where.arn("lambda", f"function:herald-local-{name}")}
        for name in ("autoreply", "on_success")
    ]
    assert trace["notes"] == []
    assert "rule herald-local-on_success sends to" in operator.gets("trace", message_id)


@pytest.mark.full
def test_what_failed_is_explained_attempt_by_attempt(herald: Harness, operator: Operator) -> None:
    herald.faults({"do": "status", "status": 500, "times": 1000})
    answer = herald.post_json({"message": marker()})
    assert answer.status_code == 202, answer.text
    message_id: str = answer.json()["id"]
    herald.line("on_failure", message_id=message_id)
    trace = operator.json("trace", message_id)
    attempts = [(step["attempt"], step["state"], step["error"]) for step in trace["steps"] if step["kind"] == "attempt"]
    assert attempts == [(number, "waiting", "ChannelUnavailableError") for number in (1, 2, 3)]
    told = next(step for step in trace["steps"] if step["kind"] == "told")
    assert (told["source"], told["details"]["error_type"]) == ("on_failure", "DeliveryIncompleteError")
    assert {target["rule"] for target in trace["targets"]} == {"herald-local-on_failure", "herald-local-failed-events"}
    waiting = operator.json("messages", "list", "--state", "waiting", "--since", "1h")
    assert message_id in [message["id"] for message in waiting["messages"]]
    assert {message["state"] for message in waiting["messages"]} == {"waiting"}


@pytest.mark.full
def test_messages_are_exported_and_no_cell_is_a_formula(herald: Harness, operator: Operator, tmp_path: Path) -> None:
    word = marker()
    address = f"{word}@example.com"
    message_id = sent(herald, message=f"=1+1 {word}", email=address, Company="Äpfel")
    sent(herald, message=f"about {address}")

    lines = operator.gets("messages", "export", "--email", address.upper(), "--format", "jsonl").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [message_id], "and not the one that only mentions it"
    fits("get_message", "answer", json.loads(lines[0]))

    file = tmp_path / "messages.csv"
    operator.gets("messages", "export", "--site", "default", "--since", "1h", "--output", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig")))}
    row = rows[message_id]
    assert (row["message"], row["email"], row["channels"]) == (f"'=1+1 {word}", address, "pushover=delivered")
    assert json.loads(row["other"]) == {"Company": "Äpfel"}

    before = file.read_bytes()
    operator.fails("messages", "export", "--output", str(file), typed="n\n")
    assert file.read_bytes() == before
    operator.gets(
        "messages", "export", "--site", "default", "--since", "1h", "--format", "jsonl", "--output", str(file), "--yes"
    )
    assert file.read_bytes() != before


@pytest.mark.full
def test_what_is_not_there_or_can_t_be_asked_is_said(operator: Operator) -> None:
    nobody = str(uuid.uuid4())
    assert nobody in operator.fails("messages", "show", nobody)
    assert nobody in operator.fails("trace", nobody)
    for words in (
        ["messages", "show"],
        ["trace"],
        ["replay"],
        ["quarantine", "release"],
        ["messages", "erase", "--yes"],
    ):
        assert f"the {NEWEST} newest" in operator.fails(*words, "ffffffff")
    assert operator.json("messages", "list", "--site", "nowhere") == {"messages": [], "cursor": None}
    for words in (["messages", "list"], ["messages", "erase", "--until", "1s", "--yes"], ["quarantine", "list"]):
        assert "no site nowhere" in operator.types(*words, "--site", "nowhere").stderr, "an unknown site looks erased"
    assert "cursor" in operator.fails("messages", "list", "--cursor", "wrong")
    assert "2h" in operator.fails("messages", "list", "--since", "yesterday", status=2)
    assert "later second" in operator.fails("messages", "list", "--since", "1h", "--until", "2h")
    assert "--email" in operator.fails("messages", "list", "--email", "a@example.com", "--cursor", "x", status=2)


@pytest.mark.full
def test_of_a_thousand_messages_a_page_is_one_query_and_nothing_is_scanned(
    herald: Harness, operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    site, now = marker(), int(time.time())
    fill(herald, site, 1_000, now)
    with calls(caplog) as asked:
        page = operator.json("messages", "list", "--site", site)
    assert asked == ["GetCallerIdentity", "Query"]
    assert [message["received_at"] for message in page["messages"]] == list(range(now - 1, now - 1 - MAX_PAGE, -1))

    with calls(caplog) as asked:
        following = operator.json("messages", "list", "--site", site, "--cursor", page["cursor"])
        rare = operator.json("messages", "list", "--site", site, "--state", "quarantined", "--since", str_of(now - 80))
        everything = operator.gets("messages", "export", "--site", site, "--since", str_of(now - 80))
    assert following["messages"][0]["received_at"] == now - 1 - MAX_PAGE
    assert rare == {"messages": [], "cursor": None}
    assert len(everything.splitlines()) == 81
    assert set(asked) == {"GetCallerIdentity", "Query", "BatchGetItem"}


def str_of(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(second))


def fill(herald: Harness, site: str, number: int, now: int) -> None:
    """Put so many messages into the table, one a second until now. Only the last are whole, as that takes long."""
    words = {"state": {"S": "delivered"}, "claimed_by": {"S": "run"}, "reference": {"S": "r"}, "error": {"S": ""}}
    numbers = {name: {"N": "1"} for name in ("attempts", "claimed_until", "next_attempt_at", "since")}
    items: list[Any] = []
    for one in range(number):
        message_id, received_at = f"{site}-{one}", now - number + one
        item: dict[str, Any] = {
            "id": {"S": message_id},
            "site": {"S": site},
            "received_at": {"N": str(received_at)},
            "stored_at": {"N": str(received_at)},
            "expires_at": {"N": str(now + 3600)},
            "deliveries": {"M": {}},
        }
        if one >= number - 100:
            item["deliveries"] = {"M": {"pushover": {"M": words | numbers}}}
        items.append({"PutRequest": {"Item": item}})
    for start in range(0, number, 25):
        herald.account.dynamodb.batch_write_item(RequestItems={herald.stage.table: items[start : start + 25]})
