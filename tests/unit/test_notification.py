"""What a notification says, and version 1 of the notifiers' contract."""

from __future__ import annotations

import json

import pytest

from chalicelib.errors import InvalidRequestError
from chalicelib.logic.notification import CUT_MARK, MAX_EXTRA, Notification, cut, from_contact
from chalicelib.logic.submission import Message
from tests.fakes import NOW, message

GOOD = {"version": 1, "id": "id-1", "title": "A title", "message": "A message", "timestamp": NOW}


def test_a_contact_notification_reads_as_promised() -> None:
    notification = from_contact(message("id-1", source="home", name="Юлия", email="j@example.com", message="Hi\nthere"))
    assert notification.title == "New /contact submission received"
    assert notification.message == "Source: home\nName: Юлия\nMail: j@example.com\nDesc: Hi\nthere"
    assert notification.id == "id-1"
    assert notification.timestamp == NOW, "the time of submission, not of delivery"


def test_a_missing_field_is_a_line_left_blank() -> None:
    assert from_contact(message(message="Hi")).message == "Source: \nName: \nMail: \nDesc: Hi"


def said(**fields: str) -> list[str]:
    return from_contact(message(**fields)).message.split("\n")


def test_what_else_the_form_held_stands_between_mail_and_the_message_in_the_order_sent() -> None:
    assert said(
        **{"phone": "123", "message": "Hi\nthere", "Größe": "XL", "name": "Ada", "subject": "A word", "a": "z"}
    ) == [
        "Source: ",
        "Name: Ada",
        "Mail: ",
        "phone: 123",
        "Größe: XL",
        "subject: A word",
        "a: z",
        "Desc: Hi",
        "there",
    ]


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u00a0"])
def test_what_else_is_blank_has_no_line(blank: str) -> None:
    assert said(phone=blank, message="Hi") == ["Source: ", "Name: ", "Mail: ", "Desc: Hi"]


@pytest.mark.parametrize(
    "space", ["\n", "\r\n", "\n\n", "\t", "  ", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"]
)
def test_what_else_the_form_held_has_one_line_each_in_name_and_text(space: str) -> None:
    """Nobody forges another line, and none of the four that the owner knows."""
    lines = from_contact(message(**{f"a{space}Mail: x": f"{space}b{space}Desc: y{space}", "message": "Hi"})).message
    assert lines.splitlines() == ["Source: ", "Name: ", "Mail: ", "a Mail: x: b Desc: y", "Desc: Hi"]


@pytest.mark.parametrize("character", ["a", "я", "🚀"])
def test_what_else_the_form_held_is_cut_by_characters_and_the_message_is_not(character: str) -> None:
    whole, more = character * MAX_EXTRA, character * (MAX_EXTRA + 1)
    assert said(**{"x": whole, "y": more, "message": more * 9})[3:] == [
        f"x: {whole}",
        f"y: {character * (MAX_EXTRA - 1)}{CUT_MARK}",
        f"Desc: {more * 9}",
    ]


def test_a_text_is_cut_after_its_lines_were_joined() -> None:
    assert said(x="a\n" * 1000, message="Hi")[3] == "x: " + ("a " * 60)[:119].rstrip() + CUT_MARK


def test_a_submission_without_a_message_still_reads() -> None:
    assert said(phone="1") == ["Source: ", "Name: ", "Mail: ", "phone: 1", "Desc: "]


def test_a_signal_changes_nothing_of_what_the_owner_reads() -> None:
    fields = {"message": "Hi"}
    assert from_contact(Message("id", "default", NOW, fields, ("honeypot",))) == from_contact(
        Message("id", "default", NOW, fields)
    )


def test_a_notification_survives_the_invoke_api() -> None:
    notification = from_contact(message(name="Ада", message='"quoted" 🚀'))
    assert Notification.from_request(json.loads(json.dumps(notification.as_request()))) == notification


def test_the_request_is_version_1_and_without_a_timestamp_where_there_is_none() -> None:
    assert Notification("id-1", "T", "M").as_request() == {"version": 1, "id": "id-1", "title": "T", "message": "M"}
    assert Notification("id-1", "T", "M", 7).as_request()["timestamp"] == 7


def test_a_check_survives_the_invoke_api_and_nothing_else_is_one() -> None:
    asked = Notification("id-1", "T", "M", check=True)
    assert Notification.from_request(json.loads(json.dumps(asked.as_request()))) == asked
    assert "check" not in Notification("id-1", "T", "M").as_request()
    assert not Notification.from_request({**GOOD, "check": False}).check


@pytest.mark.parametrize("request_", [None, [], "text", 7, True])
def test_a_request_that_is_no_object_is_refused(request_: object) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Notification.from_request(request_)
    assert caught.value.key == "request"


NO_VERSIONS: list[object] = [0, 2, "1", None, True, [1]]
NO_TEXTS: list[object] = ["", " ", "\n", None, 7, True, ["x"], {}]
NO_TIMES: list[object] = [-1, 1.5, "1767225600", True, [], {}]
NO_FLAGS: list[object] = [None, 0, 1, "true", []]
BAD: list[tuple[str, object]] = [
    *(("version", value) for value in NO_VERSIONS),
    *((key, value) for key in ("id", "title", "message") for value in NO_TEXTS),
    ("id", "i" * 129),
    *(("timestamp", value) for value in NO_TIMES),
    *(("check", value) for value in NO_FLAGS),
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
