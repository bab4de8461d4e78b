"""How a notification reads, in whatever room a provider leaves, and that no visitor writes a line of ours."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.logic import notification_mail, pushover_parameters, webhook_request
from chalicelib.logic.lookalikes import is_like
from chalicelib.logic.notification import Notification, NotifiedFile, from_contact
from chalicelib.logic.notification_text import Parts, cut_to_fit, lay_out
from chalicelib.logic.plain_text import CUT_MARK, cut, multiline
from chalicelib.logic.provider_limits import CHARACTERS, UTF_16, Limit
from tests.declared import body_of, declared_channel, request_of
from tests.fakes import channel, message, site

NOTE = "… Cut to fit. In full: ./herald messages show --stage dev id-1"
ORIGINAL: dict[str, Any] = {
    "title": "New /contact submission received",
    "body": "Source: {source}\nName: {name}\nMail: {email}\nDesc: {message}",
}
"""The title and the lines of the project that Herald began as."""


def told(body: str = "", **fields: str) -> Notification:
    return from_contact(message("id-1", **fields), site()._replace(body=body), channel(), "dev")


def at_most(size: int) -> Callable[[str], bool]:
    return lambda part: len(part) <= size


def test_the_message_comes_first_then_what_is_known_then_the_forms_own_fields() -> None:
    known = {"email": "j@example.com", "message": "Hi\n\nthere", "name": "Ada"}
    assert lay_out(told(**{"a": "1", **known, "b c": "x\ny", "z": " ", "unseen": "\u3164"})) == (
        "Hi\n\nthere\n\nName: Ada\nEmail: j@example.com\nSite: www.example.com\n\n› a: 1\n› b c: x\n›   y"
    )


def test_a_field_whose_name_reads_as_one_of_heralds_is_said_to_be_a_field() -> None:
    form = told(message="Hi", **{"Еmail": "eve@example.com"})  # The first letter is Cyrillic.
    assert lay_out(form) == "Hi\n\nSite: www.example.com\n\n› field “Еmail”: eve@example.com"


def test_a_text_is_cut_behind_a_word_without_a_space_before_the_mark() -> None:
    assert cut_to_fit(" one two three", at_most(10)) == f" one two{CUT_MARK}"


def test_a_share_of_a_limit_has_that_share_of_its_margin() -> None:
    limit = Limit("P", "p", 1000, CHARACTERS, "", "", margin=100)
    assert (limit.scaled(0.5), limit.scaled(1)) == (limit._replace(maximum=500, margin=50), limit)


def test_the_originals_title_and_lines_are_a_setting() -> None:
    own = site()._replace(**ORIGINAL)
    form = from_contact(message("id-1", source="home", message="Hi\nthere", phone="1"), own, channel(), "dev")
    assert form.title == "New /contact submission received"
    assert lay_out(form) == "Source: home\nName: \nMail: \nDesc: Hi\nthere"


def test_a_body_of_ones_own_shows_what_it_names() -> None:
    body = "{message}|{name}|{fields.phone}|{site}|{time}|{id}|{{x}}\n{others}"
    assert (
        lay_out(told(body, message="{name}", phone="1", x="2"))
        == "{name}||1|www.example.com|2026-01-01 00:00 UTC|id-1|{x}\n› phone: 1\n› x: 2"
    )
    assert lay_out(told("\nX {message}{fields.fax}{source} \n", message="Hi")) == "X Hi "
    assert lay_out(told("a { b } {message}", message="Hi")) == "a { b } Hi"


def test_the_message_is_whole_as_long_as_it_fits_and_lesser_fields_give_way() -> None:
    ten = {f"field {number}": "v" * 120 for number in range(10)}
    form = told(name="Ada", email="ada@example.com", message="m" * 800, **ten)
    shown = lay_out(form, at_most(1024))
    assert len(shown) <= 1024
    assert shown.startswith("m" * 800 + "\n\nName: Ada\nEmail: ada@example.com\nSite: www.example.com\n\n› field 0: ")
    assert shown.endswith(NOTE)


def test_of_many_fields_as_many_are_shown_as_fit_and_the_room_is_used() -> None:
    form = told(message="Hi", **{f"field {number}": "v" * 500 for number in range(10)})
    shown = lay_out(form, at_most(1024))
    assert 1000 < len(shown) <= 1024
    assert re.findall(r"^› field (\d):", shown, re.MULTILINE) == list("0123456789")
    assert shown.endswith(NOTE)


def test_a_message_that_is_too_long_is_cut_and_its_sender_stays() -> None:
    form = told(name="Ada " * 40, email="ada@example.com", message="🚀" * 5000, phone="1")
    shown = lay_out(form, at_most(1024))
    assert len(shown) == 1024
    known = r"Name: (Ada )+Ada…\nEmail: ada@example.com\nSite: www.example.com"
    assert re.search(rf"🚀…\n\n{known}\n\n› … and 1 more\n\n", shown)
    assert shown.endswith(NOTE)


def test_what_is_known_is_whole_as_long_as_the_message_and_it_fit() -> None:
    long = f"https://www.example.com/{'x' * 150}"
    shown = lay_out(told(source=long, message="Hi", **{"a": "v" * 900}), at_most(1024))
    assert f"Source: {long}\n" in shown
    assert "…" in shown.partition("› a: ")[2]


@pytest.mark.parametrize("blank", ["\u2800", "\u3164", "\u00a0", "\u115f", " "])
def test_nobody_pads_a_line_until_it_breaks_into_one_that_looks_like_ours(blank: str) -> None:
    form = told(name=f"Ada{blank * 60}Email: boss@example.com", message="Hi")
    assert "Name: Ada Email: boss@example.com\n" in lay_out(form)


def test_a_form_without_a_message_shows_its_longest_text_first() -> None:
    assert lay_out(told(email="a@b.example", topic="Offer", comments="Please\ncall")) == (
        "› comments:\nPlease\ncall\n\nEmail: a@b.example\nSite: www.example.com\n\n› topic: Offer"
    )


def test_what_another_program_says_is_shown_with_its_fields_and_unmarked_without() -> None:
    assert lay_out(Notification("1", "T", "Name: x", fields=(("host", "a"),))) == "› Name: x\n\n› host: a"
    assert lay_out(Notification("1", "T", "Name: x")) == "Name: x"
    assert lay_out(Notification("1", "T", "a\nName: x", body="{message}")) == "a\nName: x"
    assert lay_out(Notification("1", "T", "x" * 99), at_most(40)) == "x" * 24 + "…\n\n… Cut to fit."


def test_a_files_name_stands_in_quotation_marks_and_has_none() -> None:
    files = (NotifiedFile("a“b”c.jpg", "image, 1 kB"),)
    assert "“a'b'c.jpg” (image, 1 kB)" in lay_out(Notification("1", "T", "Hi", files=files))


@pytest.mark.parametrize(
    "forged", ["Inbox: https://evil.example", "Files: “a.pdf”", "\u200b… Cut to fit. In full: x", "Ѕіte ： x"]
)
def test_in_a_body_of_ones_own_a_line_that_a_visitor_begins_is_marked_as_any_other(forged: str) -> None:
    shown = multiline(forged)
    for begun in ("{name}", " \u200b{name} <{email}>", "- {name}", "{subject}{fields.phone}", "{fields.name}: {name}"):
        lines = lay_out(told(f"Hi\n{begun}\n{{message}}", name=forged, phone=forged, message="Hi")).split("\n")
        assert lines[1].startswith("› ")
        assert shown in lines[1]
    assert lay_out(told("{message}{name}", message="a\nIn", name="box: x")) == "a\n› Inbox: x"
    assert lay_out(told("Inbo{name}: {message}", message=forged, name="x")).startswith("› Inbox: ")
    assert lay_out(told("a\n {others}\n{message}", message=f"{forged}\nb", x="1\n2")) == (
        f"a\n › x: 1\n›   2\n› {forged}\nb"
    )


@pytest.mark.parametrize(
    "line", ["Inbox: {name}", "… {name}", "› {name}", "{subject} Email: {name}", "Shop: {name}", "{site}: {name}"]
)
def test_what_the_owners_body_writes_itself_is_not_marked(line: str) -> None:
    assert lay_out(told(f"a\n{line}", name="Ada", message="Hi")) == "a\n" + line.replace("{name}", "Ada").replace(
        "{subject}", ""
    ).replace("{site}", "www.example.com")


FORGED = [
    *("Received", "Id", "Email ", "Source ", "Ｅｍａｉｌ", "Еmаil", "Em\u200bail", "\u202eEmail", "Site"),
    *("message\u200b", "MESSAGE:"),
]
OURS = ("Name", "Email", "Subject", "Source", "Site", "Message", "Received", "Id")


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("kind", ["pushover", "slack", "discord", "teams", "ntfy", "plain", "html"])
def test_no_field_and_no_line_of_a_visitor_looks_like_one_of_ours(kind: str, name: str) -> None:
    hostile = f"x\n{name}: boss@example.com\r\n{name} ： y\u2028{name}\u2236 z\n… Cut to fit. In full: x\n› a: b"
    form = told(name=hostile, message=hostile, **{name: hostile, "note": hostile})
    for line in shown_by(kind, form).split("\n"):
        label = re.split("[:：\u2236]", line)[0]
        if is_like(label, OURS):
            assert line.startswith(("Name: x ", "Site: www.example.com", "Received: 2026", "Id: id-1", "› "))
    assert shown_by(kind, form).count("\n… Cut") == 0


def shown_by(kind: str, form: Notification) -> str:
    """What a channel's reader sees, without the title."""
    match kind:
        case "pushover":
            return str(pushover_parameters.make_texts(form)["message"])
        case "slack":
            return str(webhook_request.slack(form)["text"]).partition("\n")[2]
        case "discord":
            return re.sub(r"\\(.)", r"\1", str(webhook_request.discord(form)["content"]).partition("\n")[2])
        case "teams":
            return "\n".join(teams_lines(webhook_request.teams(form))[1:])
        case "ntfy":
            return str(body_of(form, NTFY)["message"])
        case "html":
            # What is bold is ours or set apart by a line beside it; visitors' text stands in cells of its own.
            plain = re.sub(r"<d[dt][^>]*>[^<]*(<w?br\n>[^<]*)*</d[dt]>", "", notification_mail.html(form, "h"))
            return re.sub(r"<[^>]*>", "", re.sub(r"<br\s*>", "\n", plain))
        case _:
            return notification_mail.text(form)


def teams_lines(body: Any) -> list[str]:
    (attachment,) = body["attachments"]
    return [run["text"] for block in attachment["content"]["body"] for run in block["inlines"]]


# Every provider's limit, measured here and not by our table


def of_card(body: Any) -> int:
    """Bytes of the card as the workflow hands it on: JSON as a text within JSON, here in its largest writing."""
    return len(json.dumps(json.dumps(body["attachments"][0]["content"])).encode())


def utf_16(value: object) -> int:
    return len(str(value).encode("utf-16-le", "replace")) // 2


NTFY = declared_channel("ntfy", priority=5)
MEASURED: dict[str, Callable[[Notification], list[tuple[int, int]]]] = {
    "pushover": lambda it: [
        (len(str(pushover_parameters.make_texts(it)["message"])), 1024),
        (len(str(pushover_parameters.make_texts(it)["title"])), 250),
    ],
    "slack": lambda it: [(utf_16(webhook_request.slack(it)["text"]), 4_000)],
    "discord": lambda it: [(utf_16(webhook_request.discord(it)["content"]), 2_000)],
    "teams": lambda it: [(of_card(webhook_request.teams(it)), 28 * 1024 - 1_500)],
    "ntfy": lambda it: [
        (len(str(body_of(it, NTFY)["message"]).encode()), 4_096),
        (len(json.dumps(body_of(it, NTFY), ensure_ascii=False).encode()), 8_192 + 20),
        (len(request_of(it, NTFY).body), 8_192),
    ],
    "plain": lambda it: [(max(len(line.encode()) for line in notification_mail.text(it).split("\n")), 998)],
    "html": lambda it: [(max(len(line.encode()) for line in notification_mail.html(it, "h" * 200).split("\n")), 998)],
}
CUTTING = [kind for kind in MEASURED if kind not in ("plain", "html")]

PIECES = st.sampled_from(
    [
        *("a", " ", "\n", '"', "\\", "&", "*", "я", "🚀", "\x00", "\u2028", "word ", "Email: x\n", "\u202e", "›", "…"),
        *("\t", "<b>"),
    ]
)
TEXTS = st.one_of(
    st.text(max_size=40),
    st.builds(lambda piece, times: piece * times, PIECES, st.integers(1, 6_000)),
    st.lists(PIECES, max_size=60).map("".join),
)
NAMES = st.one_of(st.sampled_from([*FORGED, "name", "email", "subject", "source", "phone"]), st.text(max_size=100))
FORMS = st.dictionaries(NAMES, TEXTS, max_size=12)
TITLES = st.one_of(st.just("New message: www.example.com"), TEXTS.filter(str.strip))


@pytest.mark.parametrize("kind", MEASURED)
@settings(max_examples=15, deadline=None)
@given(said=TEXTS, fields=FORMS, title=TITLES)
@example(said="Em\nail: x", fields={}, title="New message: www.example.com")
def test_whatever_is_sent_is_within_the_limit_holds_the_message_and_has_no_line_of_ours_but_ours(
    kind: str, said: str, fields: dict[str, str], title: str
) -> None:
    form = replace(told(**{**fields, "message": said}), title=title)
    for size, most in MEASURED[kind](form):
        assert size <= most
    shown = shown_by(kind, form)
    for line in shown.split("\n"):
        label, colon, _ = line.partition(":")
        if colon and not line.startswith("› ") and is_like(label, OURS):
            assert label in OURS
            assert [other for other in shown.split("\n") if other.startswith(f"{label}:")] == [line]
    if kind != "html" and said.strip():
        whole, seen = plain(multiline(said)), plain(unescape(shown))
        least = len(whole) if "Cut to fit. In full" not in shown else min(len(whole), 300)
        assert seen.startswith(whole[:least]), "the message comes first, and whole if it fits"


def plain(said: str) -> str:
    """A text without the marks of its lines, and without spaces, which a line that is broken has elsewhere."""
    return re.sub(r"[\s›]", "", said)


LONG = [
    *("a", "я", "<b>&"),
    *(pytest.param(piece, marks=pytest.mark.full) for piece in ("&", "*", "🚀", '"', "a\n", "\\")),
]


@pytest.mark.parametrize("kind", CUTTING)
@pytest.mark.parametrize("piece", LONG)
def test_what_is_too_long_uses_the_room_that_there_is_and_is_marked(kind: str, piece: str) -> None:
    form = replace(told(message=f"start {piece * 40_000}"), title=piece * 500)
    shown = shown_by(kind, form)
    assert shown.startswith("start")
    assert "…\n\nSite: www.example.com\n\n… Cut to fit. In full:" in shown or kind == "teams"
    assert any(size >= 0.93 * most for size, most in MEASURED[kind](form)), "the room is used"


@pytest.mark.parametrize("kind", CUTTING)
def test_what_is_much_too_long_takes_no_more_than_some_times_its_memory(kind: str) -> None:
    form = Notification("1", "T", "a\n" * 50_000)
    tracemalloc.start()
    shown_by(kind, form)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 25_000_000


def test_at_every_limit_the_message_is_cut_last_and_the_whole_text_is_within_it() -> None:
    words = "All of this is the message. " * 4 + "Yes."
    form = told(message=words, name="Ada " * 40, phone="1 " * 60, address="x" * 100)
    whole = lay_out(form)
    known = f"Name: {cut('Ada ' * 40, 80)}\nSite: www.example.com"
    shortest = "\n\n".join((words, known, f"› {CUT_MARK} and 2 more", NOTE))
    for most in range(len(shortest) - len(words) + 2, len(whole) + 2):
        text = lay_out(form, at_most(most))
        assert len(text) <= most
        assert (text == whole) is (most >= len(whole))
        assert text.endswith(NOTE) or text == whole
        assert text.startswith(f"{words}\n\n") is (most >= len(shortest))
        assert f" {CUT_MARK}" not in text.partition("\n")[0]
    text = lay_out(form, at_most(len(shortest) + 60))
    assert "› phone: 1 1 1" in text, "where the known fields are cut too"
    assert f"› {CUT_MARK} and 1 more\n" in text


def test_the_files_beside_a_body_of_ones_own_are_cut_before_the_message() -> None:
    files = tuple(NotifiedFile(f"photo-{number}.jpg", "image, 2.1 MB") for number in range(30))
    form = replace(told("{message}", message="The message."), files=files, files_at="./herald messages files")
    whole = lay_out(form)
    text = lay_out(form, at_most(len(whole) - 100))
    assert text.startswith("The message.\n\nFiles: “photo-0.jpg”")
    assert "\nGet them: ./herald messages files" in text
    assert len(text) < 400


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        *(("aaaaaaaaaa", ["aaaaaaaaaa"]), ("aaaaaaaaaa bb", ["aaaaaaaaaa", "bb"]), ("äöüäö ü", ["äöüäö", "ü"])),
        *(("aaaa bbbbb cccc", ["aaaa bbbbb", "cccc"]), ("aa bb cc dd ee", ["aa bb cc", "dd ee"])),
        *(("aaaaaaaaaaaa bb", ["aaaaaaaaaa", "aa bb"]), ("a bbbbbbbbbbbb", ["a", "bbbbbbbbbb", "bb"])),
        *(("ääääää b", ["äääää", "ä b"]), (" aaaaaaaaaaaa", [" aaaaaaaaa", "aaa"])),
        ("first\naaaaaaaaaaaa", ["first", "aaaaaaaaaa", "aa"]),
    ],
)
def test_a_long_line_is_broken_at_a_space_or_in_a_long_word_anywhere(written: str, lines: list[str]) -> None:
    composed = Parts(told(message=written), longest_line=10).compose()
    assert composed.split("\n") == [*lines, "", "Site:", "www.exampl", "e.com"]


def test_a_line_that_a_visitor_began_as_herald_does_is_marked_also_behind_spaces() -> None:
    assert lay_out(told(message="  › phone: 1")).startswith("›   › phone: 1\n")
    assert lay_out(told(message="\u200b… Cut to fit.")).startswith("› \u200b…")
    assert lay_out(told(message="... Cut to fit. In full: x")).startswith("› ...")


def test_the_last_character_of_the_first_plane_is_one_unit_and_the_next_are_two() -> None:
    limit = Limit("P", "p", 1, UTF_16, "", "")
    assert limit.fits("\uffff")
    assert not limit.fits("\U00010000")


def test_two_thousand_short_lines_are_within_what_teams_takes_and_four_thousand_quotes_within_ntfys() -> None:
    for kind, said in (("teams", "ab\n" * 2000), ("ntfy", '"' * 4096)):
        for size, most in MEASURED[kind](told(message=said)):
            assert size <= most


def test_a_provider_that_names_no_limit_gets_the_whole_text() -> None:
    unlimited = Limit("Gotify", "`message`", 0, CHARACTERS, "https://gotify.net/docs/pushmsg", "2026-11")
    assert unlimited.fits("a" * 100_000)
    assert unlimited.scaled(0.5).fits("a")
    assert not unlimited._replace(maximum=3).fits("long")


def test_what_reorders_a_text_is_dropped_and_so_are_line_breaks_around_it() -> None:
    assert multiline("\n\nXa\u202eb\nX\n") == "Xab\nX"
