"""The example page in a browser that runs no script: the form is sent all the same."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.visitor import Visitor, button
from tests.e2e.harness import Harness, marker, wait_for


@pytest.mark.every_run
def test_a_message_leads_to_the_thanks_page_and_to_the_phone(visitor: Visitor, herald: Harness) -> None:
    word = marker()
    page = visitor.visit(script=False)
    page.get_by_label("Message").fill(word)
    with page.expect_response(visitor.action) as answer:
        button(page).click()
    assert answer.value.status == 303
    page.wait_for_url(herald.stage.sites["default"].thanks)
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert len(wait_for(lambda: herald.pushes(word), "push")) == 1


def test_the_browser_itself_asks_for_what_is_missing(visitor: Visitor) -> None:
    page = visitor.visit(script=False)
    button(page).click()
    expect(page.get_by_label("Message")).to_be_focused()
    assert page.url == visitor.site
    assert visitor.sent == []


@pytest.mark.parametrize(
    ("locale", "title", "fault", "send"),
    [
        ("en-GB", "Your message was not sent", "This is not an email address such as name@example.com.", "Send"),
        (
            "de-DE",
            "Ihre Nachricht wurde nicht gesendet",
            "Das ist keine E-Mail-Adresse wie name@example.com.",
            "Senden",
        ),
    ],
)
def test_a_mistake_is_named_and_the_message_is_corrected_and_sent_from_there(
    visitor: Visitor, herald: Harness, locale: str, title: str, fault: str, send: str
) -> None:
    word = marker()
    page = visitor.visit(script=False, locale=locale)
    page.get_by_label("Name").fill('"Ada" <b>')
    page.get_by_label("Email").fill("a@b")
    page.get_by_label("Message").fill(f"{word}\n& more")
    button(page).click()
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    email = page.locator("input[name=email]")
    expect(email).to_be_focused()
    expect(email).to_have_accessible_description(fault)
    expect(email).to_have_value("a@b")
    expect(page.get_by_label("Name")).to_have_value('"Ada" <b>')
    expect(page.locator("textarea[name=message]")).to_have_value(f"{word}\n& more")
    email.fill("ada@example.com")
    page.get_by_role("button", name=send, exact=True).click()
    page.wait_for_url(herald.stage.sites["default"].thanks)
    push = wait_for(lambda: herald.pushes(word), "push")[0]
    assert push["message"].startswith(f'{word}\n& more\n\nName: "Ada" <b>\nEmail: ada@example.com\n')
