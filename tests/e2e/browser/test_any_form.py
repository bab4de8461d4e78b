"""The script on forms that nobody here wrote: whatever their controls are called, whichever button is pressed."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from email.parser import BytesParser
from email.policy import HTTP
from html import escape
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests import needs
from tests.e2e.browser.visitor import until
from tests.e2e.conftest import ROOT
from tests.e2e.pages import HTML, Reply, serving
from tests.rehearsal import amount

SCRIPT = (ROOT / "web" / "site" / "herald.js").read_bytes()
THANKS = "Thank you: your message is on its way."
FAILED = "Something went wrong. Nothing is lost: please send it again."
REFUSED = {"title": "Some fields need another look.", "errors": [{"field": "message", "message": "Too long."}]}
ANSWERS = {
    "accepted": (202, "application/json", '{"id": "1", "next": "/thanks"}'),
    "refused": (422, "application/problem+json", json.dumps(REFUSED)),
    "empty": (202, "application/json", ""),
    "cut": (202, "application/json", '{"id": '),
    "html": (202, "text/html", "<p>Thanks"),
    "proxied": (200, "application/json", '{"id": "1"}'),
    "nowhere": (202, "application/json", '{"next": "https://["}'),
    "": (200, "text/html", "<p>The page itself"),
    "list": (200, "application/json", "[]"),
    "text": (200, "application/json", '"ok"'),
    "nothing": (204, "text/plain", ""),
    "redirected": (303, "text/html", ""),
    "traced": (502, "application/json", '{"id": "of the fault"}'),
}
NO_HERALD = ("", "list", "text", "nothing", "redirected", "traced")
"""Answers that somebody else gives: a CDN or a development server, with its start page for what it doesn't know."""


class Posted(NamedTuple):
    path: str
    key: str | None
    """Idempotency-Key; None from a browser that sent the form itself."""
    type: str
    fields: list[tuple[str, str]]
    text: str


class Site:
    """Serves one page with the script, answers forms by the path that they are sent to, and remembers what came."""

    def __init__(self, browser: Browser, stack: ExitStack) -> None:
        self.posted: list[Posted] = []
        self.complaints: list[str] = []
        self._page = ""
        self.url = f"http://127.0.0.1:{stack.enter_context(serving(self._answer))}/"
        self.context = browser.new_context()
        stack.callback(self.context.close)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _answer(self, request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        if request.command == "POST":
            self.posted.append(read(request, body))
            code, media_type, text = ANSWERS[request.path.strip("/")]
            location = [("Location", "/thanks")] if code == 303 else []
            return code, [("Content-Type", media_type), *location], text.encode()
        if request.path == "/herald.js":
            return 200, [("Content-Type", "text/javascript")], SCRIPT
        return 200, HTML, self._page.encode()

    def show(self, body: str, script: str = '<script src="/herald.js" defer></script>') -> Page:
        self._page = f'<!doctype html><html lang="en"><link rel="icon" href="data:,"><body>{body}{script}'
        page = self.context.new_page()
        page.goto(self.url)
        return page


def read(request: BaseHTTPRequestHandler, body: bytes) -> Posted:
    media_type = request.headers["Content-Type"]
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {media_type}\r\n\r\n".encode() + body)
    fields = [
        (str(part.get_param("name", header="content-disposition")), bytes(part.get_payload(decode=True)).decode())
        for part in (message.iter_parts() if message.is_multipart() else ())
    ]
    return Posted(request.path, request.headers["Idempotency-Key"], media_type.split(";")[0], fields, body.decode())


@pytest.fixture
def site(browser: Browser) -> Iterator[Site]:
    """A page of a test's own. At the end no script on it may have thrown."""
    with ExitStack() as stack:
        site = Site(browser, stack)
        yield site
        assert site.complaints == []


# What a form and a document have of their own, down to Object. A control's name hides the form's, the name of a form or
# an image the document's.
NAMES = """() => {
  const names = new Set();
  for (let { prototype } of [HTMLFormElement, HTMLDocument])
    for (; prototype; prototype = Object.getPrototypeOf(prototype))
      for (const name of Object.getOwnPropertyNames(prototype)) names.add(name);
  return [...names];
}"""
USED = ("elements", "remove", "after", "closest", "dispatchEvent", "createElement", "__proto__")
"""Some that a script is likely to use."""
CONTROLS = {
    "field": '<input id="{name}" name="{name}" value="{word}">',
    "image": '<img name="{name}" alt=""><input name="field" value="{word}">',
}
SEND = """() => Reflect.get(Document.prototype, "querySelectorAll", document).call(document, "form").forEach((form) =>
  HTMLFormElement.prototype.requestSubmit.call(form, Element.prototype.querySelector.call(form, "button")))"""
SETTLED = """() => {
  const found = [...Document.prototype.querySelectorAll.call(document, "section")].map((section) => {
    const status = section.querySelector(".herald-status");
    return status && [status.dataset.state, status.textContent, Boolean(section.querySelector("form"))];
  });
  return found.every((each) => each && /sent|failed/.test(each[0])) && found;
}"""


@pytest.mark.rehearse(
    "all names that a form or a document has", "a name of a control that keeps the script from sending"
)
@pytest.mark.parametrize(
    ("control", "answer", "told"),
    [
        ("field", "accepted", ["sent", THANKS, False]),
        ("image", "accepted", ["sent", THANKS, False]),
        ("field", "refused", ["failed", REFUSED["title"], True]),
    ],
)
def test_whatever_a_control_is_called_one_message_is_sent_and_the_truth_is_told(
    site: Site, control: str, answer: str, told: list[object]
) -> None:
    every = site.show("").evaluate(NAMES)
    assert {*USED} <= {*every}
    names = sorted({*USED, *random.sample(every, amount(100, len(every)))})
    words = [(name if control == "field" else "field", f"word {n}") for n, name in enumerate(names)]
    forms = [
        f'<section><form name="{escape(name)}" data-herald method="post" action="/{answer}">'
        f"{CONTROLS[control].format(name=escape(name), word=word)}"
        "<textarea name='message'>Hello</textarea><button>Send</button></form></section>"
        for name, (_, word) in zip(names, words, strict=True)
    ]
    page = site.show("".join(forms))
    page.evaluate(SEND)
    found = page.wait_for_function(SETTLED).json_value()
    assert {name: each for name, each in zip(names, found, strict=True) if each != told} == {}
    assert len(site.posted) == len(names)
    assert sorted(pair for post in site.posted for pair in post.fields if pair[1].startswith("word")) == sorted(words)


def sent(page: Page) -> None:
    expect(page.locator(".herald-status")).to_have_attribute("data-state", "sent")
    expect(page.locator(".herald-status")).to_have_text(THANKS)


BUTTONS = """
<form data-herald method="post" action="/html" id="mine">
  <input name="message" value="Hello"> <input name="phone" {required}>
  <button name="way" value="first">First</button>
  <button name="way" value="pressed" {attributes}>Pressed</button>
</form>
<button form="mine" name="way" value="outside">Outside</button>
"""


@pytest.mark.parametrize(
    ("attributes", "required", "path", "media_type"),
    [
        ("", "", "/html", "multipart/form-data"),
        ('formaction="/accepted"', "", "/accepted", "multipart/form-data"),
        ("formnovalidate", "required", "/html", "multipart/form-data"),
        ('formenctype="application/x-www-form-urlencoded"', "", "/html", "application/x-www-form-urlencoded"),
        ('formenctype="text/plain"', "", "/html", "text/plain"),
    ],
)
def test_what_the_pressed_button_says_counts_as_without_the_script(
    site: Site, attributes: str, required: str, path: str, media_type: str
) -> None:
    form = BUTTONS.format(attributes=attributes, required=required)
    page = site.show(form, script="")
    page.get_by_role("button", name="Pressed").click()
    page.wait_for_url(f"**{path}")
    page = site.show(form)
    page.get_by_role("button", name="Pressed").click()
    sent(page)
    assert page.url == site.url
    native, own = site.posted
    assert (own.path, own.type) == (path, media_type)
    assert native.path == own.path
    assert not native.key
    assert own.key
    if own.fields:
        assert [value for name, value in own.fields if name == "way"] == ["pressed"]
    else:
        assert own.text.startswith(native.text)


@pytest.mark.parametrize(
    ("press", "way"),
    [
        (lambda page: page.locator("[name=message]").press("Enter"), "first"),
        (lambda page: page.get_by_role("button", name="Outside").click(), "outside"),
        (lambda page: page.evaluate("mine.requestSubmit(document.querySelector('[value=pressed]'))"), "pressed"),
        (lambda page: page.evaluate("mine.requestSubmit()"), None),
    ],
)
def test_however_a_form_is_sent_the_button_that_sent_it_goes_along(site: Site, press: Any, way: str | None) -> None:
    page = site.show(BUTTONS.format(attributes="", required=""))
    press(page)
    sent(page)
    assert [dict(post.fields).get("way") for post in site.posted] == [way]


def test_another_method_or_window_is_left_to_the_browser(site: Site) -> None:
    form = (
        '<dialog open><form data-herald method="{method}" action="/html"><input name="message" value="Hello" {rule}>'
        "<button {attributes}>Go</button></form></dialog>"
    )
    page = site.show(form.format(method="dialog", rule="", attributes=""))
    page.get_by_role("button").click()
    expect(page.locator("dialog")).not_to_have_attribute("open", "")

    page = site.show(form.format(method="post", rule="", attributes='formmethod="get" formaction="/search"'))
    page.get_by_role("button").click()
    page.wait_for_url("**/search?message=Hello")
    assert site.posted == []

    page = site.show(form.format(method="post", rule="", attributes='formtarget="_blank"'))
    with site.context.expect_page() as opened:
        page.get_by_role("button").click()
    opened.value.wait_for_url("**/html")
    assert [post.key for post in site.posted] == [None]

    # It is checked all the same, as the browser would.
    page = site.show(form.format(method="dialog", rule='type="email"', attributes=""))
    page.get_by_role("button").click()
    expect(page.locator(".error")).to_have_count(1)
    expect(page.locator("dialog")).to_have_attribute("open", "")

    page = site.show(form.format(method="dialog", rule="", attributes='formmethod="post"'))
    page.get_by_role("button").click()
    sent(page)


def test_a_form_that_says_novalidate_is_not_checked(site: Site) -> None:
    page = site.show('<form data-herald novalidate action="/accepted"><input name="a" required><button>Send</button>')
    page.get_by_role("button").click()
    sent(page)


def test_a_browser_that_does_not_tell_the_pressed_button_sends_the_form_itself(site: Site) -> None:
    site.context.add_init_script("delete SubmitEvent.prototype.submitter")
    page = site.show(BUTTONS.format(attributes='formaction="/accepted"', required=""))
    page.get_by_role("button", name="Pressed").click()
    page.wait_for_url("**/accepted")
    (post,) = site.posted
    assert (post.key, post.text) == (None, "message=Hello&phone=&way=pressed")


def test_what_herald_accepted_is_said_to_be_so_and_nothing_that_another_answered(site: Site) -> None:
    answers = [answer for answer in ANSWERS if answer != "refused"]
    forms = [
        f'<section><form data-herald action="/{answer}"><button>Send</button></form></section>' for answer in answers
    ]
    page = site.show("".join(forms).replace('"/nowhere"', '"/nowhere" data-redirect'))
    page.evaluate(SEND)
    found = page.wait_for_function(SETTLED).json_value()
    # Where the script can't go on to, the visitor stays.
    assert dict(zip(answers, found, strict=True)) == {
        name: ["failed", FAILED, True] if name in NO_HERALD else ["sent", THANKS, name == "nowhere"] for name in answers
    }
    assert Counter(post.path for post in site.posted) == Counter(f"/{answer}" for answer in answers)
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


def test_on_localhost_the_console_names_an_address_where_no_herald_answers(site: Site) -> None:
    form = "<section><form data-herald {}><button>Send</button></form></section>"
    page = site.show(form.format('action="/accepted"') + form.format('action="/list"') + form.format(""))
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text) if message.type == "info" else None)
    page.evaluate(SEND)
    page.wait_for_function(SETTLED)
    told.sort()
    assert [text.partition("; make run")[0] for text in told] == [
        "No Herald at /list",
        f"No action. No Herald at {site.url}",
    ]


@pytest.mark.every_run
def test_a_script_that_is_loaded_twice_sends_once(site: Site) -> None:
    script = '<script src="/herald.js" defer></script>'
    page = site.show(BUTTONS.format(attributes="", required=""), script * 2)
    page.get_by_role("button", name="First").click()
    expect(page.locator("[data-state=sent]")).to_have_text(THANKS)
    assert len(site.posted) == 1


def test_what_the_page_takes_away_comes_back_to_tell(site: Site) -> None:
    page = site.show(BUTTONS.format(attributes="", required=""))
    page.evaluate("document.querySelector('.herald-status').remove()")
    page.get_by_role("button", name="First").click()
    sent(page)


FILED = (
    '<form data-herald method="post" enctype="multipart/form-data" action="/accepted"><input type="file" name="photo">'
)


def test_a_file_has_the_time_that_a_slow_line_takes(site: Site) -> None:
    site.context.clock.install()
    page = site.show(f"{FILED}<button>Send</button></form>")
    held: list[Route] = []
    page.route("**/accepted", lambda route: held.append(route))
    page.locator("input").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": bytes(3_900_000)})
    page.get_by_role("button", name="Send").click()
    until(page, lambda: held)
    site.context.clock.fast_forward(125_000)  # at 256 kbit/s
    held[0].fulfill(status=202, body="{}")
    sent(page)


HTMX_BACK = """() => new Promise((done) => {
  document.body.addEventListener("htmx:historyRestore", done, { once: true });
  history.back();
})"""
TURBO_BACK = """async () => {
  document.documentElement.dispatchEvent(new CustomEvent("turbo:before-cache", { bubbles: true }));
  await new Promise((done) => setTimeout(done));
  document.body.replaceWith(document.body.cloneNode(true));
  const found = document.querySelector("script"), script = document.createElement("script");
  script.src = found.src;
  await new Promise((done) => { script.onload = done; found.replaceWith(script); });
}"""
"""What Turbo 8 does on leaving a page and on coming back."""


@pytest.mark.parametrize("library", ["htmx1", "htmx2", "turbo"])
def test_a_copy_of_the_page_that_a_library_keeps_for_back_is_checked_as_the_page_was(site: Site, library: str) -> None:
    form = '<form data-herald method="post" action="/accepted"><input name="a" required><button>Send</button></form>'
    page = site.show(f'{form}<a hx-boost="true" href="/two">Two</a>')
    page.get_by_role("button").click()
    expect(page.locator(".error")).to_have_count(1)
    if library == "turbo":
        page.evaluate(TURBO_BACK)
    else:
        page.add_script_tag(path=needs.npm_package(library) / "dist" / "htmx.js")
        page.get_by_role("link").click()
        page.wait_for_url("**/two")
        expect(page.locator(".herald-status")).to_have_text("")
        page.evaluate(HTMX_BACK)
    expect(page.locator("form")).to_have_js_property("noValidate", True)
    expect(page.locator(".herald-status")).to_have_text("")
    expect(page.locator("[aria-invalid], .error")).to_have_count(0)
    page.get_by_role("button").click()
    expect(page.locator(".error")).to_have_count(1)
    assert site.posted == []
    page.locator("input").fill("Hello")
    page.get_by_role("button").click()
    sent(page)


def test_a_copy_that_a_library_keeps_is_checked_by_the_browser_and_says_what_was_sent(site: Site) -> None:
    form = '<form data-herald method="post" action="/accepted"><input name="a" required><button>Send</button></form>'
    page = site.show(form)
    leave = "() => document.body.dispatchEvent(new CustomEvent('turbo:before-cache', { bubbles: true }))"
    page.evaluate(leave)
    expect(page.locator("form")).to_have_js_property("noValidate", False)
    page.locator("input").fill("Hello")
    page.get_by_role("button").click()
    sent(page)
    page.evaluate(leave)
    sent(page)


OWN = """<script>customElements.define("own-field", class extends HTMLElement {
  static formAssociated = true;
  constructor() {
    super();
    const internals = this.attachInternals();
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    root.innerHTML = "<input>";
    const check = ({ value }) => {
      internals.setFormValue(value);
      internals.setValidity(value ? {} : { valueMissing: true }, "Its own words", root.firstChild);
    };
    root.firstChild.oninput = ({ target }) => check(target);
    check(root.firstChild);
  }
})</script>"""


def test_a_custom_element_is_checked_as_a_field_is(site: Site) -> None:
    form = '<form data-herald method="post" action="/accepted"><own-field name="a"></own-field><button>Send</button>'
    page = site.show(OWN + form)
    page.get_by_role("button").click()
    expect(page.locator("own-field + .error")).to_have_text("This field is required.")
    expect(page.locator("own-field")).to_be_focused()
    assert site.posted == []
    page.keyboard.type("x")
    expect(page.locator(".error")).to_have_count(0)
    page.get_by_role("button").click()
    sent(page)


def test_the_focus_goes_to_the_first_faulty_field_that_can_have_it(site: Site) -> None:
    page = site.show(
        '<form data-herald action="/accepted"><input type="radio" name="size" value="S" required disabled>'
        '<input type="radio" name="size" value="M" required><button>Send</button></form>'
    )
    page.get_by_role("button").click()
    expect(page.locator("[value=M]")).to_be_focused()


def test_a_button_that_resets_the_form_takes_its_faults_away(site: Site) -> None:
    page = site.show(
        '<form data-herald><input name="a" required><button>Send</button><button type="reset">Reset</button>'
    )
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".error")).to_have_count(1)
    page.get_by_role("button", name="Reset").click()
    expect(page.locator("[aria-invalid], .error")).to_have_count(0)
    expect(page.locator(".herald-status")).to_be_empty()


def test_what_is_typed_while_the_form_is_sent_stays(site: Site) -> None:
    page = site.show('<form data-herald action="/accepted"><input name="a"><button>Send</button></form>')
    held: list[Route] = []
    page.route("**/accepted", lambda route: held.append(route))
    for typed in ("Hello and more", ""):
        page.get_by_role("button").click()
        until(page, lambda: held)
        if typed:
            page.locator("input").fill(typed)
        held.pop().continue_()
        sent(page)
        expect(page.locator("[aria-busy]")).to_have_count(0)
        assert [field.input_value() for field in page.locator("input").all()] == [typed] * bool(typed)
    assert [dict(post.fields)["a"] for post in site.posted] == ["", "Hello and more"]
