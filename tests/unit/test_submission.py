"""What a visitor may send, and what becomes of it."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

import pytest

from chalicelib.errors import SubmissionError
from chalicelib.logic.submission import (
    FIELDS,
    FORM,
    JSON,
    LONGEST,
    MAX_BODY,
    MAX_FIELDS,
    MAX_PUBLISHED,
    Message,
    parse,
    prefers_json,
    validate,
)

SNS_LIMIT = 256 * 1024
"""https://docs.aws.amazon.com/sns/latest/api/API_Publish.html: 256 KB, attributes included."""


def as_json(**fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def refused(content_type: str, body: bytes, required: tuple[str, ...] = ("message",)) -> SubmissionError:
    """What the whole way from bytes to the published text answers to a submission that must be refused."""
    with pytest.raises(SubmissionError) as caught:
        accepted(content_type, body, required)
    return caught.value


def accepted(content_type: str, body: bytes, required: tuple[str, ...] = ("message",)) -> dict[str, str]:
    fields = parse(content_type, body)
    validate(fields, required)
    return dict(Message.deserialize(Message("id", "default", 0, fields).serialize()).fields)


def named(error: SubmissionError) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for problem in error.problems]


def test_json_fields_are_read_in_the_contracts_order() -> None:
    body = as_json(message="Hi", email="a@example.com", name="Ada", source="home")
    assert list(accepted(JSON, body).items()) == [
        ("source", "home"),
        ("name", "Ada"),
        ("email", "a@example.com"),
        ("message", "Hi"),
    ]


def test_an_urlencoded_form_reads_like_json() -> None:
    fields = {"source": "home", "name": "Ada & Co+", "email": "a@example.com", "message": "1+1 = 2\näöü"}
    assert accepted(FORM, urlencode(fields).encode()) == fields


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        'application/json; Charset="utf-8"',
        " application/json ; boundary=x; charset=utf-8",
        "application/json; charset=",
    ],
)
def test_json_is_recognized_whatever_the_header_looks_like(content_type: str) -> None:
    assert accepted(content_type, as_json(message="Grüße")) == {"message": "Grüße"}


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded; charset=UTF-8", FORM.upper()])
def test_a_form_is_recognized_whatever_the_header_looks_like(content_type: str) -> None:
    assert accepted(content_type, b"message=Gr%C3%BC%C3%9Fe") == {"message": "Grüße"}


def test_the_charset_that_the_header_of_a_form_names_is_honoured() -> None:
    assert accepted(f"{FORM}; charset=ISO-8859-1", b"message=Gr%FC%DFe") == {"message": "Grüße"}
    assert accepted(f"{FORM}; charset=windows-1252", b"message=%80+%93x%94") == {"message": "€ “x”"}
    assert accepted(f"{FORM}; charset=UTF-8", b"message=Gr%C3%BC%C3%9Fe") == {"message": "Grüße"}
    assert accepted(f"{FORM}; charset=utf-8", "message=Grüße".encode()) == {"message": "Grüße"}


@pytest.mark.parametrize("charset", ["iso-8859-1", "ISO-8859-1", "windows-1252"])
@pytest.mark.parametrize(
    "body", ['{"message": "Grüße"}'.encode("latin-1"), '{"message": "Grüße"}'.encode(), b'{"message": "Hi"}']
)
def test_json_in_another_charset_than_utf_8_is_400_and_says_so(charset: str, body: bytes) -> None:
    error = refused(f"{JSON}; charset={charset}", body)
    assert (error.status, named(error)) == (400, [("body", "malformed")])
    assert error.problems[0].message == "JSON is UTF-8 (RFC 8259, 8.1)"


@pytest.mark.parametrize("charset", ["utf-8", "us-ascii"])
def test_json_in_utf_8_or_its_part_ascii_is_taken(charset: str) -> None:
    assert accepted(f"{JSON}; charset={charset}", b'{"message": "Gr\\u00fc\\u00dfe"}') == {"message": "Grüße"}


@pytest.mark.parametrize("charset", ["iso-8859-1", "windows-1252", "us-ascii"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_a_form_in_another_charset_is_percent_encoded_and_as_bytes_of_its_own_400(charset: str, encoding: str) -> None:
    """API Gateway hands on text as UTF-8: what arrives as bytes beyond ASCII is no longer what was sent."""
    error = refused(f"{FORM}; charset={charset}", "message=Grüße".encode(encoding))
    assert (error.status, named(error)) == (400, [("body", "malformed")])
    assert error.problems[0].message == f"the body is not text in {charset}"


def test_a_form_that_percent_encodes_what_its_charset_lacks_is_400() -> None:
    error = refused(f"{FORM}; charset=windows-1252", b"message=%81")
    assert (error.status, named(error)) == (400, [("body", "malformed")])
    assert error.problems[0].message == "the form is not text in the charset that it names"


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "multipart/form-data; boundary=x", "text/json", "application/jsonx", "json", "*/*"],
)
def test_any_other_content_type_is_415_and_says_what_is_taken(content_type: str) -> None:
    error = refused(content_type, b'{"message": "Hi"}')
    assert error.status == 415
    assert named(error) == [("content-type", "unsupported_media_type")]
    assert JSON in error.title
    assert FORM in error.title


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "nothing"),
        (b"{", "cut short"),
        (b"[]", "a list"),
        (b'"message"', "a text"),
        (b"null", "null"),
        (b"7", "a number"),
        (b'{"message": "\xff"}', "not UTF-8"),
        (b"[" * 60_000, "nested too deeply for the parser"),
        (b'{"a": ' + b"[" * 60_000 + b"}", "nested too deeply inside a field"),
        (b'{"a": ' + b"1" * 6_000 + b"}", "a number too long for the parser"),
        (b'\xef\xbb\xbf{"message": "Hi"}', "a byte order mark"),
        (json.dumps({f"f{n}": "x" for n in range(MAX_FIELDS + 1)}).encode(), "too many fields"),
    ],
)
def test_json_that_is_none_is_400(body: bytes, why: str) -> None:
    error = refused(JSON, body)
    assert (error.status, named(error)) == (400, [("body", "malformed")]), why


@pytest.mark.parametrize(
    "body",
    [b"message=%FF", b"message=%E9", b"message=\xff", b"&".join(b"f=x" for _ in range(MAX_FIELDS + 1))],
)
def test_a_form_that_is_none_is_400(body: bytes) -> None:
    error = refused(FORM, body)
    assert (error.status, named(error)) == (400, [("body", "malformed")])


@pytest.mark.parametrize(
    "charset",
    [
        "no-such-charset",
        "rot13",
        "base64",
        "zlib",
        "hex",
        "undefined",
        "idna",
        "punycode",
        "a\x00b",
        "utf-7",
        "x" * 5000,
    ],
)
@pytest.mark.parametrize("media_type", [JSON, FORM])
def test_a_charset_that_forms_are_not_sent_in_is_415_and_says_which_are(media_type: str, charset: str) -> None:
    error = refused(f"{media_type}; charset={charset}", b'{"message": "caf\xc3\xa9..\xff"}')
    assert (error.status, named(error)) == (415, [("content-type", "unsupported_charset")])
    assert "utf-8" in error.problems[0].message


@pytest.mark.parametrize(
    ("charset", "body"), [("utf-8", b"\xff"), ("us-ascii", b"\xc3\xa9"), ("windows-1252", b"\x81")]
)
@pytest.mark.parametrize("media_type", [JSON, FORM])
def test_a_body_that_is_not_in_its_charset_is_400(media_type: str, charset: str, body: bytes) -> None:
    error = refused(f"{media_type}; charset={charset}", body)
    assert (error.status, named(error)) == (400, [("body", "malformed")])


@pytest.mark.parametrize("charset", ["utf8", "UTF8", '"utf8"'])
def test_a_charset_is_known_by_the_name_that_programs_give_it(charset: str) -> None:
    """https://encoding.spec.whatwg.org/#names-and-labels has it, and it is sent a lot."""
    assert accepted(f"{JSON}; charset={charset}", b'{"message": "Hi"}') == {"message": "Hi"}


@pytest.mark.parametrize("content_type", [JSON, FORM, "text/plain"])
def test_a_body_of_more_than_64_kib_is_413(content_type: str) -> None:
    assert refused(content_type, b"a" * (MAX_BODY + 1)).status == 413


def test_a_body_of_exactly_64_kib_is_looked_at() -> None:
    start, end = b'{"unknown": "', b'", "message": "Hi"}'
    body = start + b"a" * (MAX_BODY - len(start) - len(end)) + end
    assert accepted(JSON, body) == {"message": "Hi"}


@pytest.mark.parametrize("content_type", [JSON, FORM])
def test_description_is_another_name_of_message(content_type: str) -> None:
    fields = {"description": "Hi"}
    body = as_json(**fields) if content_type == JSON else urlencode(fields).encode()
    assert accepted(content_type, body) == {"message": "Hi"}


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("message", "A"), ("description", "B")], "A"),
        ([("description", "B"), ("message", "A")], "A"),
        ([("message", ""), ("description", "B")], "B"),
        ([("description", "B"), ("message", "")], "B"),
        ([("description", ""), ("message", "A")], "A"),
    ],
)
def test_the_alias_counts_only_where_message_is_empty(pairs: list[tuple[str, str]], message: str) -> None:
    assert accepted(JSON, as_json(**dict(pairs))) == {"message": message}
    assert accepted(FORM, urlencode(pairs).encode()) == {"message": message}


def test_an_empty_alias_is_the_required_field_missing() -> None:
    assert named(refused(JSON, as_json(description=""))) == [("message", "required")]


def test_unknown_fields_and_nulls_are_left_out() -> None:
    body = as_json(message="Hi", phone="123", admin=True, id=7, name=None, received_at=0, site="other")
    assert accepted(JSON, body) == {"message": "Hi"}


@pytest.mark.parametrize("value", [7, 1.5, True, False, [], ["Hi"], {}, {"text": "Hi"}])
@pytest.mark.parametrize("name", [*FIELDS, "description"])
def test_a_field_that_is_not_text_is_422_and_named_as_it_was_sent(name: str, value: object) -> None:
    error = refused(JSON, as_json(**{"message": "Hi", name: value}))
    assert (error.status, named(error)) == (422, [(name, "not_text")])


def test_every_field_at_fault_is_named_at_once() -> None:
    body = as_json(source="s" * 201, name="a\nb", email="nobody", message=" ")
    error = refused(JSON, body)
    assert error.status == 422
    assert sorted(named(error)) == [
        ("email", "invalid_email"),
        ("message", "required"),
        ("name", "control_character"),
        ("source", "too_long"),
    ]


@pytest.mark.parametrize("blank", ["", " ", "\t", "\n\n", "\u00a0", "\u2003"])
@pytest.mark.parametrize("name", FIELDS)
def test_a_required_field_that_is_blank_is_missing(name: str, blank: str) -> None:
    assert (name, "required") in named(refused(JSON, as_json(**{name: blank}), required=(name,)))


def test_a_field_that_is_not_required_may_be_missing_or_empty() -> None:
    assert accepted(JSON, as_json(message="Hi")) == {"message": "Hi"}
    assert accepted(JSON, as_json(message="Hi", name="", email="")) == {"name": "", "email": "", "message": "Hi"}


@pytest.mark.parametrize(
    "body",
    [
        as_json(name="MARKER\nMARKER", message="MARKER" * 2000, email="MARKER", source="MARKER" * 50),
        as_json(name=["MARKER"], message={"MARKER": "MARKER"}),
        b'{"MARKER": "MARKER",',
        b'["MARKER"]',
        b'{"message": "MARKER\xff"}',
        b"MARKER" * 12_000,
    ],
)
@pytest.mark.parametrize(
    "content_type", [JSON, f"{JSON}; charset=MARKER", FORM, "MARKER/MARKER", "text/plain; x=MARKER"]
)
def test_nothing_of_what_was_sent_is_echoed(content_type: str, body: bytes) -> None:
    error = refused(content_type, body)
    said = " ".join([str(error), error.title, *(f"{p.code} {p.field} {p.message}" for p in error.problems)])
    assert "marker" not in said.lower()


@pytest.mark.parametrize(
    "name",
    [
        "Ada Lovelace",
        "Юлия Ковальчук",
        "山田太郎",
        "محمد بن سلمان",
        "ศรีสุดา",
        "Nguyễn Thị Mỹ",
        "דוד בן־גוריון",
        "O’Neill-Müller",
        "ᚠᚢᚦ",
        "👩🏽\u200d🚀 Sally",
        "किरण",
        "X Æ A-12",
    ],
)
@pytest.mark.parametrize("content_type", [JSON, FORM])
def test_a_name_in_any_script_arrives_as_it_was_written(name: str, content_type: str) -> None:
    fields = {"name": name, "message": name}
    body = as_json(**fields) if content_type == JSON else urlencode(fields).encode()
    assert accepted(content_type, body) == fields


def test_emoji_written_as_json_surrogate_pairs_arrive_as_emoji() -> None:
    assert accepted(JSON, b'{"message": "\\ud83d\\ude80"}') == {"message": "🚀"}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("lone", ["\\ud800", "\\udfff", "x\\ud83dx"])
def test_half_a_surrogate_pair_is_refused_and_never_an_unexpected_error(name: str, lone: str) -> None:
    body = f'{{"message": "Hi", "{name}": "{lone}"}}'.encode()
    error = refused(JSON, body)
    assert error.status in (400, 422)


LINE_BREAKS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("line_break", LINE_BREAKS)
@pytest.mark.parametrize("name", ["source", "name", "email"])
def test_a_line_break_never_stands_in_a_single_line_field(name: str, line_break: str) -> None:
    value = f"a@example.com{line_break}Bcc: b@example.com"
    error = refused(JSON, as_json(message="Hi", **{name: value}))
    assert (error.status, [problem.field for problem in error.problems]) == (422, [name])


@pytest.mark.parametrize("name", ["source", "name", "email"])
def test_space_around_a_single_line_field_is_dropped(name: str) -> None:
    assert accepted(JSON, as_json(message="Hi", **{name: " \r\n a@example.com\n "}))[name] == "a@example.com"


@pytest.mark.parametrize("control", ["\x00", "\x07", "\x08", "\x0b", "\x1b", "\x7f", "\x80", "\x9b"])
@pytest.mark.parametrize("name", FIELDS)
def test_a_control_character_is_422(name: str, control: str) -> None:
    value = f"a{control}@example.com" if name == "email" else f"a{control}b"
    error = refused(JSON, as_json(**{"message": "Hi", name: value}))
    assert (error.status, [problem.field for problem in error.problems]) == (422, [name])


def test_lines_and_tabs_of_a_message_stay_and_every_line_break_is_a_newline() -> None:
    assert accepted(JSON, as_json(message="a\r\nb\rc\n\td")) == {"message": "a\nb\nc\n\td"}


@pytest.mark.parametrize(
    "address",
    [
        "a@example.com",
        "first.last+tag@sub.example.co.uk",
        "user@münchen.example",
        "用户@例子.广告",
        "o'neill@example.com",
    ],
)
def test_an_address_that_mail_can_reach_is_taken(address: str) -> None:
    assert accepted(JSON, as_json(message="Hi", email=address))["email"] == address


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "@example.com",
        "a@",
        "a@b",
        "a@b@example.com",
        "a b@example.com",
        "a@exa mple.com",
        "a@.com",
        "a@example.",
        "a@example..com",
        "Ada <a@example.com>",
        "a@example.com, b@example.com",
    ],
)
def test_what_is_no_address_is_422(address: str) -> None:
    assert named(refused(JSON, as_json(message="Hi", email=address))) == [("email", "invalid_email")]


@pytest.mark.parametrize("name", FIELDS)
def test_the_longest_value_is_taken_and_one_character_more_is_422(name: str) -> None:
    def value(length: int) -> str:
        return "🚀" * (length - len("@a.b")) + "@a.b"

    assert len(accepted(JSON, as_json(**{"message": "Hi", name: value(LONGEST[name])}))[name]) == LONGEST[name]
    error = refused(JSON, as_json(**{"message": "Hi", name: value(LONGEST[name] + 1)}))
    assert named(error) == [(name, "too_long")]
    assert str(LONGEST[name]) in error.problems[0].message


@pytest.mark.parametrize("character", ['"', "\\", "я", "🚀", "\n", "\t", "\u2028", "a", "\x00", "\x07"])
def test_a_full_body_of_any_one_character_is_either_refused_or_fits_sns_and_the_bus(character: str) -> None:
    """64 KiB of it, as JSON with every escape and as it stands: 413 or 422, or small enough in every envelope."""
    room = MAX_BODY - len('{"message": ""}')
    written = json.dumps(character, ensure_ascii=False)[1:-1]
    for count in (room // len(written.encode()), LONGEST["message"]):
        body = json.dumps({"message": character * count}, ensure_ascii=False).encode()
        published, status = published_or_status(body)
        if status:
            assert status in (413, 422)
            continue
        assert len(published.encode()) <= SNS_LIMIT - 1024
        in_envelope = json.dumps({"Records": [{"Sns": {"Message": published}}]}, ensure_ascii=False)
        assert len(in_envelope.encode()) <= SNS_LIMIT - 8 * 1024


def published_or_status(body: bytes) -> tuple[str, int]:
    try:
        fields = parse(JSON, body)
        validate(fields, ("message",))
        return Message("i" * 36, "s" * 20, 1_767_225_600, fields).serialize(), 0
    except SubmissionError as error:
        return "", error.status


@pytest.mark.parametrize("character", ['"', "\\", "я", "🚀", "\n", "\x00", "a"])
def test_a_message_is_413_exactly_when_it_is_too_large_inside_an_envelope(character: str) -> None:
    def enveloped(text: str) -> int:
        return len(json.dumps(text, ensure_ascii=False).encode())

    empty = enveloped(Message("id", "default", 0, {"message": ""}).serialize())
    each = enveloped(json.dumps(character, ensure_ascii=False)[1:-1]) - 2
    most = (MAX_PUBLISHED - empty) // each
    text = Message("id", "default", 0, {"message": character * most}).serialize()
    assert enveloped(text) <= MAX_PUBLISHED < enveloped(text) + each
    with pytest.raises(SubmissionError) as caught:
        Message("id", "default", 0, {"message": character * (most + 1)}).serialize()
    assert caught.value.status == 413


def test_a_message_survives_publication() -> None:
    message = Message("id", "default", 1_767_225_600, {"name": "Юлия", "message": 'a "quoted"\nline 🚀'})
    assert Message.deserialize(message.serialize()) == message
    assert "Юлия" in message.serialize(), "not escaped: that would double its size"


def test_the_published_text_is_version_1_of_the_contract() -> None:
    text = Message("id-1", "default", 1_767_225_600, {"message": "Hi"}).serialize()
    assert json.loads(text) == {
        "version": 1,
        "id": "id-1",
        "site": "default",
        "received_at": 1_767_225_600,
        "fields": {"message": "Hi"},
    }


@pytest.mark.parametrize(
    "text",
    [
        "hello world",
        "",
        "null",
        "[]",
        "{}",
        '{"version": 2, "id": "i", "site": "s", "received_at": 1, "fields": {}}',
        '{"version": 1, "site": "s", "received_at": 1, "fields": {}}',
        '{"version": 1, "id": "i", "site": "s", "received_at": "soon", "fields": {}}',
        '{"version": 1, "id": "i", "site": "s", "received_at": null, "fields": {}}',
        '{"version": 1, "id": "i", "site": "s", "received_at": 1, "fields": []}',
    ],
)
def test_what_is_no_message_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Message.deserialize(text)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"received_at": "secret words"}, "not a complete message: ValueError"),
        ({"received_at": ["secret words"]}, "not a complete message: TypeError"),
        ({"received_at": "9" * 5000 + "secret words"}, "not a complete message: ValueError"),
        ({"fields": "secret words"}, "not a complete message: AttributeError"),
        ({"fields": ["secret words"]}, "not a complete message: AttributeError"),
        ({"version": "secret words"}, "expected a message of version 1"),
    ],
)
def test_the_error_of_what_is_no_message_never_quotes_it(changes: dict[str, object], said: str) -> None:
    whole = {"version": 1, "id": "i", "site": "s", "received_at": 1, "fields": {"message": "secret words"}}
    with pytest.raises(ValueError, match=r"^" + re.escape(said) + "$") as caught:
        Message.deserialize(json.dumps({**whole, **changes}))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__, "nor does its traceback"


@pytest.mark.parametrize("text", ["secret words", '{"message": "secret words'])
def test_the_error_of_what_is_no_json_never_quotes_it(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Message.deserialize(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content_type", "accept", "wants_json"),
    [
        (JSON, "", True),
        ("application/json; charset=utf-8", "*/*", True),
        (FORM, "text/html,application/xhtml+xml,*/*;q=0.8", False),
        (FORM, "", False),
        (FORM, "*/*", False),
        (FORM, "application/json", True),
        (FORM, "Application/JSON;q=0.9", True),
        (FORM, "text/html, application/json", False),
    ],
)
def test_a_program_gets_json_and_a_browser_a_page(content_type: str, accept: str, wants_json: bool) -> None:
    assert prefers_json(content_type, accept) is wants_json
