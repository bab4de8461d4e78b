"""The error tree, and what its errors say."""

from __future__ import annotations

import json

from chalicelib.adapters import notifier_client
from chalicelib.errors import (
    ChannelUnavailableError,
    ChannelUncertainError,
    FunctionError,
    HeraldError,
    InvalidRequestError,
    NotifierError,
    PublishError,
    StoreError,
)


def test_the_error_message_is_json_that_any_program_can_read() -> None:
    assert json.loads(str(InvalidRequestError("m", key="title"))) == {"message": "m", "key": "title"}
    assert json.loads(str(ChannelUnavailableError("m", retry_after=7))) == {"message": "m", "retry_after": 7}
    assert json.loads(str(ChannelUncertainError("m"))) == {"message": "m"}


def test_every_error_has_a_place_in_the_one_tree() -> None:
    assert issubclass(NotifierError, FunctionError)
    assert issubclass(FunctionError, HeraldError)
    assert {InvalidRequestError, *NotifierError.__subclasses__()} == set(notifier_client._ERRORS.values())


def test_errors_that_are_logged_say_their_reason() -> None:
    assert PublishError("Throttled").reason in str(PublishError("Throttled"))
    assert StoreError("Throttled").reason in str(StoreError("Throttled"))
