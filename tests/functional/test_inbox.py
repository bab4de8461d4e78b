"""The inbox page over HTTP: who may look, what each page says, and that nothing changes but by its own buttons."""

from __future__ import annotations

import asyncio
import hashlib
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from botocore.exceptions import (
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    UnauthorizedSSOTokenError,
)
from starlette.applications import Starlette

from chalicelib.adapters.aws import ServiceError
from chalicelib.errors import InvalidRequestError, StoreError
from chalicelib.inbox.views import Shell
from chalicelib.logic.delivery_types import Delivery, State
from chalicelib.logic.image_cleaning import cleaned
from chalicelib.logic.message_files import DeclaredFile, FileFacts, FileMark, MessageFile
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.spam import HoldReason, Verdict
from chalicelib.logic.stored_messages import OwnerMark
from ops.errors import OpsError
from ops.inbox.app import create_app
from ops.inbox.mailbox import Mailbox
from ops.inbox.session_guard import Session
from ops.operations import Listing, Replayed, Selection
from tests.fakes import NOW
from tests.images import photo
from tests.mailbox import SHELL, FailingMailbox, InMemoryMailbox, many, one_of_each, stored
from tests.unit.test_image_cleaning import SCAN, chunk, head, jpeg, part, png, segment, webp

READ = ["/", "/message?id=waiting-1", "/message?id=waiting-1&logs=yes", "/?state=quarantined"]
PORT = 4711
ADDRESS = f"http://127.0.0.1:{PORT}"
CHANGE = [
    "/replay?id=waiting-1",
    "/release?id=quarantined-1",
    "/spam?id=delivered-1",
    "/answered?id=delivered-1",
    "/unanswered?id=delivered-1",
    "/erase?id=delivered-1",
]


class Client:
    """A browser, as far as cookies and requests go, that talks to the application without a socket."""

    def __init__(self, app: Starlette, loop: asyncio.Runner) -> None:
        self._loop = loop
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS)
        self.cookies = self._client.cookies

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self._loop.run(self._client.request(method, path, **more))

    def close(self) -> None:
        self._loop.run(self._client.aclose())


class Person:
    """Somebody with a browser, and the inbox that it talks to."""

    def __init__(self, mailbox: Mailbox, address: str, session: Session, client: Client) -> None:
        self.mailbox = mailbox
        self.session = session
        self.address = address
        self.client = client

    def opens(self, token: str | None = None) -> httpx.Response:
        return self.client.request("GET", "/open", params={"token": self.session.token if token is None else token})

    def gets(self, path: str, **headers: str) -> httpx.Response:
        return self.client.request("GET", path, headers=headers)

    def presses(self, path: str, csrf: str | None = None, **headers: str) -> httpx.Response:
        """What a form of the page sends."""
        form = {"csrf": self.session.csrf if csrf is None else csrf}
        return self.client.request("POST", path, data=form, headers={"Origin": self.address, **headers})


Meet = Callable[..., Person]


@pytest.fixture
def meet() -> Iterator[Meet]:
    """Make a person in front of the inbox of a mailbox, with a session unless it is not ``opened``."""
    with ExitStack() as stack:
        loop = stack.enter_context(asyncio.Runner())

        def made(mailbox: Mailbox, shell: Shell = SHELL, *, connect: Any = None, opened: bool = True) -> Person:
            session = Session(PORT)
            app = create_app(shell, session, connect or (lambda: mailbox), lambda: NOW)
            person = Person(mailbox, ADDRESS, session, stack.enter_context(closing(Client(app, loop))))
            assert not opened or person.opens().status_code == 200
            return person

        yield made


@pytest.fixture
def mailbox() -> InMemoryMailbox:
    return InMemoryMailbox(*one_of_each())


@pytest.fixture
def stranger(mailbox: InMemoryMailbox, meet: Meet) -> Person:
    return meet(mailbox, opened=False)


@pytest.fixture
def owner(mailbox: InMemoryMailbox, meet: Meet) -> Person:
    return meet(mailbox)


class Structure(HTMLParser):
    """Elements with their attributes, save the values that tell one message from another; and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[Any] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, sorted(name for name, _ in attrs)))
        self.links += [str(value) for name, value in attrs if name in ("href", "src", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


# Who may look.


@pytest.mark.parametrize("path", [*READ, "/nowhere"])
def test_without_a_session_nothing_is_shown(stranger: Person, mailbox: InMemoryMailbox, path: str) -> None:
    answer = stranger.gets(path)
    assert answer.status_code == 403
    assert "Open the address that the command printed" in answer.text
    assert mailbox.selections == []


@pytest.mark.parametrize("path", CHANGE)
def test_without_a_session_nothing_is_changed(stranger: Person, mailbox: InMemoryMailbox, path: str) -> None:
    assert stranger.presses(path).status_code == 403
    assert mailbox.changes == []


def test_the_token_opens_the_inbox_once(stranger: Person) -> None:
    assert stranger.opens().status_code == 200
    assert stranger.gets("/").status_code == 200
    again = stranger.opens()
    assert again.status_code == 403
    assert "was used before" in again.text
    assert "set-cookie" not in again.headers
    assert stranger.gets("/").status_code == 200, "the session goes on"
    stranger.client.cookies.clear()
    assert stranger.opens().status_code == 403
    assert stranger.gets("/").status_code == 403, "another browser has none"


@pytest.mark.parametrize("token", ["", "x", "é", "a" * 5000])
def test_a_wrong_token_opens_nothing_and_uses_nothing_up(stranger: Person, token: str) -> None:
    assert stranger.opens(token).status_code == 403
    assert stranger.gets("/").status_code == 403
    assert stranger.opens().status_code == 200


def test_looking_at_the_address_without_opening_it_uses_nothing_up(stranger: Person) -> None:
    address = f"/open?token={stranger.session.token}"
    assert stranger.client.request("HEAD", address).status_code == 403
    assert stranger.client.request("POST", address).status_code == 403
    assert stranger.opens().status_code == 200


def test_the_session_is_a_cookie_that_neither_scripts_nor_other_sites_have(stranger: Person) -> None:
    cookie = stranger.opens().headers["set-cookie"]
    name, *attributes = cookie.lower().split("; ")
    assert set(attributes) == {"httponly", "samesite=strict", "path=/"}
    assert stranger.session.token not in cookie
    assert str(urlsplit(stranger.address).port) in name, "browsers give a cookie to every port of a host"


def test_another_cookie_is_no_session(stranger: Person) -> None:
    for value in ("", "x", stranger.session.token, stranger.session.csrf):
        assert stranger.gets("/", Cookie=f"{stranger.session.name}={value}").status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.10", "[::1]", ""])
@pytest.mark.parametrize("path", [*READ, "/open"])
def test_a_foreign_host_is_refused(owner: Person, path: str, host: str) -> None:
    assert owner.gets(path, Host=host).status_code == 400


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_page_started_is_refused(owner: Person, mailbox: InMemoryMailbox, site: str) -> None:
    for path in READ:
        assert owner.gets(path, **{"Sec-Fetch-Site": site}).status_code == 403
    for path in CHANGE:
        assert owner.presses(path, **{"Sec-Fetch-Site": site}).status_code == 403
    assert (mailbox.selections, mailbox.changes) == ([], [])
    for site in ("same-origin", "none"):
        assert owner.gets("/", **{"Sec-Fetch-Site": site}).status_code == 200


# What changes something.


@pytest.mark.parametrize("path", CHANGE)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://127.0.0.1:1", "https://{own}", None])
def test_a_form_of_another_origin_or_of_none_changes_nothing(
    owner: Person, mailbox: InMemoryMailbox, path: str, origin: str | None
) -> None:
    headers = {} if origin is None else {"Origin": origin.format(own=urlsplit(owner.address).netloc)}
    assert owner.client.request("POST", path, data={"csrf": owner.session.csrf}, headers=headers).status_code == 403
    assert mailbox.changes == []


@pytest.mark.parametrize("path", CHANGE)
@pytest.mark.parametrize("csrf", ["", "x", "é"])
def test_without_the_form_s_token_nothing_is_changed(
    owner: Person, mailbox: InMemoryMailbox, path: str, csrf: str
) -> None:
    assert owner.presses(path, csrf).status_code == 403
    assert owner.presses(path, owner.session.token).status_code == 403
    assert mailbox.changes == []


def test_a_body_that_is_no_form_of_the_page_changes_nothing(owner: Person, mailbox: InMemoryMailbox) -> None:
    def sent(body: bytes, kind: str = "application/x-www-form-urlencoded") -> int:
        headers = {"Origin": owner.address, "Content-Type": kind}
        return owner.client.request("POST", CHANGE[0], content=body, headers=headers).status_code

    right = f"csrf={owner.session.csrf}".encode()
    assert sent(right + b"&x=" + b"y" * 5000) == 413
    assert sent(right + b"&x=1" * 10) == 403
    assert sent(b"\xff\xfe") == 403
    assert sent(b'{"csrf": "' + owner.session.csrf.encode() + b'"}', "application/json") == 403
    assert mailbox.changes == []


@pytest.mark.parametrize("path", CHANGE)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_no_other_method_changes_anything(owner: Person, mailbox: InMemoryMailbox, path: str, method: str) -> None:
    answer = owner.client.request(method, path, params={"csrf": owner.session.csrf}, headers={"Origin": owner.address})
    assert answer.status_code in (403, 405)
    assert mailbox.changes == []


def test_following_every_link_changes_nothing(owner: Person, mailbox: InMemoryMailbox) -> None:
    mailbox.mark("delivered-1", OwnerMark.ANSWERED)
    mailbox.changes.clear()
    ours = ("data:image/svg+xml;base64,", "mailto:ines@example.com?", "mailto:jonas@example.com?")
    seen, ahead = set(), ["/"]
    while ahead:
        path = ahead.pop()
        answer = owner.gets(path)
        assert answer.status_code in (200, 405), path
        links = Structure(answer.text).links if "text/html" in answer.headers["content-type"] else []
        found = [link for link in links if not link.startswith(ours)]
        assert all(urlsplit(link)[:2] == ("", "") for link in found), "it stays below the address that the inbox has"
        found = [urljoin(path, link).partition("#")[0] for link in found if not link.startswith("#")]
        ahead += [link for link in found if link not in seen]
        seen |= set(found)
    actions = {urlsplit(link).path for link in seen}
    assert actions - {"/", "/message"} == {urlsplit(path).path for path in CHANGE}, "each button is tried above"
    assert mailbox.changes == []


def test_replay_asks_once_and_says_what_it_did(owner: Person, mailbox: InMemoryMailbox) -> None:
    page = owner.gets("/message?id=waiting-1&state=waiting")
    assert "Replaying it rings email, and nothing else. What pushover delivered is never sent again." in page.text
    form = re.search(r'action="(replay[^"]*)"', page.text)
    assert form
    assert f'value="{owner.session.csrf}"' in page.text
    answer = owner.presses(form[1].replace("&amp;", "&"))
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.headers["location"]).query) == {"id": ["waiting-1"], "state": ["waiting"]}
    assert mailbox.changes == [("replay", "waiting-1")]
    after = owner.gets(answer.headers["location"])
    assert "Delivering by email. Left alone: pushover (delivered)." in after.text
    assert "Nothing is left to do" in after.text
    assert "Delivering by" not in owner.gets(answer.headers["location"]).text, "it is said once"
    assert mailbox.changes == [("replay", "waiting-1")]


def test_a_channel_that_has_left_the_site_is_not_offered(meet: Meet, mailbox: InMemoryMailbox) -> None:
    person = meet(mailbox, Shell("local", "", {"default": ("pushover",)}))
    page = person.gets("/message?id=waiting-1").text
    assert "No longer a channel of this site, and so out of reach: email." in page
    assert "Replay</button>" not in page


def test_what_is_held_is_released_and_not_replayed(owner: Person, mailbox: InMemoryMailbox) -> None:
    page = owner.gets("/message?id=quarantined-1").text
    assert "release?id=quarantined-1" in page
    assert "replay?" not in page
    assert owner.presses(CHANGE[1]).status_code == 303
    assert mailbox.changes == [("release", "quarantined-1")]
    assert "Delivering by pushover and email." in owner.gets("/message?id=quarantined-1").text


def test_a_message_is_marked_and_the_list_says_so(owner: Person, mailbox: InMemoryMailbox) -> None:
    assert owner.presses("/answered?id=delivered-1&site=default").headers["location"].endswith("&site=default")
    assert "Marked as answered." in owner.gets("/message?id=delivered-1").text
    assert Structure(owner.gets("/?state=delivered").text).text.count("Answered") == 1
    assert owner.presses("/unanswered?id=delivered-1").status_code == 303
    assert "Answered" not in Structure(owner.gets("/?state=delivered").text).text
    assert owner.presses("/spam?id=delivered-1").status_code == 303
    page = owner.gets("/message?id=delivered-1").text
    assert "Marked as spam" in page
    assert "Not spam</button>" in page, "every channel has delivered, so a release would ring nobody"
    assert "Mark as spam</button>" not in page
    assert [change for change, _ in mailbox.changes] == ["answered", "not_answered", "spam"]


def test_an_erased_message_is_gone_and_it_is_said_once(owner: Person, mailbox: InMemoryMailbox) -> None:
    answer = owner.presses("/erase?id=waiting-1&state=waiting")
    assert answer.headers["location"] == "/?state=waiting"
    said = "The message is erased. Copies may remain: backups of the table and archive daily of the bus."
    assert said in owner.gets("/?state=waiting").text
    assert "The message is erased." not in owner.gets("/?state=waiting").text
    assert owner.gets("/message?id=waiting-1").status_code == 404
    assert mailbox.changes == [("erase", "waiting-1")]


def test_an_answer_is_one_tap_into_the_owner_s_mail_program(owner: Person) -> None:
    (link,) = [each for each in Structure(owner.gets("/message?id=waiting-1").text).links if each.startswith("mailto:")]
    assert link.startswith("mailto:ines@example.com?subject=Re%3A%20A%20rocking%20chair&body=")
    assert "mailto:" not in owner.gets("/message?id=delivered-1").text, "it names no address"


def test_what_was_asked_for_is_said_even_if_nothing_answers_afterwards(meet: Meet) -> None:
    class Silent(FailingMailbox):
        def replay(self, message_id: str) -> Replayed:
            done = super().replay(message_id)
            self.error = refused("ThrottlingException")
            return done

    mailbox = Silent(None, *one_of_each())
    person = meet(mailbox)
    assert "asks for a pause" in person.presses(CHANGE[0]).text
    mailbox.error = None
    assert "Delivering by email." in person.gets("/message?id=waiting-1").text


def test_a_refusal_of_the_operation_is_shown(owner: Person) -> None:
    answer = owner.presses("/replay?id=gone")
    assert answer.status_code == 503
    assert "there is no message gone" in answer.text
    assert 'href="message?id=gone"' in answer.text, "what can be loaded again is a page, not the form"


# What strangers wrote.

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "</dd></dl></title></textarea><svg onload=alert(1)>",
    "<!--",
    "]]>",
    "javascript:alert(1)",
    "&lt;b&gt; &amp;#60;",
    "{{7*7}}${7*7}",
    "\u202egnp.exe",
    "nul\x00 and \x1b[31m",
]


@pytest.mark.parametrize("text", NASTY)
def test_what_a_visitor_wrote_is_text_and_nothing_else(meet: Meet, text: str) -> None:
    def pages(word: str) -> list[Structure]:
        channels = {"pushover": Delivery(State.REJECTED, 1, error="ChannelRejectedError", since=NOW)}
        one = stored("waiting-1", MessageState.UNDELIVERABLE, channels)
        file = MessageFile(DeclaredFile(word, word, 1, ""), FileFacts("image", "image/png"))
        fields = dict.fromkeys(("name", "email", "subject", "message", word), word)
        one = replace(one, fields=fields, files=(file,))
        person = meet(InMemoryMailbox(one))
        return [Structure(person.gets(path).text) for path in READ[:2]]

    nasty, harmless = pages(text), pages("harmless")
    assert [page.elements for page in nasty] == [page.elements for page in harmless]
    assert [page.links for page in nasty] == [page.links for page in harmless]
    for page in nasty:
        # An HTML parser of a browser drops NUL in text.
        assert " ".join(text.split()).replace("\x00", "") in page.text.replace("\x00", "")


def test_files_are_listed_with_what_each_is_and_how_to_get_them(meet: Meet) -> None:
    files = (
        MessageFile(DeclaredFile("a.jpg", "image/jpeg", 2_100_000, ""), FileFacts("image", "image/jpeg")),
        MessageFile(
            DeclaredFile("b.png", "image/png", 31, ""), FileFacts("markup", "text/html", FileMark.NOT_WHAT_IT_SAYS)
        ),
    )
    person = meet(InMemoryMailbox(replace(stored("waiting-1", MessageState.DELIVERED, {}), files=files)))
    text = " ".join(Structure(person.gets(READ[1]).text).text.split())
    assert "a.jpg : image, 2.1 MB" in text.replace("a.jpg:", "a.jpg :")
    assert "markup, 31 bytes, not what its name says" in text
    assert "./herald messages files waiting-1 --output files" in text


def with_files(*contents: tuple[bytes, FileFacts]) -> InMemoryMailbox:
    """A mailbox with one message, ``waiting-1``, to which these files came."""
    files = tuple(
        MessageFile(DeclaredFile("a.jpg", "image/jpeg", len(content), hashlib.sha256(content).hexdigest()), facts)
        for content, facts in contents
    )
    mailbox = InMemoryMailbox(replace(stored("waiting-1", MessageState.DELIVERED, {}), files=files))
    mailbox.files = {("waiting-1", number): content for number, (content, _) in enumerate(contents, 1)}
    return mailbox


JPEG, PNG, WEBP = (FileFacts("image", f"image/{form}") for form in ("jpeg", "png", "webp"))


def test_an_image_is_shown_without_metadata_and_is_a_download_by_itself(meet: Meet) -> None:
    person = meet(with_files((photo(), JPEG)))
    shown = '<img class="preview" src="file?id=waiting-1&amp;number=1" alt="" loading="lazy">'
    assert shown in person.gets(READ[1]).text
    answer = person.gets("/file?id=waiting-1&number=1")
    assert (answer.status_code, answer.content) == (200, cleaned(photo()))
    headers = answer.headers
    assert (headers["content-type"], headers["content-disposition"]) == ("image/jpeg", "attachment")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert person.gets("/file?id=waiting-1&number=1", **{"Sec-Fetch-Site": "cross-site"}).status_code == 403


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        (b"<svg onload='alert(1)'/>", FileFacts("markup", "image/svg+xml", FileMark.KIND_NOT_TAKEN)),
        (b"%PDF-1.7", FileFacts("pdf", "application/pdf")),
        (photo(), FileFacts("image", "image/jpeg", FileMark.NOT_WHAT_IT_SAYS)),
        (photo(), FileFacts(mark=FileMark.UNEXAMINED)),
        (b"GIF89a", FileFacts("image", "image/gif")),
        (b"\xff\xd8\xff" + bytes(100), JPEG),
        (b"<html><script>alert(1)</script>", PNG),
        (png(head(60_000, 60_000)), PNG),
        (png(chunk(b"tEXt", struct.pack(">II", 1, 1)), head(60_000, 60_000)), PNG),
        (jpeg(segment(0xC2, b"\x08\x1e\x14\x1e\x14"), *[SCAN] * 20), JPEG),
        (png(head(7700, 7700), *[chunk(b"fcTL", bytes(26))] * 20), PNG),
        (webp(part(b"VP8X", bytes(4) + b"\x13\x1e\0" * 2), *[part(b"ANMF", bytes(24))] * 20), WEBP),
    ],
)
def test_what_is_no_image_or_too_large_a_one_has_no_preview(meet: Meet, content: bytes, facts: FileFacts) -> None:
    person = meet(with_files((content, facts)))
    assert person.gets("/file?id=waiting-1&number=1").status_code == 404


@pytest.mark.parametrize("number", ["0", "2", "-1", "1.0", "", "x", "\u00b9", "9" * 5000])
def test_a_number_that_no_file_has_is_no_page(meet: Meet, number: str) -> None:
    person = meet(with_files((photo(), JPEG)))
    assert person.gets(f"/file?id=waiting-1&number={number}").status_code == 404


def test_a_file_that_is_not_the_one_that_was_sent_is_not_shown(meet: Meet) -> None:
    mailbox = with_files((photo(), JPEG))
    mailbox.files["waiting-1", 1] = photo("PNG")
    person = meet(mailbox)
    assert person.gets("/file?id=waiting-1&number=1").status_code == 404


def test_half_a_character_breaks_no_page(meet: Meet) -> None:
    """A JSON body may hold one."""
    one = replace(stored("waiting-1", MessageState.DELIVERED, {}), fields={"name": "Half \ud800"})
    person = meet(InMemoryMailbox(one))
    assert ["Half ?" in person.gets(path).text for path in READ[:2]] == [True, True]


def test_an_id_of_another_publisher_leads_to_its_own_page(meet: Meet) -> None:
    name = "../a b/?&<\"'#%2F"
    mailbox = InMemoryMailbox(stored(name, MessageState.DELIVERED, {"pushover": Delivery(State.DELIVERED, 1)}))
    person = meet(mailbox)
    link = next(link for link in Structure(person.gets("/").text).links if link.startswith("message"))
    assert name in Structure(person.gets(link).text).text


@pytest.mark.parametrize("path", [*READ, "/nowhere", "/message?id=gone", "/open?token=x", "/?state=odd"])
def test_every_answer_forbids_scripts_strangers_and_copies(owner: Person, path: str) -> None:
    headers = owner.gets(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert not re.search(r"script-src|unsafe|\*|https?:|data:", policy.replace("img-src 'self' data:", ""))
    others = ("cache-control", "x-content-type-options", "referrer-policy", "x-frame-options")
    assert [headers[name] for name in others] == ["no-store", "nosniff", "same-origin", "DENY"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


# What is shown.


def test_a_list_says_who_what_when_and_what_became_of_it(owner: Person) -> None:
    text = Structure(owner.gets("/").text).text
    for word in ("Ines Carvalho", "A rocking chair", "the cane of my", "email waiting", "2 signs of spam", "Waiting"):
        assert word in text


def test_what_programs_published_is_listed_by_its_title_and_what_was_rejected_says_why(meet: Meet) -> None:
    reason = "title: expected a text that is not empty"
    verdict = Verdict(hold_reason=HoldReason.REJECTED_PUBLICATION, wrong_key="title", reason=reason)
    delivered = {"pushover": Delivery(State.DELIVERED, 1, since=NOW)}
    mailbox = InMemoryMailbox(
        stored(
            "n-1", MessageState.DELIVERED, delivered, site="notifications", title="Backup <b>", message="It failed."
        ),
        stored("n-2", MessageState.REJECTED_PUBLICATION, {}, site="notifications", verdict=verdict),
    )
    person = meet(mailbox)
    page = person.gets("/?state=rejected").text
    assert "A program" in page
    assert "Backup" not in page
    assert "Backup &lt;b&gt;" in person.gets("/").text
    shown = person.gets("/message?id=n-2").text
    assert "title: expected a text that is not empty" in shown
    assert "Rejected, and nothing of it stored" in shown
    assert "Release" not in shown


def test_states_have_counts_of_the_same_site_and_days_and_none_where_there_is_nothing(owner: Person) -> None:
    def counts(path: str) -> dict[str, str]:
        nav = owner.gets(path).text.partition("</nav>")[0]
        shown = re.findall(r'</svg>(\w[\w ]*)(?: <span class="count">([^<]*)</span>)?</a>', nav)
        return {label.strip(): count for label, count in shown}

    every = counts("/?state=waiting")
    assert (every["All messages"], every["Waiting"], every["Summarized"]) == ("7", "1", "")
    assert set(counts("/?site=shop").values()) == {""}
    assert counts("/?until=2025-12-30")["Duplicate"] == "1"
    assert counts("/?until=2025-12-30")["Waiting"] == ""


def test_of_many_messages_the_newest_are_counted(meet: Meet) -> None:
    mailbox = InMemoryMailbox(*many(260))
    person = meet(mailbox)
    assert '<span class="count">200+</span>' in person.gets("/").text
    assert len(mailbox.selections) == 5


def test_a_time_is_said_as_people_do_with_the_exact_one_beside_it(owner: Person) -> None:
    for path in ("/", "/message?id=waiting-1"):
        assert re.search(
            r'<time datetime="[^"]+" title="[^"]+ \d\d:\d\d:\d\d">50 minutes ago</time>', owner.gets(path).text
        )


def test_filters_are_what_is_asked_for(owner: Person, mailbox: InMemoryMailbox) -> None:
    page = owner.gets("/?site=shop&state=waiting&since=2025-12-30&until=2025-12-31").text
    asked = mailbox.selections[-1]
    assert (asked.site, asked.state) == ("shop", MessageState.WAITING)
    assert asked.until - asked.since == 2 * 24 * 3600
    assert asked.since <= NOW - 1.5 * 24 * 3600 <= asked.until
    assert "No message fits what is asked for above." in page
    assert 'value="2025-12-30"' in page, "the form keeps what was asked for"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("site=elsewhere", "It has: default, shop."),
        ("state=odd", "There is no such state."),
        ("since=yesterday", "A day is written like"),
        ("since=0001-01-01", "A day is written like"),
        ("until=9999-12-31", "A day is written like"),
        ("since=2026-01-02&until=2026-01-01", "The first day comes after the last one."),
        ("cursor=" + "x" * 50_000, "This page of the list is not known."),
    ],
)
def test_what_can_not_be_shown_is_said_in_words(owner: Person, query: str, said: str) -> None:
    answer = owner.gets(f"/?{query}")
    assert answer.status_code == 400
    assert said in answer.text


def test_a_cursor_that_the_stage_does_not_know_leads_back_to_the_newest(meet: Meet) -> None:
    class Forgetful(InMemoryMailbox):
        def page(self, selection: Selection) -> Listing:
            raise InvalidRequestError("cursor: expected the cursor of the page before", key="cursor")

    person = meet(Forgetful())
    answer = person.gets("/?cursor=abc")
    assert (answer.status_code, "Start again with the newest" in answer.text) == (400, True)


def test_all_messages_are_reached_page_by_page(meet: Meet) -> None:
    mailbox = InMemoryMailbox(*many(45))
    person = meet(mailbox)
    path, seen, pages = "/", set(), 0
    while path:
        page = person.gets(path).text
        seen |= set(re.findall(r"Message number \d+", page))
        older = re.search(r'<a class="button quiet" rel="next" href="([^"]+)"', page)
        path, pages = older[1].replace("&amp;", "&") if older else "", pages + 1
    assert (len(seen), pages) == (45, 3)
    assert all(selection.limit <= 50 for selection in mailbox.selections)


@pytest.mark.parametrize("path", ["/message?id=gone", "/message", "/message?id=" + "x" * 5000, "/nowhere"])
def test_what_there_is_not_is_said(owner: Person, path: str) -> None:
    assert owner.gets(path).status_code == 404


# When AWS does not answer.


def failed(cause: Exception, reason: str = "") -> Exception:
    error = StoreError(reason or type(cause).__name__)
    error.__cause__ = cause
    return error


def refused(code: str) -> Exception:
    return failed(ServiceError(code, 400), code)


@pytest.mark.parametrize(
    ("error", "stage", "title", "advice"),
    [
        (failed(NoCredentialsError()), "dev", "There are no AWS credentials", "aws sso login"),
        (failed(UnauthorizedSSOTokenError()), "dev", "Your AWS session is over", "aws sso login"),
        (refused("ExpiredTokenException"), "dev", "credentials of this shell have expired", "Sign in"),
        (refused("UnrecognizedClientException"), "dev", "know the access key", "get-caller-identity"),
        (refused("AccessDeniedException"), "dev", "may not do this", "docs/inbox.md"),
        (refused("ProvisionedThroughputExceededException"), "dev", "asks for a pause", "Wait a few seconds"),
        (refused("ResourceNotFoundException"), "dev", "does not exist", "make deploy STAGE="),
        (refused("InternalServerError"), "dev", "AWS refused", "Try again"),
        (failed(EndpointConnectionError(endpoint_url="http://127.0.0.1:4566")), "local", "No local stack", "make run"),
        (failed(ReadTimeoutError(endpoint_url="x")), "dev", "AWS can", "online"),
        (ProfileNotFound(profile="x"), "dev", "There is no AWS profile", "AWS_PROFILE"),
        (StoreError("UnprocessedKeys"), "dev", "It could not be done", "UnprocessedKeys"),
        (OpsError("no AWS region: set AWS_REGION"), "dev", "It could not be done", "set AWS_REGION"),
    ],
)
def test_what_to_do_is_said_and_tried_again(meet: Meet, error: Exception, stage: str, title: str, advice: str) -> None:
    mailbox = FailingMailbox(error, *one_of_each())
    person = meet(mailbox, Shell(stage, "eu-central-1", {"default": ("pushover",)}))
    for path in ("/?state=waiting", "/message?id=waiting-1"):
        answer = person.gets(path)
        assert answer.status_code == 503
        assert title in answer.text
        assert advice in answer.text
        assert path in [urljoin(path, link) for link in Structure(answer.text).links]
    assert title in person.presses(CHANGE[0]).text
    mailbox.error = None
    assert person.gets("/?state=waiting").status_code == 200


def test_after_an_error_the_credentials_are_read_anew_and_else_they_are_kept(
    meet: Meet, mailbox: InMemoryMailbox
) -> None:
    stale = FailingMailbox(refused("ExpiredTokenException"))
    made: list[Mailbox] = []

    def connect() -> Mailbox:
        made.append(mailbox if made else stale)
        return made[-1]

    person = meet(mailbox, connect=connect)
    assert [person.gets("/").status_code for _ in range(3)] == [503, 200, 200]
    assert made == [stale, mailbox]


def test_credentials_that_are_missing_at_the_start_are_said_on_the_page_too(
    meet: Meet, mailbox: InMemoryMailbox
) -> None:
    def connect() -> Mailbox:
        raise NoCredentialsError

    person = meet(mailbox, connect=connect)
    assert "There are no AWS credentials" in person.gets("/").text
