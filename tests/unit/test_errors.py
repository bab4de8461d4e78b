"""The errors of the Lambda Invoke API travel as two strings and come back as what they were."""

from __future__ import annotations

import json

import pytest

from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    HeraldError,
    InvalidRequestError,
    InvokeError,
    NotifierError,
    PublishError,
    StoreError,
    notifier_error,
)

CLASSES = [InvalidRequestError, ChannelRejectedError, ChannelUnavailableError, ChannelUncertainError]


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(("key", "retry_after"), [("", None), ("title", None), ("", 0), ("", 3600), ("é", 5)])
def test_an_error_comes_back_as_it_was_raised(cls: type[InvokeError], key: str, retry_after: int | None) -> None:
    raised = cls("what went “wrong”", key=key, retry_after=retry_after)
    back = notifier_error(type(raised).__name__, str(raised))
    assert type(back) is cls
    assert (back.message, back.key, back.retry_after) == (raised.message, key, retry_after)
    assert str(back) == str(raised)


def test_the_error_message_is_json_that_any_program_can_read() -> None:
    assert json.loads(str(InvalidRequestError("m", key="title"))) == {"message": "m", "key": "title"}
    assert json.loads(str(ChannelUnavailableError("m", retry_after=7))) == {"message": "m", "retry_after": 7}
    assert json.loads(str(ChannelUncertainError("m"))) == {"message": "m"}


@pytest.mark.parametrize(
    "error_type",
    ["", "KeyError", "Runtime.ExitError", "Sandbox.Timedout", "Runtime.HandlerError", "NotifierError", "NotFoundError"],
)
def test_an_error_that_is_not_of_the_contract_is_uncertain(error_type: str) -> None:
    assert type(notifier_error(error_type, '{"message": "x"}')) is ChannelUncertainError


def test_an_unknown_errors_text_is_not_repeated() -> None:
    assert "MARKER" not in str(notifier_error("KeyError", "MARKER"))


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    "error_message",
    [
        "",
        "plain words",
        "{",
        "[]",
        "null",
        "7",
        "{}",
        '{"retry_after": 5}',
        '{"message": "m", "retry_after": "soon"}',
        '{"message": "m", "retry_after": [5]}',
        '{"message": "m", "retry_after": NaN}',
        '{"message": "m", "retry_after": Infinity}',
        '{"message": "m", "retry_after": 1e999}',
    ],
)
def test_an_error_message_of_another_shape_keeps_its_class(cls: type[InvokeError], error_message: str) -> None:
    back = notifier_error(cls.__name__, error_message)
    assert type(back) is cls
    assert back.retry_after is None


def test_every_error_has_a_place_in_the_one_tree() -> None:
    assert issubclass(NotifierError, InvokeError)
    assert issubclass(InvokeError, HeraldError)
    assert {InvalidRequestError, *NotifierError.__subclasses__()} == set(CLASSES)


def test_errors_that_are_logged_say_their_reason() -> None:
    assert PublishError("Throttled").reason in str(PublishError("Throttled"))
    assert StoreError("Throttled").reason in str(StoreError("Throttled"))
