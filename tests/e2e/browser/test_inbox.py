"""The inbox in a browser: on messages in memory each page in each state, and on the local stack its two buttons."""

from __future__ import annotations

import hashlib
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect

from chalicelib.logic.delivery_types import Delivery, State
from chalicelib.logic.image_cleaning import cleaned
from chalicelib.logic.message_files import DeclaredFile, FileFacts, MessageFile
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.stored_messages import OwnerMark
from ops.operations import Listing, Selection
from tests.e2e.browser.visitor import DESKTOP, PHONE, Scheme, readable, violations
from tests.e2e.harness import Harness, marker, wait_for
from tests.e2e.pages import HTML, serving
from tests.e2e.test_commands import printed, shell
from tests.e2e.test_commands import running as command
from tests.images import photo
from tests.mailbox import FailingMailbox, InMemoryMailbox, many, one_of_each, running, stored

LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen" * 3


class Mailbox(FailingMailbox):
    """Has a message in each state and two pages of others, and does not fail until it is told to."""

    def __init__(self) -> None:
        super().__init__(None)
        self.reset()

    def reset(self) -> None:
        self.messages = {one.listed.id: one for one in [*one_of_each(), *many(30)]}
        self.error, self.changes = None, []
        self.is_far_behind = False

    def page(self, selection: Selection) -> Listing:
        return Listing((), "20") if self.is_far_behind else super().page(selection)


class Owner:
    """Somebody whose browser has the session."""

    def __init__(self, browser: Browser, address: str, mailbox: Mailbox, session: StorageState) -> None:
        self.address = address
        self.mailbox = mailbox
        self.complaints: list[str] = []
        self._browser = browser
        self._session = session
        self._stack = ExitStack()

    def context(
        self,
        *,
        width: int = DESKTOP,
        scheme: Scheme = "light",
        script: bool = True,
        session: bool = True,
        bypass_csp: bool = False,
    ) -> BrowserContext:
        context = self._browser.new_context(
            java_script_enabled=script,
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            bypass_csp=bypass_csp,
            storage_state=self._session if session else None,
        )
        self._stack.callback(context.close)
        context.on("console", lambda message: self.complaints.append(message.text))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        return context

    def sees(self, path: str = "/", context: BrowserContext | None = None, **options: Any) -> Page:
        page = (context or self.context(**options)).new_page()
        page.goto(self.address + path)
        return page

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def served(browser: Browser) -> Iterator[tuple[str, Mailbox, StorageState]]:
    """One inbox for the module, opened once as a person does, without a script."""
    mailbox = Mailbox()
    with running(mailbox) as (address, session):
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{address}/open?token={session.token}")
        page.wait_for_url(f"{address}/")
        expect(page.get_by_role("heading", level=1)).to_have_text("All messages")
        found = context.storage_state()
        context.close()
        yield address, mailbox, found


@pytest.fixture
def owner(browser: Browser, served: tuple[str, Mailbox, StorageState]) -> Iterator[Owner]:
    address, mailbox, session = served
    mailbox.reset()
    owner = Owner(browser, address, mailbox, session)
    yield owner
    owner.close()


def the_list(owner: Owner, context: BrowserContext) -> Page:
    return owner.sees("/", context)


def filtered(owner: Owner, context: BrowserContext) -> Page:
    return owner.sees("/?site=default&state=quarantined&since=2025-01-01", context)


def empty(owner: Owner, context: BrowserContext) -> Page:
    owner.mailbox.messages = {}
    return owner.sees("/", context)


def far_behind(owner: Owner, context: BrowserContext) -> Page:
    """What is wanted is not among the newest, and may be among older ones."""
    owner.mailbox.is_far_behind = True
    page = owner.sees("/?state=uncertain&cursor=20", context)
    expect(page.get_by_role("heading", name="None among these")).to_be_visible()
    return page


def of(message_id: str) -> State_:
    def message(owner: Owner, context: BrowserContext) -> Page:
        return owner.sees(f"/message?id={message_id}", context)

    message.__name__ = message_id
    return message


def replayed(owner: Owner, context: BrowserContext) -> Page:
    page = owner.sees("/message?id=waiting-1", context)
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("status")).to_have_text("Delivering by email. Left alone: pushover (delivered).")
    return page


def marked(owner: Owner, context: BrowserContext) -> Page:
    page = owner.sees("/message?id=delivered-1", context)
    for label in ("Mark as answered", "Mark as spam"):
        page.get_by_role("button", name=label).click()
    expect(page.get_by_role("status")).to_contain_text("Marked as spam")
    page.get_by_text("Erase…").click()
    return page


def erased(owner: Owner, context: BrowserContext) -> Page:
    owner.mailbox.mark("waiting-1", OwnerMark.ANSWERED)
    page = owner.sees("/message?id=delivered-1", context)
    page.get_by_text("Erase…").click()
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("status")).to_contain_text("The message is erased.")
    return page


def long(owner: Owner, context: BrowserContext) -> Page:
    channels = {f"channel_{number}": Delivery(State.REJECTED, 1, error="X" * 60, reference=LONG) for number in range(6)}
    one = stored("long-1", MessageState.UNDELIVERABLE, channels, site=LONG)
    owner.mailbox.messages = {"long-1": replace(one, fields={"name": LONG, LONG: LONG, "message": LONG})}
    owner.sees("/", context)
    return owner.sees("/message?id=long-1", context)


def without_credentials(owner: Owner, context: BrowserContext) -> Page:
    owner.mailbox.error = NoCredentialsError()
    page = owner.sees("/", context)
    expect(page.get_by_role("alert")).to_contain_text("There are no AWS credentials")
    return page


def not_there(owner: Owner, context: BrowserContext) -> Page:
    return owner.sees("/message?id=gone", context)


def wrong_method(owner: Owner, context: BrowserContext) -> Page:
    return owner.sees("/erase?id=waiting-1", context)


def not_understood(owner: Owner, context: BrowserContext) -> Page:
    return owner.sees("/?state=odd", context)


def spent(owner: Owner, context: BrowserContext) -> Page:
    return owner.sees("/open?token=x", context)


def without_session(owner: Owner, context: BrowserContext) -> Page:
    context.clear_cookies()
    page = owner.sees("/", context)
    expect(page.get_by_role("main")).to_contain_text("Open the address that the command printed")
    return page


State_ = Callable[[Owner, BrowserContext], Page]
STATES = [
    the_list,
    filtered,
    empty,
    far_behind,
    *(of(f"{state}-1") for state in MessageState),
    replayed,
    marked,
    erased,
    long,
    without_credentials,
    not_there,
    wrong_method,
    not_understood,
    spent,
    without_session,
]


@pytest.mark.parametrize("state", STATES)
def test_each_state_is_readable_in_light_and_dark_and_on_every_screen(owner: Owner, state: State_) -> None:
    readable(state(owner, owner.context(bypass_csp=True)), DESKTOP, PHONE)


def test_the_page_between_the_address_and_the_list_is_readable_too(browser: Browser) -> None:
    with running(InMemoryMailbox()) as (address, session), closing(browser.new_context(bypass_csp=True)) as context:
        page = context.new_page()
        # With 204 a browser stays where it is.
        page.route(f"{address}/", lambda route: route.fulfill(status=204))
        page.goto(f"{address}/open?token={session.token}")
        expect(page.get_by_role("link", name="Open the inbox")).to_be_visible()
        assert violations(page) == []


def test_everything_works_without_a_script_and_loads_nothing_from_elsewhere(owner: Owner) -> None:
    context = owner.context(script=False)
    loaded: list[str] = []
    context.on("request", lambda request: loaded.append(request.url))
    page = owner.sees("/", context)
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("listitem").filter(has_text="Message number")).not_to_have_count(0)
    page.get_by_role("link", name="Newest").click()
    page.get_by_role("link", name="Quarantined 1", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Quarantined")
    page.get_by_label("Site").select_option("shop")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("No message fits what is asked for above.")).to_be_visible()
    page.get_by_role("link", name="Show all days and sites").click()
    page.get_by_role("link", name="Best Rates").click()
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("status")).to_have_text("Delivering by pushover and email.")
    page.get_by_role("link", name="Back to the list").click()
    expect(page.get_by_text("The quarantine is empty")).to_be_visible()
    assert owner.mailbox.changes == [("release", "quarantined-1")]
    assert all(url.startswith(owner.address) for url in loaded)
    assert owner.complaints == []


def test_everything_is_reached_by_keyboard_and_shows_where_it_is(owner: Owner) -> None:
    page = owner.sees("/?state=waiting")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    message = page.get_by_role("link", name="Ines Carvalho")
    for _ in range(20):
        page.keyboard.press("Tab")
        if message.evaluate("each => each === document.activeElement"):
            break
    assert message.evaluate("each => getComputedStyle(each.closest('li')).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    replay = page.get_by_role("button", name="Replay")
    for _ in range(20):
        page.keyboard.press("Tab")
        if replay.evaluate("each => each === document.activeElement"):
            break
    assert replay.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Delivering by email.")
    expect(page.get_by_role("status")).to_be_focused()


def test_the_whole_row_leads_to_its_message(owner: Owner) -> None:
    page = owner.sees("/?state=waiting")
    page.get_by_role("listitem").filter(has_text="Ines Carvalho").click(position={"x": 400, "y": 40})
    expect(page.get_by_role("heading", level=1)).to_have_text("Ines Carvalho")


def test_the_timeline_is_a_picture_with_words_and_a_table(owner: Owner) -> None:
    page = owner.sees("/message?id=waiting-1")
    picture = page.get_by_role("img", name="Timeline of the message")
    said = str(picture.evaluate("each => document.getElementById(each.getAttribute('aria-describedby')).textContent"))
    assert re.fullmatch(r"8 steps\. .*email waiting.*email next attempt\.", said)
    rows = page.get_by_role("row")
    expect(rows).to_have_count(0)
    page.get_by_text("The same as a table").click()
    expect(rows).to_have_count(9)
    expect(rows.nth(4).get_by_role("cell")).to_contain_text(["", "email", "waiting", "1", "ChannelUnavailableError"])
    states = picture.locator("g.glyph").evaluate_all("all => all.map(each => each.dataset.state)")
    assert states == ["accepted", "stored", "delivered", "waiting", "waiting", "waiting", "waiting", "next"]


@pytest.mark.every_run
def test_what_a_stranger_wrote_runs_nowhere(owner: Owner) -> None:
    """With the page's own policy out of the way, as it is the second line of defence."""
    nasty = "\"'></title></textarea></dd><script>hurt=1</script><img src=x onerror=hurt=1><svg onload=hurt=1>"
    link = "https://evil.example/ javascript:hurt=1"
    one = stored("nasty-1", MessageState.DELIVERED, {"pushover": Delivery(State.DELIVERED, 1)})
    fields = {"name": nasty, "subject": nasty, "message": f"{nasty} {link}", nasty: nasty}
    owner.mailbox.messages = {"nasty-1": replace(one, fields=fields)}
    page = owner.sees("/", bypass_csp=True)
    expect(page.locator("main")).to_contain_text("<img src=x onerror=hurt=1>")
    page.get_by_role("link", name="onerror").click()
    expect(page.locator("dd").nth(2)).to_have_text(f"{nasty} {link}")
    assert page.evaluate("typeof hurt") == "undefined"
    assert page.locator("script, main img, main [onerror], main [onload]").count() == 0
    links = page.locator("a").evaluate_all("all => all.map(each => each.href)")
    assert all(link.startswith(owner.address) for link in links)


def test_a_page_of_another_server_on_this_machine_changes_nothing(owner: Owner) -> None:
    """Sites know no ports: the browser sends it the session's cookie, and still it may do nothing."""
    target = f"{owner.address}/replay?id=waiting-1"

    body = f'<form method="post" action="{target}"><button>Win</button></form><iframe src="{owner.address}/">'
    with serving(lambda request, sent: (200, HTML, body.encode())) as port:
        page = owner.context().new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        assert "Herald inbox" not in str([frame.name or frame.title() for frame in page.frames])
        with page.expect_response(target) as answer:
            page.get_by_role("button", name="Win").click()
        assert answer.value.request.all_headers()["sec-fetch-site"] == "same-site"
        assert owner.mailbox.changes == []
        assert answer.value.status == 403


# On the local stack: the command as it is typed, and the operations behind the page.


@pytest.fixture
def at_work(browser: Browser, herald: Harness, checkout: Path) -> Iterator[Page]:
    """A browser at the inbox of the session's stack, without a script."""
    words = ["-m", "ops", "inbox", "--stage", herald.stage.name, "--project", str(checkout), "--no-browser"]
    with command(checkout, words, shell(herald.stack.ports)) as (process, lines):
        printed(lines, "Ctrl-C")
        address = re.search(r"http://\S+", "".join(lines))
        assert address
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(address[0])
        expect(page.get_by_role("heading", level=1)).to_have_text("All messages")
        yield page
        context.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_replay_by_button_rings_exactly_the_missing_channel_and_release_rings(at_work: Page, herald: Harness) -> None:
    page, failed, held = at_work, marker(), marker()
    herald.hook_faults({"do": "status", "status": 422})
    message_id = herald.accepted(failed, "/contact/hooked", name=failed)
    assert herald.line("on_failure", message_id=message_id)["action"] == "undeliverable"
    channels = herald.stage.sites["hooked"].channels
    (missing,) = (name for name in channels if herald.delivery(message_id, name)["state"] != "delivered")
    rung = {hook["channel"] for hook in herald.hooks(failed)}
    quarantined = herald.accepted(held, "/contact/guarded", name=held, _gotcha="x")
    herald.line("on_success", message_id=quarantined, action="quarantined")

    page.get_by_role("link", name="Undeliverable").click()
    page.get_by_role("link", name=failed).click()
    expect(page.get_by_text(f"Replaying it rings {missing}, and nothing else.")).to_be_visible()
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("status")).to_contain_text(f"Delivering by {missing}.")
    herald.line("on_success", message_id=message_id, action="delivered")
    assert sorted(hook["channel"] for hook in herald.hooks(failed)) == sorted({*rung, missing})
    page.get_by_role("link", name="Include logs").click()
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("cell", name="on_success was told")).to_be_visible()
    expect(page.get_by_text("Nothing is left to do.")).to_be_visible()

    page.goto(f"{page.url.partition('/message')[0]}/?state=quarantined&site=guarded")
    page.get_by_role("link", name=held).click()
    expect(page.get_by_text("honeypot: filled in a field that people don't see")).to_be_visible()
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("status")).to_contain_text("Delivering by pushover.")
    wait_for(lambda: herald.pushes(held), "push")
    assert len(herald.pushes(held)) == 1


def test_an_image_is_seen_on_the_page_and_saved_when_it_is_opened_by_itself(owner: Owner) -> None:
    ref = DeclaredFile("a.jpg", "image/jpeg", len(photo()), hashlib.sha256(photo()).hexdigest())
    file = MessageFile(ref, FileFacts("image", "image/jpeg"))
    owner.mailbox.messages["waiting-1"] = replace(owner.mailbox.messages["waiting-1"], files=(file,))
    owner.mailbox.files = {("waiting-1", 1): photo()}
    page = owner.sees("/message?id=waiting-1")
    image = page.locator("img.preview")
    image.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('img.preview').naturalWidth > 0")
    with page.expect_download() as saved:
        page.evaluate("() => { location.href = document.querySelector('img.preview').src }")
    assert Path(saved.value.path()).read_bytes() == cleaned(photo())
    assert owner.complaints == []
