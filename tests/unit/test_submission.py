"""What a form's fields mean, which of them are accepted, and the message that is made of them."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import replace

import pytest
from email_validator import validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import Problem, SubmissionError
from chalicelib.logic.duplicates import content_hash
from chalicelib.logic.form_body import JSON, Pairs, read
from chalicelib.logic.invoke_contract import MAX_ID
from chalicelib.logic.known_field_names import KNOWN_FIELDS, MEANINGS, SINGLE_LINE, Role
from chalicelib.logic.message import LATEST, MAX_ON_THE_BUS, Message, make_message_id
from chalicelib.logic.message_files import DeclaredFile
from chalicelib.logic.notification import from_contact
from chalicelib.logic.submission import MAX_NAME, Submission, classify_fields
from chalicelib.logic.validation import _PLAIN_ADDRESS, validate
from chalicelib.settings import Limits, Site
from tests.fakes import LIMITS, LONGEST, NOW, message, site
from tests.rehearsal import amount

SNS_LIMIT = 256 * 1024
"""https://docs.aws.amazon.com/sns/latest/api/API_Publish.html: 256 KB, attributes included."""

ALIASES = [(alias, it.field) for alias, it in MEANINGS.items() if it.role is Role.FIELD and it.field != alias]
HONEYPOTS = [name for name, it in MEANINGS.items() if it.role is Role.HONEYPOT]
RECIPIENTS = [name for name, it in MEANINGS.items() if it.role is Role.RECIPIENT]
SETTINGS = [name for name, it in MEANINGS.items() if it.role is Role.SETTING]


def accepted(pairs: Pairs, it: Site | None = None, limits: Limits = LIMITS) -> dict[str, str]:
    """What arrives of a submission that is valid, after the whole way to the published text and back."""
    sent = classify_fields(pairs)
    validate(sent, it or site(), limits)
    message = Message("id", "default", 0, sent.fields)
    return dict(Message.deserialize(message.serialize()).fields)


def refused(pairs: Pairs, it: Site | None = None, limits: Limits = LIMITS) -> SubmissionError:
    with pytest.raises(SubmissionError) as caught:
        accepted(pairs, it, limits)
    return caught.value


def named(error: SubmissionError) -> list[tuple[str, str]]:
    assert (error.status, error.code) == (422, "invalid")
    return [(problem.field, problem.code) for problem in error.problems]


UNSEEN = ("\u200b\u2060", "\u00a0\u3164", "\u2800\ufeff", "\u200d\ufe0f", "\u034f \u17b4", "\U000e0020\U000e0100")
BLANKS = ["", " ", "\t", "\n\n", "\u00a0", "\u2003", *UNSEEN]

# Sorting


def test_fields_stay_in_the_order_sent() -> None:
    pairs = [("phone", "1"), ("message", "Hi"), ("z", "2"), ("email", "a@example.com"), ("a", "3"), ("name", "Ada")]
    assert list(accepted(pairs).items()) == pairs


@pytest.mark.parametrize("name", ["phone", "id", "site", "received_at", "version", "Straße", "🚀", "a b"])
def test_a_field_that_nobody_knows_is_kept_as_it_is(name: str) -> None:
    assert accepted([("message", "Hi"), (name, "  a\tb\n c ")]) == {"message": "Hi", name: "  a\tb\n c "}


@pytest.mark.parametrize(("alias", "own"), ALIASES)
def test_an_alias_is_delivered_under_the_fields_own_name(alias: str, own: str) -> None:
    sent = classify_fields([("x", "1"), (alias, "a@example.com"), ("y", "2")])
    assert list(sent.fields.items()) == [("x", "1"), (own, "a@example.com"), ("y", "2")]
    assert sent.sent_as == {"x": "x", own: alias, "y": "y"}


@pytest.mark.parametrize(("alias", "own"), ALIASES)
def test_the_own_name_counts_where_both_stand(alias: str, own: str) -> None:
    for pairs in ([(own, "A"), (alias, "B")], [(alias, "B"), (own, "A")]):
        sent = classify_fields(pairs)
        # A second text of a visitor's is a field of the name that it was sent with.
        other = {alias: "B"} if own == "message" else {}
        assert sent.fields == {own: "A"} | other
        assert sent.sent_as[own] == own
        assert classify_fields([(name, "A") for name, _ in pairs]).fields == {own: "A"}, "and once is enough"


@pytest.mark.parametrize(("alias", "own"), ALIASES)
def test_the_alias_counts_only_where_the_own_name_is_empty(alias: str, own: str) -> None:
    for pairs in ([(own, ""), (alias, "B")], [(alias, "B"), (own, "")]):
        assert classify_fields(pairs).fields == {own: "B"}
    assert classify_fields([(alias, ""), (own, "A")]).fields == {own: "A"}
    assert classify_fields([(own, "A"), (alias, "")]).fields == {own: "A"}
    assert classify_fields([(alias, ""), (own, "")]).fields == {own: ""}


def test_of_two_aliases_the_first_that_says_something_counts() -> None:
    two = [("_replyto", "a@example.com"), ("replyto", "b@example.com")]
    assert classify_fields(two).fields == {"email": "a@example.com"}
    both = classify_fields([("msg", "A"), ("description", "B"), ("description", "C")])
    assert both.fields == {"message": "A", "description": "B, C"}
    assert both.sent_as == {"message": "msg", "description": "description"}
    assert classify_fields([("_replyto", ""), ("replyto", "b@example.com")]).fields == {"email": "b@example.com"}


@pytest.mark.parametrize("blank", BLANKS)
def test_a_name_whose_text_is_blank_leaves_its_field_to_another(blank: str) -> None:
    for first, second in (("message", "msg"), ("msg", "message"), ("msg", "description"), ("message", "message")):
        for pairs in ([(first, blank), (second, "Hi")], [(first, "Hi"), (second, blank)]):
            assert classify_fields(pairs).fields == {"message": "Hi"}, pairs
    assert classify_fields([("email", "a@example.com"), ("email", blank)]).fields == {"email": "a@example.com"}
    guessed = accepted([("Nachricht", blank), ("Kommentar", "Hi")])
    assert guessed["message"] == "Hi"


@pytest.mark.parametrize("name", ["colour", "message", "source", "name", "subject"])
def test_a_name_that_comes_more_than_once_is_joined_without_what_is_empty(name: str) -> None:
    pairs = [(name, "red"), ("other", "x"), (name, ""), (name, "blue"), (name, "red")]
    assert list(classify_fields(pairs).fields.items()) == [(name, "red, blue, red"), ("other", "x")]
    assert classify_fields([(name, ""), (name, "red")]).fields == {name: "red"}
    assert classify_fields([(name, ""), (name, "")]).fields == {name: ""}


@pytest.mark.parametrize("name", ["email", "_replyto"])
def test_of_an_address_that_comes_twice_the_last_counts(name: str) -> None:
    assert classify_fields([(name, "A"), (name, "B"), (name, "")]).fields == {"email": "B"}


def test_joined_values_are_measured_together() -> None:
    pairs = [("message", "Hi"), *[("colour", "x" * 600)] * 20]
    assert named(refused(pairs)) == [("colour", "too_large")]


@pytest.mark.parametrize("name", HONEYPOTS)
def test_a_honeypot_that_is_filled_is_a_signal_and_no_part_of_the_message(name: str) -> None:
    sent = classify_fields([(name, "http://spam.example"), ("message", "Hi"), (name, "again")])
    assert (sent.fields, sent.honeypot) == ({"message": "Hi"}, True)


@pytest.mark.parametrize("blank", ["", " ", "\t\r\n", "\u00a0"])
@pytest.mark.parametrize("name", HONEYPOTS)
def test_a_honeypot_that_is_blank_is_none(name: str, blank: str) -> None:
    sent = classify_fields([(name, blank), ("message", "Hi")])
    assert (sent.fields, sent.honeypot) == ({"message": "Hi"}, False)


@pytest.mark.parametrize("value", ["evil@example.com", ""])
def test_a_name_that_would_choose_who_hears_of_it_is_ignored_and_reported_once(value: str) -> None:
    pairs = [*((name, value) for name in RECIPIENTS), ("message", "Hi"), (RECIPIENTS[0], value)]
    sent = classify_fields(pairs)
    assert (sent.fields, sent.ignored_recipient_fields) == ({"message": "Hi"}, RECIPIENTS)
    assert "cc" in RECIPIENTS


def test_settings_of_other_services_are_ignored_in_silence() -> None:
    sent = classify_fields([*((name, "x") for name in SETTINGS), ("message", "Hi")])
    assert sent == Submission(fields={"message": "Hi"}, sent_as={"message": "message"})


@pytest.mark.parametrize("name", ["_next", "redirect", "redirectto", "_redirect"])
def test_where_the_visitor_wants_to_go_is_no_part_of_the_message(name: str) -> None:
    sent = classify_fields([(name, " https://www.example.com/a \n"), ("message", "Hi")])
    assert (sent.next, sent.fields) == ("https://www.example.com/a", {"message": "Hi"})


def test_the_language_of_the_answer_is_no_part_of_the_message() -> None:
    assert classify_fields([("_language", "de"), ("message", "Hi")]).fields == {"message": "Hi"}


def test_the_first_wish_that_says_something_counts() -> None:
    assert classify_fields([("_next", " "), ("redirect", "b"), ("_next", "c")]).next == "b"
    assert classify_fields([("_language", ""), ("_language", " de "), ("_language", "en")]).language == "de"


def test_nothing_sent_is_nothing_sorted() -> None:
    assert classify_fields([]) == Submission()


def test_lines_and_tabs_of_a_message_stay_and_every_line_break_is_a_newline() -> None:
    assert accepted([("message", "a\r\nb\rc\n\td\r\r\n")]) == {"message": "a\nb\nc\n\td\n\n"}
    assert accepted([("message", "Hi"), ("other", "a\r\nb")])["other"] == "a\nb"


@pytest.mark.parametrize("name", [name for name in SINGLE_LINE if name != "email"])
def test_space_around_a_single_line_field_is_dropped(name: str) -> None:
    assert accepted([("message", "Hi"), (name, " \r\n Ada \n")])[name] == "Ada"
    assert accepted([("message", "Hi"), ("email", " a@example.com\r\n")])["email"] == "a@example.com"


def test_space_around_a_message_stays() -> None:
    assert accepted([("message", "\n  code\n")]) == {"message": "\n  code\n"}


# What is required


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("name", [*KNOWN_FIELDS, "phone", "Any other"])
def test_a_required_field_that_is_blank_is_empty(name: str, blank: str) -> None:
    assert (name, "REQUIRED_FIELD_EMPTY") in named(refused([(name, blank)], site(required=(name,))))


@pytest.mark.parametrize("name", [*KNOWN_FIELDS, "phone", "Any other"])
def test_a_required_field_that_is_not_there_is_missing(name: str) -> None:
    others = [(other, "a@example.com") for other in [*KNOWN_FIELDS, "mobile"] if other != name]
    for pairs in (others, []):
        assert named(refused(pairs, site(required=(name,)))) == [(name, "REQUIRED_FIELD_MISSING")]


@pytest.mark.parametrize(
    "seen",
    [
        *("👍", "👩🏽\u200d🚀", "❤\ufe0f", "1\ufe0f\u20e3", "🇩🇪", "🏴\U000e0067\U000e0062\U000e007f", "\u200b."),
        *(
            "\u00a0\u0301",
            "न\u093f",
            "e\u0301",
            "한",
            "\u1112\u1161\u11ab",
            "می\u200cخواهم",
            "\u0600",
            "\ue000",
            "\U0001faea",
        ),
    ],
)
def test_a_text_in_which_anything_is_seen_is_filled(seen: str) -> None:
    assert accepted([("message", seen)], site(required=("message",))) == {"message": seen}


def test_what_is_required_may_come_under_another_name_and_is_named_as_it_was_sent() -> None:
    it = site(required=("message", "email"))
    fields = {"message": "Hi", "email": "a@example.com"}
    assert accepted([("description", "Hi"), ("_replyto", "a@example.com")], it) == fields
    empty = "REQUIRED_FIELD_EMPTY"
    assert named(refused([("description", " "), ("replyto", "")], it)) == [("description", empty), ("replyto", empty)]


@pytest.mark.parametrize("name", [*HONEYPOTS, *RECIPIENTS, *SETTINGS, "_next", "_language"])
def test_what_is_no_part_of_the_message_is_not_the_required_field(name: str) -> None:
    assert named(refused([(name, "x")])) == [("message", "REQUIRED_FIELD_MISSING")]


def test_a_field_that_is_not_required_may_be_missing_or_empty() -> None:
    assert accepted([("message", "Hi")]) == {"message": "Hi"}
    pairs = [("message", "Hi"), ("name", ""), ("email", ""), ("other", "")]
    assert accepted(pairs) == dict(pairs)
    assert accepted([("x", "")], site(required=())) == {"x": ""}


def test_every_field_at_fault_is_named_at_once_and_as_it_was_sent() -> None:
    pairs = [("form-name", "s" * 201), ("_replyto", "nobody"), ("message", " "), ("x", "x" * 10_241)]
    assert named(refused(pairs, site(required=("message", "phone")))) == [
        ("message", "REQUIRED_FIELD_EMPTY"),
        ("phone", "REQUIRED_FIELD_MISSING"),
        ("form-name", "too_long"),
        ("_replyto", "TYPE_EMAIL"),
        ("x", "too_large"),
    ]


# How long


@pytest.mark.parametrize("name", KNOWN_FIELDS)
@pytest.mark.parametrize("character", ["a", "я", "🚀"])
def test_the_longest_value_is_taken_and_one_character_more_is_422(name: str, character: str) -> None:
    longest = min(LONGEST[name], LIMITS.field_bytes // len(character.encode()))
    it = site(required=(), longest={name: longest})

    def value(length: int) -> str:
        end = "@a.example" if name == "email" else ""
        return character * (length - len(end)) + end

    if name != "email":  # Of addresses SMTP's own limit, in bytes, is reached before.
        assert len(accepted([(name, value(longest))], it)[name]) == longest
    error = refused([(name, value(longest + 1))], it)
    assert named(error) == [(name, "too_long")]
    assert error.problems[0].limit == longest


def test_how_long_a_field_may_be_is_the_sites_own() -> None:
    it = site(longest={"message": 3, "phone": 2})
    problems = refused([("message", "12 3"), ("phone", "123")], it).problems
    assert problems == (Problem("too_long", "message", 3), Problem("too_long", "phone", 2))
    assert accepted([("message", "123"), ("phone", "12"), ("other", "1234")], it)["other"] == "1234"


def test_an_alias_is_as_long_as_the_field_that_it_stands_for() -> None:
    assert named(refused([("description", "1234")], site(longest={"message": 3}))) == [("description", "too_long")]


@pytest.mark.parametrize("character", ["a", "я", "中", "🚀", '"', "\n"])
@pytest.mark.parametrize("name", ["other", "Telefon"])
def test_a_field_has_at_most_10_kib_as_utf_8(name: str, character: str) -> None:
    it = site(required=())
    most = LIMITS.field_bytes // len(character.encode())
    text = "x" * (LIMITS.field_bytes - most * len(character.encode())) + character * most
    assert accepted([(name, text)], it) == {name: text}
    error = refused([(name, text + "x")], it)
    assert named(error) == [(name, "too_large")]
    assert error.problems[0].limit == 10


def test_how_large_a_field_may_be_is_the_stages_own() -> None:
    error = refused([("message", "m"), ("other", "x" * 2049)], limits=LIMITS._replace(field_bytes=2048))
    assert error.problems == (Problem("too_large", "other", 2),)


@pytest.mark.parametrize("character", ["a", "я", "中", "🚀"])
def test_a_field_with_a_length_of_its_own_has_as_much_room_in_every_script(character: str) -> None:
    it = site(longest={"message": 10_240})
    assert accepted([("message", character * 10_240)], it)
    assert named(refused([("message", character * 10_241)], it)) == [("message", "too_long")]


# What characters

LINE_BREAKS = ["\n", "\r", "\r\n"]
OTHER_BREAKS = ["\t", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"]
INVISIBLE = ["\x00", "\x07", "\x08", "\x0e", "\x1b", "\x1c", "\x1f", "\x7f", "\x80", "\x9f"]


@pytest.mark.parametrize("line_break", [*LINE_BREAKS, *OTHER_BREAKS])
@pytest.mark.parametrize("name", ["source", "name", "subject", "_subject", "form-name"])
def test_a_break_of_any_kind_is_a_space_in_a_single_line_field(name: str, line_break: str) -> None:
    """Whether a script puts a header after it or a spreadsheet pastes it between words."""
    fields = accepted([("message", "Hi"), (name, f"Ada{line_break}Bcc: b@example.com{line_break}")])
    assert fields[MEANINGS[name].field] == "Ada Bcc: b@example.com"


@pytest.mark.parametrize("line_break", LINE_BREAKS)
def test_two_addresses_on_two_lines_are_none(line_break: str) -> None:
    error = refused([("message", "Hi"), ("email", f"a@example.com{line_break}b@example.com")])
    assert named(error) == [("email", "TYPE_EMAIL")]


@pytest.mark.parametrize("invisible", INVISIBLE)
@pytest.mark.parametrize("name", [*KNOWN_FIELDS, "other"])
def test_what_nobody_can_see_is_not_kept_and_no_reason_to_refuse(name: str, invisible: str) -> None:
    """It comes with what is pasted from a PDF or an office program, and whoever pastes it can't find it."""
    text = f"ada{invisible}@example.com{invisible}"
    assert accepted([(name, text)], site(required=()))[name] == "ada@example.com"


@pytest.mark.parametrize("page_break", ["\x0b", "\x0c", "\x85"])
def test_a_break_of_another_kind_is_a_line_break_in_a_text(page_break: str) -> None:
    assert accepted([("message", f"a{page_break}b\tc")]) == {"message": "a\nb\tc"}


def test_a_field_of_nothing_that_can_be_seen_is_empty() -> None:
    assert named(refused([("message", "\x00\x07 \x0c")])) == [("message", "REQUIRED_FIELD_EMPTY")]


@pytest.mark.parametrize("name", HONEYPOTS)
@pytest.mark.parametrize("text", ["", " ", "false", "False", "0"])
def test_a_box_that_nobody_ticked_is_no_filled_honeypot(name: str, text: str) -> None:
    """What scripts send of one, such as react-hook-form's of a registered check box."""
    assert not classify_fields([(name, text)]).honeypot
    assert classify_fields([(name, text), (name, "true")]).honeypot


# Ruff takes halves of characters for one and the same.
@pytest.mark.parametrize("name", [*KNOWN_FIELDS, "other"])
@pytest.mark.parametrize("lone", ["\ud800", "x\udfff", "x\ud83dx", "\ude80\ud83d"])
def test_half_a_surrogate_pair_is_refused_and_never_an_unexpected_error(name: str, lone: str) -> None:
    assert named(refused([(name, lone)], site(required=()))) == [(name, "TYPE_TEXT")]


@pytest.mark.parametrize("name", [
    "Ada Lovelace", "Юлия Ковальчук", "山田太郎", "محمد بن سلمان", "ศรีสุดา", "Nguyễn Thị Mỹ", "Nguyê\u0303n",
    "דוד בן־גוריון", "\u202bשלום\u202c Ada", "\u2067مرحبا\u2069", "O’Neill-Müller", "ᚠᚢᚦ", "👩🏽\u200d🚀 Sally",
    "👨‍👩‍👧‍👦",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "किरण", "X Æ A-12", "𐐷", "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>", "Robert'); DROP TABLE students;--", "\ue000\uffff",
])  # fmt: skip
def test_a_text_in_any_script_arrives_as_it_was_written(name: str) -> None:
    pairs = [("name", name), ("message", name), ("subject", name), (name, name)]
    assert accepted(pairs) == dict(pairs)


# Names of fields


@pytest.mark.parametrize(
    "name",
    ["", " ", "\u00a0", "\n", "a\nb", "a\r\nb", "a\tb", "a\x00b", "\x1b[31m", "a\x7f", "a\x85", "a\u2028b", "\ud800"],
)
def test_a_field_with_an_odd_name_is_kept_under_one_of_one_line(name: str) -> None:
    fields = accepted([("message", "Hi"), (name, "x"), (name, "y")])
    [kept] = set(fields) - {"message"}
    assert fields[kept] == "x, y"
    assert kept == " ".join(kept.split()) != ""
    assert kept.isprintable()


def test_a_field_without_a_name_is_called_so_and_is_no_other_field() -> None:
    hi = ("message", "Hi")
    assert accepted([hi, ("", "x"), ("unnamed", "y")]) == dict([hi, ("unnamed", "x"), ("unnamed (2)", "y")])
    assert accepted([hi, ("a\x07b\ud800", "x")]) == {"message": "Hi", "a b\ufffd": "x"}


@pytest.mark.parametrize("character", ["a", "я", "🚀"])
def test_the_longest_name_of_a_field_is_kept_and_a_longer_one_is_cut(character: str) -> None:
    pairs = [("message", "Hi"), (character * MAX_NAME, "x")]
    assert accepted(pairs) == dict(pairs)
    cut = f"{character * (MAX_NAME - 1)}…"
    questions = [(character * 150, "x"), (f"{character * 150}?", "y")]
    assert accepted([("message", "Hi"), *questions]) == {"message": "Hi", cut: "x", f"{cut} (2)": "y"}


# Names of forms that no service documents

MESSAGES = ["demo-message", "fields[message]", "your-message", "contact[body]", "comments", "Nachricht",
    "Ihre Nachricht", "mensaje", "Zpráva", "Сообщение", "お問い合わせ内容",
    "message[0][value]", "your-message-field", "your_message_input", "your message required",
    "et_pb_contact_message_0", "Message-2",
    "tx_form_formframework[contact-1][message]", "contactMessage"]  # fmt: skip
NAMED = ["demo-name", "fields[name]", "your-name", "contact[name]", "fullName", "user_name", "nom", "Jméno", "お名前"]
ADDRESSES = [
    "demo-email", "form_fields[email]", "your-email", "E-Mail-Adresse", "jform[contact_email]", "correo", "Mail",
]  # fmt: skip
SUBJECTS = ["your-subject", "Betreff", "contact[subject]", "件名"]


@pytest.mark.parametrize(
    ("own", "name"),
    [(own, name) for own, names in (("message", MESSAGES), ("name", NAMED), ("email", ADDRESSES), ("subject", SUBJECTS))
     for name in names],
)  # fmt: skip
def test_a_name_of_a_family_is_the_field_that_it_says(own: str, name: str) -> None:
    text = "ada@example.com" if own == "email" else "Hi"
    sent = classify_fields([("other", "x"), (name, text)])
    assert (sent.fields, sent.sent_as) == ({"other": "x", own: text}, {"other": "other", own: name})


@pytest.mark.parametrize(
    "name",
    ["company-name", "last-name", "first_name", "username", "event-name", "confirm-email", "billing_email", "phone",
     "postal-mail", "demo-category", "entry.123", "input_1", "text-1", "message-type", "email-consent"],
)  # fmt: skip
def test_a_name_that_says_more_stays_a_field_of_its_own(name: str) -> None:
    assert accepted([(name, "a@example.com")], site(required=())) == {name: "a@example.com"}


def test_no_two_fields_are_made_one_and_the_surest_name_counts() -> None:
    first, rest = [("inquiry", "Sales")], [("contact-name", "Eve"), ("mail", "by post")]
    pairs = [*first, ("comments", "Hi"), ("your-name", "Ada"), *rest]
    assert accepted(pairs) == dict([*first, ("message", "Hi"), ("name", "Ada"), *rest])
    assert accepted([("Nachricht", " "), ("comments", "Hi")]) == {"Nachricht": " ", "message": "Hi"}
    assert accepted([("message", "Hi"), ("your-name", "Ada\nLovelace")]) == {"message": "Hi", "name": "Ada Lovelace"}
    two = classify_fields([("message", "a"), ("comments", "b"), ("Comments", "c"), ("comments", "d")])
    assert two.fields == {"message": "a", "comments": "b, d", "Comments": "c"}
    assert two.sent_as == {"message": "message", "comments": "comments", "Comments": "Comments"}
    own = [("your-message", "a"), ("message", "b"), ("your-email", "c@example.com"), ("_replyto", "d@example.com")]
    assert accepted(own) == dict([*own[:3], ("email", "d@example.com")])


def test_where_any_text_counts_as_an_address_all_else_is_still_looked_at() -> None:
    sent = classify_fields([("email", "n/a"), ("name", "x" * 201), ("message", "Hi")])
    with pytest.raises(SubmissionError) as caught:
        validate(sent, site(), LIMITS, accepts_any_text_as_email=True)
    assert named(caught.value) == [("name", "too_long")]


def test_an_address_of_a_script_from_right_to_left_loses_the_marks_that_nobody_sees() -> None:
    address = accepted([("message", "Hi"), ("email", "דוד\u200f@example.com")])["email"]
    assert address == "דוד@example.com"


def test_what_is_wrong_is_named_as_the_form_has_it() -> None:
    sent = {"your-message": " ", "your-email": "ada@", "your-name": "x" * 201}
    codes = ["REQUIRED_FIELD_EMPTY", "TYPE_EMAIL", "too_long"]
    assert named(refused(list(sent.items()))) == list(zip(sent, codes, strict=True))


@pytest.mark.parametrize(
    ("name", "text"),
    [("submit", "Send message"), ("contact-submit", "Send"), ("submit_button", "OK"), ("action", "contact_form"),
     ("submit", "S" * 60),
     ("csrf_token", "a1B2-"), ("_token", "x"), ("csrfmiddlewaretoken", "x"), ("authenticity_token", "a+b/c=="),
     ("_wpnonce", "0f"), ("_wpcf7_unit_tag", "wpcf7-f1-o1"), ("g-recaptcha-response-100000", "03A"), ("utf8", "✓"),
     ("gform_unique_id", ""), ("tx_form_formframework[contact-1][__state]", "TzoxO"), ("frc-captcha-solution", "a.b")],
)  # fmt: skip
def test_a_forms_machinery_is_no_field(name: str, text: str) -> None:
    assert accepted([("message", "Hi"), (name, text)]) == {"message": "Hi"}


@pytest.mark.parametrize(
    ("name", "text"),
    [("action", "Donate"), ("action", "I want to complain"), ("submit", "Please do\nso"), ("token", "of my affection"),
     ("_token", "two words"), ("captcha", "7"), ("send", "yes"),
     ("submit", "S" * 61), ("state", "CA"), ("form_type", "complaint")],
)  # fmt: skip
def test_what_a_person_may_have_typed_is_never_dropped(name: str, text: str) -> None:
    assert accepted([("message", "Hi"), (name, text)]) == {"message": "Hi", name: text}


# Addresses


@pytest.mark.parametrize("address", [
    "a@example.com", "A.B@Example.COM", "first.last+tag@sub.example.co.uk", "user@münchen.example",
    "user@xn--mnchen-3ya.example", "用户@例子.广告", "юлия@пример.рф", "أحمد@مثال.إختبار", "o'neill@example.com",
    "a_b-c!#$%&*/=?^`{|}~@example.com", "1@2.example", "a@mail.test",
])  # fmt: skip
@pytest.mark.parametrize("name", ["email", "_replyto", "replyto"])
def test_an_address_that_mail_can_reach_is_taken_as_it_was_written(name: str, address: str) -> None:
    assert accepted([("message", "Hi"), (name, address)])["email"] == address


@pytest.mark.parametrize("address", ["us..er@docomo.ne.jp", "user.@ezweb.ne.jp", ".a@example.com"])
def test_an_address_that_browsers_take_and_carriers_gave_out_is_kept_without_a_reply_to(address: str) -> None:
    fields = accepted([("message", "Hi"), ("email", address)])
    assert fields["email"] == address
    assert from_contact(message(**fields)).reply_to == ""
    assert from_contact(message(email="a.b@example.com")).reply_to == "a.b@example.com"


@pytest.mark.parametrize("hidden", ["\ufeff", "\u200b", "\u202a", "\u202c", "\u2060", "\u2066", "\u00ad", "\u200e"])
def test_what_formats_and_is_not_seen_is_dropped_from_an_address(hidden: str) -> None:
    fields = accepted([("message", f"a{hidden}"), ("email", f"{hidden}ada@exam{hidden}ple.com{hidden}")])
    assert fields == {"message": f"a{hidden}", "email": "ada@example.com"}


def test_joiners_and_marks_of_a_direction_stay_in_a_name() -> None:
    name = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f4bb\u200f"
    assert accepted([("message", "Hi"), ("name", f"\ufeff{name}")])["name"] == name
    assert accepted([("message", "Hi"), ("name", "\u202aAda\u202c")])["name"] == "Ada"


@pytest.mark.parametrize("address", [
    "nobody", "@", "@example.com", "a@", "a@b", "a@localhost", "a@printer.local", "a@b@example.com", "a b@example.com",
    "a@exa mple.com", "a@.com", "a@example.", "a@example.com.", "a@example..com", ".@example.com", "a@-example.com",
    "a@example-.com", "a@exa_mple.com", "a@127.0.0.1", "a@[127.0.0.1]", "a@[IPv6:::1]", '"a b"@example.com',
    "a(comment)@example.com", "Ada <a@example.com>", "<a@example.com>", "mailto:a@example.com",
    "a@example.com, b@example.com", "a@example.com;b@example.com", "a,b@example.com", "a@🚀.example", "a@xn--.example",
    "a@xn--a.example", "a@" + "x" * 64 + ".com", "\u0301@example.com", "<script>@example.com",
])  # fmt: skip
@pytest.mark.parametrize("name", ["email", "_replyto"])
def test_what_is_no_address_is_422(name: str, address: str) -> None:
    assert named(refused([("message", "Hi"), (name, address)])) == [(name, "TYPE_EMAIL")]


PLAIN = re.compile(_PLAIN_ADDRESS, re.IGNORECASE | re.ASCII)
LIKELY = st.text("ab1_.+-", max_size=70)
LABEL = st.text("ab1-", max_size=65) | st.sampled_from(
    ["xn", "local", "test", "com", "co", "invalid", "x" * 63, "a1-b2"]
)


@pytest.mark.rehearse("2,000 addresses", "an address that is taken without the library, and that it would refuse")
@settings(max_examples=amount(100, 2_000), deadline=None)
@given(st.builds("{}@{}".format, LIKELY, st.lists(LABEL, max_size=6).map(".".join)) | st.from_regex(PLAIN))
def test_an_address_that_the_library_need_not_be_asked_about_is_one_to_the_library(address: str) -> None:
    if PLAIN.fullmatch(address):
        validate_email(address, check_deliverability=False, test_environment=True)


def test_nearly_everybodys_address_is_accepted_without_the_library() -> None:
    """It would make the first request of a cold function a fifth longer."""
    for address in ("ada@example.com", "Ada.Lovelace+news@mail.example.co.uk", "ada_1@sub-domain.example.org"):
        assert PLAIN.fullmatch(address)
    assert not PLAIN.fullmatch(f"{'a' * 65}@example.com"), "RFC 5321, 4.5.3.1.1"


def test_the_address_alone_is_looked_at_as_one() -> None:
    assert accepted([("message", "Hi"), ("work-email", "nobody")])["work-email"] == "nobody"
    assert refused([("message", "Hi"), ("Email", "nobody")]).problems == (Problem("TYPE_EMAIL", "Email"),)


# Privacy


@pytest.mark.parametrize(
    "pairs",
    [
        [("name", "MARKER\nMARKER"), ("message", "MARKER" * 2000), ("email", "MARKER"), ("source", "MARKER" * 50)],
        [("MARKER\n", "MARKER"), ("MARKER" * 20, "MARKER")],
        [("message", "MARKER" * 2000), ("_gotcha", "MARKER"), ("_next", "MARKER"), ("_cc", "MARKER")],
    ],
)
def test_nothing_of_what_was_sent_is_echoed(pairs: Pairs) -> None:
    error = refused(pairs)
    said = " ".join([str(error), error.code, *(f"{each.code} {each.field} {each.limit}" for each in error.problems)])
    assert "marker" not in said.lower()


# How large the message may become

CHARACTERS = ['"', "\\", "я", "中", "🚀", "\n", "\t", "\u2028", "a", "\x00", "\x07"]


def published_or_status(pairs: Pairs, limits: Limits = LIMITS) -> tuple[str, int]:
    sent = classify_fields(pairs)
    try:
        validate(sent, site(required=(), longest={"message": 65_536}), limits)
        return Message("i" * 36, "s" * 20, NOW, sent.fields).serialize(), 0
    except SubmissionError as error:
        return "", error.status


def fits(published: str) -> None:
    assert len(published.encode()) <= SNS_LIMIT - 1024
    in_envelope = json.dumps({"Records": [{"Sns": {"Message": published}}]}, ensure_ascii=False)
    assert len(in_envelope.encode()) <= SNS_LIMIT - 8 * 1024


@pytest.mark.parametrize("character", CHARACTERS)
def test_a_full_body_of_any_one_character_is_either_refused_or_fits_sns_and_the_bus(character: str) -> None:
    """64 KiB of it, as JSON with every escape and as it stands: 413 or 422, or small enough in every envelope."""
    room = LIMITS.body_bytes - len('{"message": ""}')
    written = json.dumps(character, ensure_ascii=False)[1:-1]
    for count in (room // len(written.encode()), LONGEST["message"], LIMITS.field_bytes // len(character.encode())):
        body = json.dumps({"message": character * count}, ensure_ascii=False).encode()
        published, status = published_or_status(read(JSON, body, LIMITS._replace(body_bytes=LIMITS.body_bytes * 6)))
        if status:
            assert status in (413, 422)
        else:
            fits(published)


@pytest.mark.parametrize("character", CHARACTERS)
@pytest.mark.parametrize("count", [1, 10, 23, 25, 50])
def test_fields_of_10_kib_of_any_one_character_fit_or_are_413(character: str, count: int) -> None:
    """No body of 64 KiB holds as much; should the limits be set higher, SNS must not be what refuses."""
    text = character * (LIMITS.field_bytes // len(character.encode()))
    published, status = published_or_status([(f"field {number}", text) for number in range(count)])
    if character in "\x00\x07":
        assert not status, "nothing is left of it"
        return
    if status:
        assert status == 413
        # A quotation mark or backslash is four characters inside two layers of JSON, a line break or tab three.
        as_long = {'"': 4, "\\": 4, "\n": 3, "\t": 3}.get(character, 1) * len(text.encode())
        assert count * as_long > MAX_ON_THE_BUS - 2048
    else:
        fits(published)
    assert status or count < 50


@pytest.mark.parametrize("character", ['"', "\\", "я", "🚀", "a"])
def test_the_names_of_fields_count_too(character: str) -> None:
    pairs = [(f"{number:03}" + character * (MAX_NAME - 3), "x") for number in range(200)]
    published, status = published_or_status([*pairs, ("message", "x" * LIMITS.field_bytes)])
    assert status == 0
    fits(published)


@pytest.mark.parametrize("character", ['"', "\\", "я", "🚀", "\n", "\x00", "a"])
def test_a_message_is_413_exactly_when_it_is_too_large_inside_an_envelope(character: str) -> None:
    def enveloped(text: str) -> int:
        return len(json.dumps(text, ensure_ascii=False).encode())

    empty = enveloped(Message("id", "default", 0, {"message": ""}).serialize())
    each = enveloped(json.dumps(character, ensure_ascii=False)[1:-1]) - 2
    most = (MAX_ON_THE_BUS - empty) // each
    text = Message("id", "default", 0, {"message": character * most}).serialize()
    assert enveloped(text) <= MAX_ON_THE_BUS < enveloped(text) + each
    with pytest.raises(SubmissionError) as caught:
        Message("id", "default", 0, {"message": character * (most + 1)}).serialize()
    assert caught.value.status == 413


WHOLE = {"version": 1, "id": "id-1", "site": "default", "received_at": NOW, "fields": {"message": "Hi"}}


def test_the_published_text_is_version_1_of_the_contract_and_comes_back() -> None:
    message = Message("id-1", "default", NOW, {"message": "Hi"})
    assert json.loads(message.serialize()) == WHOLE
    assert Message.deserialize(message.serialize()) == message


@pytest.mark.parametrize("text", [
    "secret words", '{"message": "secret words', "", "null", "[]", "{}", json.dumps(WHOLE | {"version": 2}),
    *(json.dumps({key: WHOLE[key] for key in WHOLE if key != missing}) for missing in WHOLE),
])  # fmt: skip
def test_what_is_no_message_is_a_value_error_that_never_quotes_it(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Message.deserialize(text)
    assert "secret" not in str(caught.value)


def test_json_that_is_nested_too_deeply_is_said_to_be() -> None:
    with pytest.raises(ValueError, match=r"^expected JSON that is not nested so deeply$"):
        Message.deserialize("[" * 99_999)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"received_at": "secret words"}, "not a complete message: ValueError"),
        ({"received_at": ["secret words"]}, "not a complete message: TypeError"),
        ({"received_at": None}, "not a complete message: TypeError"),
        ({"received_at": "9" * 5000 + "secret words"}, "not a complete message: ValueError"),
        ({"received_at": float("inf")}, "not a complete message: OverflowError"),
        ({"fields": "secret words"}, "not a complete message: AttributeError"),
        ({"fields": ["secret words"]}, "not a complete message: AttributeError"),
        *(({"signals": signals}, "not a complete message: TypeError") for signals in (None, 7, True)),
        ({"version": "secret words"}, "expected a message of version 1"),
    ],
)
def test_what_is_wrong_with_a_message_is_said_without_quoting_it(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$") as caught:
        Message.deserialize(json.dumps(WHOLE | {"fields": {"message": "secret words"}} | changes))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__, "nor does its traceback"


def test_a_message_with_everything_is_short_json_and_comes_back() -> None:
    ref = DeclaredFile("a.jpg", "image/jpeg", 4, "ab")
    everything = Message(
        "id", "shop", NOW, {"message": "Hü"}, ("honeypot",), True, "s", "c", "n", ("origin",), "t", (), (ref,), "de"
    )
    text = everything.serialize()
    assert text == (
        f'{{"version":1,"id":"id","site":"shop","received_at":{NOW},"fields":{{"message":"Hü"}},"signals":["honeypot"],'
        '"has_idempotency_key":true,"sender_hash":"s","solved_challenge":"c","network_hash":"n","evidence":["origin"],'
        '"captcha":"t","files":[{"name":"a.jpg","type":"image/jpeg","size":4,"sha256":"ab"}],"language":"de"}'
    )
    assert Message.deserialize(text) == everything


@pytest.mark.parametrize(("change", "taken"), [
    ({"id": "i" * MAX_ID, "site": "s" * MAX_ID}, True), ({"id": "i", "site": "s", "received_at": 0}, True),
    ({"id": "i" * (MAX_ID + 1)}, False), ({"site": "s" * (MAX_ID + 1)}, False), ({"id": ""}, False),
    ({"site": ""}, False), ({"received_at": LATEST}, True),
])  # fmt: skip
def test_ids_have_bounds(change: dict[str, object], taken: bool) -> None:
    text = json.dumps(WHOLE | change)
    if taken:
        message = Message.deserialize(text)
        assert (message.has_idempotency_key, message.signals, message.captcha, message.language) == (False, (), "", "")
    else:
        with pytest.raises(ValueError, match=r"^not a complete message: ValueError$"):
            Message.deserialize(text)


@pytest.mark.parametrize("received_at", [-1, LATEST + 1, NOW * 1000, 1e300])
def test_a_time_beyond_our_calendar_is_refused_saying_what_is_right(received_at: float) -> None:
    """JavaScript's ``Date.now()`` gives milliseconds."""
    with pytest.raises(ValueError, match=rf"^received_at: expected seconds .*, not milliseconds: 0 to {LATEST}$"):
        Message.deserialize(json.dumps(WHOLE | {"received_at": received_at}))


# Content, and the ids made of it


def said(it: Message) -> str:
    return content_hash(it.site, it.fields)


def test_the_same_site_and_fields_are_the_same_content_whatever_else_differs() -> None:
    one, other = message("id-1", name="Ada", message="Hi"), message("id-2", name="Ada", message="Hi")
    other = replace(other, received_at=NOW + 500, signals=("honeypot",), sender_hash="s", solved_challenge="p")
    assert said(one) == said(replace(other, has_idempotency_key=True))


def test_another_order_site_name_or_text_is_another_content() -> None:
    them = [
        message(name="Ada", message="Hi"), message(message="Hi", name="Ada"),
        message(site="shop", name="Ada", message="Hi"), message(name="Ada", message="Hi "),
        message(name="Ada", message="hi"), message(name="ada", message="Hi"), message(Name="Ada", message="Hi"),
        message(message="Hi"), message(name="", message="Hi"), message(name="Ada"),
        message(name="Ada", message="Hi", more=""),
    ]  # fmt: skip
    assert len({said(it) for it in them}) == len(them)


@pytest.mark.parametrize(("one", "other"), [
    ({"a": "b", "c": "d"}, {"a": "bcd"}), ({"a": "b", "c": "d"}, {"ab": "cd"}),
    ({"a": 'b", "c": "d'}, {"a": "b", "c": "d"}), ({"a": 'b"], ["c", "d'}, {"a": "b", "c": "d"}),
    ({"a": "b\nc"}, {"a": "b\\nc"}), ({"a": "b\x00c"}, {"a": "bc"}), ({"a": "é"}, {"a": "\\u00e9"}),
    ({"a": "é"}, {"a": "e\u0301"}), ({"": "a"}, {"a": ""}),
    ({"message": "\ud800"}, {"message": "\udfff"}),
])  # fmt: skip
def test_no_separator_in_a_field_makes_two_contents_one(one: dict[str, str], other: dict[str, str]) -> None:
    assert content_hash("default", one) != content_hash("default", other)


def test_of_a_content_nothing_is_legible() -> None:
    found = content_hash("default", {"message": "MARKER"})
    assert "MARKER" not in found
    assert len(found) == 64


KEY = "0e2d6f0a-77f8-4b49-9a0c-6a1f6c4f7f11"
HELLO = {"name": "Ada", "message": "Hello"}


def test_the_same_message_under_the_same_key_has_the_same_id_on_any_day_and_in_any_release() -> None:
    assert make_message_id("default", KEY, HELLO) == make_message_id("default", KEY, dict(HELLO))
    assert make_message_id("default", "k", {"message": "Hi"}) == str(
        uuid.uuid5(
            uuid.UUID("6f0c5dd4-6d35-4b8e-9d1f-0f8b5f3f5b62"),
            "default\nk\n" + hashlib.sha256(b'["default", [["message", "Hi"]]]').hexdigest(),
        )
    )


def test_another_message_under_the_same_key_is_another_message() -> None:
    ids = {
        make_message_id("default", KEY, fields)
        for fields in (HELLO, HELLO | {"message": "Hello again"}, HELLO | {"Phone": "1"}, {"message": "Hello"}, {})
    }
    assert len(ids) == 5


def test_another_key_or_another_site_is_another_message() -> None:
    assert len({make_message_id(name, key, HELLO) for name in ("default", "shop") for key in (KEY, KEY[:-1], "k")}) == 6


def test_no_key_can_be_written_so_that_it_is_taken_for_another_site_or_text() -> None:
    assert make_message_id("a", "b\nc", HELLO) != make_message_id("a\nb", "c", HELLO)
    assert make_message_id("a", f"k\n{content_hash('a', HELLO)}", {}) != make_message_id("a", "k", HELLO)


def test_without_a_key_each_message_has_an_id_of_its_own() -> None:
    assert len({make_message_id("default", "", HELLO) for _ in range(9)}) == 9
