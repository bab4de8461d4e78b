"""What a visitor does with a form: writes too much, reads why it was refused, writes less, reads that it was sent."""

from __future__ import annotations

from tests.e2e.harness import wait_for
from tests.forms.browsers import Window
from tests.forms.catalogue import LARGEST, Form
from tests.forms.site import THANKS, Site

SENT = "Thank you: your message is on its way."
READ = "() => document.readyState === 'complete' && document.title !== 'left' && document.body.innerText"
LEAVE = "() => { document.title = 'left' }"
FILL = """(typed) => {
  for (const [control, text] of Object.entries(typed)) {
    const all = document.querySelectorAll(control[0] === "#" ? control : `[name="${CSS.escape(control)}"]`);
    const field = [...all].find((each) => each.type !== "hidden" && (each.type !== "radio" || each.value === text));
    if (field.type === "radio" || field.type === "checkbox") {
      if (!field.checked) field.click();
      continue;
    }
    // React hides the value's own setter behind one that notices nothing.
    Reflect.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set.call(field, text);
    for (const type of ["input", "change", "focusout"]) field.dispatchEvent(new Event(type, { bubbles: true }));
  }
}"""
SEND = """() => document.querySelector(
  "form button:not([type=button], [type=reset]), form input[type=submit], form input[type=image]").click()"""


def read(window: Window, text: str, other: str) -> str:
    """The page as a person reads it, as soon as one of the two texts stands there."""

    def look() -> str:
        shown: str = window.run(READ) or ""
        return shown if text in shown or (other and other in shown) else ""

    try:
        return wait_for(look, text)
    except AssertionError:
        raise AssertionError(f"{text!r} is not on the page: {window.run(READ)}") from None


def send(window: Window, form: Form, message: str) -> None:
    window.run(FILL, form.typed(message))
    window.run(SEND)


def visit(
    window: Window, site: Site, form: Form, refused: str, accepted: str, native: bool = False, herald_js: bool = False
) -> None:
    """Send a form that is refused and then one that is accepted: the two texts are what the visitor must read."""
    window.open(site.show(form.html, form.address, herald_js))
    if refused:
        send(window, form, form.message + "!" * LARGEST)
        shown = read(window, refused, accepted)
        assert refused in shown
        assert accepted not in shown
        assert site.received() == []
    if native:
        # On Herald's page: all but the message is still there.
        window.run(FILL, {form.long_control: form.message})
        window.run(LEAVE)
        window.run(SEND)
    else:
        if not herald_js:
            window.open(site.address())
        send(window, form, form.message)
    shown = read(window, accepted, refused)
    assert accepted in shown
    assert not refused or refused not in shown
    # A page that doesn't look at the answer may be done before it came.
    assert wait_for(site.received, "message") == [form.received()]


def without_script(window: Window, site: Site, form: Form) -> None:
    visit(window, site, form, form.too_long, THANKS, native=True)


def with_own_script(window: Window, site: Site, form: Form) -> None:
    visit(window, site, form, form.refused, form.accepted)


def with_herald_js(window: Window, site: Site, form: Form) -> None:
    visit(window, site, form, form.too_long, SENT, herald_js=True)
