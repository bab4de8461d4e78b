"""The inbox in the pocket on a phone's screen, from the form to what is rung at a button's press."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from chalicelib.adapters.aws import ServiceError
from chalicelib.composition import override_container
from chalicelib.handlers import inbox
from chalicelib.logic.delivery_types import Delivery, State
from chalicelib.logic.inbox_links import FRESH_LINKS, LINK_LIFE
from chalicelib.logic.spam import HoldReason, Verdict
from chalicelib.logic.stored_messages import Marked, OwnerMark
from tests.e2e.browser.visitor import PHONE, Visitor, button, readable
from tests.e2e.harness import Harness, marker, wait_for
from tests.e2e.operator import Operator
from tests.e2e.pages import HTML, Reply, serving
from tests.fakes import NOW, Context
from tests.functional.test_pocket_inbox import EVERY_BUTTON, PocketContainer, address, stored


def link_on_the_phone(visitor: Visitor, word: str) -> str:
    """The address in a push, as the phone's page shows it: it makes no links of what strangers may have written."""
    page = visitor.context(width=PHONE).new_page()
    page.goto(f"{visitor.site}phone")
    push = page.get_by_role("listitem").filter(has_text=word)
    found = re.search(r"^Inbox: (\S+)$", push.locator(".body").inner_text(), re.MULTILINE)
    assert found
    return found[1]


def submitted(visitor: Visitor, herald: Harness, word: str, email: str = "") -> None:
    """Fill in the example's form as a visitor does, until the phone rings."""
    form = visitor.visit(width=PHONE)
    form.locator("form").evaluate("(form, to) => { form.action = to; }", f"{visitor.action}/pocketed")
    form.get_by_label("Message").fill(word)
    if email:
        form.get_by_label("Email").fill(email)
    button(form).click()
    wait_for(lambda: herald.pushes(word), "push")


def sent(herald: Harness, word: str) -> None:
    message_id = herald.accepted(word, "/contact/pocketed", name=word)
    herald.line("on_success", message_id=message_id, action="delivered")


def opened(visitor: Visitor, word: str) -> Page:
    """The page that a link's button leads to, without a script."""
    page = visitor.context(width=PHONE, script=False).new_page()
    page.goto(link_on_the_phone(visitor, word))
    page.get_by_role("button", name="Open the inbox").click()
    expect(page.get_by_text(word).first).to_be_visible()
    return page


def test_a_push_leads_to_its_message_which_is_called_spam_and_rings_what_it_missed_once_it_is_released(
    visitor: Visitor, herald: Harness
) -> None:
    word = marker()
    herald.hook_faults({"do": "status", "status": 422, "holding": word})
    submitted(visitor, herald, word)
    page = opened(visitor, word)
    expect(page.get_by_role("button", name="Replay")).to_be_visible()
    page.get_by_role("button", name="Mark as spam").click()
    expect(page.get_by_role("status")).to_have_text("Marked as spam: no channel is tried any more.")
    expect(page.locator(".meta")).to_contain_text("Quarantined")
    assert herald.hooks(word) == []
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("status")).to_contain_text("are being tried")
    wait_for(lambda: herald.hooks(word), "the channel that had not delivered")
    assert (len(herald.pushes(word)), len(herald.hooks(word))) == (1, 1), "what was delivered rings nobody again"


def test_a_visitor_gets_an_answer_and_the_owner_marks_the_message_and_erases_it(
    visitor: Visitor, herald: Harness
) -> None:
    word, other = marker(), marker()
    submitted(visitor, herald, word, f"{word}@visitor.site")
    sent(herald, other)
    page = opened(visitor, word)
    message_id = page.locator("dl.facts code").first.inner_text()
    assert [mail["To"] for mail in wait_for(lambda: herald.mails(message_id), "mail")] == [[f"{word}@visitor.site"]]
    link = page.get_by_role("link", name="Reply to")
    assert str(link.get_attribute("href")).startswith(f"mailto:{word}@visitor.site?subject=")
    page.get_by_role("button", name="Mark as answered").click()
    expect(page.locator(".meta")).to_contain_text("Answered")
    page.get_by_text("Erase…").click()
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("status")).to_contain_text("The message is erased.")
    expect(page.get_by_text(other).first).to_be_visible()
    expect(page.get_by_text(word)).to_have_count(0)
    assert herald.item(message_id) == {}


def test_a_used_link_sends_a_fresh_one_and_a_session_ends_by_its_button_or_a_command(
    visitor: Visitor, herald: Harness, operator: Operator
) -> None:
    word = marker()
    sent(herald, word)
    page = opened(visitor, word)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Signed out")
    page.goto(link_on_the_phone(visitor, word))
    page.get_by_role("button", name="Open the inbox").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This link is spent")
    page.get_by_role("button", name="Send a fresh link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sent")
    page.goto(link_on_the_phone(visitor, "asked for a fresh one"))
    page.get_by_role("button", name="Open the inbox").click()
    expect(page.get_by_text(word).first).to_be_visible()

    assert "pocketed" in operator.gets("sessions", "list")
    assert "Links that were sent so far open nothing." in operator.gets("sessions", "end", "--channel", "pocketed")
    assert operator.gets("sessions", "list") == "No inbox is open.\n"
    page.reload()
    expect(page.locator("main")).to_contain_text("This session has ended.")


# Each page, by the function alone.


class FunctionUrl(NamedTuple):
    """The function behind an address of this machine, as a function URL calls it, with a table in this process."""

    container: PocketContainer
    url: str


@pytest.fixture
def function() -> Iterator[FunctionUrl]:
    container = PocketContainer()

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        parts = urlsplit(request.path)
        headers = {name.lower(): value for name, value in request.headers.items()}
        event = {
            "rawPath": parts.path,
            "rawQueryString": parts.query,
            "headers": headers,
            "cookies": headers.get("cookie", "").split("; ") if "cookie" in headers else [],
            "requestContext": {"http": {"method": request.command}, "domainName": headers["host"]},
            "body": body.decode(),
        }
        with override_container(container):
            answer: dict[str, Any] = inbox.answer(event, Context())
        cookies = (("Set-Cookie", cookie) for cookie in answer.get("cookies", ()))
        return answer["statusCode"], [*answer["headers"].items(), *cookies], answer["body"].encode()

    with serving(answer) as port:
        yield FunctionUrl(container, f"http://127.0.0.1:{port}/")


def enters(page: Page, function: FunctionUrl) -> None:
    """Store a message of each kind and open the inbox by the link of one of them."""
    rejected = Delivery(State.REJECTED, 1, "run", 0, 0, "", "ChannelRejectedError", NOW)
    message = stored(function.container, "message-1", "default", rejected)
    stored(function.container, "held-1", "default", Delivery(), Verdict(("links",), 10, HoldReason.QUARANTINED))
    stored(function.container, "answered-1", "default", Delivery(State.DELIVERED, 1))
    function.container.marks.mark("answered-1", Marked(OwnerMark.ANSWERED, NOW, "phone"))
    page.goto(function.url + address(message))
    page.get_by_role("button", name="Open the inbox").click()


def at(path: str, title: str, page: Page, function: FunctionUrl) -> None:
    enters(page, function)
    page.goto(function.url + path)
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def pressed(path: str, buttons: list[str], said: str, page: Page, function: FunctionUrl) -> None:
    enters(page, function)
    page.goto(function.url + path)
    for label in buttons:
        if label == "Erase for good":
            page.get_by_text("Erase…").click()
        page.get_by_role("button", name=label).click()
    expect(page.locator("main")).to_contain_text(said)


def an_unused_link(page: Page, function: FunctionUrl) -> None:
    message = stored(function.container, "message-1", "default", Delivery())
    page.goto(function.url + address(message))


def an_expired_link(page: Page, function: FunctionUrl) -> None:
    function.container.time = NOW + LINK_LIFE
    an_unused_link(page, function)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link is spent")


def fresh_links(number: int, title: str, page: Page, function: FunctionUrl) -> None:
    for _ in range(number):
        an_expired_link(page, function)
        page.get_by_role("button", name="Send a fresh link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def an_empty_list(page: Page, function: FunctionUrl) -> None:
    enters(page, function)
    for message_id in ("message-1", "held-1", "answered-1"):
        stored_message = function.container.archive.get(message_id)
        assert stored_message
        function.container.marks.erase(stored_message)
    page.goto(function.url)
    expect(page.get_by_role("heading", level=2)).to_have_text("No messages yet")


def no_session(page: Page, function: FunctionUrl) -> None:
    page.goto(function.url)
    expect(page.locator("main")).to_contain_text("This is no link of this inbox.")


def no_table(page: Page, function: FunctionUrl) -> None:
    enters(page, function)

    def fails(operation: str, request: dict[str, Any]) -> None:
        raise ServiceError("ThrottlingException", 400)

    function.container.table.before_call = fails
    page.goto(function.url)
    expect(page.get_by_role("alert")).to_contain_text("Not available at the moment")


ERASE = ["Erase for good"]
PAGES: dict[str, Callable[[Page, FunctionUrl], None]] = {
    "unused link": an_unused_link,
    "expired link": an_expired_link,
    "fresh link sent": partial(fresh_links, 1, "Sent"),
    "too many fresh links": partial(fresh_links, FRESH_LINKS + 1, "Not here"),
    "message": enters,
    "held": partial(pressed, "message?id=held-1", [], "Releasing it rings phone."),
    "answered": partial(pressed, "message?id=answered-1", [], "Answered"),
    "called spam": partial(pressed, "message?id=answered-1", ["Mark as spam"], "Marked as spam"),
    "let go": partial(pressed, "message?id=answered-1", ["Mark as spam", "Not spam"], "it is not held any more"),
    "released": partial(pressed, "message?id=held-1", ["Release"], "are being tried"),
    "erased": partial(pressed, "message?id=held-1", ERASE, "The message is erased."),
    "list": partial(at, "", "All messages"),
    "filtered": partial(at, "?state=quarantined&since=2025-01-01", "Quarantined"),
    "empty list": an_empty_list,
    "empty state": partial(at, "?state=waiting", "Waiting"),
    "no such state": partial(at, "?state=odd", "That can't be shown"),
    "no such page": partial(at, "nowhere", "Not here"),
    "erased message": partial(at, "message?id=gone", "Not here"),
    "signed out": partial(pressed, "", ["Sign out"], "Signed out"),
    "no session": no_session,
    "no table": no_table,
}


@pytest.mark.parametrize("which", PAGES)
def test_each_page_is_readable_in_light_and_dark_and_no_wider_than_a_phone(
    browser: Browser, function: FunctionUrl, which: str
) -> None:
    with closing(browser.new_context(viewport={"width": PHONE, "height": 800}, bypass_csp=True)) as context:
        page = context.new_page()
        PAGES[which](page, function)
        readable(page, PHONE)


@pytest.fixture
def elsewhere() -> Iterator[Callable[[str], str]]:
    """A website of somebody else, at another host of this machine: what it shows, and its address."""
    shown = [""]

    def show(port: int, html: str) -> str:
        shown[0] = html
        return f"http://localhost:{port}/"

    with serving(lambda request, body: (200, HTML, shown[0].encode())) as port:
        yield partial(show, port)


def test_another_website_frames_nothing_presses_nothing_and_learns_nothing(
    browser: Browser, function: FunctionUrl, elsewhere: Callable[[str], str]
) -> None:
    with closing(browser.new_context()) as context:
        page = context.new_page()
        enters(page, function)
        page.goto(f"{function.url}message?id=held-1")
        pages = [page, context.new_page()]
        pages[1].goto(f"{function.url}message?id=message-1")
        forms = {str(each.get_attribute("action")) for one in pages for each in one.locator("form").all()}
        csrf = page.locator("input[name=csrf]").first.input_value()
        assert {form.partition("?")[0] for form in forms} == EVERY_BUTTON - {"unanswered"}
        before = function.container.table.items()
        for form in forms:
            inside = f'<input name="csrf" value="{csrf}"><button>Win</button>'
            page.goto(elsewhere(f'<form method="post" action="{function.url}{form}">{inside}</form>'))
            with page.expect_navigation() as answer:
                page.get_by_role("button", name="Win").click()
            assert answer.value.status == 403, form
        assert function.container.table.items() == before

        page.goto(elsewhere(f'<iframe src="{function.url}"></iframe><a href="{function.url}">Look</a>'))
        assert "Herald inbox" not in "".join(frame.content() for frame in page.frames[1:])
        read = "url => fetch(url, {credentials: 'include', mode: 'cors'}).then(each => each.text(), () => 'refused')"
        assert page.evaluate(read, function.url) == "refused"
        page.get_by_role("link", name="Look").click()
        expect(page.locator("main")).to_contain_text("This is no link of this inbox.")
        assert context.cookies(function.url)[0]["sameSite"] == "Strict"
