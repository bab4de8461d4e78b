"""What every page must be, whoever looks at it and with what: readable, operable, no wider than the screen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.browser.visitor import DESKTOP, PHONE, Visitor, answering, button, readable, status
from tests.e2e.harness import Harness

LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen" * 2


def at_rest(visitor: Visitor, context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto(visitor.site)
    return page


def with_faults(visitor: Visitor, context: BrowserContext) -> Page:
    page = at_rest(visitor, context)
    page.get_by_label("Email").fill(LONG)
    button(page).click()
    expect(page.locator(".error")).to_have_count(2)
    return page


def failed(visitor: Visitor, context: BrowserContext) -> Page:
    page = at_rest(visitor, context)
    page.route(visitor.action, answering(413, f'{{"title": "{LONG}"}}'))
    page.get_by_label("Message").fill("Hello")
    button(page).click()
    expect(status(page)).to_have_text(LONG)
    return page


def sending(visitor: Visitor, context: BrowserContext) -> Page:
    page = at_rest(visitor, context)
    visitor.hold(page, visitor.action)
    page.get_by_label("Message").fill("Hello")
    button(page).click()
    expect(status(page)).to_have_text("Sending …")
    return page


def sent(visitor: Visitor, context: BrowserContext) -> Page:
    page = at_rest(visitor, context)
    page.get_by_label("Message").fill("Hello")
    button(page).click()
    expect(status(page)).to_have_attribute("data-state", "sent")
    return page


def refused(visitor: Visitor, context: BrowserContext) -> Page:
    """The server's page, which a browser gets that doesn't run the script."""
    context.route("**/herald.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page = at_rest(visitor, context)
    page.get_by_label("Name").fill(LONG)
    page.get_by_label("Email").fill("a@b")
    page.get_by_label("Message").fill(LONG)
    button(page).click()
    expect(page.locator(".error")).to_be_visible()
    return page


def thanks(visitor: Visitor, context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto(f"{visitor.site}thanks.html")
    return page


def groups(visitor: Visitor, context: BrowserContext) -> Page:
    form = (
        f'<form method="post" action="{visitor.action}" data-herald><fieldset><legend>Seat</legend>'
        '<label><input type="radio" name="seat" value="cane" required> Cane</label>'
        '<label><input type="radio" name="seat" value="rush" required> Rush</label></fieldset>'
        '<label>Wood <select name="wood" required><option value="">Choose</option></select></label>'
        '<label><input type="checkbox" name="agree" required> I agree</label><button>Send</button></form>'
    )
    page = visitor.show(form, context=context)
    button(page).click()
    expect(page.locator(".error")).to_have_count(3)
    return page


State = Callable[[Visitor, BrowserContext], Page]


def refused_in_german(visitor: Visitor, context: BrowserContext) -> Page:
    page = refused(visitor, visitor.context(bypass_csp=True, locale="de-DE"))
    assert page.locator("html").get_attribute("lang") == "de"
    return page


@pytest.mark.parametrize(
    "state", [at_rest, with_faults, failed, sending, sent, refused, refused_in_german, thanks, groups]
)
def test_each_state_is_readable_in_light_and_dark_and_on_every_screen(visitor: Visitor, state: State) -> None:
    readable(state(visitor, visitor.context(bypass_csp=True)), DESKTOP, PHONE)


@pytest.mark.parametrize("state", [at_rest, refused])
def test_every_field_that_is_seen_has_a_label_that_is_seen(visitor: Visitor, state: State) -> None:
    page = state(visitor, visitor.context())
    labels = page.locator("input:not([type=hidden]), textarea").evaluate_all(
        """fields => fields.filter(each => !each.closest("[aria-hidden]")).map(each => [...each.labels]
        .filter(label => label.checkVisibility() && label.textContent.trim()).length)"""
    )
    assert labels == [1, 1, 1]


@pytest.mark.every_run
def test_the_page_loads_nothing_from_elsewhere(visitor: Visitor, herald: Harness) -> None:
    context = visitor.context()
    loaded: list[str] = []
    context.on("request", lambda request: loaded.append(request.url))
    sent(visitor, context)
    assert {url for url in loaded if not url.startswith(visitor.site)} == {visitor.action}


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_nothing_moves_when_the_card_grows_or_shrinks(visitor: Visitor, width: int) -> None:
    page = visitor.visit(width=width)

    def tops() -> list[float]:
        found: list[float] = page.locator("h1, .card, label[for=name], .card h2").evaluate_all(
            "all => all.map(each => each.getBoundingClientRect().top + scrollY)"
        )
        return found

    before = tops()
    button(page).click()
    expect(page.locator(".error")).to_have_count(1)
    assert tops() == before
    page.get_by_label("Message").fill("Hello")
    button(page).click()
    expect(status(page)).to_have_attribute("data-state", "sent")
    assert tops()[:3] == before[:3]
