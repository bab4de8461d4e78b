"""What a notification says as an e-mail: its subject, its two parts, the address that an answer goes to."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from chalicelib.logic import notification_mail
from chalicelib.logic.notification import Notification, from_contact
from tests.fakes import NOW, message, site

HOSTILE = '<script>alert("x")</script> & <a href="https://evil.example">\'click\'</a>'
HEBREW = "שלום עולם"


def notification(title: str = "A title", **fields: str) -> Notification:
    return Notification("id-1", title, "A message", NOW, fields=tuple(fields.items()))


class MailPage(HTMLParser):
    """What a reader sees of the HTML part: its tags, and the names with their values."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.cells: dict[str, list[str]] = {}
        self._in = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag in ("dt", "dd", "title", "h1", "p", "div"):
            self._in = tag
            self.cells.setdefault(tag, []).append("")
        elif tag == "br":
            self.cells[self._in][-1] += "\n"

    def handle_endtag(self, tag: str) -> None:
        if tag == self._in:
            self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in:
            self.cells[self._in][-1] += data

    @property
    def rows(self) -> dict[str, str]:
        return dict(zip(self.cells.get("dt", []), self.cells.get("dd", []), strict=True))


def page(it: Notification) -> MailPage:
    return MailPage(notification_mail.html(it, notification_mail.subject(it)))


# The plain part


def test_the_plain_part_has_the_message_whole_and_first_then_what_is_known_then_the_forms_own_fields() -> None:
    known = {"email": "j@example.com", "name": "Юлия", "source": "home"}
    form = message("id-1", phone="123", message="Hi\n\nthere " + "x" * 900, **known, Größe="y\nz")
    assert notification_mail.text(from_contact(form, site())) == (
        f"Hi\n\nthere {'x' * 900}\n\nName: Юлия\nEmail: j@example.com\nSource: home\nSite: www.example.com\n\n"
        "› phone: 123\n› Größe: y\n›   z\n\nReceived: 2026-01-01 00:00 UTC\nId: id-1\n"
    )


@pytest.mark.parametrize("piece", ["x", "я", "🚀", "word ", "&", "Email: boss@example.com " + "y" * 970 + " "])
def test_no_line_of_either_part_is_longer_than_smtp_carries_and_none_is_forged_by_breaking_it(piece: str) -> None:
    long = (piece * 5000)[:5000]
    it = notification(long, name=long, phone=long, message=long, **{long[:100]: long})
    plain = notification_mail.text(it)
    for part in (plain, notification_mail.html(it, notification_mail.subject(it))):
        assert max(len(line.encode()) for line in part.split("\n")) <= 998
    assert plain.count(piece[0]) >= 3 * long.count(piece[0]), "nothing is cut"
    assert sum(line.startswith("Email:") for line in plain.split("\n")) == 0
    assert notification_mail.subject(it).isprintable()
    assert len(b64encode(notification_mail.subject(it).encode())) < 900


def test_what_is_no_text_is_left_out_of_both_parts() -> None:
    it = notification(name="a\x00b\x1bc\ud800d\x7fe\x9ff", message="x\x08y\tz")
    assert notification_mail.text(it).startswith("xy\tz\n\nName: abcdef\n")
    assert page(it).rows == {"Name": "abcdef"}
    assert page(it).cells["div"] == ["xy\tz"]
    notification_mail.html(it, "h").encode()


def test_without_a_time_and_without_fields_there_is_no_line_of_them() -> None:
    assert notification_mail.text(Notification("id-1", "T", "M\nBye")) == "M\nBye\n\nId: id-1\n"


# The HTML part


def test_the_html_part_says_the_same_as_the_plain_one() -> None:
    it = from_contact(message("id-1", name="Ada", phone="1\n2", message="Hi\r\nthere\n\n  indented"))
    seen = page(it)
    # Not every program keeps a text's breaks.
    assert "Hi<br\n>there<br\n><br\n>  indented</div>" in notification_mail.html(it, "h")
    assert seen.rows == {"Name": "Ada", "Site": "default", "phone": "1\n2"}
    assert seen.cells["div"] == ["Hi\nthere\n\n  indented"]
    assert seen.cells["title"] == seen.cells["h1"] == ["New message: default"]
    assert seen.cells["p"] == ["Received: 2026-01-01 00:00 UTC\n\nId: id-1"]


WHOLE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>A title</title>
</head>
<body style="font:1em/1.5 system-ui,sans-serif;max-width:40em;overflow-wrap:anywhere">
<h1 dir="auto" style="font-size:1.25em">A title</h1>
<p><b>comments</b></p>
<div dir="auto" lang="" style="white-space:pre-wrap">{"x" * 143}<wbr
>x<br
>y</div>
<dl style="margin:1em 0;">
<dt dir="auto" style="font-weight:bold">Name</dt>
<dd dir="auto" lang="" style="margin:0 0 .5em;white-space:pre-wrap">Ada</dd>
<dt dir="auto" style="font-weight:bold">Site</dt>
<dd dir="auto" lang="" style="margin:0 0 .5em;white-space:pre-wrap">www.example.com</dd>
</dl>
<dl style="margin:1em 0;border-left:3px solid;padding-left:.75em">
<dt dir="auto" style="font-weight:bold">topic</dt>
<dd dir="auto" lang="" style="margin:0 0 .5em;white-space:pre-wrap">a&lt;b</dd>
</dl>
<p><a href="https://i.example/?a=1&amp;b=2">Open it in your inbox</a></p>
<p style="font-size:.85em">Received: 2026-01-01 00:00 UTC<br>
Id: id-1</p>
</body>
</html>
"""


def test_the_html_part_is_whole_with_all_that_it_may_have_and_with_nothing_of_it() -> None:
    form = from_contact(message("id-1", name="Ada", topic="a<b", comments="x" * 144 + "\ny"), site())
    assert notification_mail.html(replace(form, inbox="https://i.example/?a=1&b=2"), "A title") == WHOLE
    own = Notification("id-1", "A title", "Hi", NOW, body="{message}!")
    least = WHOLE[: WHOLE.index("<p>")] + '<div dir="auto" lang="" style="white-space:pre-wrap">Hi!</div>\n'
    assert notification_mail.html(own, "A title") == least + WHOLE[WHOLE.index('<p style="font-size:.85em">') :]


@pytest.mark.parametrize("text", [HOSTILE, '"><img src=x onerror=alert(1)>', "&lt;b&gt;", "</dd></dl><h1>Ours</h1>"])
def test_what_a_visitor_typed_is_text_and_never_markup_or_a_link(text: str) -> None:
    plain, hostile = (
        page(notification(name="a", x="a", message="a")),
        page(Notification("id-1", text, "m", NOW, fields=(("name", text), (text, "a"), ("message", text)))),
    )
    assert hostile.tags == plain.tags
    assert not {"a", "script", "img"} & set(hostile.tags)
    assert hostile.rows == {"Name": text, text[:59] + "…" * (len(text) > 60) if len(text) > 60 else text: "a"}
    assert hostile.cells["div"] == [text]
    assert hostile.cells["h1"] == [text]


def test_text_from_right_to_left_finds_its_own_direction_and_emoji_stay() -> None:
    it = notification(name=HEBREW, message=f"{HEBREW} 👩‍👩‍👧 🚀")
    assert page(it).rows == {"Name": HEBREW}
    assert page(it).cells["div"] == [f"{HEBREW} 👩‍👩‍👧 🚀"]
    assert notification_mail.html(it, "h").count('dir="auto" lang=""') == 2


def test_the_html_part_sets_no_colour_loads_nothing_and_says_its_language() -> None:
    text = notification_mail.html(notification(message="Hi"), "h")
    attributes = page(notification(message="Hi")).attributes
    assert ("lang", "en") in attributes
    assert ("content", "light dark") in attributes
    for trace in ("color:", "background", "http", "src=", "url("):
        assert trace not in text.replace("color-scheme", "")


# The subject


@pytest.mark.parametrize("space", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\x00", "\x1b"])
def test_a_subject_is_the_title_as_one_line_whatever_stands_in_it(space: str) -> None:
    assert notification_mail.subject(notification(f"a{space}Bcc: x@example.com{space}")) == "a Bcc: x@example.com"


@pytest.mark.parametrize(("character", "shown"), [("a", 199), ("я", 199), ("🚀", 124)])
def test_a_subject_is_cut_by_characters_and_by_what_its_encoded_form_takes(character: str, shown: int) -> None:
    assert notification_mail.subject(notification(character * 201)) == character * shown + "…"


def test_a_subject_is_never_empty() -> None:
    assert notification_mail.subject(notification("\x00\x1b")) == "Message"


# Reply-To


LONGEST = f"{'a' * 64}@{'b' * 63}.{'b' * 62}.{'b' * 62}"
"""RFC 5321, 4.5.3.1.3: 254 characters and two brackets."""


@pytest.mark.parametrize(
    ("address", "becomes"),
    [
        *((same, same) for same in ("ada@example.com", "ada@xn--bcher-kva.example", LONGEST)),
        *((same, same) for same in ("a!#$%&'*+/=?^_`{|}~-b@example.com", '"a b, c@d"@example.com')),
        (r'"a\"b\\"@example.com', r'"a\"b\\"@example.com'),
        ("Ada.Lovelace+tag@Sub.Example.COM", "Ada.Lovelace+tag@sub.example.com"),
        *(("ada@bücher.example", "ada@xn--bcher-kva.example"), ("ada@BÜCHER.example", "ada@xn--bcher-kva.example")),
        ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"),
    ],
)
def test_an_answer_goes_to_the_visitor_by_an_address_in_ascii(address: str, becomes: str) -> None:
    assert notification_mail.reply_to(address) == becomes


@pytest.mark.parametrize(
    "address",
    [
        *("", "ada", "@example.com", "ada@", "ada@localhost", "ada@[127.0.0.1]", "юля@example.com"),
        *("jürgen@bücher.example", "ada@exa mple.com", "ada@-example.com", "ada@-ü.example", "ada@ü..example"),
        *("ada@example..com", "ada@\udc80.example", "ada@" + "ü" * 70 + ".example", ".ada@example.com"),
        *("a..b@example.com", '"a"b"@example.com', '"a\n"@example.com', '"a@example.com', '"ю"@example.com'),
        *("a,b@example.com", "a@example.com,b@example.com", "a@example.com;b@example.com", "Ada <ada@example.com>"),
        *("<ada@example.com>", "ada@example.com\r\nBcc: x@example.com", "ada@example.com\n", "ada\n@example.com"),
        *("ada@example.com\x00", " ada@example.com", "a" * 65 + "@example.com"),
        *("a" * 60 + "@" + "b" * 60 + "." + "c" * 60 + "." + "d" * 60 + "." + "e" * 20, "ada(comment)@example.com"),
        "a@b@example.com",
    ],
)
def test_what_is_no_single_address_that_ses_takes_is_no_reply_to(address: str) -> None:
    assert notification_mail.reply_to(address) == ""


def test_an_address_that_can_not_be_replied_to_is_in_the_text_all_the_same() -> None:
    it = from_contact(message(email="юля@example.com", message="Hi"))
    assert notification_mail.reply_to(it.reply_to) == ""
    assert "Email: юля@example.com\n" in notification_mail.text(it)
    assert page(it).rows["Email"] == "юля@example.com"
    for part in (notification_mail.text(it), notification_mail.html(it, "h")):
        assert "by hand" in part.replace("&#x27;", "'")
    assert "by hand" not in notification_mail.text(from_contact(message(email="ada@example.com", message="Hi")))
