"""What a message costs at the table, whatever a stranger wrote: counted from the calls of ``destined``'s own code."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import replace
from typing import Any, cast

import pytest

from bench import cost
from chalicelib.adapters.message_table import MessageTable
from chalicelib.adapters.recent_activity import RecentTable
from chalicelib.adapters.ring_budget import RingTable
from chalicelib.adapters.summaries import SummaryTable
from chalicelib.errors import SubmissionError
from chalicelib.logic import form_body
from chalicelib.logic.delivery import deliver
from chalicelib.logic.delivery_types import DeliveryDependencies, Invocation
from chalicelib.logic.message import Message
from chalicelib.logic.spam import NOTHING_FOUND, PersonSign, Verdict, screen
from chalicelib.logic.submission import classify_fields
from chalicelib.logic.validation import validate
from chalicelib.settings import Rings, Spam
from tests.dynamodb import Call, LocalTable
from tests.fakes import LIMITS, NOW, Clock, RecordingNotifier, channel, message, site, stage

ORDINARY = message("id-1", source="Shop", name="Ada Lovelace", email="ada@example.com", message="Hello! " * 60)
BEFORE = 12
"""Units of an ordinary message when it was one item, written whole three times."""
MAX_TIMES = 7
RATE = Spam({"rate": 10}, most_messages=20, rate_minutes=60)


def dependencies_of(table: LocalTable) -> DeliveryDependencies:
    """One channel with a budget of rings."""
    clock, dynamodb = Clock(), cast(Any, table)
    return DeliveryDependencies(
        site(),
        {"pushover": channel()._replace(rings=Rings(30, 120))},
        {"pushover": RecordingNotifier()},
        MessageTable(dynamodb, stage(), clock),
        RecentTable(dynamodb, stage().table, clock),
        clock,
        RingTable(dynamodb, stage().table),
        lambda: SummaryTable(dynamodb, stage().table),
    )


def deliver_one(it: Message, runs: int = 1, table: LocalTable | None = None) -> list[Call]:
    """Store and deliver a message by one channel, as ``destined`` does; the calls that it took."""
    table = table or LocalTable(stage().table)
    dependencies = dependencies_of(table)
    for number in range(runs):
        deliver(it, NOTHING_FOUND, dependencies, Invocation(f"request-{number}", f"run-{number}", NOW + 100))
    return table.calls


def deliver_beyond_the_budget(it: Message, rank: int) -> list[float]:
    """Write units of each of forty messages like this one that come when the channel's budget is spent."""
    table, found = LocalTable(stage().table), []
    dependencies = dependencies_of(table)
    for number in range(80):
        before, text = len(table.calls), f"{number:03d}{it.fields['message'][3:]}"
        one = replace(it, id=str(uuid.UUID(int=number)), fields={**it.fields, "message": text})
        deliver(one, Verdict(person_rank=rank), dependencies, Invocation(one.id, one.id, NOW + 100))
        found.append(units(table.calls[before:]))
    return found[40:]


def units(calls: list[Call]) -> float:
    return sum(call.units for call in calls)


def accepted(fields: dict[str, str]) -> Message:
    """The message that the API function makes of these fields; raises what it refuses."""
    form = classify_fields(form_body.read(form_body.JSON, json.dumps(fields, ensure_ascii=False).encode(), LIMITS))
    validate(form, site(), LIMITS)
    found = Message("id-1", "default", NOW, form.fields)
    found.serialize()
    return found


def longest(text: str) -> Message:
    """The longest message of this text that is accepted: as many fields as fit, as long as they may be."""
    one = text * (LIMITS.field_bytes // len(text.encode()))
    found, fields = None, {"message": one}
    for length in range(len(one), 0, -len(one) // 20):
        fields[f"f{length}"] = one[:length]
        while len(fields) < LIMITS.field_count:
            try:
                found = accepted(fields)
            except SubmissionError:
                fields.popitem()
                break
            fields[f"f{length}-{len(fields)}"] = one[:length]
    assert found is not None
    return found


@pytest.mark.parametrize("text", ["x", '"', "\\", "é", "字", "\N{GRINNING FACE}", "x\n"], ids=ascii)
def test_the_worst_message_costs_seven_times_an_ordinary_one_at_most(text: str) -> None:
    ordinary, worst = deliver_one(ORDINARY), deliver_one(longest(text))
    assert units(ordinary) <= BEFORE
    assert units(worst) <= MAX_TIMES * units(ordinary)
    later = [
        [call for call in calls if (call.operation, call.key) == ("UpdateItem", "id-1")] for calls in (ordinary, worst)
    ]
    assert len(later[0]) == len(later[1])
    for one, other in zip(*later, strict=True):
        assert other.units <= 1.5 * one.units


@pytest.mark.parametrize(
    ("it", "counted", "kb"),
    [
        pytest.param(ORDINARY, cost.ORDINARY, cost.ORDINARY_KB, id="ordinary"),
        pytest.param(longest("x"), cost.WORST, cost.WORST_KB, id="worst"),
        pytest.param(longest("字"), cost.WORST, cost.WORST_KB, id="worst in Chinese"),
    ],
)
def test_the_page_on_costs_counts_with_these_units_and_bytes(it: Message, counted: int, kb: int) -> None:
    table = LocalTable(stage().table)
    assert units(deliver_one(it, table=table)) == counted
    assert math.ceil(table.size(it.id) / 1024) == kb


@pytest.mark.parametrize("rank", [0, 2], ids=["junk", "forged"])
def test_each_message_of_a_flood_costs_what_the_page_on_costs_says(rank: int) -> None:
    assert set(deliver_beyond_the_budget(ORDINARY, rank)) == {cost.ORDINARY_BEYOND}
    assert set(deliver_beyond_the_budget(longest("x"), rank)) == {cost.WORST_BEYOND}


@pytest.mark.parametrize("seconds", [10, 44, 45, 46], ids="{} seconds apart".format)
def test_counting_senders_makes_no_message_cost_more_than_seven_times_an_ordinary_one(seconds: int) -> None:
    """The sets of an address and of its network are as full as they get where 80 messages come within the hour."""
    table, clock = LocalTable(stage().table), Clock()
    recent, counting = RecentTable(cast(Any, table), stage().table, clock), site()._replace(spam=RATE)
    found = []
    for number in range(180):
        before = len(table.calls)
        clock.now += seconds
        one = replace(ORDINARY, id=str(uuid.UUID(int=number)), received_at=clock.now, evidence=tuple(PersonSign))
        screen(replace(one, sender_hash="a" * 32, network_hash="b" * 32), counting, recent)
        found.append(units(table.calls[before:]))
    assert found[0] == 2
    assert max(found) <= 16
    assert cost.WORST + max(found) <= MAX_TIMES * (cost.ORDINARY + found[0])


def test_an_event_that_comes_again_does_not_write_a_long_text_again() -> None:
    it = longest("x")
    assert units(deliver_one(it, runs=3)) <= units(deliver_one(it)) + 2


@pytest.mark.parametrize("charset", ["utf-8", "windows-1252"])
def test_what_counts_is_the_size_as_utf_8_whatever_charset_came(charset: str) -> None:
    """A euro sign is one byte in windows-1252 and three in UTF-8."""
    head = f'--b\r\nContent-Disposition: form-data; name="%s"\r\nContent-Type: text/plain; charset={charset}\r\n\r\n'

    def sent(signs: int) -> bytes:
        text = ("€" * (signs // 10)).encode(charset)
        return b"".join((head % f"f{number}").encode() + text + b"\r\n" for number in range(10)) + b"--b--\r\n"

    kind = f"{form_body.MULTIPART}; boundary=b"
    assert len(form_body.read(kind, sent(LIMITS.body_bytes // 3 - 600), LIMITS)) == 10
    with pytest.raises(SubmissionError) as caught:
        form_body.read(kind, sent(LIMITS.body_bytes // 3 + 600), LIMITS)
    assert caught.value.status == 413
