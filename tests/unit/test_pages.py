"""The page for browsers without JavaScript: mistakes beside their fields, nothing lost, nothing unescaped."""

from __future__ import annotations

import re

import pytest

from chalicelib.errors import Problem, SubmissionError
from chalicelib.logic.error_page import POLICY, make_fragment, make_page
from chalicelib.logic.form_body import JSON, Pairs, read
from chalicelib.logic.known_field_names import MEANINGS, Role
from chalicelib.logic.submission import classify_fields
from chalicelib.logic.validation import validate
from chalicelib.texts import LANGUAGES, texts
from tests.error_page import Page, value_of
from tests.fakes import LIMITS, site

EN = texts("en")


def page(pairs: Pairs, *problems: Problem, code: str = "invalid", language: str = "en", limit: int = 0) -> Page:
    error = SubmissionError(422, code, *problems, limit=limit)
    return Page(make_page(error, pairs, texts(language), language))


def page_of(pairs: Pairs, *required: str) -> Page:
    """The page of what is wrong with a submission, whatever that is."""
    with pytest.raises(SubmissionError) as caught:
        validate(classify_fields(pairs), site(required=required or ("message",)), LIMITS)
    return Page(make_page(caught.value, pairs, EN, "en"))


# Within another page


def test_what_was_wrong_is_shown_within_another_page_with_what_was_typed() -> None:
    problems = (Problem("TYPE_EMAIL", "email"), Problem("REQUIRED_FIELD_MISSING", "b&c"))
    typed = [("email", "<nobody>"), ("name", ""), ("source", "home"), ("_token", "two words"), ("_token", "x")]
    head = (
        '<div class="herald-refused" role="alert" lang="en" dir="ltr">'
        "<style>.herald-refused~.herald-refused{display:none}</style>"
        f"<p><strong>{EN['page_title']}.</strong> {EN['invalid']}</p>"
    )
    listed = f"<ul><li>{EN['email']}: {EN['TYPE_EMAIL']}</li><li>b&amp;c: {EN['REQUIRED_FIELD_MISSING']}</li></ul>"
    style = 'dir="auto" style="white-space:pre-wrap"'
    kept = (
        f"<details><summary>{EN['page_typed']}</summary><dl><dt>{EN['email']}</dt><dd {style}>&lt;nobody&gt;</dd>"
        f"<dt>_token</dt><dd {style}>two words</dd></dl></details>"
    )
    error = SubmissionError(422, "invalid", *problems)
    assert make_fragment(error, typed, EN, "en") == f"{head}{listed}{kept}</div>"
    assert make_fragment(SubmissionError(422, "invalid"), [], EN, "en") == f"{head}</div>"
    assert 'lang="he" dir="rtl"' in make_fragment(error, typed, EN, "he")


def test_a_field_for_files_names_its_mistake_and_is_the_first_to_mend_where_no_text_is_at_fault() -> None:
    files = [Problem("TOO_MANY_FILES", name, 2) for name in "bc"]
    for problems, focus in (files, ["b"]), ([Problem("too_long", "message", 1), *files], ["message"]):
        typed = [("message", "Hi")]
        it = Page(make_page(SubmissionError(422, "invalid", *problems), typed, EN, "en", file_fields=("a", "b", "c")))
        assert it.focus == focus
        assert list(it.errors) == [problem.field for problem in problems]
        assert (it.errors["b"], it.general) == ("At most 2 files, please.", [])


def test_its_button_can_be_told_where_colours_are_the_readers_own() -> None:
    [style] = page([("message", "")]).top.all("style")
    assert "@media(forced-colors:active){button{border:1px solid}}" in style.said()


# Structure


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_whole_and_in_its_language(language: str) -> None:
    error = SubmissionError(422, "invalid", Problem("TYPE_EMAIL", "email"))
    html = make_page(error, [("email", "nobody"), ("message", "Hi")], texts(language), language)
    assert html.startswith("<!doctype html>")
    it = Page(html)
    [root] = it.top.children
    assert (root.tag, root.attributes) == ("html", {"lang": language, "dir": "ltr"})
    assert [each.tag for each in root.children] == ["head", "body"]
    [title] = it.top.all("title")
    [heading] = it.top.all("h1")
    assert title.said() == heading.said() == texts(language)["page_title"]
    assert len(it.top.all("main")) == len(it.top.all("form")) == len(it.top.all("button")) == 1
    assert [each.attributes for each in it.top.all("meta")] == [
        {"charset": "utf-8"},
        {"name": "viewport", "content": "width=device-width, initial-scale=1"},
        {"name": "robots", "content": "noindex"},
    ]
    assert root.children[0].text == ""
    assert it.top.all("form")[0].attributes == {"method": "post"}, "back to where it was sent"
    assert it.top.all("button")[0].said() == texts(language)["send"]
    assert texts(language)["TYPE_EMAIL"] in it.top.said()


def test_a_page_from_right_to_left_says_so_and_what_was_typed_has_its_own_direction() -> None:
    hebrew = {**EN, "page_title": "ההודעה שלך לא נשלחה"}
    for code in ("invalid", "unavailable", "forbidden_origin"):
        typed = [("email", "ada@example.com"), ("message", "שלום")]
        it = Page(make_page(SubmissionError(422, code), typed, hebrew, "he"))
        [root] = it.top.children
        assert root.attributes == {"lang": "he", "dir": "rtl"}
        assert {control.attributes["dir"] for control in (it.control("email"), it.control("message"))} == {"auto"}


def test_nothing_runs_and_nothing_is_loaded_from_elsewhere() -> None:
    it = page([("message", "<script>alert(1)</script>")], Problem("too_long", "message", 3))
    for tag in ("script", "link", "img", "iframe", "object", "svg", "a", "base"):
        assert it.top.all(tag) == [], tag
    [style] = it.top.all("style")
    assert "url(" not in style.said()
    assert "@import" not in style.said()
    assert not re.search(r"\b(href|src|action|on\w+)=", make_page(SubmissionError(404, "FORM_NOT_FOUND"), [], EN, "en"))
    assert "default-src 'none'" in POLICY
    assert "script-src" not in POLICY


# Escaping

HOSTILE = [
    "<script>alert(1)</script>", "</textarea><script>alert(1)</script>", "\n</TEXTAREA ><img src=x onerror=alert(1)>",
    "</title></style></form><svg/onload=alert(1)>", '"><script>alert(1)</script>', "'><script>alert(1)</script>",
    '" autofocus onfocus="alert(1)', "' onmouseover='alert(1)", '" type="hidden', "&lt;script&gt;",
    "&amp;&#60;&#x3c;&quot;&nbsp;&copy", "<!-- --> <![CDATA[ ]]> <?php ?>", "javascript:alert(1)",
    "{limit} {0} {} %s %(limit)s {limit.__class__}", "`${alert(1)}`", "\\u003cscript\\u003e", "＜script＞",
    "x" * 81 + "</textarea>",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", ["name", "email", "message", "subject", "source", "other", "_next", "_gotcha"])
def test_what_was_typed_is_text_and_kept(name: str, text: str) -> None:
    pairs = [(name, text), ("tail", "end")]
    is_field = name not in MEANINGS or MEANINGS[name].role is Role.FIELD
    for problems in ([], [Problem("too_long", name, 3)] if is_field else []):
        it = page(pairs, *problems)
        assert it.sent_again == pairs
        assert {each.tag for each in it.top.all("main")[0].children} <= {"h1", "p", "form"}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("text", ["x", "a\nb"])
def test_a_fields_name_is_text_and_kept(name: str, text: str) -> None:
    pairs = [(name, text), ("tail", "end")]
    it = page(pairs, Problem("TYPE_TEXT", name))
    assert it.sent_again == pairs
    assert it.label(it.controls[0]) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_problem_of_a_field_that_is_not_there_is_text(name: str) -> None:
    for pairs in ([("message", "Hi")], []):
        it = page(pairs, Problem("NO_FILE_UPLOADS", name))
        assert EN["NO_FILE_UPLOADS"] in it.top.said()
        assert {each.tag for each in it.top.all("main")[0].children} <= {"h1", "p", "form"}


# Nothing lost


@pytest.mark.parametrize("text", [
    "", " ", "  both ends  ", "\n", "\n\n", "\nfirst line empty", "last line empty\n", "a\nb\n\n c\td", "x" * 10_000,
    "x" * 79, "x" * 80, "x" * 81, "Юлия 山田太郎 👩🏽\u200d🚀", "\u202bשלום\u202c", "\u00a0\u2003",
])  # fmt: skip
@pytest.mark.parametrize("name", ["message", "name", "email", "other", "_next", "form-name", "access_key"])
def test_what_was_typed_is_kept_exactly(name: str, text: str) -> None:
    assert page([(name, text)], Problem("TYPE_TEXT", "")).sent_again == [(name, text)]


def test_every_field_is_kept_in_the_order_sent_and_names_that_come_twice_too() -> None:
    pairs = [("colour", "red"), ("message", "Hi"), ("colour", "blue"), ("_next", "/x"), ("colour", "red"), ("z", "")]
    it = page(pairs, Problem("TYPE_EMAIL", "email"))
    assert it.sent_again[: len(pairs)] == pairs
    identifiers = [each.attributes["id"] for each in it.controls if "id" in each.attributes]
    assert len(identifiers) == len(set(identifiers))


HIDDEN = [name for name, it in MEANINGS.items() if it.role is not Role.FIELD]


@pytest.mark.parametrize("name", [*HIDDEN, "source", "form-name", "_url"])
def test_what_the_page_set_and_nobody_typed_stays_hidden(name: str) -> None:
    it = page([("message", "Hi"), (name, "x")], Problem("too_long", "message", 1))
    assert it.control(name).attributes == {"type": "hidden", "name": name, "value": "x"}
    assert it.top.all("form")[0].text == ""


@pytest.mark.parametrize(("text", "kind"), [("x", "hidden"), ("two words", "text")])
def test_a_token_at_fault_stays_hidden_unless_somebody_typed_it(text: str, kind: str) -> None:
    it = page([("_token", text), ("message", "")], Problem("too_long", "_token", 1))
    assert it.control("_token").attributes["type"] == kind


def test_a_field_at_no_fault_is_a_plain_one_and_of_two_for_the_same_one_is_called_so() -> None:
    pairs = [("message", "Hi"), ("name", "Ada"), ("your-message", "x\ny"), ("your-name", "x" * 81)]
    it = page(pairs, Problem("too_long", "message", 1))
    plain = {"id": "f1", "type": "text", "name": "name", "value": "Ada", "dir": "auto"}
    assert it.control("name").attributes == plain
    assert it.top.all("form")[0].text == "", "nothing stands between the fields"
    assert [it.label(each) for each in it.controls] == ["Message", "Name", "your-message", "your-name"]


@pytest.mark.parametrize(("name", "value"), [("colour", "red"), ("agree", "on"), ("day", "2026-11-28"), ("seats", "2")])
def test_a_choice_a_date_or_a_number_stays_as_it_was_unless_it_is_at_fault(name: str, value: str) -> None:
    """In a text box it could become anything."""
    it = page([(name, value), ("message", "")], Problem("REQUIRED_FIELD_EMPTY", "message"))
    assert it.control(name).attributes == {"type": "hidden", "name": name, "value": value}
    assert page([(name, value)], Problem("too_long", name, 1)).control(name).attributes["type"] == "text"


def test_what_is_sent_again_unchanged_can_be_read_unless_the_page_set_it() -> None:
    it = page([("topic", "Billing"), ("submit", "Send"), ("your-name", "Ada"), ("inquiry", "Sales"), ("message", "")])
    shown = [(each.all("strong")[0].said(), each.all("bdi")[0].said()) for each in it.top.all("form")[0].all("p")]
    assert shown == [("topic", "Billing"), ("inquiry", "Sales")]
    assert it.control("submit").attributes["type"] == "hidden"
    assert it.label(it.control("your-name")) == "Name"


@pytest.mark.parametrize("code", ["invalid", "forbidden_origin", "unavailable"])
def test_the_page_names_the_site_and_leads_back_to_it(code: str) -> None:
    html = make_page(SubmissionError(422, code), [("message", "Hi")], EN, "en", "https://example.com:8443")
    [link] = Page(html).top.all("a")
    assert (link.said(), link.attributes) == ("Back to example.com:8443", {"href": "https://example.com:8443/"})


def test_what_is_hidden_and_at_fault_is_shown() -> None:
    it = page_of([("message", "Hi"), ("form-name", "x" * 201)])
    assert it.control("form-name").tag == "textarea"
    assert it.label(it.control("form-name")) == "form-name"


def test_a_long_text_or_one_of_several_lines_has_room() -> None:
    it = page([("b", "x" * 81), ("c", "x\ny"), ("message", ""), ("description", ""), ("name", "x" * 80)])
    tags = {each.attributes["name"]: each.tag for each in it.controls}
    assert tags == {"b": "textarea", "c": "textarea", "message": "textarea", "description": "textarea", "name": "input"}
    assert [each.attributes.get("rows") for each in it.controls] == ["3", "3", "8", "8", None]


def test_where_sending_again_is_of_no_use_what_was_typed_is_there_to_be_copied() -> None:
    """With room for a long text, and without what the page set."""
    typed = [("name", "<Ada>"), ("message", "x\ny"), ("_token", "a b"), ("_token", "x"), ("b", ""), ("c", "x" * 81)]
    it = page(typed, code="forbidden_origin")
    assert it.sent_again == [typed[0], typed[1], typed[2], typed[5]]
    assert [each.attributes["rows"] for each in it.controls] == ["1", "8", "1", "8"]
    assert [it.label(each) for each in it.controls] == ["Name", "Message", "_token", "c"]
    assert EN["page_kept"] in it.top.said()
    assert it.top.all("main")[0].text == "", "nothing stands between them"


@pytest.mark.parametrize("name", ["email", "_replyto", "replyto"])
def test_an_address_is_asked_for_as_one(name: str) -> None:
    assert page([(name, "nobody")], Problem("TYPE_EMAIL", name)).control(name).attributes["type"] == "email"


@pytest.mark.parametrize(("text", "kind"), [("", "email"), ("X@X", "email"), ("nobody", "text"), ("@nobody@", "text")])
def test_what_is_no_address_and_at_no_fault_does_not_keep_a_browser_from_sending(text: str, kind: str) -> None:
    it = page([("email", text), ("message", "")], Problem("REQUIRED_FIELD_EMPTY", "message"))
    assert it.control("email").attributes["type"] == kind


# Mistakes


def test_each_mistake_stands_beside_its_field_and_is_told_to_who_can_not_see() -> None:
    pairs = [("name", "a" * 201), ("_replyto", "nobody"), ("message", " "), ("phone", "1"), ("x", "x" * 10_241)]
    it = page_of(pairs)
    expected = {
        "name": EN["too_long"].format(limit=200),
        "_replyto": EN["TYPE_EMAIL"],
        "message": EN["REQUIRED_FIELD_EMPTY"],
        "x": EN["too_large"].format(limit=10),
    }
    for name, words in expected.items():
        control = it.control(name)
        assert control.attributes["aria-invalid"] == "true"
        beside = it.by_id(control.attributes["aria-describedby"])
        assert (beside.tag, beside.said(), beside.attributes["class"]) == ("p", words, "error")
        siblings = it.top.all("form")[0].children
        assert siblings[siblings.index(control) + 1] is beside
    assert "aria-invalid" not in it.control("phone").attributes
    assert "aria-describedby" not in it.control("phone").attributes
    assert len([each for each in it.top.all("p") if each.attributes.get("class") == "error"]) == len(expected)


def test_every_control_that_is_seen_has_its_label_in_the_language() -> None:
    pairs = [("name", "x"), ("email", "x"), ("subject", "x"), ("message", "x"), ("Größe", "x")]
    it = page(pairs, Problem("TYPE_EMAIL", "email"), Problem("TYPE_TEXT", "Größe"), language="de")
    assert [it.label(each) for each in it.controls] == ["Name", "E-Mail", "Betreff", "Nachricht", "Größe"]


def test_a_field_named_like_a_text_of_ours_has_its_own_name_as_label() -> None:
    """A booking form may well have a field `unavailable`, a survey `back`."""
    names = sorted(set(EN) - set(MEANINGS))
    it = page([(name, "x") for name in names], *(Problem("TYPE_TEXT", name) for name in names))
    assert [it.label(it.control(name)) for name in names] == names


def test_the_first_field_at_fault_alone_has_the_focus() -> None:
    pairs = [("phone", "1"), ("_replyto", "nobody"), ("message", "")]
    it = page_of(pairs)
    assert [each.attributes["name"] for each in it.controls if "autofocus" in each.attributes] == ["_replyto"]


def test_a_field_that_comes_twice_has_the_focus_once() -> None:
    """HTML, 6.6.7: one element alone may have it."""
    it = page_of([("x", "x" * 6_000), ("message", "Hi"), ("x", "x" * 6_000)])
    assert len([each for each in it.controls if "autofocus" in each.attributes]) == 1


@pytest.mark.parametrize("name", ["email", "message", "name", "phone", "Any other"])
def test_a_required_field_that_was_not_sent_can_be_filled_in(name: str) -> None:
    it = page_of([("x", "1")], name)
    control = it.control(name)
    assert value_of(control) == ""
    assert it.by_id(control.attributes["aria-describedby"]).said() == EN["REQUIRED_FIELD_MISSING"]
    assert it.sent_again[0] == ("x", "1")


def test_of_a_form_without_any_field_the_required_one_is_named() -> None:
    it = page_of([])
    assert EN["REQUIRED_FIELD_MISSING"] in it.top.said()


def test_of_two_mistakes_of_one_field_one_at_least_is_named() -> None:
    it = page([("message", "\x0b")], Problem("REQUIRED_FIELD_EMPTY", "message"), Problem("too_long", "message", 1))
    assert it.control("message").attributes["aria-invalid"] == "true"
    assert any(EN[code].format(limit=1) in it.top.said() for code in ("REQUIRED_FIELD_EMPTY", "too_long"))


def test_a_mistake_of_no_field_stands_above_the_form() -> None:
    it = page([("message", "Hi"), ("x" * 101, "1")], Problem("TYPE_TEXT", ""))
    words = EN["TYPE_TEXT"]
    [main] = it.top.all("main")
    assert [each.tag for each in main.children] == ["h1", "p", "p", "form"]
    assert main.children[2].said() == words
    assert page([("message", "Hi"), ("name", "Ada")], Problem("TYPE_TEXT", "")).focus == []
    [main] = page([], Problem("TYPE_TEXT", ""), Problem("TYPE_EMAIL", "x")).top.all("main")
    assert [each.said().strip() for each in main.children] == [EN["page_title"], EN["invalid"], words, EN["TYPE_EMAIL"]]
    assert main.text == ""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", ["FORM_NOT_FOUND", "forbidden_origin", "body_too_large", "unavailable", "unexpected"])
def test_without_what_was_typed_there_is_no_form_and_no_promise(code: str, language: str) -> None:
    it = page([], code=code, language=language, limit=64)
    words = texts(language)
    assert it.top.all("form") == []
    assert words[code].format(limit=64) in it.top.said()
    assert words["page_lead"] not in it.top.said()


def test_with_what_was_typed_the_page_says_that_nothing_is_lost() -> None:
    assert EN["page_lead"] in page([("message", "Hi")], code="message_too_large").top.said()


@pytest.mark.parametrize(
    "written", ['{"message": "\\ud800"}', '{"\\ud800": {}}', '{"\\ud800": "x"}', '{"x": "\\udfff"}']
)
def test_a_page_can_be_encoded_whatever_was_sent(written: str) -> None:
    pairs: Pairs = []
    error = SubmissionError(503, "unavailable")
    try:
        pairs += read(JSON, written.encode(), LIMITS)
        validate(classify_fields(pairs), site(required=()), LIMITS)
    except SubmissionError as caught:
        error = caught
    make_page(error, pairs, EN, "en").encode()
