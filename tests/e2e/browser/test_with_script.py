"""The example page with its script: what is said, what is kept, and what is sent once."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.browser.visitor import Visitor, answering, button, error_of, posted, status, until
from tests.e2e.conftest import ROOT
from tests.e2e.harness import Harness, marker, wait_for
from tests.snippets import snippets

NOT_AN_ADDRESS = "This is not an email address such as name@example.com."
REQUIRED = "This field is required."
LOST = "The connection failed. Nothing is lost: please send it again."


def write(page: Page, message: str, email: str = "ada@example.com") -> None:
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Message").fill(message)


def settle(herald: Harness, visitor: Visitor) -> None:
    """Send another message and see it arrive: whatever was sent before has passed by then."""
    word = marker()
    herald.post_form(message=word)
    wait_for(lambda: herald.pushes(word), "push")


@pytest.mark.every_run
def test_a_message_is_sent_without_leaving_the_page_and_shows_on_the_phone(visitor: Visitor, herald: Harness) -> None:
    word = marker()
    page = visitor.visit()
    write(page, f"{word}\nGrüße & <b>🚀</b>")
    button(page).click()
    expect(status(page)).to_have_text(re.compile("Your message lies on the workbench"))
    expect(status(page)).to_be_focused()
    expect(page.locator("form")).to_have_count(0)
    assert page.url == visitor.site
    push = wait_for(lambda: herald.pushes(word), "push")[0]
    assert push["message"].startswith(f"{word}\nGrüße & <b>🚀</b>\n\n")
    phone = visitor.context().new_page()
    phone.goto(herald.urls["phone"])
    expect(phone.get_by_role("listitem").filter(has_text=word)).to_be_visible()


@pytest.mark.every_run
def test_faults_stand_beside_their_fields_and_go_when_corrected(visitor: Visitor) -> None:
    page = visitor.visit()
    page.get_by_label("Email").fill("nobody")
    button(page).click()
    email, message = page.get_by_label("Email"), page.get_by_label("Message")
    expect(email).to_be_focused()
    assert (error_of(page, "Email"), error_of(page, "Message")) == (NOT_AN_ADDRESS, REQUIRED)
    expect(email).to_have_attribute("aria-invalid", "true")
    expect(email).to_have_accessible_description(f"Only so that we can answer you. {NOT_AN_ADDRESS}")
    expect(status(page)).to_have_text("Some fields need another look.")
    assert not page.get_by_label("Name").get_attribute("aria-invalid")

    email.press("End")
    email.press_sequentially("@")
    assert error_of(page, "Email") == NOT_AN_ADDRESS
    email.press_sequentially("example.com")
    expect(email).to_have_accessible_description("Only so that we can answer you.")
    assert not email.get_attribute("aria-invalid")
    message.fill("Hello")
    assert not message.get_attribute("aria-describedby")
    expect(page.locator(".error")).to_have_count(0)
    expect(status(page)).to_be_empty()
    assert visitor.sent == []


def test_what_the_server_alone_knows_is_shown_beside_its_field(visitor: Visitor, herald: Harness) -> None:
    word = marker()
    page = visitor.visit()
    write(page, word, email="a@b")
    button(page).click()
    expect(page.get_by_label("Email")).to_be_focused()
    assert error_of(page, "Email") == NOT_AN_ADDRESS
    expect(status(page)).to_have_text("Some fields need another look.")
    assert page.get_by_label("Message").input_value() == word
    page.get_by_label("Email").fill("ada@example.com")
    expect(page.locator(".error")).to_have_count(0)
    button(page).click()
    expect(status(page)).to_be_focused()
    assert len(wait_for(lambda: herald.pushes(word), "push")) == 1


def test_the_servers_words_are_in_the_pages_language_not_the_browsers(visitor: Visitor) -> None:
    form = (
        f'<form method="post" action="{visitor.action}" data-herald><label>E-Mail <input name="email"></label>'
        '<label>Nachricht <textarea name="message" required></textarea></label><button>Send</button></form>'
    )
    page = visitor.show(form, language="de-AT")
    button(page).click()
    assert error_of(page, "Nachricht") == "Dieses Feld wird benötigt."
    page.get_by_label("E-Mail").fill("a@b")
    page.get_by_label("Nachricht").fill("x")
    button(page).click()
    expect(page.locator(".error")).to_have_text("Das ist keine E-Mail-Adresse wie name@example.com.")
    expect(status(page)).to_have_text("Einige Felder brauchen noch einen Blick.")


def test_a_fault_of_a_field_that_nobody_sees_is_told_in_the_summary(visitor: Visitor) -> None:
    page = visitor.visit()
    problem = {
        "title": "Some fields need another look.",
        "errors": [
            {"code": "too_long", "field": "source", "message": "At most 200 characters, please."},
            {"code": "x", "field": "altcha", "message": "Too old."},
            {"code": "invalid", "message": "Some fields need another look."},
        ],
    }
    page.route(visitor.action, answering(422, json.dumps(problem)))
    write(page, "Hello")
    button(page).click()
    expect(status(page)).to_have_text(
        "Some fields need another look. source: At most 200 characters, please. altcha: Too old."
    )
    expect(button(page)).to_be_focused()


@pytest.mark.every_run
def test_a_message_whose_answer_was_lost_is_sent_again_and_rings_once(visitor: Visitor, herald: Harness) -> None:
    word = marker()
    page = visitor.visit()

    def lose(route: Route) -> None:
        assert route.fetch().status == 202
        route.abort()

    page.route(visitor.action, lose)
    write(page, word)
    button(page).click()
    expect(status(page)).to_have_text(LOST)
    expect(button(page)).to_be_focused()
    assert page.get_by_label("Message").input_value() == word
    wait_for(lambda: herald.pushes(word), "push")
    page.unroute(visitor.action)
    button(page).click()
    expect(status(page)).to_have_attribute("data-state", "sent")
    first, second = visitor.keys()
    assert first == second
    assert len(first) >= 32
    assert posted(visitor.sent[0]) == posted(visitor.sent[1])
    settle(herald, visitor)
    assert len(herald.pushes(word)) == 1


PUT = """([name, value]) => {
  const form = document.forms[0], hidden = Object.assign(document.createElement("input"), { type: "hidden", name });
  (form.elements[name] ?? form.appendChild(hidden)).value = value;
}"""
"""Sets a field as the widget of a captcha does."""


@pytest.mark.parametrize("field", ["cf-turnstile-response", "h-captcha-response", "g-recaptcha-response", "altcha"])
def test_the_same_message_with_a_fresh_token_of_a_captcha_is_the_same(visitor: Visitor, field: str) -> None:
    page = visitor.visit()
    page.route(visitor.action, lambda route: route.abort())
    write(page, "the same")
    for number in (1, 2):
        page.evaluate(PUT, [field, f"token {number}"])
        button(page).click()
        expect(status(page)).to_have_text(LOST)
        expect(button(page)).not_to_have_attribute("aria-disabled", "true")
    assert [posted(request)[field] for request in visitor.sent] == ["token 1", "token 2"]
    assert len(set(visitor.keys())) == 1


def test_changed_words_are_another_message_and_the_old_ones_again_are_the_old(visitor: Visitor) -> None:
    page = visitor.visit()
    page.route(visitor.action, lambda route: route.abort())
    for message in ("one", "two", "one"):
        write(page, message)
        button(page).click()
        expect(status(page)).to_have_text(LOST)
        expect(button(page)).not_to_have_attribute("aria-disabled", "true")
    one, two, again = visitor.keys()
    assert one == again != two


def test_the_same_words_after_success_are_another_message(visitor: Visitor) -> None:
    page = visitor.visit()
    page.route(visitor.action, answering(202, "{}"))
    # Whoever cancels the event keeps the form.
    page.evaluate("document.addEventListener('herald:sent', event => event.preventDefault())")
    for number in (1, 2):
        write(page, "the same")
        with page.expect_response(visitor.action):
            button(page).click()
        expect(page.get_by_label("Message")).to_have_value("")
        assert len(visitor.sent) == number
    first, second = visitor.keys()
    assert first != second


def test_while_it_is_sent_the_page_says_so_and_sends_nothing_twice(visitor: Visitor, herald: Harness) -> None:
    word = marker()
    page = visitor.visit()
    held = visitor.hold(page, visitor.action)
    write(page, word)
    button(page).dblclick()
    until(page, lambda: held)
    expect(status(page)).to_have_text("Sending …")
    expect(page.locator("form")).to_have_attribute("aria-busy", "true")
    expect(button(page)).to_have_attribute("aria-disabled", "true")
    expect(button(page)).to_be_focused()
    assert button(page).evaluate("button => !button.disabled")
    page.get_by_label("Name").press("Enter")
    button(page).focus()
    page.keyboard.press("Enter")
    held[0].continue_()
    expect(status(page)).to_have_attribute("data-state", "sent")
    settle(herald, visitor)
    assert len(herald.pushes(word)) == len(visitor.sent) == len(held) == 1


def test_a_server_that_never_answers_is_given_up_after_20_seconds(visitor: Visitor) -> None:
    context = visitor.context()
    context.clock.install()
    page = context.new_page()
    page.goto(visitor.site)
    held = visitor.hold(page, visitor.action)
    write(page, "Hello")
    button(page).click()
    until(page, lambda: held)
    expect(status(page)).to_have_text("Sending …")
    with page.expect_event("requestfailed"):
        context.clock.fast_forward(20_000)
    expect(status(page)).to_have_text(LOST)
    assert page.get_by_label("Message").input_value() == "Hello"
    expect(button(page)).not_to_have_attribute("aria-disabled", "true")


@pytest.mark.parametrize(
    ("code", "header", "said"), [(429, "1", "1 second"), (503, "30", "30 seconds"), (503, "", "60 seconds")]
)
def test_a_busy_server_says_when_to_send_again_and_then_gets_the_same_message(
    visitor: Visitor, herald: Harness, code: int, header: str, said: str
) -> None:
    word = marker()
    page = visitor.visit()
    page.route(visitor.action, answering(code, "{}", {"Retry-After": header} if header else None), times=1)
    write(page, word)
    button(page).click()
    expect(status(page)).to_have_text(
        f"This is not possible right now. Nothing is lost: please send it again in {said}."
    )
    assert page.get_by_label("Message").input_value() == word
    button(page).click()
    expect(status(page)).to_have_attribute("data-state", "sent")
    first, second = visitor.keys()
    assert first == second
    assert len(wait_for(lambda: herald.pushes(word), "push")) == 1


@pytest.mark.parametrize(
    ("code", "body", "said"),
    [
        (413, '{"title": "The form holds more than 64 KiB."}', "The form holds more than 64 KiB."),
        (502, "<html>Bad gateway</html>", "Something went wrong. Nothing is lost: please send it again."),
        (500, "null", "Something went wrong. Nothing is lost: please send it again."),
        (400, '{"errors": 7}', "Something went wrong. Nothing is lost: please send it again."),
    ],
)
def test_any_other_refusal_is_told_in_words_and_keeps_what_was_typed(
    visitor: Visitor, code: int, body: str, said: str
) -> None:
    page = visitor.visit()
    page.route(visitor.action, answering(code, body))
    write(page, "Hello")
    button(page).click()
    expect(status(page)).to_have_text(said)
    assert page.get_by_label("Message").input_value() == "Hello"
    expect(button(page)).not_to_have_attribute("aria-disabled", "true")


def test_with_redirect_the_browser_goes_where_the_server_says(visitor: Visitor, herald: Harness) -> None:
    word = marker()
    page = visitor.visit()
    page.locator("form").evaluate("form => { form.dataset.redirect = '' }")
    write(page, word)
    button(page).click()
    page.wait_for_url(herald.stage.sites["default"].thanks)
    assert len(wait_for(lambda: herald.pushes(word), "push")) == 1


def test_a_page_hears_of_what_was_sent_and_of_what_failed(visitor: Visitor, herald: Harness) -> None:
    page = visitor.visit()
    page.evaluate(
        """() => { window.heard = []; for (const name of ["herald:sent", "herald:failed"])
        document.addEventListener(name, event => window.heard.push([name, event.target.id, event.detail])) }"""
    )
    page.locator("form").evaluate("form => { form.id = 'mine' }")
    page.route(visitor.action, lambda route: route.abort(), times=1)
    write(page, "Hello", email="a@b")
    button(page).click()
    expect(status(page)).to_have_text(LOST)
    button(page).click()
    expect(page.get_by_label("Email")).to_be_focused()
    page.get_by_label("Email").fill("")
    button(page).click()
    expect(status(page)).to_have_attribute("data-state", "sent")
    lost, refused, sent = page.evaluate("heard")
    assert lost == ["herald:failed", "mine", {"status": 0, "message": LOST, "errors": []}]
    assert (refused[0], refused[2]["status"]) == ("herald:failed", 422)
    assert [each["field"] for each in refused[2]["errors"]] == ["email"]
    assert sent[:2] == ["herald:sent", "mine"]
    assert sent[2]["next"] == herald.stage.sites["default"].thanks
    assert wait_for(lambda: herald.item(sent[2]["id"]), "record")


def test_a_page_may_say_everything_in_its_own_words(visitor: Visitor) -> None:
    page = visitor.show(
        f'<form method="post" action="{visitor.action}" data-herald data-required="Obligatoire." data-faulty="Hélas."'
        ' data-busy="Dans {n}."><label>Message <textarea name="message" required></textarea></label>'
        "<button>Send</button></form>",
        language="fr",
    )
    button(page).click()
    assert error_of(page, "Message") == "Obligatoire."
    expect(status(page)).to_have_text("Hélas.")
    page.route(visitor.action, answering(429, headers={"Retry-After": "5"}))
    page.get_by_label("Message").fill("x")
    button(page).click()
    expect(status(page)).to_have_text("Dans 5 secondes.")


GROUPS = """
<form method="post" action="{action}" data-herald id="order">
  <fieldset id="seats"><legend>Seat</legend>
    <label><input type="radio" name="seat" value="cane" required> Cane</label>
    <label><input type="radio" name="seat" value="rush" required> Rush</label>
  </fieldset>
  <label for="wood">Wood</label>
  <select id="wood" name="wood" required><option value="">Choose</option><option>Oak</option></select>
  <input type="checkbox" id="agree" name="agree" required> <label id="agreed" for="agree">I agree</label>
  <label id="code">Code <input name="code" pattern="[0-9]+"></label>
  <label for="message">Message</label> <textarea id="message" name="message"></textarea>
  <label for="fruit">Fruit</label> <input id="fruit" name="fruit" form="elsewhere">
  <button name="way" value="post">Send</button>
</form>
<label for="size">Size</label> <input id="size" name="size" form="order" required>
"""


def test_choices_and_lists_are_checked_like_fields(visitor: Visitor, herald: Harness) -> None:
    word = marker()
    page = visitor.show(GROUPS.format(action=visitor.action))
    page.get_by_label("Code").fill("x")
    page.get_by_label("Message").fill(word)
    button(page).click()
    expect(page.get_by_label("Cane")).to_be_focused()
    expect(page.locator(".error")).to_have_count(5)
    # One for the group, where it ends; one after the label of a box, or after the label that holds the field.
    expect(page.locator("#seats > .error:last-child")).to_have_text(REQUIRED)
    expect(page.locator("#wood + .error")).to_have_text(REQUIRED)
    expect(page.locator("#agreed + .error")).to_have_text(REQUIRED)
    # What isn't ours to word is said by the browser.
    expect(page.locator("#code + .error")).to_have_text("Please match the requested format.")
    expect(page.get_by_label("Rush")).to_have_accessible_description(REQUIRED)
    # A field may stand outside of its form.
    expect(page.locator("#size + .error")).to_have_text(REQUIRED)
    page.get_by_label("Size").fill("7")
    page.get_by_label("Rush").check()
    page.get_by_label("Wood").select_option("Oak")
    page.get_by_label("I agree").check()
    page.get_by_label("Code").fill("7")
    expect(page.locator(".error")).to_have_count(0)
    button(page).click()
    expect(status(page)).to_have_attribute("data-state", "sent")
    sent = posted(visitor.sent[0])
    assert {name: sent.get(name) for name in ("seat", "wood", "agree", "code", "way", "fruit")} == {
        "seat": "rush",
        "wood": "Oak",
        "agree": "on",
        "code": "7",
        "way": "post",
        "fruit": None,
    }
    assert len(wait_for(lambda: herald.pushes(word), "push")) == 1


def test_the_seconds_count_from_the_first_touch_not_from_loading(visitor: Visitor) -> None:
    context = visitor.context()
    context.clock.install()
    page = context.new_page()
    page.goto(visitor.site)
    page.route(visitor.action, answering(202, "{}"))
    context.clock.fast_forward(600_000)
    page.get_by_label("Message").fill("Hello")
    context.clock.fast_forward(42_000)
    button(page).click()
    expect(status(page)).to_have_attribute("data-state", "sent")
    assert 42 <= float(posted(visitor.sent[0])["_fill_seconds"]) < 60


def test_tab_goes_through_the_page_in_order_and_never_into_the_trap(visitor: Visitor) -> None:
    page = visitor.visit()
    names = []
    for _ in range(5):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.name || document.activeElement.textContent.trim()"))
    assert names == ["Skip to the contact form", "name", "email", "message", "Send message"]
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.name") == "message"


def test_the_trap_is_where_nobody_sees_it_and_is_sent_empty(visitor: Visitor) -> None:
    page = visitor.visit()
    page.route(visitor.action, answering(202, "{}"))
    expect(page.locator("[name=_gotcha]")).not_to_be_in_viewport()
    assert page.get_by_role("textbox").count() == 3
    write(page, "Hello")
    button(page).click()
    expect(status(page)).to_have_attribute("data-state", "sent")
    assert posted(visitor.sent[0])["_gotcha"] == ""


def test_a_script_of_the_page_may_stop_it(visitor: Visitor) -> None:
    page = visitor.visit()
    page.evaluate("document.addEventListener('submit', event => event.preventDefault(), true)")
    write(page, "Hello")
    button(page).click()
    expect(status(page)).to_be_empty()
    assert visitor.sent == []


COPIED = (ROOT / "web" / "snippet.html").read_text(encoding="utf-8")
SNIPPETS = {
    **{str(each): each.text for each in snippets(ROOT, "html") if "_gotcha" in each.text},
    "web/snippet.html": COPIED.partition("-->\n")[2],
}
BEGINNINGS = {
    str(each): each.text for each in snippets(ROOT, "html") if "<form" in each.text and "_gotcha" not in each.text
}
"""Forms of which a page shows what it is about alone."""
API = re.compile(r"https://YOUR-API|http://127\.0\.0\.1:4566/restapis/herald/api/_user_request_")
"""The addresses that they are shown with."""


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_form_that_is_copied_works_as_it_stands(visitor: Visitor, herald: Harness, name: str) -> None:
    word = marker()
    # Not with the example site's policy, which forbids every style in the markup.
    context = visitor.context(bypass_csp=True)
    page = visitor.show(API.sub(herald.urls["api"], SNIPPETS[name]), context=context)
    expect(page.get_by_label("Leave this")).not_to_be_in_viewport()
    page.get_by_label("Email").fill("a@b")
    page.get_by_label("Message").fill(word)
    button(page).click()
    expect(page.get_by_label("Email")).to_be_focused()
    page.get_by_label("Email").fill("ada@example.com")
    button(page).click()
    expect(status(page)).to_have_attribute("data-state", "sent")
    push = wait_for(lambda: herald.pushes(word), "push")[0]
    assert "\nSource: My website\n" in push["message"]


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_form_that_is_shown_in_part_works_with_a_field_and_a_button(
    visitor: Visitor, herald: Harness, name: str
) -> None:
    word, rest = marker(), '<label>Message <textarea name="message"></textarea></label><button>Send</button>'
    begun = BEGINNINGS[name] if "…" in BEGINNINGS[name] else f"{BEGINNINGS[name]}…</form>"
    page = visitor.show(API.sub(herald.urls["api"], begun).replace("…", rest))
    page.get_by_label("Message").fill(word)
    button(page).click()
    wait_for(lambda: herald.pushes(word), "push")
