"""Messages seen, explained and taken elsewhere from a terminal."""

from __future__ import annotations

import csv
import io
import json
import stat
import uuid
from pathlib import Path

import pytest

from ops.operations.short_ids import NEWEST
from tests.contracts import fits
from tests.e2e.harness import Harness, marker, wait_for
from tests.e2e.operator import Operator


def sent(herald: Harness, path: str = "/contact", **fields: str) -> str:
    """The id of a message that has come to its end."""
    message_id = herald.accepted(path=path, **fields)
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
    attempt = trace["steps"][2]
    assert (trace["state"], attempt["channel"], attempt["state"]) == ("delivered", "pushover", "delivered")
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
    message_id = herald.accepted(marker())
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
    operator.gets("messages", "export", "--since", "1h", "--format", "jsonl", "--output", str(file), "--yes")
    assert file.read_bytes() != before


@pytest.mark.full
def test_what_is_not_there_or_can_t_be_asked_is_said(operator: Operator) -> None:
    nobody = str(uuid.uuid4())
    assert nobody in operator.fails("messages", "show", nobody)
    assert nobody in operator.fails("trace", nobody)
    for words in ("messages show", "trace", "replay", "quarantine release", "messages erase --yes"):
        assert f"the {NEWEST} newest" in operator.fails(*words.split(), "ffffffff")
    assert operator.json("messages", "list", "--site", "nowhere") == {"messages": [], "cursor": None}
    for words in ("messages list", "messages erase --until 1s --yes", "quarantine list"):
        assert "no site nowhere" in operator.types(*words.split(), "--site", "nowhere").stderr, (
            "an unknown site looks erased"
        )
    assert "--email" in operator.fails("messages", "list", "--email", "a@example.com", "--cursor", "x", status=2)
