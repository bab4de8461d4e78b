"""From the bytes of a request to pairs of name and text: what is read, what is refused, and with which words."""

from __future__ import annotations

import json
import random
import re
from urllib.parse import quote_from_bytes, urlencode

import pytest

from chalicelib.errors import SubmissionError
from chalicelib.logic.charsets import codec_of
from chalicelib.logic.form_body import FORM, JSON, MULTIPART, Pairs, parse_media_type, read
from chalicelib.logic.uploads import Uploads
from chalicelib.settings import FileRules
from tests.fakes import LIMITS
from tests.rehearsal import amount

BOUNDARY = "----WebKitFormBoundaryAbC123"
MULTIPART_HEADER = f"{MULTIPART}; boundary={BOUNDARY}"


def as_json(**fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def part(name: str, content: bytes, more: str = "", headers: str = "") -> bytes:
    """One part as a browser writes it; ``more`` follows the name, ``headers`` are whole lines."""
    return f'Content-Disposition: form-data; name="{name}"{more}\r\n{headers}\r\n'.encode() + content


def multipart(*parts: bytes, boundary: str = BOUNDARY) -> bytes:
    line = f"--{boundary}".encode()
    return b"".join(line + b"\r\n" + each + b"\r\n" for each in parts) + line + b"--\r\n"


def refused(content_type: str, body: bytes) -> SubmissionError:
    with pytest.raises(SubmissionError) as caught:
        read(content_type, body, LIMITS)
    return caught.value


def outcome(content_type: str, body: bytes) -> Pairs | SubmissionError:
    """What was read or why it was refused; nothing else may happen."""
    try:
        return read(content_type, body, LIMITS)
    except SubmissionError as error:
        return error


def said(error: SubmissionError) -> tuple[int, str, list[tuple[str, str]]]:
    return error.status, error.code, [(problem.field, problem.code) for problem in error.problems]


def malformed(code: str) -> tuple[int, str, list[tuple[str, str]]]:
    return 400, "malformed", [("body", code)]


TOO_MANY = (413, "too_many_fields", [("body", "too_many_fields")])


# What is read


@pytest.mark.parametrize(
    "pairs",
    [
        [("message", "Hi")],
        [("z", "1"), ("a", "2"), ("message", "3"), ("m", "4")],
        [("name", "Ada & Co+"), ("message", "1+1 = 2\r\näöü\t100%41"), ("empty", "")],
        [("Größe", "Юлия"), ("お名前", "山田太郎"), ("🚀", "👩🏽\u200d🚀"), ("שם", "דוד בן־גוריון")],
        [("a b&c=d;e", 'quotes " and \\ and <b>')],
    ],
)
def test_the_three_kinds_of_body_say_the_same_in_the_order_sent(pairs: Pairs) -> None:
    assert read(JSON, as_json(**dict(pairs)), LIMITS) == pairs
    assert read(FORM, urlencode(pairs).encode(), LIMITS) == pairs
    assert read(MULTIPART_HEADER, multipart(*(part(name, text.encode()) for name, text in pairs)), LIMITS) == pairs


def test_a_name_that_comes_twice_stays_twice_in_a_form() -> None:
    pairs = [("colour", "red"), ("message", "Hi"), ("colour", "blue")]
    assert read(FORM, urlencode(pairs).encode(), LIMITS) == pairs
    assert read(MULTIPART_HEADER, multipart(*(part(name, text.encode()) for name, text in pairs)), LIMITS) == pairs


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=UTF-8"),
        *('application/json; Charset="utf-8"', " application/json ; boundary=x; charset=utf-8"),
        *("application/json;", "application/json; charset", "application/json; charset="),
        *("application/json; charset=utf8", 'application/json; charset="UTF8"'),
        "application/json; charset=utf-8; charset=rot13",
    ],
)
def test_json_is_recognized_whatever_the_header_looks_like(content_type: str) -> None:
    assert read(content_type, as_json(message="Grüße"), LIMITS) == [("message", "Grüße")]


@pytest.mark.parametrize(
    "content_type", [f"{FORM}; charset=UTF-8", FORM.upper(), f"{FORM.title()} ;Charset=Utf-8", f"{FORM}; boundary=x"]
)
def test_a_form_is_recognized_whatever_the_header_looks_like(content_type: str) -> None:
    assert read(content_type, b"message=Gr%C3%BC%C3%9Fe", LIMITS) == [("message", "Grüße")]


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (f"{MULTIPART}; boundary=AbC", "AbC"),
        (f"{MULTIPART.upper()}; BOUNDARY=AbC", "AbC"),
        (f'{MULTIPART};boundary="AbC"', "AbC"),
        (f"{MULTIPART}; charset=utf-8; boundary=AbC", "AbC"),
        (f'{MULTIPART}; boundary="a b=c:d/e?f"', "a b=c:d/e?f"),
        (f"{MULTIPART}; boundary={'x' * 70}", "x" * 70),
    ],
)
def test_multipart_is_recognized_whatever_the_header_looks_like(content_type: str, boundary: str) -> None:
    body = multipart(part("message", "Grüße".encode()), boundary=boundary)
    assert read(content_type, body, LIMITS) == [("message", "Grüße")]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        *(("", ("", {})), (";;;", ("", {})), ("Text/HTML", ("text/html", {})), ("a/b; X=Y; x=z", ("a/b", {"x": "Y"}))),
        ('a/b; x="Y" ; =; y', ("a/b", {"x": "Y", "": ""})),
        ("a/b; x=y=z", ("a/b", {"x": "y=z"})),
    ],
)
def test_a_media_type_is_taken_apart(header: str, expected: tuple[str, dict[str, str]]) -> None:
    assert parse_media_type(header) == expected


# Charsets


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("iso-8859-1", '{"message": "Grüße"}'.encode("latin-1")),
        ("windows-1252", '{"message": "Grüße"}'.encode()),
        ("shift_jis", '{"message": "山"}'.encode("cp932")),
        ("iso-2022-jp", '{"message": "山"}'.encode("iso2022_jp")),
    ],
)
def test_json_in_another_charset_than_utf_8_is_415(charset: str, body: bytes) -> None:
    """RFC 8259, 8.1."""
    error = refused(f"{JSON}; charset={charset}", body)
    assert said(error) == (415, "unsupported_charset", [("content-type", "unsupported_charset")])


@pytest.mark.parametrize("charset", ["utf-8", "us-ascii", "ISO-8859-1"])
def test_json_in_utf_8_or_its_part_ascii_is_taken(charset: str) -> None:
    body = b'{"message": "Gr\\u00fc\\u00dfe"}'
    assert read(f"{JSON}; charset={charset}", body, LIMITS) == [("message", "Grüße")]


@pytest.mark.parametrize(
    "charset",
    [
        *("no-such-charset", "rot13", "base64", "zlib", "hex", "undefined", "idna", "punycode", "a\x00b", "utf-7"),
        *("utf-16", "utf-8-sig", "unicode_escape", "'utf-8'", "x" * 5000),
    ],
)
@pytest.mark.parametrize("media_type", [JSON, FORM, MULTIPART_HEADER])
def test_a_charset_that_forms_are_not_sent_in_is_415(media_type: str, charset: str) -> None:
    error = refused(f"{media_type}; charset={charset}", b'{"message": "caf\xc3\xa9..\xff"}')
    assert said(error) == (415, "unsupported_charset", [("content-type", "unsupported_charset")])


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (f"{JSON}; charset=utf-8", b"\xff"),
        (f"{FORM}; charset=utf-8", b"\xff"),
        *((f"{FORM}; charset=windows-1252", body) for body in (b"\x81", b"message=%81", b"%81=Hi")),
        (f"{FORM}; charset=shift_jis", b"message=%81"),
        # Without one it is UTF-8, or else windows-1252, which lacks some bytes.
        *((FORM, body) for body in (b"message=%81", b"message=\x81", b"%8D=Hi", b"a=%FF&b=%9D")),
        # API Gateway hands on text as UTF-8: bytes beyond ASCII are no longer what was sent.
        *((f"{FORM}; charset=us-ascii", "message=Grüße".encode(encoding)) for encoding in ("latin-1", "utf-8")),
    ],
)
def test_a_body_that_is_not_in_its_charset_is_400(content_type: str, body: bytes) -> None:
    assert said(refused(content_type, body)) == malformed("not_in_charset")


@pytest.mark.parametrize(
    ("header", "headers", "content"),
    [
        (MULTIPART_HEADER, "", "Grüße €".encode()),
        (f"{MULTIPART_HEADER}; charset=WINDOWS-1252", "", "Grüße €".encode("cp1252")),
        (MULTIPART_HEADER, 'content-type: Text/Plain; Charset="Windows-1252"\r\n', "Grüße €".encode("cp1252")),
        (f"{MULTIPART_HEADER}; charset=iso-8859-1", "Content-Type: text/plain; charset=utf-8\r\n", "Grüße €".encode()),
        (MULTIPART_HEADER, "Content-Type: text/plain\r\n", "Grüße €".encode()),
        (MULTIPART_HEADER, "Content-Type: text/plain; charset=\r\n", "Grüße €".encode()),
    ],
)
def test_a_part_is_read_in_its_own_charset_or_the_forms(header: str, headers: str, content: bytes) -> None:
    assert read(header, multipart(part("message", content, headers=headers)), LIMITS) == [("message", "Grüße €")]


@pytest.mark.parametrize("charset", ["utf-8", "euc-jp"])
def test_a_part_that_is_not_in_its_charset_is_400(charset: str) -> None:
    body = multipart(part("message", b"\xff", headers=f"Content-Type: text/plain; charset={charset}\r\n"))
    assert said(refused(MULTIPART_HEADER, body)) == malformed("not_multipart")


@pytest.mark.parametrize("charset", ["rot13", "utf-16", "no-such-charset"])
def test_a_part_in_a_charset_that_forms_are_not_sent_in_is_422_and_named_after_its_field(charset: str) -> None:
    unknown = part("message", b"Hi", headers=f"Content-Type: text/plain; charset={charset}\r\n")
    error = refused(MULTIPART_HEADER, multipart(part("name", b"Ada"), unknown, part("email", b"a@example.com")))
    assert said(error) == (422, "invalid", [("message", "unsupported_charset")])
    assert error.pairs == [("name", "Ada"), ("email", "a@example.com")]


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        *((plain, "Grüße =3D".encode()) for plain in ("7bit", "8bit", "Binary", "")),
        *(("base64", b"R3LDvMOfZSA9M0Q="), (" Base64", b"R3LDvMOf\r\nZSA9M0Q=\r\n")),
        ("Quoted-Printable", b"Gr=C3=BC=\r\n=C3=9Fe =3D3D"),
        ("quoted-printable", b"Gr=c3=bc= \t\r\n=\n=C3=9F= \ne =3D3D=\r\n"),
        *(("quoted-printable", b"Gr=C3=BC=C3=9Fe =3D3D" + end) for end in (b"=", b"= ", b" \t")),
    ],
)
def test_a_part_in_an_encoding_of_mail_is_decoded(encoding: str, content: bytes) -> None:
    headers = f"Content-Transfer-Encoding: {encoding}\r\n"
    assert read(MULTIPART_HEADER, multipart(part("message", content, headers=headers)), LIMITS) == [
        ("message", "Grüße =3D")
    ]
    uploads = Uploads(FileRules(1, 1000, ("pdf",), False))
    file = part("cv", content, '; filename="cv.pdf"', headers)
    read(MULTIPART_HEADER, multipart(file), LIMITS, uploads)
    assert [upload.content for upload in uploads.files] == ["Grüße =3D".encode()]


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        *(("base64", b"SGVsbG8"), ("base64", b"SGVs!bG8="), ("uuencode", b"Hi"), ("x-own", b"Hi")),
        *(
            ("quoted-printable", text)
            for text in (b"b =ZZ", b"a=4", b"a=4 \r\nb", b"1 = 2", b"a=\rb", b"==3D", b"a= b=\r\n")
        ),
    ],
)
def test_a_part_in_no_encoding_of_mail_is_400(encoding: str, content: bytes) -> None:
    body = multipart(part("message", content, headers=f"Content-Transfer-Encoding: {encoding}\r\n"))
    assert said(refused(MULTIPART_HEADER, body)) == malformed("not_multipart")


WORLD = [
    ("Shift_JIS", "cp932", "山田 ①～"),
    ("x-sjis", "cp932", "カタカナ"),
    ("EUC-JP", "euc_jp", "山田太郎"),
    ("ISO-2022-JP", "iso2022_jp", "山田太郎"),
    ("gb2312", "gbk", "朱镕基"),
    ("GBK", "gbk", "你好"),
    ("gb18030", "gb18030", "你好 🚀"),
    ("Big5", "big5", "你好"),
    ("EUC-KR", "cp949", "안녕 똠"),
    ("ISO-8859-2", "iso8859_2", "Žluťoučký kůň"),
    ("windows-1250", "cp1250", "Žluťoučký kůň “x”"),
    ("windows-1251", "cp1251", "Привет €"),
    ("KOI8-R", "koi8_r", "Привет"),
    ("KOI8-U", "koi8_u", "Привіт"),
    ("ISO-8859-7", "iso8859_7", "Γειά"),
    ("ISO-8859-9", "cp1254", "Şöyle €"),
    ("windows-1255", "cp1255", "שלום"),
    ("windows-1256", "cp1256", "سلام"),
    ("TIS-620", "cp874", "สวัสดี €"),
    ("UTF-8", "utf-8", "Grüße €"),
    ("latin1", "cp1252", "It’s 5 €"),
    ("ISO-8859-1", "cp1252", "It’s 5 €"),
    ("windows-1252", "cp1252", "€ “x”"),
    ("us-ascii", "cp1252", "Grüße"),
    ("macintosh", "mac_roman", "Grüße"),
]
"""Labels of the Encoding Standard, what a browser encodes with there, and what it can write."""


@pytest.mark.parametrize(("label", "codec", "text"), WORLD)
def test_a_declared_charset_is_decoded_wherever_it_is_declared(label: str, codec: str, text: str) -> None:
    content, escaped = text.encode(codec), quote_from_bytes(text.encode(codec)).encode()
    said_within = [("message", text), ("_charset_", label)]
    assert read(FORM, b"message=" + escaped + b"&_charset_=" + label.encode(), LIMITS) == said_within
    assert read(FORM, b"message=" + escaped + b"&_Charset_=" + label.encode(), LIMITS)[0] == said_within[0]
    assert read(f"{FORM}; charset={label}", b"message=" + escaped, LIMITS) == said_within[:1]
    assert read(f"{MULTIPART_HEADER}; charset={label}", multipart(part("message", content)), LIMITS) == said_within[:1]
    whole = multipart(part("message", content), part("_charset_", label.encode()))
    assert read(MULTIPART_HEADER, whole, LIMITS) == said_within
    own = part("message", content, headers=f"Content-Type: text/plain; charset={label}\r\n")
    assert read(MULTIPART_HEADER, multipart(own), LIMITS) == said_within[:1]


@pytest.mark.parametrize(
    ("label", "codec"), [(" GBK\t\r\n\f", "gb18030"), ("\x0bgbk", None), ("Xgbk", None), ("", None), ("UTF8", "utf-8")]
)
def test_a_label_is_read_without_the_spaces_of_ascii_in_any_letter_case(label: str, codec: str | None) -> None:
    """https://encoding.spec.whatwg.org/#concept-encoding-get"""
    assert codec_of(label) == codec


def test_what_happens_to_be_utf_8_too_is_read_as_it_was_declared() -> None:
    """These two bytes are one character in GBK, and another in UTF-8."""
    assert read(FORM, b"message=%C2%A7&_charset_=gbk", LIMITS)[0] == ("message", b"\xc2\xa7".decode("gbk"))


@pytest.mark.parametrize("label", ["no-such-charset", "utf-16", "x-user-defined", "rot13", "iso-2022-kr"])
def test_a_form_that_declares_a_charset_that_forms_are_not_sent_in_is_422_and_keeps_what_was_typed(label: str) -> None:
    body = b"message=Hi&n%FC=J%FCrgen&_charset_=" + label.encode()
    error = refused(FORM, body)
    assert said(error) == (422, "invalid", [("_charset_", "unsupported_charset")])
    assert error.pairs == [("message", "Hi"), ("n\ufffd", "J\ufffdrgen"), ("_charset_", label)]
    for headers in ("", "Content-Type: text/plain; charset=utf-8\r\n"):
        body = multipart(part("_charset_", label.encode(), headers=headers))
        assert said(refused(MULTIPART_HEADER, body)) == said(error)


def test_a_form_whose_charset_nobody_filled_in_has_declared_none() -> None:
    """As scripts send it that serialize a form by themselves."""
    assert read(FORM, "message=Grüße&_charset_=".encode(), LIMITS)[0] == ("message", "Grüße")
    assert read(FORM, b"message=Gr%C3%BC%C3%9Fe&_charset_=", LIMITS)[0] == ("message", "Grüße")


# Kinds of body


@pytest.mark.parametrize("content_type", ["", "text/plain", "Text/Plain;charset=UTF-8", FORM, f"{FORM}; charset=UTF-8"])
@pytest.mark.parametrize("before", ["", "\ufeff", "\r\n  "])
def test_a_json_object_is_taken_without_its_type(content_type: str, before: str) -> None:
    """fetch and XMLHttpRequest name a text text/plain, jQuery and curl a form, sendBeacon of a Blob nothing."""
    body = before.encode() + as_json(message="a=b&c=Grüße", topics=["x", "y"], n=7)
    assert read(content_type, body, LIMITS) == [("message", "a=b&c=Grüße"), ("topics", "x, y"), ("n", "7")]


@pytest.mark.parametrize("content_type", ["", "text/plain"])
@pytest.mark.parametrize(
    "body", [b"", b"Hi", b"message=Hi", b"[]", b'"Hi"', b"7", b'{"message": "Hi"', b"{\xff}", b"\x0b{}", b"X{}"]
)
def test_anything_else_without_a_type_is_415(content_type: str, body: bytes) -> None:
    error = refused(content_type, body)
    assert said(error) == (415, "unsupported_media_type", [("content-type", "unsupported_media_type")])


def test_what_a_plain_text_form_holds_is_refused_and_kept() -> None:
    """As browsers write it, also with lines within a text: HTML, 4.10.21.8."""
    error = refused("text/plain", "site=//a.example/?b=c\r\nmessage=Grüße\r\n\r\n1 + 1 = 2\r\n".encode())
    assert error.status == 415
    assert error.pairs == [("site", "//a.example/?b=c"), ("message", "Grüße\r\n"), ("1 + 1 ", " 2")]
    many = refused("text/plain", b"a=b\r\n" * 99)
    assert len(many.pairs) == LIMITS.field_count
    assert "".join(text for _, text in many.pairs).count("b") == 99
    assert refused("", b"a=b").pairs == []


def test_a_name_that_json_has_twice_loses_neither_text() -> None:
    twice = b'{"message": "a", "x": {}, "message": ["b", 1]}'
    assert read(JSON, twice, LIMITS) == [("message", "a"), ("x", ""), ("message", "b, 1")]
    nested = refused(JSON, b'{"x": [{}], "y": {"z": 1}, "message": "a"}')
    assert said(nested) == (422, "invalid", [("x", "TYPE_TEXT"), ("y", "TYPE_TEXT")])
    assert nested.pairs == [("message", "a")]


def test_a_json_object_without_its_type_is_held_to_the_same_rules() -> None:
    assert said(refused("text/plain", as_json(message={"a": 7}))) == (422, "invalid", [("message", "TYPE_TEXT")])
    assert said(refused("", as_json(**{f"a{n}": "b" for n in range(51)}))) == TOO_MANY
    assert said(refused("text/plain; charset=koi8-r", '{"a": "ü"}'.encode()))[0] == 415
    assert refused(FORM, as_json(message="x" * LIMITS.body_bytes)).code == "body_too_large"
    longest = "x" * (LIMITS.body_bytes - len(as_json(message="")))
    assert read(FORM, as_json(message=longest), LIMITS) == [("message", longest)]


@pytest.mark.parametrize(
    "content_type", ["multipart/mixed; boundary=x", "text/json", "application/jsonx", "json", "*/*", "multipart/*"]
)
def test_any_other_content_type_is_415(content_type: str) -> None:
    error = refused(content_type, b'{"message": "Hi"}')
    assert said(error) == (415, "unsupported_media_type", [("content-type", "unsupported_media_type")])


# Forms that don't say what they are


@pytest.mark.parametrize(
    ("body", "pairs"),
    [
        (b"message=Gr%FC%DFe+%80", [("message", "Grüße €")]),
        (b"gr%FC%DFe=Hi", [("grüße", "Hi")]),
        # What is UTF-8 is never taken for anything else.
        ("message=Grüße&_charset_=windows-1252".encode(), [("message", "Grüße"), ("_charset_", "windows-1252")]),
    ],
)
def test_a_form_of_an_old_page_is_read_as_its_browser_wrote_it(body: bytes, pairs: list[tuple[str, str]]) -> None:
    assert read(FORM, body, LIMITS) == pairs


@pytest.mark.parametrize("content_type", [JSON, FORM])
def test_a_mark_of_the_byte_order_is_no_part_of_what_was_sent(content_type: str) -> None:
    body = b'{"message": "Hi"}' if content_type == JSON else b"message=Hi"
    assert read(content_type, b"\xef\xbb\xbf" + body, LIMITS) == [("message", "Hi")]


def test_half_a_character_becomes_the_sign_for_one_that_is_lost() -> None:
    body = rb'{"message": "cut \ud83d", "\ude80": "\ud83d\ude80"}'
    assert read(JSON, body, LIMITS) == [("message", "cut \ufffd"), ("\ufffd", "🚀")]


@pytest.mark.parametrize("text", ["Я", "中", "ह", "🚀"])
def test_no_script_has_less_room_for_being_percent_encoded(text: str) -> None:
    long = text * ((LIMITS.body_bytes - len("message")) // len(text.encode()))
    assert read(FORM, urlencode({"message": long}).encode(), LIMITS) == [("message", long)]
    assert refused(FORM, urlencode({"message": long + text * 2}).encode()).code == "body_too_large"


# Limits


@pytest.mark.parametrize("content_type", [JSON, FORM, "text/plain", ""])
def test_a_body_of_more_than_64_kib_is_413_whatever_it_is(content_type: str) -> None:
    error = refused(content_type, b"a" * (LIMITS.body_bytes + 1))
    assert (said(error), str(error.limit)) == ((413, "body_too_large", []), "64")


@pytest.mark.parametrize(
    ("content_type", "start", "end"),
    [
        (JSON, b'{"message": "', b'"}'),
        (FORM, b"message=", b""),
        (MULTIPART_HEADER, *multipart(part("message", b"|")).split(b"|")),
    ],
)
def test_a_body_of_exactly_64_kib_is_looked_at(content_type: str, start: bytes, end: bytes) -> None:
    # Of a form names and texts count, and no signs between them.
    room = LIMITS.body_bytes - (len(start + end) if content_type == JSON else len("message"))
    assert read(content_type, start + b"a" * room + end, LIMITS) == [("message", "a" * room)]
    assert refused(content_type, start + b"a" * (room + 1) + end).code == "body_too_large"


def test_the_limit_is_the_stages_own() -> None:
    with pytest.raises(SubmissionError) as caught:
        read(JSON, b" " * 2049, LIMITS._replace(body_bytes=2048))
    assert (caught.value.code, caught.value.limit) == ("body_too_large", 2)


def fields(content_type: str, count: int) -> bytes:
    pairs = {f"f{number}": "x" for number in range(count)}
    if content_type == JSON:
        return as_json(**pairs)
    if content_type == FORM:
        return urlencode(pairs).encode()
    return multipart(*(part(name, text.encode()) for name, text in pairs.items()))


@pytest.mark.parametrize("content_type", [JSON, FORM, MULTIPART_HEADER])
@pytest.mark.parametrize("most", [1, 50, 200])
def test_one_field_more_than_there_may_be_is_413(content_type: str, most: int) -> None:
    limits = LIMITS._replace(field_count=most)
    assert len(read(content_type, fields(content_type, most), limits)) == most
    with pytest.raises(SubmissionError) as caught:
        read(content_type, fields(content_type, most + 1), limits)
    assert said(caught.value) == TOO_MANY


@pytest.mark.parametrize("body", [b"&" * 60_000, b"a&" * 30_000, b"f=x&" * 51])
def test_separators_alone_count_as_fields(body: bytes) -> None:
    assert said(refused(FORM, body)) == TOO_MANY


def test_empty_file_fields_count_as_fields_too() -> None:
    empty = part("file", b"", '; filename=""', "Content-Type: application/octet-stream\r\n")
    assert read(MULTIPART_HEADER, multipart(*[empty] * 50), LIMITS) == []
    assert said(refused(MULTIPART_HEADER, multipart(*[empty] * 51))) == TOO_MANY


# JSON


@pytest.mark.parametrize(
    ("body", "code"),
    [
        *((body, "not_json") for body in (b"", b"{", b"{}}", b"\x00", b"message=Hi", b'{"message": "a\nb"}')),
        *((body, "not_json") for body in (b"{'message': 'Hi'}", b'{message: "Hi"}', b'{"message": "Hi",}')),
        *((body, "not_json") for body in (b'{"message": "\\x41"}', b'{"message": "\\u12"}', b'{"a":' * 10_000)),
        *((b'{"a": ' + value * 60_000 + b"}", "not_json") for value in (b"[", b"1")),
        (b"[" * 60_000, "not_json"),
        ('{"message": "Hi"}'.encode("utf-16-le"), "not_json"),
        ('{"message": "Hi"}'.encode("utf-16"), "not_in_charset"),
        *((b'{"message": "%b"}' % text, "not_in_charset") for text in (b"\xff", b"\xed\xa0\x80", b"\xc0\xaf")),
        *((body, "not_an_object") for body in (b"[]", b'[{"message": "Hi"}]', b'"message"', b"null", b"7", b"NaN")),
    ],
)
def test_json_that_is_none_is_400_and_says_why(body: bytes, code: str) -> None:
    assert said(refused(JSON, body)) == malformed(code)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        *(('"Hi"', "Hi"), ('""', ""), ("null", ""), ("true", "true"), ("false", "false")),
        ("{}", ""),  # Of a file field that was left empty, as a script makes JSON of a form.
        *(("0", "0"), ("-7", "-7"), ("1.5", "1.5"), ("1e3", "1000.0")),
        ("9" * 4000, "9" * 4000),
        *(("[]", ""), ('["Hi"]', "Hi"), ('["a", 1, true, 1.5]', "a, 1, true, 1.5")),
        *(('"\\ud83d\\ude80"', "🚀"), ('"\\u0000"', "\x00")),
    ],
)
def test_a_json_value_is_the_text_that_a_form_would_have_sent(written: str, text: str) -> None:
    assert read(JSON, f'{{"field": {written}}}'.encode(), LIMITS) == [("field", text)]


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity", "1e999", "[NaN]"])
def test_a_number_that_json_does_not_know_is_a_text_or_refused_and_never_an_unexpected_error(written: str) -> None:
    result = outcome(JSON, f'{{"field": {written}}}'.encode())
    if isinstance(result, SubmissionError):
        assert said(result) == malformed("not_json")
    else:
        [(name, text)] = result
        assert name == "field"
        assert text in ("NaN", "Infinity", "-Infinity")


@pytest.mark.parametrize("value", [{"text": "Hi"}, [["Hi"]], [{}], ["Hi", []]])
@pytest.mark.parametrize("name", ["message", "description", "Any other", "_gotcha"])
def test_what_no_form_can_send_is_422_and_named_as_it_was_sent(name: str, value: object) -> None:
    error = refused(JSON, json.dumps({"email": "a@example.com", name: value}).encode())
    assert said(error) == (422, "invalid", [(name, "TYPE_TEXT")])


def test_everything_that_no_form_can_send_is_named_at_once() -> None:
    error = refused(JSON, as_json(a={"x": 1}, b="Hi", c=[[]]))
    assert said(error) == (422, "invalid", [("a", "TYPE_TEXT"), ("c", "TYPE_TEXT")])


@pytest.mark.parametrize("lone", ["\\ud800", "\\udfff", "x\\ud83dx", "\\ude80\\ud83d"])
@pytest.mark.parametrize("shape", ['{{"a": "{}"}}', '{{"a": ["{}"]}}', '{{"{}": "a"}}', '{{"{}": {{}}}}'])
def test_half_a_surrogate_pair_is_never_in_what_is_refused_or_handed_on(lone: str, shape: str) -> None:
    """Whatever a page, a problem document or a log says of it could not be encoded: the visitor would get a 502."""
    result = outcome(JSON, shape.format(lone).encode())
    if isinstance(result, SubmissionError):
        assert result.status in (400, 422)
        handed_on = [problem.field for problem in result.problems]
    else:
        handed_on = [text for pair in result for text in pair]
    assert [text for text in handed_on if re.search(r"[\ud800-\udfff]", text)] == []


# Urlencoded


@pytest.mark.parametrize(
    ("body", "pairs"),
    [
        *((b"", []), (b"&", []), (b"a", [("a", "")]), (b"a=", [("a", "")]), (b"=a", [("", "a")])),
        *((b"a=b=c", [("a", "b=c")]), (b"a;b=c", [("a;b", "c")]), (b"%26=%3D", [("&", "=")])),
        (b"a=%00", [("a", "\x00")]),
        *((b"a=%", [("a", "%")]), (b"a=%4", [("a", "%4")]), (b"a=%zz", [("a", "%zz")])),
        (b'{"message": "Hi"', [('{"message": "Hi"', "")]),
    ],
)
def test_a_form_that_is_odd_is_read_as_browsers_write_it(body: bytes, pairs: Pairs) -> None:
    assert read(FORM, body, LIMITS) == pairs


# Multipart


GOOD = multipart(part("name", b"Ada"), part("message", b"Hi"))


def test_names_are_unquoted_as_browsers_quote_them() -> None:
    """HTML, 4.10.21.8: a quotation mark and line breaks are percent-encoded in a name, nothing else."""
    body = multipart(part("a%22b%0D%0Ac", b"1"), part("100%", b"2"), part("Größe", b"3"), part("", b"4"))
    assert [name for name, _ in read(MULTIPART_HEADER, body, LIMITS)] == ['a"b\r\nc', "100%", "Größe", ""]


@pytest.mark.parametrize(
    "body",
    [multipart(), b"--" + BOUNDARY.encode() + b"--", b"\r\n" + GOOD, GOOD + b"epilogue", GOOD.removesuffix(b"\r\n")],
)
def test_what_stands_around_the_parts_is_no_field(body: bytes) -> None:
    assert read(MULTIPART_HEADER, body, LIMITS) in ([], [("name", "Ada"), ("message", "Hi")])


@pytest.mark.parametrize(
    "content",
    [b"", b"\r\n", b"\r\n\r\n", b"--", b"\r\n--", b"--x--\r\n", b"\r\n------WebKitFormBoundaryAbC12", b"a\rb\nc\x00"],
)
def test_a_content_that_looks_like_a_boundary_is_text(content: bytes) -> None:
    assert read(MULTIPART_HEADER, multipart(part("message", content)), LIMITS) == [("message", content.decode())]


@pytest.mark.parametrize(
    "content_type",
    [
        *(MULTIPART, f"{MULTIPART};", f"{MULTIPART}; boundary", f"{MULTIPART}; boundary=", f'{MULTIPART}; boundary=""'),
        *(f"{MULTIPART}; boundary={'x' * 71}", f"{MULTIPART}; boundary={'x' * 5000}", f"{MULTIPART}; boundary=a\r\nb"),
        *(f"{MULTIPART}; boundary=a\x00b", f"{MULTIPART}; boundary=grüße", f"{MULTIPART}; boundary=a{{b"),
        f"{MULTIPART}; boundary={'(' * 35 + ' ' * 35}!",
    ],
)
def test_a_boundary_that_is_none_is_400(content_type: str) -> None:
    """RFC 2046, 5.1.1."""
    assert said(refused(content_type, GOOD)) == malformed("no_boundary")


def raw(*lines: bytes) -> bytes:
    return b"\r\n".join((b"--" + BOUNDARY.encode(), *lines))


END = b"--" + BOUNDARY.encode() + b"--"
DISPOSITION = b'Content-Disposition: form-data; name="a"'


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "nothing"),
        (b"message=Hi", "urlencoded"),
        (b'{"message": "Hi"}', "JSON"),
        (multipart(part("a", b"1"), boundary="another"), "another boundary"),
        (GOOD.replace(b"----WebKit", b"----webkit"), "a boundary in other letter case"),
        (GOOD.replace(b"\r\n", b"\n"), "line breaks of one character"),
        (b"preamble" + GOOD, "text right before the boundary"),
        (raw(DISPOSITION, b"", b"1", b"--" + BOUNDARY.encode() + b"x"), "text right after the boundary"),
        *((raw(DISPOSITION, b"", b"1"), "no end"), (raw(DISPOSITION, b""), "no content")),
        *((raw(DISPOSITION), "no end of the headers"), (raw(b""), "no headers")),
        (raw(b"", b"1", END), "no disposition"),
        (raw(b"Content-Type: text/plain", b"", b"1", END), "no disposition but a type"),
        (raw(b"Content-Disposition: form-data", b"", b"1", END), "no name"),
        (raw(b'Content-Disposition: form-data; filename="x"', b"", b"1", END), "a file without a name of the field"),
        (raw(b'Content-Disposition: attachment; name="a"', b"", b"1", END), "another disposition"),
        (raw(b"Content-Disposition", b"", b"1", END), "a header without a colon"),
        (raw(b": x", DISPOSITION, b"", b"1", END), "a header without a name"),
        (raw(b"a b: x", DISPOSITION, b"", b"1", END), "a header name with a space"),
        (raw(b"\x00: x", DISPOSITION, b"", b"1", END), "a header name of a control character"),
        (raw(b'Content-Disposition: form-data; name="\x81"', b"", b"1", END), "a name that is in no charset of forms"),
        (raw(b"Content-Disposition: form-data;", b' name="a"', b"", b"1", END), "a header of two lines"),
        (raw(b" x: y", DISPOSITION, b"", b"1", END), "a header that goes on before it began"),
        (raw(DISPOSITION, b"Content-Length: 7", b"", b"1", END), "a length that is not the content's"),
        (raw(DISPOSITION, b"Content-Length: 0", b"", b"1", END), "a length shorter than the content"),
        (raw(DISPOSITION, b"Content-Length: -1", b"", b"1", END), "a negative length"),
        (raw(DISPOSITION, b"Content-Length: one", b"", b"1", END), "a length in words"),
        (raw(DISPOSITION, b"Content-Length: 1", b"Content-Length: 1", b"", b"1", END), "two lengths"),
        (raw(DISPOSITION, b"", b"\x81", END), "a content that is in no charset of forms"),
    ],
)
def test_multipart_that_is_none_is_400(body: bytes, why: str) -> None:
    assert said(refused(MULTIPART_HEADER, body)) == malformed("not_multipart"), why


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (raw(*[b"X-%d: y" % number for number in range(8)], DISPOSITION, b"", b"1", END), "too many headers"),
        (raw(*[b"X: y"] * 10_000, b"", b"1", END), "a header many times"),
        (raw(b"X: " + b"y" * 60_000, DISPOSITION, b"", b"1", END), "a long header"),
        (raw(b"y" * 60_000), "a header that never ends"),
        (raw(b'Content-Disposition: form-data; name="' + b"a" * 60_000 + b'"', b"", b"1", END), "a long name"),
        (raw(DISPOSITION + b"; a=b" * 10_000, b"", b"1", END), "many parameters"),
        (raw(DISPOSITION + b'; a="' + b'\\"' * 1_900 + b'"', b"", b"1", END), "a parameter of quotation marks"),
        (raw(b"Content-Type: " + b';="' * 1_300, DISPOSITION, b"", b"1", END), "a header of punctuation"),
        (raw(DISPOSITION, b"Content-Length: " + b"9" * 4000, b"", b"1", END), "a length beyond every limit"),
        (b"--" * 32_000, "dashes alone"),
        (b"\r\n" * 32_000, "line breaks alone"),
        ((b"\r\n--" + BOUNDARY.encode()[:-1]) * 1_900, "a boundary that is nearly one, again and again"),
        (raw(DISPOSITION, b"", (b"\r\n--" + BOUNDARY.encode()[:-1]) * 1_900, END), "the same inside a part"),
    ],
)
def test_a_multipart_bomb_is_refused_or_read_and_never_an_unexpected_error(body: bytes, why: str) -> None:
    assert len(body) <= LIMITS.body_bytes, "or it would not be looked at"
    result = outcome(MULTIPART_HEADER, body)
    if isinstance(result, SubmissionError):
        assert said(result) == malformed("not_multipart"), why
    else:
        assert len(result) == 1, why


def test_multipart_that_is_cut_short_anywhere_is_400() -> None:
    """But for the last four bytes: two of the end's dashes stand before them, and a line break."""
    for length in range(len(GOOD) - 4):
        assert said(refused(MULTIPART_HEADER, GOOD[:length])) == malformed("not_multipart"), length


@pytest.mark.parametrize("content_type", [MULTIPART_HEADER, FORM, JSON])
@pytest.mark.rehearse("100 seeds of each content type", "a body that ends in 500, or is read as something else")
@pytest.mark.parametrize("seed", range(amount(2, 100)))
def test_a_body_with_wrong_bytes_anywhere_is_read_or_refused_and_nothing_else_happens(
    content_type: str, seed: int
) -> None:
    bodies = {MULTIPART_HEADER: GOOD, FORM: b"name=Ada+%C3%BC&message=Hi", JSON: as_json(name="Ada ü", message=["Hi"])}
    chance = random.Random(seed)  # noqa: S311
    for _ in range(100):
        body = bytearray(bodies[content_type])
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(body))
            match chance.randrange(3):
                case 0:
                    body[at] = chance.randrange(256)
                case 1:
                    del body[at : at + chance.randint(1, 8)]
                case _:
                    body[at:at] = chance.choice([b"\r\n", b"--", b'"', b"\\", b"\x00", b"%", b"=", b";", b"\xff"])
            if not body:
                break
        result = outcome(content_type, bytes(body))
        if isinstance(result, SubmissionError):
            assert result.status in (400, 413, 415, 422)
        else:
            assert all(isinstance(text, str) for pair in result for text in pair)


@pytest.mark.parametrize(
    ("more", "content"),
    [
        *(('; filename="cv.pdf"', b"%PDF"), ('; filename="cv.pdf"', b""), ('; filename=""', b"x")),
        *(("; filename=cv.pdf", b"x"), ('; FileName="cv.pdf"', b"x"), ('; filename="../../etc/passwd"', b"\xff\x00")),
    ],
)
def test_a_file_is_422_and_named_after_its_field(more: str, content: bytes) -> None:
    file = part("attachment", content, more, "Content-Type: application/pdf\r\n")
    error = refused(MULTIPART_HEADER, multipart(part("message", b"Hi"), file))
    assert said(error) == (422, "invalid", [("attachment", "NO_FILE_UPLOADS")])


@pytest.mark.parametrize(
    ("more", "code"),
    [(b'; filename="x"', "NO_FILE_UPLOADS"), (b"\r\nContent-Type: text/plain; charset=x", "unsupported_charset")],
)
def test_a_field_at_fault_is_named_also_where_its_name_is_not_utf_8(more: bytes, code: str) -> None:
    body = raw(b'Content-Disposition: form-data; name="Gr\xfc\xdfe"' + more, b"", b"1", END)
    assert said(refused(MULTIPART_HEADER, body)) == (422, "invalid", [("Gr\ufffd\ufffde", code)])


@pytest.mark.parametrize("size", [100_000, 4_400_000])
def test_beside_a_photo_that_the_site_doesnt_take_is_kept_what_was_typed(size: int) -> None:
    file = part("photo", b"\xff" * size, '; filename="a.jpg"')
    error = refused(MULTIPART_HEADER, multipart(part("message", b"Hi"), file, part("name", b"Ada")))
    assert said(error) == (422, "invalid", [("photo", "NO_FILE_UPLOADS")])
    assert error.pairs == [("message", "Hi"), ("name", "Ada")]
    long = part("message", b"a" * (LIMITS.body_bytes + 1))
    assert refused(MULTIPART_HEADER, multipart(file, long)).code == "body_too_large", "nor is it shown again"


def test_a_body_that_lambda_could_not_take_is_not_even_read() -> None:
    file = part("photo", bytes(6_000_000), '; filename="a.jpg"')
    assert said(refused(MULTIPART_HEADER, multipart(file))) == (413, "body_too_large", [])


def test_a_file_field_that_was_left_empty_is_no_field() -> None:
    empty = part("attachment", b"", '; filename=""', "Content-Type: application/octet-stream\r\n")
    assert read(MULTIPART_HEADER, multipart(empty, part("message", b"Hi"), empty), LIMITS) == [("message", "Hi")]


# Privacy


@pytest.mark.parametrize(
    "body",
    [
        *(as_json(message={"MARKER": "MARKER"}), b'{"MARKER": "MARKER",', b'["MARKER"]', b'{"message": "MARKER\xff"}'),
        *(b"MARKER" * 12_000, b"message=MARKER%FF", multipart(part("message", b"MARKER\xff")), raw(b"MARKER: MARKER")),
        multipart(part("message", b"MARKER", '; filename="MARKER"', "Content-Type: MARKER\r\n")),
    ],
)
@pytest.mark.parametrize(
    "content_type",
    [JSON, f"{JSON}; charset=MARKER", FORM, "MARKER/MARKER", "text/plain; x=MARKER", MULTIPART_HEADER, MULTIPART],
)
def test_nothing_of_what_was_sent_is_echoed(content_type: str, body: bytes) -> None:
    error = outcome(content_type, body)
    if not isinstance(error, SubmissionError):
        assert content_type in (FORM, MULTIPART_HEADER), "where nearly anything is a field"
        return
    words = " ".join([str(error), error.code, *(f"{each.code} {each.field}" for each in error.problems)])
    assert "marker" not in words.lower()
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__, "nor does its traceback"
