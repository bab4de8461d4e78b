"""What a notification says, and version 1 of the notifiers' contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.errors import InvalidRequestError
from chalicelib.logic.invoke_contract import check_keys, read_flag, read_text, read_whole_number
from chalicelib.logic.message import LATEST
from chalicelib.logic.message_files import DeclaredFile, FileFacts, FileMark, MessageFile
from chalicelib.logic.notification import MAX_INBOX, Notification, NotifiedFile, from_contact
from chalicelib.logic.plain_text import CUT_MARK, cut
from tests.fakes import NOW, channel, message, site


def refusal(read: Callable[..., object], *given: object) -> tuple[str, str]:
    """The key and the words by which something is refused."""
    with pytest.raises(InvalidRequestError) as caught:
        read(*given)
    return caught.value.key, caught.value.message


GOOD = {"version": 1, "id": "id-1", "title": "A title", "message": "A message", "timestamp": NOW}


def test_a_message_is_told_by_its_site_with_its_own_text_and_fields_and_where_all_of_it_is() -> None:
    form = message("id-1", source="home", name="Юлия", email="j@example.com", message="Hi\nthere", phone=" ")
    told = from_contact(form, site(), channel(), "dev")
    assert told == Notification(
        "id-1",
        "New message: www.example.com",
        "Hi\nthere",
        NOW,
        reply_to="j@example.com",
        fields=(("source", "home"), ("name", "Юлия"), ("email", "j@example.com"), ("message", "Hi\nthere")),
        site="www.example.com",
        full_text_at="./herald messages show --stage dev id-1",
    )


@pytest.mark.parametrize(
    ("source", "host"),
    [
        ("", "www.example.com"),
        ("https://shop.example.com/contact?a=b", "shop.example.com"),
        ("https://shop.example.com", "shop.example.com"),
        ("https://shop.example.com.evil.example/", "www.example.com"),
        ("https://evil.example/", "www.example.com"),
        ("http://[", "www.example.com"),
    ],
)
def test_a_stage_of_one_site_names_the_host_of_the_page_if_that_is_the_sites_own(source: str, host: str) -> None:
    own = site(origins=("https://www.example.com", "https://shop.example.com"))
    assert from_contact(message(message="Hi", source=source), own).title == f"New message: {host}"


def test_stage_local_names_no_page_as_each_of_the_machines_may_send() -> None:
    local = site(origins=("http://127.0.0.1:8080",))._replace(loopback=True)
    assert from_contact(message(message="Hi"), local).title == "New message: localhost"


def test_a_stage_of_several_sites_names_the_site() -> None:
    told = from_contact(message(message="Hi", site="shop"), site("shop")._replace(one_of_many=True))
    assert (told.title, told.site) == ("New message: shop", "shop")


def test_a_channels_own_title_and_body_go_before_the_sites() -> None:
    of_site = site()._replace(title="{site}: {name} {fields.phone}", body="{message}\n{name}")
    of_channel = channel()._replace(title="{{{subject}}} {id}", body="{name}: {message}")
    form = message("id-1", message="Hi", name="Ada", phone="1\n2", subject="{name}")
    assert from_contact(form, of_site).title == "www.example.com: Ada 1 2"
    assert from_contact(form, of_site, channel()).body == "{message}\n{name}"
    told = from_contact(form, of_site, of_channel)
    assert (told.title, told.body) == ("{{name}} id-1", "{name}: {message}"), "what is filled in is not read again"


def test_a_title_is_one_short_line_that_no_visitor_makes_look_like_heralds_own() -> None:
    own = site()._replace(title="{subject}")

    def titled(subject: str) -> str:
        return from_contact(message(message="Hi", subject=subject), own).title

    assert titled("a\nb\u202ec\x00") == "a bc"
    assert titled("я" * 81) == "я" * 79 + CUT_MARK
    assert titled(" ") == "New message: www.example.com"
    for forged in ("Herald: not delivered", "ＨＥＲＡＬＤ ： not delivered", "Hеrald: canary"):
        assert titled(forged).startswith("› ")


def test_a_title_says_nothing_for_a_field_that_is_not_there_and_may_begin_with_herald_by_its_owners_wish() -> None:
    form = message(message="Hi", subject="Herald says")
    assert from_contact(form, site()._replace(title="{fields.phone}a{name}")).title == "a"
    assert from_contact(form, site()._replace(title="Herald: {subject}")).title == "Herald: Herald says"
    assert from_contact(form, site()._replace(title="herald: {subject}")).title == "› herald: Herald says"


PHOTO, PAGE = DeclaredFile("a.jpg", "image/jpeg", 2_100_000, "1" * 64), DeclaredFile("b.png", "image/png", 31, "2" * 64)


def test_a_file_is_told_with_its_key_and_type_unless_it_is_marked() -> None:
    files = (
        MessageFile(PAGE, FileFacts("markup", "text/html", FileMark.NOT_WHAT_IT_SAYS)),
        MessageFile(PHOTO, FileFacts("image", "image/png")),
    )
    told = from_contact(message("id-1", site="shop", message="Hi"), site("shop"), channel(), "dev", files)
    assert [file.as_json() for file in told.files] == [
        {"name": "b.png", "about": "markup, 31 bytes, not what its name says"},
        {"name": "a.jpg", "about": "image, 2.1 MB", "key": "files/shop/id-1/2", "type": "image/png"},
    ]
    assert told.files_at == "./herald messages files --stage dev --output files id-1"
    assert Notification.from_request(json.loads(json.dumps(told.as_request()))) == told


@pytest.mark.parametrize(
    ("inbox", "taken"),
    [
        *(("https://inbox.example.com/open#a", True), ("http://127.0.0.1:8000/open", True)),
        *(("https://" + "a" * (MAX_INBOX - 8), True), ("https://" + "a" * (MAX_INBOX - 7), False)),
        *(("http://inbox.example.com/", False), ("javascript:alert(1)", False)),
        *(("https://inbox.example.com/a b", False), ("https://inbox.example.com/\u202e", False), ("", False)),
        (7, False),
    ],
)
def test_the_address_of_an_inbox_is_one_that_is_safe_to_open(inbox: object, taken: bool) -> None:
    if taken:
        assert Notification.from_request({**GOOD, "inbox": inbox}).inbox == inbox
        return
    key, words = refusal(Notification.from_request, {**GOOD, "inbox": inbox})
    assert key == "inbox"
    if isinstance(inbox, str) and 0 < len(inbox) <= MAX_INBOX:
        assert words == "inbox: expected an address such as https://inbox.example.com/open"


def test_a_form_without_a_message_is_told_by_its_longest_text_that_is_no_name() -> None:
    form = message(name="A very long name", topic="Offer", comments="Please call")
    assert from_contact(form).message == "Please call"
    assert from_contact(message(b="zz", a="aaa")).message == "aaa", "the longest, not the last"
    assert from_contact(message(name="Ada")).message == "(no message)"
    unseen = from_contact(message(message="\u3164", phone="\u200b \u2800"))
    assert (unseen.message, unseen.fields) == ("(no message)", ())


def test_a_signal_changes_nothing_of_what_the_owner_reads() -> None:
    it = message(message="Hi")
    assert from_contact(replace(it, signals=("honeypot",))) == from_contact(it)


def test_the_request_is_version_1_and_has_a_timestamp_even_if_it_is_zero_but_none_where_there_is_none() -> None:
    least = {"version": 1, "id": "id-1", "title": "T", "message": "M"}
    assert Notification("id-1", "T", "M").as_request() == least
    assert Notification("id-1", "T", "M", 0).as_request() == least | {"timestamp": 0}


def test_a_request_with_every_key_comes_back() -> None:
    whole = Notification(
        *("id-1", "T", "M", NOW, "phone", "ada@example.com", (("name", "Ada"),), {"priority": 1}, True, "shop"),
        full_text_at="./herald messages show",
        files=(NotifiedFile("a.jpg", "image", "files/a", "image/jpeg"), NotifiedFile("b", "empty")),
        files_at="./herald messages files",
        inbox="https://inbox.example.com/open",
        body="{message}",
    )
    request = whole.as_request()
    assert request == {
        "version": 1,
        "id": "id-1",
        "title": "T",
        "message": "M",
        "timestamp": NOW,
        "channel": "phone",
        "reply_to": "ada@example.com",
        "fields": [{"name": "name", "value": "Ada"}],
        "options": {"priority": 1},
        "check": True,
        "site": "shop",
        "full_text_at": "./herald messages show",
        "body": "{message}",
        "inbox": "https://inbox.example.com/open",
        "files": [
            {"name": "a.jpg", "about": "image", "key": "files/a", "type": "image/jpeg"},
            {"name": "b", "about": "empty"},
        ],
        "files_at": "./herald messages files",
    }
    assert Notification.from_request(json.loads(json.dumps(request))) == whole


LONGEST = {
    "title": 100_000,
    "message": 100_000,
    "channel": 128,
    "reply_to": 254,
    "site": 300,
    "full_text_at": 300,
    "files_at": 300,
    "body": 2000,
}
FILE = {"name": "a", "about": "b"}
WHOLE_FILE = FILE | {"key": "c", "type": "d"}
FIELD = {"name": "a", "value": "b"}
NO_FIELDS: list[object] = [
    [FIELD] * 201,
    *({}, None, [1], [FILE], [{"name": "a", "value": 1}], [{"name": "a", "value": "b", "c": 1}]),
    *([{"name": "x" * 100_001, "value": "b"}], [{"name": "a", "value": "x" * 100_001}]),
]
NO_OPTIONS: list[object] = [[], None, "a", {1: 2}]
NO_FILES: list[object] = [
    *({}, None, [1], [FILE] * 21, [{"name": "a"}], [{**FILE, "key": "a"}], [{**FILE, "key": 1, "type": ""}]),
    *([WHOLE_FILE | {key: "x" * 301}] for key in WHOLE_FILE),
    [FILE | {"about": "x" * 301}],
]
FIELDS_ARE = 'expected a list of at most 200 {"name": text, "value": text}, each text of at most 100000 characters'
FILES_ARE = (
    'expected a list of at most 20 {"name": text, "about": text, "key": text, "type": text}, each text of at most 300'
    " characters, the last two if it may be attached"
)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        *(
            (key, "x" * (most + 1), f"expected at most {most} characters, found {most + 1}")
            for key, most in LONGEST.items()
        ),
        *(("fields", value, FIELDS_ARE) for value in NO_FIELDS),
        *(("options", value, "expected an object") for value in NO_OPTIONS),
        *(("files", value, FILES_ARE) for value in NO_FILES),
    ],
)
def test_what_is_optional_is_checked_too(key: str, value: object, message: str) -> None:
    assert refusal(Notification.from_request, {**GOOD, key: value}) == (key, f"{key}: {message}")


def test_what_is_optional_may_be_as_long_as_it_says() -> None:
    longest = {key: "x" * most for key, most in LONGEST.items()}
    field = {"name": "x" * 100_000, "value": "y" * 100_000}
    files = [dict.fromkeys(WHOLE_FILE, "x" * 300)] * 20
    found = Notification.from_request({**GOOD, **longest, "files": files, "fields": [field] * 200})
    assert {key: getattr(found, key) for key in LONGEST} == longest
    assert found.fields == (("x" * 100_000, "y" * 100_000),) * 200
    assert found.files == (NotifiedFile(*["x" * 300] * 4),) * 20


@pytest.mark.parametrize(
    ("email", "reply_to"),
    [
        *((email, email) for email in ("ada@example.com", "a.d.a@example.com", "Xada@example.com", "adaX@example.com")),
        *((email, email) for email in ('"a@b"@example.com', '"a@b."@example.com')),
        *((email, "") for email in ("n/a", "@example.com", ".ada@example.com", "ada.@example.com", "")),
        *((email, "") for email in ("a..da@example.com", "a@b.@example.com")),
    ],
)
def test_an_answer_goes_only_to_an_address_that_mail_programs_take(email: str, reply_to: str) -> None:
    assert from_contact(message(message="Hi", email=email)).reply_to == reply_to


def test_a_message_without_more_is_told_as_it_is() -> None:
    told = from_contact(message("id-1", message="Hi", comments="a longer text"))
    fields = (("message", "Hi"), ("comments", "a longer text"))
    assert told == Notification("id-1", "New message: default", "Hi", NOW, fields=fields, site="default")


NO_OBJECTS: list[object] = [None, [], "text", 7, True]
NO_VERSIONS: list[object] = [0, 2, "1", None, True, [1]]
NO_TEXTS: list[object] = ["", " ", "\n", None, 7, True, ["x"], {}]
NO_TIMES: list[object] = [-1, 1.5, "1767225600", True, [], {}, LATEST + 1, NOW * 1000]
NO_FLAGS: list[object] = [None, 0, 1, "true", []]
BAD: list[tuple[str, object]] = [
    *(("version", value) for value in NO_VERSIONS),
    *((key, value) for key in ("id", "title", "message") for value in NO_TEXTS),
    ("id", "i" * 129),
    *(("timestamp", value) for value in NO_TIMES),
    *(("check", value) for value in NO_FLAGS),
    *(("priority", 2), ("user", "somebody else's key"), ("token", "t"), ("Title", "wrong letter case")),
]


@pytest.mark.parametrize(("key", "value"), BAD)
def test_every_bad_value_is_refused_naming_its_key(key: str, value: object) -> None:
    found, words = refusal(Notification.from_request, {**GOOD, key: value})
    assert found == key
    assert key in words
    if isinstance(value, str) and len(value.strip()) > 4:
        assert value not in words, "messages reach logs and the bus"


@pytest.mark.parametrize(
    ("request_", "key", "message"),
    [
        *((none, "request", "the request must be a JSON object") for none in NO_OBJECTS),
        *(({"a": 1, **given}, "version", "version: expected 1") for given in ({}, {"version": True}, {"version": 2})),
        ({"version": 1, "a": 1, "z": 1, "y": 1}, "y", "y: unknown; expected version, a, b and, optionally, c, d"),
        *(
            ({"version": 1, unknown: 1}, shown, f"{shown}: unknown; expected version, a, b and, optionally, c, d")
            for unknown, shown in (("x" * 128, "x" * 128), ("x" * 129, f"{'x' * 127}…"))
        ),
    ],
)
def test_what_is_no_request_of_this_version_is_told_what_one_has(request_: object, key: str, message: str) -> None:
    assert refusal(check_keys, request_, ("a", "b"), ("c", "d")) == (key, message)
    good = {"version": 1, "a": 1, "d": 2}
    assert check_keys(good, ("a", "b"), ("c", "d")) is good


@pytest.mark.parametrize(
    ("value", "least", "most", "expected"),
    [
        (7.0, 0, None, 7),
        (0, 0, None, 0),
        (3, 1, 3, 3),
        *((value, 1, 3, "n: expected a whole number, 1 to 3") for value in (4, 0)),
        *((value, 0, None, "n: expected a whole number, 0 or more") for value in (-1, 1.5, True, "1")),
    ],
)
def test_a_whole_number_has_bounds(value: object, least: int, most: int | None, expected: int | str) -> None:
    if isinstance(expected, int):
        found = read_whole_number({"n": value}, "n", least, most)
        assert (found, type(found)) == (expected, int)
        return
    assert refusal(read_whole_number, {"n": value}, "n", least, most) == ("n", expected)


def test_a_text_and_a_flag_are_told_what_they_should_be() -> None:
    for value, words in (
        ("\n ", "t: expected a text that is not empty"),
        (7, "t: expected a text that is not empty"),
        ("abcd", "t: expected at most 3 characters, found 4"),
    ):
        assert refusal(read_text, {"t": value}, "t", 3) == ("t", words)
    assert read_text({"t": "abc"}, "t", 3) == "abc"
    assert [read_flag(given, "f") for given in ({}, {"f": False}, {"f": True})] == [False, False, True]
    assert refusal(read_flag, {"f": 1}, "f") == ("f", "f: expected true or false")


@pytest.mark.parametrize("key", ["version", "id", "title", "message"])
def test_every_missing_key_is_named(key: str) -> None:
    without = {name: value for name, value in GOOD.items() if name != key}
    assert refusal(Notification.from_request, without)[0] == key


def test_a_key_that_is_unknown_is_told_what_is_known() -> None:
    with pytest.raises(InvalidRequestError, match="version, id, title, message and, optionally, timestamp"):
        Notification.from_request({**GOOD, "sound": "siren"})


@pytest.mark.parametrize("given", [{}, {"timestamp": None}, {"timestamp": 0}])
def test_timestamp_is_optional_and_may_be_null(given: dict[str, object]) -> None:
    without = {name: value for name, value in GOOD.items() if name != "timestamp"}
    assert Notification.from_request(without | given).timestamp == given.get("timestamp")


@pytest.mark.parametrize("character", ["a", "я", "🚀", "\u0301"])
def test_a_text_is_cut_by_characters_and_marked(character: str) -> None:
    assert cut(character * 10, 10) == character * 10
    assert cut(character * 11, 10) == character * 9 + CUT_MARK
    assert len(cut(character * 5000, 1024)) == 1024


def test_no_space_stands_before_the_mark_and_an_empty_text_stays_empty() -> None:
    assert cut("one two  three", 9) == "one two" + CUT_MARK
    assert cut("", 10) == ""
