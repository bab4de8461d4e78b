"""What a summary says: how many messages since when, and who wrote what."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from chalicelib.logic.notification import Notification
from chalicelib.logic.summary import (
    MAX_LINE,
    MAX_LINES,
    NAMING_TIME,
    Batch,
    SummaryDependencies,
    choose_replaced,
    message_line,
    summary_notification,
)
from chalicelib.texts import texts
from tests.fakes import NOW, Clock

EN = texts("en")
WRITTEN = {str(number): {"name": f"Ada {number}", "message": "Hi"} for number in range(30)}


def summary(
    batch: Batch, find: Callable[[str], Mapping[str, str] | None] = WRITTEN.get, now: Clock | None = None
) -> Notification:
    means = SummaryDependencies({}, {}, None, None, find, EN, now or Clock())  # type: ignore[arg-type]
    return summary_notification("phone", batch, means)


def test_a_summary_says_how_many_since_when_and_names_those_that_are_still_there() -> None:
    found = summary(Batch(5, NOW - 90, ("1", "gone", "2"), "3", NOW - 60))
    assert found == Notification(
        f"summary-phone-{NOW - 60}",
        EN["summary_title"].format(count=5),
        "\n".join(
            [
                EN["summary_since"].format(count=5, since="2025-12-31 23:58"),
                *("› Ada 1: Hi", "› Ada 2: Hi", "› Ada 3: Hi"),
                EN["summary_more"].format(count=2),
            ]
        ),
        NOW,
    )
    assert summary(Batch(1, NOW, ("3",), "3", NOW)).message.splitlines()[1:] == ["› Ada 3: Hi"]


def test_of_many_the_first_eleven_and_the_newest_are_named() -> None:
    ids = tuple(map(str, range(20)))
    lines = summary(Batch(40, NOW, ids, "29", NOW)).message.splitlines()
    assert lines[1:-1] == [f"› Ada {number}: Hi" for number in (*range(11), 29)]
    assert len(lines[1:-1]) == MAX_LINES
    assert lines[-1] == EN["summary_more"].format(count=28)


@pytest.mark.parametrize("newest", ["0", "10", "11"])
def test_of_twelve_all_are_named_in_their_order_whichever_is_the_newest(newest: str) -> None:
    lines = summary(Batch(12, NOW, tuple(map(str, range(12))), newest, NOW)).message.splitlines()
    assert lines[1:] == [f"› Ada {number}: Hi" for number in range(12)]


def test_a_message_that_was_counted_twice_takes_no_line_of_another() -> None:
    lines = summary(Batch(13, NOW, ("0", *map(str, range(12))), "3", NOW)).message.splitlines()
    assert lines[1:] == [*(f"› Ada {number}: Hi" for number in range(12)), EN["summary_more"].format(count=1)]


@pytest.mark.parametrize(("seconds", "named"), [(0, 3), (NAMING_TIME - 1, 2), (NAMING_TIME, 1)])
def test_a_slow_table_delays_no_summary(seconds: int, named: int) -> None:
    now = Clock()

    def find(message_id: str) -> Mapping[str, str] | None:
        now.now += seconds
        return WRITTEN[message_id]

    lines = summary(Batch(3, NOW, ("1", "2"), "3", NOW), find, now).message.splitlines()
    assert len([line for line in lines if line.startswith("› ")]) == named


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"name": "Ada", "email": "a@example.com", "title": "T", "message": "Hi\nthere"}, "Ada: Hi there"),
        ({"name": "", "email": "a@example.com", "title": "T", "message": "Hi"}, "a@example.com: Hi"),
        ({"title": "Backup", "message": "Failed"}, "Backup: Failed"),
        ({"message": "Hi"}, "Hi"),
        ({"a": " ", "b": "text", "c": "more"}, "text"),
        ({"name": "Ada"}, "Ada: Ada"),
        ({}, ""),
        ({"message": "x" * MAX_LINE}, "x" * MAX_LINE),
        ({"message": "x" * (MAX_LINE + 1)}, "x" * (MAX_LINE - 1) + "…"),
    ],
)
def test_a_line_says_who_wrote_and_how_it_begins(fields: dict[str, str], line: str) -> None:
    assert message_line(fields) == line


def test_each_of_many_has_the_same_chance_to_be_named() -> None:
    assert [choose_replaced(str(number), 0, 3) for number in range(5)] == [0] * 5
    found = [choose_replaced(str(number), 9, 3) for number in range(10_000)]
    assert found == [choose_replaced(str(number), 9, 3) for number in range(10_000)], "the same answer each time"
    for index in range(3):
        assert 900 < found.count(index) < 1100
    assert {index for index in found if index is not None} == {0, 1, 2}
