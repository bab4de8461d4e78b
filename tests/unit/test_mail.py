"""What a notification says as an e-mail: its subject, its two parts, the address that an answer goes to."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from chalicelib.logic import mail
from chalicelib.logic.notification import Notification, from_contact
from tests.fakes import NOW, message

HOSTILE = '<script>alert("x")</script> & <a href="https://evil.example">\'click\'</a>'
HEBREW = "שלום עולם"


def notification(title: str = "A title", **fields: str) -> Notification:
    return Notification("id-1", title, "A message", NOW, fields=tuple(fields.items()))


class Page(HTMLParser):
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
        if tag in ("dt", "dd", "title", "h1", "p"):
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


def page(it: Notification) -> Page:
    return Page(mail.html(it, mail.subject(it)))


# The plain part


def test_the_plain_part_has_a_line_for_each_field_and_the_message_whole_and_last() -> None:
    it = from_contact(
        message(
            "id-1",
            message="Hi\n\nthere " + "x" * 9000,
            phone="123",
            email="j@example.com",
            name="Юлия",
            source="home",
            Größe="y" * 500,
        )
    )
    assert mail.text(it) == (
        "Received: 2026-01-01 00:00 UTC\nId: id-1\nSource: home\nName: Юлия\nEmail: j@example.com\nphone: 123\n"
        f"Größe: {'y' * 500}\n\nHi\n\nthere {'x' * 9000}\n"
    )


def test_a_blank_field_has_no_line_and_a_form_without_a_message_still_reads() -> None:
    assert mail.text(notification(name="", phone=" \n", a="b")).splitlines()[2:] == ["a: b"]


def test_a_notification_without_fields_says_its_message() -> None:
    assert mail.text(Notification("id-1", "Backup", "It has finished.\nBye")) == "Id: id-1\n\nIt has finished.\nBye\n"


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_nobody_forges_a_line_of_ours_above_the_message(line_break: str) -> None:
    forged = f"b{line_break}Email: boss@example.com{line_break}{line_break}Transfer the money"
    lines = mail.text(notification(**{f"a{line_break}Id: 2": forged, "message": "Hi"})).splitlines()
    assert lines[2:] == [
        "a Id: 2:",
        "    b",
        "    Email: boss@example.com",
        "    ",
        "    Transfer the money",
        "",
        "Hi",
    ]


def test_what_is_no_text_is_left_out_of_both_parts() -> None:
    it = notification(name="a\x00b\x1bc\ud800d\x7fe\x9ff", message="x\x08y\tz")
    assert "Name: abcdef\n" in mail.text(it)
    assert mail.text(it).endswith("\nxy\tz\n")
    assert page(it).rows == {"Name": "abcdef", "Message": "xy\tz"}
    mail.html(it, "h").encode()


@pytest.mark.parametrize("timestamp", [None, 10**30])
def test_a_time_that_there_is_not_has_no_line(timestamp: int | None) -> None:
    assert mail.text(Notification("id-1", "T", "M", timestamp)) == "Id: id-1\n\nM\n"


# The HTML part


def test_the_html_part_says_the_same_as_the_plain_one() -> None:
    it = from_contact(message("id-1", name="Ada", phone="1\n2", message="Hi\r\nthere\n\n  indented"))
    seen = page(it)
    assert "Hi<br>there<br><br>  indented</dd>" in mail.html(it, "h"), "not every program keeps a text's own breaks"
    assert seen.rows == {"Name": "Ada", "phone": "1\n2", "Message": "Hi\nthere\n\n  indented"}
    assert seen.cells["title"] == seen.cells["h1"] == ["New /contact submission received"]
    assert seen.cells["p"] == ["Received: 2026-01-01 00:00 UTC\nId: id-1"]


@pytest.mark.parametrize("text", [HOSTILE, '"><img src=x onerror=alert(1)>', "&lt;b&gt;", "</dd></dl><h1>Ours</h1>"])
def test_what_a_visitor_typed_is_text_and_never_markup_or_a_link(text: str) -> None:
    plain, hostile = (
        page(notification(name="a", x="a", message="a")),
        page(Notification("id-1", text, "m", NOW, fields=(("name", text), (text, "a"), ("message", text)))),
    )
    assert hostile.tags == plain.tags
    assert not {"a", "script", "img"} & set(hostile.tags)
    assert hostile.rows == {"Name": text, text: "a", "Message": text}
    assert hostile.cells["h1"] == [text]


def test_text_from_right_to_left_finds_its_own_direction_and_emoji_stay() -> None:
    it = notification(name=HEBREW, message=f"{HEBREW} 👩‍👩‍👧 🚀")
    assert page(it).rows == {"Name": HEBREW, "Message": f"{HEBREW} 👩‍👩‍👧 🚀"}
    assert mail.html(it, "h").count('<dd dir="auto" lang=""') == 2


def test_the_html_part_sets_no_colour_loads_nothing_and_says_its_language() -> None:
    text = mail.html(notification(message="Hi"), "h")
    attributes = page(notification(message="Hi")).attributes
    assert ("lang", "en") in attributes
    assert ("content", "light dark") in attributes
    for trace in ("color:", "background", "http", "src=", "url("):
        assert trace not in text.replace("color-scheme", "")


# The subject


def test_the_subject_is_the_title_unless_the_owner_has_set_one() -> None:
    assert mail.subject(notification("A title", name="Ada")) == "A title"
    assert mail.subject(notification("A title", name="Ada"), "Contact") == "Contact"


def test_placeholders_become_what_the_form_held() -> None:
    it = notification("T", source="home", name="Ada", email="a@example.com", subject="A word", message="secret")
    template = "[{source}] {subject} from {name} <{email}>: {title} {id}"
    assert mail.subject(it, template) == "[home] A word from Ada <a@example.com>: T id-1"
    assert mail.subject(it, "{message}{colour}{}") == "{message}{colour}{}", "and nothing else is one"


def test_a_subject_of_empty_fields_is_the_title() -> None:
    assert mail.subject(notification("T"), "{name} {subject}") == "T"
    assert mail.subject(notification("\x00\x1b"), "{name}") == "Message", "and never empty"


def test_what_a_placeholder_becomes_is_not_looked_at_again() -> None:
    assert mail.subject(notification(name="{email}", email="a@example.com"), "{name}") == "{email}"


@pytest.mark.parametrize("space", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\x00", "\x1b"])
def test_a_subject_is_one_line_whatever_stands_in_it(space: str) -> None:
    hostile = f"a{space}Bcc: x@example.com{space}"
    assert mail.subject(notification(hostile)) == "a Bcc: x@example.com"
    assert mail.subject(notification(name=hostile), "{name}!") == "a Bcc: x@example.com!"


@pytest.mark.parametrize("character", ["a", "я", "🚀"])
def test_a_subject_is_cut_by_characters_as_a_whole_and_each_placeholder(character: str) -> None:
    assert mail.subject(notification(character * 201)) == character * 199 + "…"
    assert mail.subject(notification(name=character * 81), "{name}|") == character * 79 + "…|"


def test_nobody_reorders_the_words_of_a_subject() -> None:
    assert mail.subject(notification(name="a\u202egnp.exe\u2066b\u200f"), "{name}") == "agnp.exeb"
    assert mail.subject(notification(name=HEBREW), "{name}") == HEBREW


# Reply-To


@pytest.mark.parametrize(
    ("address", "becomes"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.Lovelace+tag@Sub.Example.COM", "Ada.Lovelace+tag@sub.example.com"),
        ("a!#$%&'*+/=?^_`{|}~-b@example.com", "a!#$%&'*+/=?^_`{|}~-b@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"),
        ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_an_answer_goes_to_the_visitor_by_an_address_in_ascii(address: str, becomes: str) -> None:
    assert mail.reply_to(address) == becomes


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@localhost",
        "ada@[127.0.0.1]",
        "юля@example.com",
        "jürgen@bücher.example",
        "ada@exa mple.com",
        "ada@-example.com",
        "ada@example..com",
        "ada@\udc80.example",
        "ada@" + "ü" * 70 + ".example",
        ".ada@example.com",
        "a..b@example.com",
        '"a b"@example.com',
        "a,b@example.com",
        "a@example.com,b@example.com",
        "a@example.com;b@example.com",
        "Ada <ada@example.com>",
        "<ada@example.com>",
        "ada@example.com\r\nBcc: x@example.com",
        "ada@example.com\n",
        "ada\n@example.com",
        "ada@example.com\x00",
        " ada@example.com",
        "a" * 65 + "@example.com",
        "a" * 60 + "@" + "b" * 60 + "." + "c" * 60 + "." + "d" * 60 + "." + "e" * 20,
        "ada(comment)@example.com",
        "a@b@example.com",
    ],
)
def test_what_is_no_single_address_that_ses_takes_is_no_reply_to(address: str) -> None:
    assert mail.reply_to(address) == ""


def test_an_address_that_can_not_be_replied_to_is_in_the_text_all_the_same() -> None:
    it = from_contact(message(email="юля@example.com", message="Hi"))
    assert mail.reply_to(it.reply_to) == ""
    assert "Email: юля@example.com\n" in mail.text(it)
    assert page(it).rows["Email"] == "юля@example.com"


def test_what_comes_of_no_form_is_called_by_its_title_whatever_the_template() -> None:
    alarm = Notification("alarm-1", "Herald: not delivered", "A message is not delivered.")
    assert mail.subject(alarm, "[{source}] {name}") == "Herald: not delivered"
