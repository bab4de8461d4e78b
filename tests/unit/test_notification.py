"""What a notification says, and version 1 of the notifiers' contract."""

from __future__ import annotations

import json

import pytest

from chalicelib.errors import InvalidRequestError
from chalicelib.logic.notification import CUT_MARK, Notification, cut, of_contact
from tests.fakes import NOW, message

GOOD = {"version": 1, "id": "id-1", "title": "A title", "message": "A message", "timestamp": NOW}


def test_a_contact_notification_reads_as_promised() -> None:
    notification = of_contact(message("id-1", source="home", name="Юлия", email="j@example.com", message="Hi\nthere"))
    assert notification.title == "New /contact submission received"
    assert notification.message == "Source: home\nName: Юлия\nMail: j@example.com\nDesc: Hi\nthere"
    assert notification.id == "id-1"
    assert notification.timestamp == NOW, "the time of submission, not of delivery"


def test_a_missing_field_is_a_line_left_blank() -> None:
    assert of_contact(message(message="Hi")).message == "Source: \nName: \nMail: \nDesc: Hi"


def test_a_notification_survives_the_invoke_api() -> None:
    notification = of_contact(message(name="Ада", message='"quoted" 🚀'))
    assert Notification.from_request(json.loads(json.dumps(notification.as_request()))) == notification


def test_the_request_is_version_1_and_without_a_timestamp_where_there_is_none() -> None:
    assert Notification("id-1", "T", "M").as_request() == {"version": 1, "id": "id-1", "title": "T", "message": "M"}
    assert Notification("id-1", "T", "M", 7).as_request()["timestamp"] == 7


@pytest.mark.parametrize("request_", [None, [], "text", 7, True])
def test_a_request_that_is_no_object_is_refused(request_: object) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Notification.from_request(request_)
    assert caught.value.key == "request"


NO_VERSIONS: list[object] = [0, 2, "1", None, True, [1]]
NO_TEXTS: list[object] = ["", " ", "\n", None, 7, True, ["x"], {}]
NO_TIMES: list[object] = [-1, 1.5, "1767225600", True, [], {}]
BAD: list[tuple[str, object]] = [
    *(("version", value) for value in NO_VERSIONS),
    *((key, value) for key in ("id", "title", "message") for value in NO_TEXTS),
    ("id", "i" * 129),
    *(("timestamp", value) for value in NO_TIMES),
    ("priority", 2),
    ("user", "somebody else's key"),
    ("token", "t"),
    ("Title", "wrong letter case"),
]


@pytest.mark.parametrize(("key", "value"), BAD)
def test_every_bad_value_is_refused_naming_its_key(key: str, value: object) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Notification.from_request({**GOOD, key: value})
    assert caught.value.key == key
    assert key in caught.value.message
    if isinstance(value, str) and len(value.strip()) > 4:
        assert value not in caught.value.message, "messages reach logs and the bus"


@pytest.mark.parametrize("key", ["version", "id", "title", "message"])
def test_every_missing_key_is_named(key: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Notification.from_request({name: value for name, value in GOOD.items() if name != key})
    assert caught.value.key == key


def test_a_key_that_is_unknown_is_told_what_is_known() -> None:
    with pytest.raises(InvalidRequestError, match="version, id, title, message and, optionally, timestamp"):
        Notification.from_request({**GOOD, "sound": "siren"})


def test_timestamp_is_optional_and_may_be_null() -> None:
    without = {name: value for name, value in GOOD.items() if name != "timestamp"}
    assert Notification.from_request(without).timestamp is None
    assert Notification.from_request({**GOOD, "timestamp": None}).timestamp is None
    assert Notification.from_request({**GOOD, "timestamp": 0}).timestamp == 0


@pytest.mark.parametrize("character", ["a", "я", "🚀", "\u0301"])
def test_a_text_is_cut_by_characters_and_marked(character: str) -> None:
    assert cut(character * 10, 10) == character * 10
    assert cut(character * 11, 10) == character * 9 + CUT_MARK
    assert len(cut(character * 5000, 1024)) == 1024


def test_no_space_stands_before_the_mark() -> None:
    assert cut("one two  three", 9) == "one two" + CUT_MARK


def test_an_empty_text_stays_empty() -> None:
    assert cut("", 10) == ""
