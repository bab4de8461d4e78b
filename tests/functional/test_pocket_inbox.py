"""``inbox``: a link in a notification becomes a session, once; and what an attacker tries.

The table is MiniStack's DynamoDB in this process.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import unescape
from random import Random
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from chalicelib.adapters.aws import ServiceError
from chalicelib.adapters.file_bucket import FileBucket, StoredFile
from chalicelib.composition import override_container
from chalicelib.errors import FilesError
from chalicelib.handlers import inbox
from chalicelib.inbox.views import CSRF
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.image_cleaning import cleaned
from chalicelib.logic.inbox_links import FRESH_LINKS, LINK_LIFE, Link, link_token
from chalicelib.logic.inbox_sessions import SESSION_LIFE, Session, session_token
from chalicelib.logic.message import Message
from chalicelib.logic.message_files import DeclaredFile, FileFacts, facts_key
from chalicelib.logic.retry_due import DueMessage
from chalicelib.logic.spam import NOTHING_FOUND, HoldReason, Verdict
from chalicelib.logic.stored_messages import Marked, OwnerMark
from chalicelib.settings import Channel, FileRules, Site, Stage
from tests.dynamodb import LocalTable
from tests.fakes import FUNCTION_ARN, NOW, Context, FakeContainer, MissingKey, RecordingNotifier
from tests.fakes import stage as plain_stage
from tests.images import photo

KEY = "k" * 43
HOST = "abc.lambda-url.eu-central-1.on.aws"
PARAMETERS = {"spam/key": KEY, "resources/inbox": f"https://{HOST}/"}
OURS = {"sec-fetch-site": "same-origin"}
TYPED = {"sec-fetch-site": "none"}
XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
EVERY_BUTTON = {"replay", "release", "spam", "answered", "unanswered", "erase", "end"}
PREVIEWS = (
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.23.20.0",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Twitterbot/1.0",
)


def pocket_stage() -> Stage:
    """A stage with an inbox, two sites, and a channel of each alone."""
    usual = plain_stage()
    site, channel = usual.sites["default"], next(iter(usual.channels.values()))

    def channel_of(name: str) -> Channel:
        return channel._replace(name=name, kind="pushover", inbox_link=True)

    def site_of(name: str, channel: str) -> Site:
        return site._replace(name=name, channels=(channel,))

    return usual._replace(
        inbox=True,
        channels={"phone": channel_of("phone"), "other": channel_of("other")},
        sites={"default": site_of("default", "phone"), "shop": site_of("shop", "other")},
        notifications=usual.notifications._replace(channels=("phone",)),
    )


class Parameters:
    """The stage's parameters."""

    def read(self) -> dict[str, str]:
        return PARAMETERS

    def forget(self) -> None:
        raise AssertionError("nothing refuses the stage's key")


class PocketContainer(FakeContainer):
    """A container with the table in this process."""

    def __init__(self) -> None:
        stage = pocket_stage()
        self.phone, self.time = RecordingNotifier(), NOW
        self.queued: list[DueMessage] = []
        """For which messages ``destined`` was to run."""
        self.table = LocalTable(stage.table)
        notifiers = dict.fromkeys(("phone", "other"), self.phone)
        super().__init__(stage, destined=SimpleNamespace(run=self.queued.append), notifiers=notifiers)
        self.__dict__ |= {"_dynamodb": self.table, "inbox_parameters": Parameters()}

    def now(self) -> int:
        return self.time


class Browser:
    """Follows links and presses buttons, with the cookies that it was given."""

    def __init__(self, container: PocketContainer) -> None:
        self.container = container
        self.cookie = ""

    def asks(
        self, method: str, address: str, body: str = "", headers: Mapping[str, str] = OURS, **more: Any
    ) -> dict[str, Any]:
        parts = urlsplit(address)
        event = {
            "rawPath": f"/{parts.path.removeprefix('./').removeprefix('/')}",
            "rawQueryString": parts.query,
            "headers": {"host": HOST, **headers},
            "cookies": [self.cookie] if self.cookie else [],
            "requestContext": {"http": {"method": method}, "domainName": HOST},
            "body": body,
            "isBase64Encoded": False,
            **more,
        }
        with override_container(self.container):
            answer: dict[str, Any] = inbox.answer(event, Context())
        for cookie in answer.get("cookies", ()):
            self.cookie = cookie.partition(";")[0]
        return answer

    def opens(self, address: str) -> dict[str, Any]:
        """Open a link and press its button; the answer is the page that follows."""
        page = self.asks("GET", address, headers=TYPED)
        answer = self.presses(page)
        return self.asks("GET", answer["headers"]["Location"]) if answer["statusCode"] == 303 else answer

    def presses(self, page: Mapping[str, Any], label: str = "", **more: Any) -> dict[str, Any]:
        """Press the button of a page, the one with this label where there are several."""
        forms = re.findall(r'<form method="post" action="([^"]*)">(.*?)</form>', page["body"], re.DOTALL)
        action, inside = next(form for form in forms if f">{label}" in form[1])
        csrf = re.search(rf'name="{CSRF}" value="([^"]*)"', inside)
        return self.asks("POST", action, f"{CSRF}={csrf[1]}" if csrf else "", **more)


@pytest.fixture
def container() -> PocketContainer:
    return PocketContainer()


@pytest.fixture
def browser(container: PocketContainer) -> Browser:
    return Browser(container)


@pytest.fixture
def message(container: PocketContainer) -> Message:
    return stored(container, "message-1", "default", Delivery(State.REJECTED, 1, "run", 0, 0, "", "no", NOW))


def stored(
    container: PocketContainer, message_id: str, site: str, delivery: Delivery, verdict: Verdict = NOTHING_FOUND
) -> Message:
    """A message that the table holds."""
    message = Message(message_id, site, NOW, {"message": f"Hello {message_id} {XSS}", "name": XSS})
    channel = container.stage.sites[site].channels[0]
    container.messages.add(message, Record("invocation", {channel: delivery}, verdict, 0))
    return message


def address(message: Message, channel: str = "phone", ends_at: int = NOW + LINK_LIFE, key: str = KEY) -> str:
    return f"open?token={link_token(Link(channel, message.id, ends_at), 'dev', key)}"


def csrf_of(page: Mapping[str, Any]) -> str:
    found = re.search(rf'name="{CSRF}" value="([^"]*)"', page["body"])
    assert found
    return found[1]


def reads(container: PocketContainer) -> list[str]:
    return [call.operation for call in container.table.calls]


@pytest.fixture(autouse=True)
def nothing_typed_runs(browser: Browser) -> Iterator[None]:
    """No page holds what a visitor typed as markup."""
    pages: list[str] = []
    asks = browser.asks

    def remembered(*words: Any, **more: Any) -> dict[str, Any]:
        answer = asks(*words, **more)
        pages.append(str(answer["body"]))
        return answer

    vars(browser)["asks"] = remembered
    yield
    assert not [page for page in pages if "<script" in page or "<img src=x" in page]


def test_the_link_of_a_notification_opens_its_message(browser: Browser, message: Message) -> None:
    link = browser.container.inbox_link("phone", message)
    assert link.startswith(f"https://{HOST}/open?token=")
    assert len(link) < 512
    page = browser.opens(link)
    assert page["statusCode"] == 200
    assert "Hello message-1" in page["body"]
    assert len(page["body"].encode()) < 40_000


class Bucket:
    """Holds a photo at one key; does not answer for others."""

    def read(self, key: str) -> StoredFile:
        if key != "files/default/message-2/1":
            raise FilesError("SlowDown")
        return StoredFile(photo(), "a.jpg", "image/jpeg", NOW)


@pytest.mark.parametrize(
    ("site", "message_id", "status"),
    [("default", "message-2", 200), ("default", "other", 503), ("shop", "message-2", 404)],
)
def test_an_image_is_shown_to_who_gets_the_sites_messages(
    container: PocketContainer, browser: Browser, message: Message, site: str, message_id: str, status: int
) -> None:
    ref = DeclaredFile("a.jpg", "image/jpeg", len(photo()), hashlib.sha256(photo()).hexdigest())
    with_file = replace(message, id=message_id, site=site, files=(ref,))
    delivery = Delivery(State.DELIVERED, 1)
    container.messages.add(with_file, Record("run", {"phone": delivery}, NOTHING_FOUND, 0))
    container.examinations.record(facts_key(message_id), "file1", FileFacts("image", "image/jpeg"), NOW + 1000)
    container.__dict__["_file_bucket"] = Bucket()
    assert browser.asks("GET", f"file?id={message_id}&number=1")["statusCode"] == 403, "without a session"
    browser.opens(address(message))
    answer = browser.asks("GET", f"file?id={message_id}&number=1")
    assert answer["statusCode"] == status
    if status == 200:
        assert base64.b64decode(answer["body"]) == cleaned(photo())
        assert answer["isBase64Encoded"]
        assert answer["headers"]["Content-Type"] == "image/jpeg"
        assert answer["headers"]["Content-Disposition"] == "attachment"
        assert answer["headers"]["X-Content-Type-Options"] == "nosniff"


def test_a_preview_as_often_as_it_likes_uses_no_link_up_and_reads_nothing(browser: Browser, message: Message) -> None:
    browser.container.table.calls.clear()
    for agent in PREVIEWS:
        for method in ("GET", "HEAD"):
            assert browser.asks(method, address(message), headers={"user-agent": agent})["statusCode"] == 200
    assert reads(browser.container) == []
    assert browser.opens(address(message))["statusCode"] == 200


def test_a_link_works_once_and_a_fresh_one_goes_to_its_channel_at_most_three_times_an_hour(
    container: PocketContainer, browser: Browser, message: Message
) -> None:
    browser.opens(address(message))
    thief = Browser(container)
    spent = thief.opens(address(message))
    assert (spent["statusCode"], thief.cookie) == (410, "")
    for _ in range(FRESH_LINKS):
        assert "on its way" in thief.presses(spent)["body"]
    assert thief.presses(spent)["statusCode"] == 429
    assert [sent.channel for sent in container.phone.delivered] == ["phone"] * FRESH_LINKS
    token = parse_qs(urlsplit(container.phone.delivered[0].inbox).query)["token"][0]
    assert token not in "".join(str(sent) for sent in container.phone.delivered[1:]), "each is another"
    ids = {message.id, *(sent.id for sent in container.phone.delivered)}
    assert len(ids) == 1 + FRESH_LINKS, "a receiver of webhooks drops an id that it knows"
    assert browser.opens(container.phone.delivered[-1].inbox)["statusCode"] == 200


def test_a_link_that_is_pressed_again_opens_its_message_while_a_session_of_its_channel_lasts(
    container: PocketContainer, browser: Browser, message: Message
) -> None:
    assert browser.opens(address(message))["statusCode"] == 200
    again = browser.opens(address(message))
    assert (again["statusCode"], "Hello message-1" in again["body"]) == (200, True)
    container.time += LINK_LIFE - 1
    other = Browser(container)
    assert other.opens(address(message, "other"))["statusCode"] == 404
    assert other.asks("POST", address(message))["statusCode"] == 410, "a session of another channel"
    browser.asks("POST", address(message, "phone", NOW + LINK_LIFE + 1))
    container.time += 1
    assert browser.asks("POST", address(message))["statusCode"] == 303, "a link that is over, too"
    session = browser.cookie
    browser.presses(browser.asks("GET", "/"), "Sign out")
    browser.cookie = session
    assert browser.asks("POST", address(message))["statusCode"] == 410, "a session that was ended"


def test_an_old_link_opens_nothing_and_offers_a_fresh_one(browser: Browser, message: Message) -> None:
    browser.container.time = NOW + LINK_LIFE
    page = browser.asks("GET", address(message), headers=TYPED)
    assert (page["statusCode"], "Send a fresh link" in page["body"]) == (410, True)
    assert browser.asks("POST", address(message))["statusCode"] == 410
    assert browser.cookie == ""


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "x.y",
        "é" * 20,
        "a" * 5000,
        link_token(Link("phone", "message-1", NOW + 9), "dev", "another key"),
        link_token(Link("phone", "message-1", NOW + 9), "prod", KEY),
        link_token(Link("gone", "message-1", NOW + 9), "dev", KEY),
        session_token(Session("phone", "message-1", NOW + 9), "dev", KEY),
    ],
    ids=["none", "short", "guessed", "no ascii", "long", "of another key", "of another stage", "no channel", "session"],
)
def test_what_this_stage_did_not_sign_is_refused_before_anything_is_read(browser: Browser, token: str) -> None:
    for method in ("GET", "POST"):
        answer = browser.asks(method, f"open?token={token}")
        assert answer["statusCode"] == 403
    assert browser.asks("POST", f"fresh?token={token}")["statusCode"] == 403
    assert (reads(browser.container), browser.container.phone.delivered) == ([], [])


@pytest.mark.parametrize("cookie", ["", "x", "x.y", link_token(Link("phone", "m", NOW + 9), "dev", KEY)])
def test_a_cookie_that_is_no_session_is_refused_before_anything_is_read(browser: Browser, cookie: str) -> None:
    browser.cookie = f"{inbox.COOKIE}={cookie}"
    assert browser.asks("GET", "./")["statusCode"] == 403
    assert reads(browser.container) == []


def test_a_flood_of_what_was_made_up_reads_nothing_and_locks_nobody_out(browser: Browser, message: Message) -> None:
    token = address(message).partition("=")[2]
    browser.container.table.calls.clear()
    chance = Random(0)  # noqa: S311 - guesses, not secrets
    stranger = Browser(browser.container)
    for number in range(500):
        guess = "".join(chance.sample(token, len(token)))
        stranger.cookie = f"{inbox.COOKIE}={guess}"
        path = ("./", f"open?token={guess}", f"fresh?token={guess}", "message?id=message-1", "erase?id=message-1")[
            number % 5
        ]
        method, body = ("POST", f"{CSRF}={guess}" * 50) if number % 3 else ("GET", "")
        assert stranger.asks(method, path, body, headers={**OURS, "x": guess * 20})["statusCode"] == 403
    assert (reads(browser.container), browser.container.phone.delivered) == ([], [])
    assert browser.opens(address(message))["statusCode"] == 200


def test_a_signature_opens_the_message_that_it_was_made_for_and_no_other(browser: Browser, message: Message) -> None:
    other = stored(browser.container, "message-2", "default", Delivery())
    (_, signature), (words, _) = (address(each).partition("=")[2].split(".") for each in (message, other))
    assert browser.asks("POST", f"open?token={words}.{signature}")["statusCode"] == 403
    assert browser.asks("POST", f"{address(message)}&id=message-2")["headers"]["Location"] == "message?id=message-1"


def test_a_session_sees_the_sites_of_its_channel_alone(browser: Browser, message: Message) -> None:
    other = stored(browser.container, "message-2", "shop", Delivery(State.REJECTED, 1, "run", 0, 0, "", "no", NOW))
    browser.opens(address(message))
    hidden, absent = (browser.asks("GET", f"message?id={each}") for each in ("message-2", "gone"))
    assert (hidden["statusCode"], hidden["body"]) == (404, absent["body"]), "nobody learns that it is there"
    assert browser.asks("GET", "./?site=shop")["statusCode"] == 400
    assert "message-2" not in browser.asks("GET", "./")["body"]
    assert "message-1" in browser.asks("GET", "./")["body"]
    csrf = csrf_of(browser.asks("GET", "message?id=message-1"))
    before = browser.container.table.items()
    for path in EVERY_BUTTON - {"end"}:
        assert browser.asks("POST", f"{path}?id={other.id}", f"{CSRF}={csrf}")["statusCode"] == 404
    assert (browser.container.queued, browser.container.table.items()) == ([], before)


def test_looking_changes_nothing_whatever_address_is_looked_at(browser: Browser, message: Message) -> None:
    browser.opens(address(message))
    before = browser.container.table.items()
    for path in EVERY_BUTTON | {"fresh"}:
        for method in ("GET", "HEAD"):
            assert browser.asks(method, f"{path}?id=message-1")["statusCode"] == 404
        assert browser.asks("DELETE", f"{path}?id=message-1")["statusCode"] == 405
    assert browser.container.table.items() == before


def test_a_message_that_was_not_delivered_is_tried_again_by_a_button(browser: Browser, message: Message) -> None:
    answer = browser.presses(browser.opens(address(message)), "Replay")
    assert answer["statusCode"] == 303
    page = unescape(browser.asks("GET", answer["headers"]["Location"])["body"])
    assert "are being tried" in page
    assert "to be tried again, by phone's inbox" in page
    assert browser.container.queued == [DueMessage("message-1", "default")]


def test_a_message_in_quarantine_is_released_by_a_button(container: PocketContainer, browser: Browser) -> None:
    held = stored(container, "held-1", "default", Delivery(), Verdict(("links",), 10, HoldReason.QUARANTINED))
    answer = browser.presses(browser.opens(address(held)), "Release")
    assert answer["statusCode"] == 303
    assert container.queued == [DueMessage("held-1", "default")]
    record = container.messages.find_record("held-1")
    assert record is not None
    assert record.verdict.hold_reason is None


def test_spam_is_marked_and_let_go_and_the_record_says_in_whose_inbox(browser: Browser) -> None:
    message = stored(browser.container, "message-1", "default", Delivery(State.DELIVERED, 1))
    page = browser.opens(address(message))
    for label in ("Mark as spam", "Not spam", "Mark as answered", "Not answered"):
        page = browser.asks("GET", browser.presses(page, label)["headers"]["Location"])
        assert 'role="status" tabindex="-1" autofocus>' in page["body"], "what was done is read out"
    text = unescape(page["body"])
    for mark in ("spam", "not spam", "answered", "not answered"):
        assert f"Marked as {mark}, by phone's inbox" in text
    assert browser.container.queued == [], "everything was delivered, so nothing rings"


def test_a_message_is_erased_with_all_that_was_written(browser: Browser, message: Message) -> None:
    page = browser.opens(address(message))
    gone = browser.asks("GET", browser.presses(page, "Erase")["headers"]["Location"])
    assert "The message is erased." in gone["body"]
    assert "Hello message-1" not in gone["body"]
    assert not [key for key in browser.container.table.items() if "message-1" in key]
    assert browser.asks("GET", "message?id=message-1")["statusCode"] == 404


def test_the_files_of_an_erased_message_are_deleted_first(browser: Browser, container: PocketContainer) -> None:
    deleted: list[str] = []

    def delete_object(Bucket: str, Key: str, ExpectedBucketOwner: str) -> None:
        assert "message-1" in container.table.items(), "an erasure that was interrupted can be repeated"
        deleted.append(Key)

    bucket: Any = SimpleNamespace(delete_object=delete_object)
    site = container.stage.sites["default"]._replace(files=FileRules(2, 1024, ("image",)))
    vars(container)["stage"] = container.stage._replace(sites={**container.stage.sites, "default": site})
    vars(container)["_file_bucket"] = FileBucket(bucket, container.stage, FUNCTION_ARN)
    file = DeclaredFile("a.jpg", "image/jpeg", 9, "0" * 64)
    message = Message("message-1", "default", NOW, {"message": "Hello"}, files=(file, file))
    container.messages.add(message, Record("run", {"phone": Delivery(State.DELIVERED, 1)}))
    assert browser.presses(browser.opens(address(message)), "Erase")["statusCode"] == 303
    assert sorted(deleted) == [f"{where}/default/message-1/{n}" for where in ("files", "new") for n in (1, 2)]
    assert [key for key in container.table.items() if "message-1" in key] == [facts_key("message-1")]


def test_a_list_of_twenty_costs_one_query_and_one_read(container: PocketContainer, browser: Browser) -> None:
    for number in range(20):
        stored(container, f"message-{number}", "default", Delivery(State.DELIVERED, 1))
    browser.opens(address(Message("message-1", "default", NOW, {})))
    container.table.calls.clear()
    page = browser.asks("GET", "./?site=default")["body"]
    assert [page.count(f"Hello message-{number} ") for number in range(20)] == [1] * 20
    assert reads(container) == ["GetItem", "Query", "BatchGetItem"], "the session, the list and what was written"


def buttons(container: PocketContainer, browser: Browser) -> set[str]:
    """The addresses of every form that the pages of a session have."""
    held = stored(container, "held-1", "default", Delivery(), Verdict(("links",), 10, HoldReason.QUARANTINED))
    answered = stored(container, "answered-1", "default", Delivery(State.DELIVERED, 1))
    container.marks.mark(answered.id, Marked(OwnerMark.ANSWERED, NOW))
    pages = ["./", "message?id=message-1", f"message?id={held.id}", f"message?id={answered.id}"]
    html = "".join(browser.asks("GET", page)["body"] for page in pages)
    return {unescape(form) for form in re.findall(r'<form method="post" action="([^"]*)">', html)}


@pytest.mark.parametrize(
    "headers",
    [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "none"}, {}]
    + [{"origin": origin} for origin in ("https://evil.example", "null", f"http://{HOST}")],
)
def test_no_other_page_can_press_a_button(
    container: PocketContainer, browser: Browser, message: Message, headers: dict[str, str]
) -> None:
    csrf = csrf_of(browser.opens(address(message)))
    found, before = buttons(container, browser), container.table.items()
    assert {form.partition("?")[0] for form in found} == EVERY_BUTTON
    for form in [*found, address(message), address(message).replace("open", "fresh")]:
        assert browser.asks("POST", form, f"{CSRF}={csrf}", headers=headers)["statusCode"] == 403, form
    assert (container.queued, container.phone.delivered, container.table.items()) == ([], [], before)


def test_a_host_header_is_not_taken_for_the_function_s_own_name(browser: Browser, message: Message) -> None:
    page = browser.opens(address(message))
    forged = {"host": "evil.example", "x-forwarded-host": "evil.example", "origin": "https://evil.example"}
    assert browser.presses(page, "Replay", headers=forged)["statusCode"] == 403
    answer = browser.presses(page, "Mark as answered", headers={**forged, **OURS})
    assert answer["headers"]["Location"] == "message?id=message-1&done=answered", "no address has a host"
    assert "evil.example" not in str([answer, page])


def test_no_parameter_of_an_address_leads_elsewhere_or_is_shown_as_markup(browser: Browser, message: Message) -> None:
    browser.opens(address(message))
    for name in ("next", "done", "id", "site", "state", "since", "until", "cursor", "token"):
        for path in ("./", "message", "open", "nowhere", "//evil.example/"):
            answer = browser.asks("GET", f"{path}?{urlencode({name: XSS + 'https://evil.example/'})}")
            assert "Location" not in answer["headers"]
            assert "evil.example" not in unescape(answer["body"]).replace("&quot;", "")
    for label in ("Mark as spam", "Not spam"):
        page = browser.asks("GET", "message?id=message-1")
        answer = browser.presses(page, label) if f">{label}<" in page["body"] else {"headers": {"Location": "./"}}
        assert re.match(r"(\./|message\?)", answer["headers"]["Location"])


def test_whatever_a_visitor_writes_in_any_field_name_or_file_is_text(
    container: PocketContainer, browser: Browser
) -> None:
    fields = dict.fromkeys(("name", "email", "subject", "message", XSS, f"{XSS} 2"), XSS)
    message = Message("message-1", "default", NOW, fields, files=(DeclaredFile(XSS, XSS, 9, "0" * 64),))
    container.messages.add(message, Record("run", {"phone": Delivery(State.REJECTED, 1, error=XSS, reference=XSS)}))
    page = browser.opens(address(message))
    for shown in (page, browser.asks("GET", "./")):
        for tag in re.findall(r"<[a-z][^>]*>", shown["body"].partition("</style>")[2]):
            assert not re.search(r"\bon\w+=|<script|alert", tag), tag
    assert unescape(page["body"]).count(XSS) >= 8


def test_a_browser_that_names_no_fetch_site_is_known_by_its_origin(browser: Browser, message: Message) -> None:
    page = browser.opens(address(message))
    assert browser.presses(page, "Replay", headers={"origin": f"https://{HOST}"})["statusCode"] == 303


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_stolen_cookie_is_no_use_to_another_page(browser: Browser, message: Message, site: str) -> None:
    browser.opens(address(message))
    for path in ("./", "message?id=message-1"):
        assert browser.asks("GET", path, headers={"sec-fetch-site": site})["statusCode"] == 403


@pytest.mark.parametrize("csrf", ["", "x", "é", "a" * 5000])
def test_a_form_without_the_session_s_token_changes_nothing(
    container: PocketContainer, browser: Browser, message: Message, csrf: str
) -> None:
    browser.opens(address(message))
    other = Browser(container)
    other.opens(container.inbox_link("phone", replace(message, received_at=NOW + 1)))
    of_another = csrf_of(other.asks("GET", "./"))
    found, before = buttons(container, browser), container.table.items()
    for form in found:
        for token in (csrf, of_another):
            assert browser.asks("POST", form, f"{CSRF}={token}")["statusCode"] == 403, form
    assert (container.queued, container.table.items()) == ([], before)
    assert browser.asks("GET", "./")["statusCode"] == 200


def test_more_parameters_and_fields_than_ours_are_refused_as_wrong_ones(browser: Browser, message: Message) -> None:
    assert browser.asks("GET", f"./?{'&'.join(['a=1'] * 50)}")["statusCode"] == 400
    browser.opens(address(message))
    assert browser.asks("POST", "replay?id=message-1", "&".join(["a=1"] * 50))["statusCode"] == 403
    assert browser.container.queued == []


def test_a_session_ends_by_its_button_and_with_its_time(browser: Browser, message: Message) -> None:
    page, other = browser.opens(address(message)), Browser(browser.container)
    other.opens(browser.container.inbox_link("phone", replace(message, received_at=NOW + 1)))
    cookie = browser.cookie
    gone = browser.presses(page, "Sign out")
    assert gone["statusCode"] == 200
    assert "<form" not in gone["body"]
    browser.cookie = cookie
    assert browser.asks("GET", "./")["statusCode"] == 403
    assert other.asks("GET", "./")["statusCode"] == 200, "another owner's goes on"
    browser.container.time = NOW + SESSION_LIFE
    assert other.asks("GET", "./")["statusCode"] == 403


def test_a_lost_phone_is_ended_with_all_the_links_that_it_has(
    container: PocketContainer, browser: Browser, message: Message
) -> None:
    other = stored(container, "message-2", "shop", Delivery())
    owner = Browser(container)
    assert owner.opens(address(other, "other"))["statusCode"] == 200
    browser.opens(address(message))
    unused = stored(container, "message-3", "default", Delivery())
    assert container.inbox_sessions.end_all("phone", NOW + 60) == 1
    assert browser.asks("GET", "./")["statusCode"] == 403
    container.time = NOW + 90
    spent = browser.opens(address(unused))
    assert (spent["statusCode"], "Send a fresh link" in spent["body"]) == (410, True)
    browser.presses(spent)
    fresh = container.phone.delivered[-1].inbox
    assert browser.opens(fresh)["statusCode"] == 200, "whoever gets the channel's messages now"
    assert owner.asks("GET", "./")["statusCode"] == 200, "another channel's go on"
    kept_until = int(container.table.item("inbox#phone")["expires_at"]["N"])
    assert kept_until >= NOW + 60 + LINK_LIFE, "what ended the links is kept as long as they live"
    container.time = NOW + LINK_LIFE - 1
    assert Browser(container).opens(address(unused))["statusCode"] == 410, "it stays ended for as long as it lives"


def test_the_cookie_is_for_this_address_alone_and_no_script(browser: Browser, message: Message) -> None:
    answer = browser.presses(browser.asks("GET", address(message)))
    (cookie,) = answer["cookies"]
    name, *attributes = cookie.split("; ")
    assert name.startswith("__Host-")
    assert {"Path=/", "HttpOnly", "Secure", "SameSite=Strict"} <= set(attributes)


def test_every_answer_forbids_scripts_frames_and_copies(browser: Browser, message: Message) -> None:
    opened = browser.presses(browser.asks("GET", address(message)))
    answers = [browser.asks("GET", address(message)), opened, browser.asks("GET", opened["headers"]["Location"])]
    answers += [browser.asks("GET", "./"), browser.asks("GET", "nowhere"), Browser(browser.container).asks("GET", "./")]
    for answer in [*answers, browser.asks("PUT", "./"), browser.asks("GET", "./?state=odd")]:
        headers = answer["headers"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin", "no address with a token is told to another site"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "access-control-allow-origin" not in {name.lower() for name in headers}


def test_the_table_s_trouble_is_said_and_nothing_more(browser: Browser, message: Message) -> None:
    browser.opens(address(message))

    def fails(operation: str, request: dict[str, Any]) -> None:
        raise ServiceError("ThrottlingException", 400)

    browser.container.table.before_call = fails
    answer = browser.asks("GET", "./")
    assert (answer["statusCode"], "Not available" in answer["body"]) == (503, True)


def test_a_notification_goes_without_a_link_where_the_key_can_not_be_read(container: PocketContainer) -> None:
    container.__dict__["inbox_parameters"] = MissingKey()
    message = Message("message-1", "default", NOW, {"message": "Hello"})
    assert container.inbox_link("phone", message) == ""
