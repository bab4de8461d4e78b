"""The scheduled retry: every message that is due is postponed and then queued, whatever becomes of the others."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from chalicelib.errors import RetryError
from chalicelib.logic.retry_due import MAX_MESSAGES, POSTPONED_BY, DueMessage, retry_due
from tests.fakes import NOW

DUE = [DueMessage(f"id-{number}", "default") for number in range(3)]


class Queue:
    """The messages that are due, and what was done in which order."""

    def __init__(self, *broken: str) -> None:
        self.done: list[object] = []
        self._broken = broken

    def find_due(self, now: int, most: int) -> Iterable[DueMessage]:
        self.done.append((now, most))
        return DUE

    def set_due_at(self, message_id: str, due_at: int) -> None:
        self.done.append((message_id, due_at))

    def run(self, message: DueMessage) -> None:
        self.done.append(message)
        if message.id in self._broken:
            raise RetryError(f"Throttled {message.id}")


def test_each_message_is_postponed_before_it_is_queued_and_all_are_counted() -> None:
    queue = Queue()
    assert retry_due(queue, queue, NOW) == 3
    each = [step for message in DUE for step in ((message.id, NOW + POSTPONED_BY), message)]
    assert queue.done == [(NOW, MAX_MESSAGES), *each]


def test_an_error_of_one_is_raised_after_the_others() -> None:
    queue = Queue("id-0")
    with pytest.raises(RetryError) as caught:
        retry_due(queue, queue, NOW)
    assert caught.value.reason == "Throttled id-0"
    assert [step for step in queue.done if isinstance(step, DueMessage)] == DUE


def test_where_nothing_is_due_none_is_counted() -> None:
    class Empty(Queue):
        def find_due(self, now: int, most: int) -> Iterable[DueMessage]:
            return []

    queue = Empty()
    assert retry_due(queue, queue, NOW) == 0
