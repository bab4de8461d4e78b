"""Test events."""

from __future__ import annotations

import pytest

from chalicelib.errors import EventFailedError
from chalicelib.logic import message_kinds


def test_a_test_event_is_answered_with_its_own_text() -> None:
    assert message_kinds.answer_test_event("hello world") == {
        "source": "herald.event",
        "action": "message",
        "message": "hello world",
    }


def test_please_fail_fails() -> None:
    with pytest.raises(EventFailedError):
        message_kinds.answer_test_event("please fail")


@pytest.mark.parametrize("text", ["", "Please fail", "please fail ", "please  fail"])
def test_only_the_exact_words_fail(text: str) -> None:
    assert message_kinds.answer_test_event(text)["message"] == text
