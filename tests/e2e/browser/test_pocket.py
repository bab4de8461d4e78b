"""The inbox in the pocket on a phone's screen, from the form to what is rung at a button's press."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e.browser.visitor import PHONE, Scheme, Visitor, button, violations
from tests.e2e.harness import Harness, marker, wait_for


def link_on_the_phone(visitor: Visitor, word: str) -> str:
    """The address in a push, as the phone's page shows it: it makes no links of what strangers may have written."""
    page = visitor.context(width=PHONE).new_page()
    page.goto(f"{visitor.site}phone")
    push = page.get_by_role("listitem").filter(has_text=word)
    found = re.search(r"^Inbox: (\S+)$", push.locator(".body").inner_text(), re.MULTILINE)
    assert found
    return found[1]


def sent(herald: Harness, word: str, **more: str) -> str:
    message_id: str = herald.post_json({"name": word, "message": word, **more}, "/contact/pocketed").json()["id"]
    herald.line("on_success", message_id=message_id, action="quarantined" if more else "delivered")
    return message_id


def test_a_push_leads_to_its_message_and_a_held_one_rings_once_it_is_released(
    visitor: Visitor, herald: Harness
) -> None:
    word, held = marker(), marker()
    form = visitor.visit()
    form.locator("form").evaluate("(form, to) => { form.action = to; }", f"{visitor.action}/pocketed")
    form.get_by_label("Message").fill(word)
    button(form).click()
    wait_for(lambda: herald.pushes(word), "push")
    sent(herald, held, _gotcha="x")

    page = visitor.context(width=PHONE, script=False).new_page()
    link = link_on_the_phone(visitor, word)
    page.goto(link)
    page.get_by_role("button", name="Open the inbox").click()
    expect(page.get_by_text(word)).to_be_visible()
    expect(page.get_by_text("Nothing is left to do.")).to_be_visible()
    page.get_by_role("link", name="Back to the list").click()
    page.get_by_role("link", name="Quarantined").click()
    page.get_by_role("link", name=held).click()
    page.get_by_role("button", name="Release").click()
    wait_for(lambda: herald.pushes(held), "push")
    assert len(herald.pushes(held)) == 1

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Signed out")
    page.goto(link)
    page.get_by_role("button", name="Open the inbox").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This link is spent")
    page.get_by_role("button", name="Send a fresh link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sent")
    page.goto(link_on_the_phone(visitor, "asked for a fresh one"))
    page.get_by_role("button", name="Open the inbox").click()
    expect(page.get_by_text(word)).to_be_visible()


def test_each_page_is_readable_in_light_and_dark_and_no_wider_than_a_phone(visitor: Visitor, herald: Harness) -> None:
    word, held = marker(), marker()
    sent(herald, word)
    sent(herald, held, _gotcha="x")
    page = visitor.context(width=PHONE, bypass_csp=True).new_page()
    link = link_on_the_phone(visitor, word)

    page.goto(link)
    is_readable(page)
    page.get_by_role("button", name="Open the inbox").click()
    expect(page.get_by_text(word).first).to_be_visible()
    is_readable(page)
    page.get_by_role("link", name="Back to the list").click()
    is_readable(page)
    page.get_by_role("link", name=held).click()
    is_readable(page)
    page.goto(link)
    page.get_by_role("button", name="Open the inbox").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This link is spent")
    is_readable(page)


def is_readable(page: Page) -> None:
    schemes: list[Scheme] = ["light", "dark"]
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == [], scheme
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
