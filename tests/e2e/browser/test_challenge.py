"""The proof of work that a page may ask for: solved in the background, used once, never in anybody's way."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable

import altcha
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.e2e.browser.visitor import Visitor, answering, button, posted, status, until
from tests.e2e.harness import Harness, marker, wait_for

SECRET = "of a test"
LOST = "The connection failed. Nothing is lost: please send it again."


class Challenges:
    """The address that a form gets its challenges from."""

    def __init__(self, visitor: Visitor, lifetime: int = 3600, cost: int = 50, prefix: str = "00") -> None:
        self.url = f"{visitor.action}/challenge"
        self.given = 0
        self._make: Callable[[], altcha.Challenge] = lambda: altcha.create_challenge(
            "PBKDF2/SHA-256",
            cost,
            key_prefix=prefix,
            expires_at=int(time.time()) + lifetime,
            hmac_secret=SECRET,
            data={"site": "default"},
        )

    def answer(self, route: Route) -> None:
        self.given += 1
        answering(200, json.dumps(self._make().to_dict()))(route)


def form(visitor: Visitor, challenges: Challenges | None = None, context: BrowserContext | None = None) -> Page:
    """A form that asks for proof; without challenges of the test's own those of the stage's site."""
    action = visitor.action if challenges else f"{visitor.action}/puzzled"
    page = visitor.show(
        f'<form method="post" action="{action}" data-herald data-challenge="{action}/challenge">'
        '<label>Message <textarea name="message" required></textarea></label><button>Send</button></form>',
        context=context,
    )
    if challenges:
        page.route(challenges.url, challenges.answer)
    return page


def send(page: Page, message: str) -> None:
    page.get_by_label("Message").fill(message)
    button(page).click()


def signature(payload: str) -> str:
    return str(json.loads(base64.b64decode(payload))["challenge"]["signature"])


@pytest.mark.parametrize("prefix", ["00", "0", "00f"])
def test_what_is_sent_is_a_solution(visitor: Visitor, prefix: str) -> None:
    challenges = Challenges(visitor, prefix=prefix)
    page = form(visitor, challenges)
    page.route(visitor.action, answering(202, "{}"))
    send(page, "Hello")
    expect(status(page)).to_have_attribute("data-state", "sent", timeout=20_000)
    sent = posted(visitor.sent[0])
    assert altcha.verify_solution(sent["altcha"], SECRET).verified
    assert sent["message"] == "Hello"


@pytest.mark.every_run
def test_a_solution_of_the_stages_own_challenge_rings_the_phone(visitor: Visitor, herald: Harness) -> None:
    """The real thing on both sides: where only solved messages ring, this one does."""
    page = form(visitor)
    word = marker()
    send(page, word)
    expect(status(page)).to_have_attribute("data-state", "sent", timeout=20_000)
    wait_for(lambda: herald.pushes(word), "push")
    without = herald.accepted(f"{word} without", "/contact/puzzled")
    assert herald.line("destined", message_id=without)["signals"] == ["proof_missing"]


def test_it_is_asked_for_at_the_first_touch_and_no_sooner(visitor: Visitor) -> None:
    challenges = Challenges(visitor)
    page = form(visitor, challenges)
    page.wait_for_load_state("networkidle")
    assert challenges.given == 0
    with page.expect_response(challenges.url):
        page.get_by_label("Message").focus()
    page.get_by_label("Message").press_sequentially("Hello")
    assert challenges.given == 1
    assert visitor.sent == []


def test_the_same_message_again_has_the_same_solution_and_another_message_another(visitor: Visitor) -> None:
    challenges = Challenges(visitor)
    page = form(visitor, challenges)
    page.route(visitor.action, lambda route: route.abort())
    for number, message in enumerate(("one", "one", "two"), start=1):
        send(page, message)
        until(page, lambda number=number: len(visitor.sent) == number)  # type: ignore[misc]
        expect(status(page)).to_have_text(LOST)
        expect(button(page)).not_to_have_attribute("aria-disabled", "true")
    first, again, other = (posted(request)["altcha"] for request in visitor.sent)
    assert first == again
    assert signature(first) != signature(other)


def test_a_solution_that_was_looked_at_and_refused_is_not_sent_again(visitor: Visitor) -> None:
    challenges = Challenges(visitor)
    page = form(visitor, challenges)
    page.route(visitor.action, answering(422, '{"title": "No."}'))
    for number in (1, 2):
        send(page, "the same")
        until(page, lambda number=number: len(visitor.sent) == number)  # type: ignore[misc]
        expect(status(page)).to_have_text("No.")
        expect(button(page)).not_to_have_attribute("aria-disabled", "true")
    first, second = (signature(posted(request)["altcha"]) for request in visitor.sent)
    assert first != second


def test_a_solution_that_is_about_to_expire_is_replaced(visitor: Visitor) -> None:
    context = visitor.context()
    context.clock.install()
    page = form(visitor, Challenges(visitor, lifetime=3600), context)
    page.route(visitor.action, lambda route: route.abort())
    # The same message at once, with 40 seconds left, and with 15.
    for number, pause in enumerate((0, 3_560_000, 25_000), start=1):
        context.clock.fast_forward(pause)
        send(page, "the same")
        until(page, lambda number=number: len(visitor.sent) == number)  # type: ignore[misc]
        expect(status(page)).to_have_text(LOST)
        expect(button(page)).not_to_have_attribute("aria-disabled", "true")
    first, second, third = (signature(posted(request)["altcha"]) for request in visitor.sent)
    assert first == second != third
    assert len(set(visitor.keys())) == 1


def test_a_fast_clock_asks_for_no_challenge_with_every_key(visitor: Visitor) -> None:
    challenges = Challenges(visitor, lifetime=-3600)
    page = form(visitor, challenges)
    with page.expect_response(challenges.url):
        page.get_by_label("Message").focus()
    page.get_by_label("Message").press_sequentially("Hello, how are you?")
    page.wait_for_load_state("networkidle")
    assert challenges.given == 1


@pytest.mark.parametrize(
    "answer",
    [
        answering(404),
        answering(200, '{"parameters": {"algorithm": "ARGON2ID", "nonce": "00", "salt": "00"}}'),
        answering(200, "no JSON"),
        lambda route: route.abort(),
    ],
)
def test_where_there_is_no_challenge_the_form_is_sent_without(
    visitor: Visitor, answer: Callable[[Route], None]
) -> None:
    page = form(visitor, Challenges(visitor))
    page.route(f"{visitor.action}/challenge", answer)
    page.route(visitor.action, answering(202, "{}"))
    send(page, "Hello")
    expect(status(page)).to_have_attribute("data-state", "sent")
    assert "altcha" not in posted(visitor.sent[0])


def test_nobody_waits_longer_than_20_seconds_for_a_challenge_that_does_not_come(visitor: Visitor) -> None:
    context = visitor.context()
    context.clock.install()
    page = form(visitor, Challenges(visitor), context)
    held = visitor.hold(page, f"{visitor.action}/challenge")
    page.route(visitor.action, answering(202, "{}"))
    send(page, "Hello")
    until(page, lambda: held)
    expect(status(page)).to_have_text("Sending …")
    assert visitor.sent == []
    context.clock.fast_forward(20_000)
    expect(status(page)).to_have_attribute("data-state", "sent")
    assert "altcha" not in posted(visitor.sent[0])


def test_nobody_waits_longer_than_20_seconds_for_one_that_is_too_hard(visitor: Visitor) -> None:
    context = visitor.context()
    context.clock.install()
    challenges = Challenges(visitor, prefix="00" * 32)
    page = form(visitor, challenges, context)
    page.route(visitor.action, answering(202, "{}"))
    with page.expect_response(challenges.url):
        send(page, "Hello")
    # The page answers while it works.
    expect(status(page)).to_have_text("Sending …")
    context.clock.fast_forward(20_000)
    expect(status(page)).to_have_attribute("data-state", "sent")
    assert "altcha" not in posted(visitor.sent[0])
