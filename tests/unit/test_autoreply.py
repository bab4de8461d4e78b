"""Which visitors are answered by mail, and with what. Every row names the page that it follows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.errors import AutoreplyError
from chalicelib.logic.autoreply import (
    DAY,
    HEADERS,
    TOO_LATE,
    Answer,
    AutoreplyDependencies,
    answer,
    mailbox,
    own_addresses,
    why_not,
)
from chalicelib.logic.delivery_types import Delivery, Record, State
from chalicelib.logic.message import Message
from chalicelib.logic.spam import HoldReason, Verdict
from chalicelib.settings import Autoreply, Stage
from tests.fakes import NOW, InMemoryMessages, mail_channel, mailing_stage, message, site, stage

TEXTS = {
    "en": ("We got it ({id})", "Hello, your message to {site} arrived at {received} ({id})."),
    "de": ("Angekommen", "Guten Tag, Ihre Nachricht ist da."),
}
AUTOREPLY = Autoreply("Shop <hello@shop.site>", "hello@shop.site", "", ("shop.site",), "", 1, 2, TEXTS)
VISITOR = "ada@visitor.site"
DELIVERED = Record("run-1", {"pushover": Delivery(State.DELIVERED)})


def answering(autoreply: Autoreply = AUTOREPLY) -> Stage:
    return stage()._replace(sites={"default": site()._replace(autoreply=autoreply)})


class InMemoryLog:
    """Remembers answers and budgets."""

    def __init__(self) -> None:
        self.claimed: set[str] = set()
        self.taken: dict[str, int] = {}

    def claim(self, message_id: str, now: int) -> bool:
        self.now = now
        fresh = message_id not in self.claimed
        self.claimed.add(message_id)
        return fresh

    def take(self, key: str, most: int, until: int) -> bool:
        assert until in (self.now + DAY, self.now + 3600)
        if self.taken.get(key, 0) >= most:
            return False
        self.taken[key] = self.taken.get(key, 0) + 1
        return True


class RecordingMailer:
    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []

    def send(self, autoreply: Autoreply, to: str, subject: str, text: str) -> None:
        self.sent.append((to, subject, text))


class RefusingMailer(RecordingMailer):
    def send(self, autoreply: Autoreply, to: str, subject: str, text: str) -> None:
        super().send(autoreply, to, subject, text)
        raise AutoreplyError("MessageRejected")


class World:
    """A stage that answers, and what it sent."""

    def __init__(self, of: Stage | None = None, mailer: RecordingMailer | None = None) -> None:
        self.stage = of or answering()
        self.store, self.log, self.mailer = InMemoryMessages(), InMemoryLog(), mailer or RecordingMailer()

    def answer(self, it: Message | None = None, record: Record = DELIVERED, now: int = NOW) -> Answer:
        it = it or message(email=VISITOR, message="Hi")
        self.store.kept.setdefault(it.id, it)
        self.store.records.setdefault(it.id, record)
        return answer(it.id, now, AutoreplyDependencies(self.stage, self.store, self.log, self.mailer))


def test_a_form_without_an_address_answers_nobody() -> None:
    assert World().answer(message(message="Hi")) is Answer.NO_ADDRESS


def test_a_visitor_is_answered_in_their_language_with_nothing_that_they_wrote() -> None:
    here = World()
    it = replace(message(email=VISITOR, name="Buy at evil.example", message="MARKER"), language="de")
    assert here.answer(it) is Answer.SENT
    assert here.mailer.sent == [(VISITOR, "Angekommen", "Guten Tag, Ihre Nachricht ist da.")]


@pytest.mark.parametrize("language", ["", "en", "fr", "tlh"])
def test_in_a_language_without_a_text_the_sites_own_is_used_and_filled_in(language: str) -> None:
    here = World()
    it = replace(message(email=VISITOR), language=language)
    assert here.answer(it) is Answer.SENT
    text = f"Hello, your message to www.example.com arrived at 2026-01-01 00:00 UTC ({it.id})."
    assert here.mailer.sent == [(VISITOR, f"We got it ({it.id})", text)]


MACHINES = [
    *("postmaster", "Postmaster", "MAILER-DAEMON", "mailer_daemon", "abuse", "hostmaster", "root", "autoreply"),
    *("no-reply", "noreply", "no.reply", "No_Reply", "donotreply", "do-not-reply", "noreply+abc", "noreply-shop"),
    *("shop-noreply", "listserv", "majordomo", "owner-list", "list-owner", "list-request", "list-unsubscribe"),
    *("list-bounces", "bounce", "bounces+ada=x.site"),
]


def held(reason: HoldReason) -> Record:
    return replace(DELIVERED, verdict=Verdict(("honeypot",), 10, reason))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        # A person, also at an address of a role that people read.
        *((f"{local}@visitor.site", None) for local in ("ada", "info", "ada+forms", "noreen", "owner", "requests")),
        # What SES can't carry: https://docs.aws.amazon.com/ses/latest/dg/send-email-formatted.html
        ("", Answer.NO_ADDRESS),
        ("n/a", Answer.NO_ADDRESS),
        ("jürgen@visitor.site", Answer.NO_ADDRESS),
        ("ada@visitor.site, eve@visitor.site", Answer.NO_ADDRESS),
        ("ada@visitor.site\r\nBcc: eve@visitor.site", Answer.NO_ADDRESS),
        # RFC 5321, 4.1.2: another way of writing ada@visitor.site, postmaster@… and hello@shop.site.
        *((address, Answer.NO_ADDRESS) for address in ('"ada"@visitor.site', '"\\ada"@visitor.site')),
        *((address, Answer.NO_ADDRESS) for address in ('"postmaster"@visitor.site', '"hello"@shop.site')),
        # RFC 3834, 2: no responses to list owners, daemons and the like. RFC 2142, 5 and 6: their names.
        *((f"{local}@visitor.site", Answer.MACHINE) for local in MACHINES),
        # RFC 2606, RFC 6761, RFC 6762: nobody has these.
        *((f"ada@{domain}", Answer.NOWHERE) for domain in ("example.com", "www.example.org", "EXAMPLE.NET")),
        *((f"ada@{domain}", Answer.NOWHERE) for domain in ("a.test", "a.invalid", "a.localhost", "x.local")),
        # RFC 3834, 4: loops.
        ("hello@shop.site", Answer.OWN_ADDRESS),
        ("Hello+form@Shop.site", Answer.OWN_ADDRESS),
    ],
)
def test_who_is_answered_by_their_address(address: str, expected: Answer | None) -> None:
    here = World()
    assert here.answer(message(email=address, message="Hi")) is (expected or Answer.SENT)
    assert len(here.mailer.sent) == (expected is None)


@pytest.mark.parametrize(
    ("record", "seconds", "expected"),
    [
        (DELIVERED, 0, None),
        (held(HoldReason.QUARANTINED), 0, Answer.HELD),
        (held(HoldReason.DUPLICATE), 0, Answer.HELD),
        # Below the threshold, or not checked at all: who can't be vouched for has no stranger mailed.
        (replace(DELIVERED, verdict=Verdict(("links",), 5)), 0, Answer.SIGNS),
        (replace(DELIVERED, verdict=Verdict(("captcha_unchecked",), 0)), 0, Answer.SIGNS),
        # Released from quarantine, or replayed: a person has it, and its visitor waited long.
        (replace(DELIVERED, replayed_at=NOW), 0, Answer.REPLAYED),
        (replace(DELIVERED, deliveries={**DELIVERED.deliveries, "b": Delivery(State.SUMMARIZED)}), 0, Answer.FLOODED),
        (DELIVERED, TOO_LATE, None),
        (DELIVERED, TOO_LATE + 1, Answer.LATE),
    ],
)
def test_who_is_answered_by_what_became_of_the_message(record: Record, seconds: int, expected: Answer | None) -> None:
    here = World()
    assert here.answer(record=record, now=NOW + seconds) is (expected or Answer.SENT)
    assert len(here.mailer.sent) == (expected is None)


def test_a_message_is_answered_once_however_often_the_bus_tells_of_it() -> None:
    here = World()
    assert [here.answer() for _ in range(3)] == [Answer.SENT, Answer.SENT_BEFORE, Answer.SENT_BEFORE]
    assert len(here.mailer.sent) == 1


def test_an_answer_that_ses_refused_is_not_tried_again() -> None:
    """It may have been sent; and a robot's wrong address must not be tried for days."""
    here = World(mailer=RefusingMailer())
    with pytest.raises(AutoreplyError):
        here.answer()
    assert here.answer() is Answer.SENT_BEFORE
    assert len(here.mailer.sent) == 1


def numbered(number: int, address: str = VISITOR) -> Message:
    return message(f"id-{number}", email=address, message=f"text {number}")


def test_an_address_gets_no_more_than_its_budget_in_a_day_and_then_again() -> None:
    here = World()
    assert here.answer(numbered(1)) is Answer.SENT
    assert here.answer(numbered(2), now=NOW + DAY - 1) is Answer.ADDRESS_BUDGET
    later = replace(numbered(3), received_at=NOW + DAY)
    assert here.answer(later, now=NOW + DAY) is Answer.SENT


def test_a_site_answers_no_more_than_its_budget_in_an_hour_and_then_again() -> None:
    here = World()
    many = [numbered(number, f"visitor{number}@visitor.site") for number in range(4)]
    found = [here.answer(each, now=NOW + 1799 * number) for number, each in enumerate(many[:3])]
    assert found == [Answer.SENT, Answer.SENT, Answer.SITE_BUDGET]
    assert here.answer(many[3], now=NOW + 3600) is Answer.SENT


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ada@visitor.site", "ADA@Visitor.site", True),
        ("ada@visitor.site", "ada+1@visitor.site", True),
        ("a.d.a@gmail.com", "ada+x@googlemail.com", True),
        ("a.da@visitor.site", "ada@visitor.site", False),
        ("ada@visitor.site", "ada@other.site", False),
    ],
)
def test_one_persons_many_addresses_share_a_budget(one: str, other: str, same: bool) -> None:
    assert (mailbox(one) == mailbox(other)) is same
    assert "ada" not in mailbox(one)


@pytest.mark.parametrize("of", [stage(), answering()._replace(sites={})])
def test_a_site_without_the_table_or_that_has_left_answers_nobody(of: Stage) -> None:
    here = World(of)
    assert here.answer() is Answer.OFF
    assert (here.mailer.sent, here.log.claimed) == ([], set())


def test_a_message_that_is_gone_and_a_summary_answer_nobody() -> None:
    here = World()
    dependencies = AutoreplyDependencies(here.stage, here.store, here.log, here.mailer)
    assert answer("summary-pushover-1", NOW, dependencies) is Answer.OFF
    assert here.mailer.sent == []


def test_no_address_that_the_stage_mails_itself_is_answered() -> None:
    channel = mail_channel(from_address="Herald@Forms.site", to=("Owner@Team.site",))
    of = mailing_stage(channel)._replace(sites={"default": site()._replace(autoreply=AUTOREPLY)})
    assert own_addresses(of) == {"herald@forms.site", "owner@team.site", "hello@shop.site"}
    it = message(email="owner@team.site")
    assert why_not("owner@team.site", it, DELIVERED, own_addresses(of), NOW) is Answer.OWN_ADDRESS


@pytest.mark.parametrize("own", ["team+form@shop.site", "me+contact@gmail.com", "m.e@googlemail.com"])
@pytest.mark.parametrize("more", ["", "+1", "+form"])
def test_an_own_address_is_not_answered_however_the_owner_or_the_visitor_writes_it(own: str, more: str) -> None:
    here = World(answering(AUTOREPLY._replace(reply_to=own)))
    local, _, domain = own.replace("m.e", "me").partition("@")
    for to in (own, f"{local.partition('+')[0]}{more}@{domain}"):
        assert here.answer(message(to, email=to)) is Answer.OWN_ADDRESS


def test_an_answer_says_that_a_machine_wrote_it() -> None:
    """RFC 3834, 5; the two others are older custom."""
    assert HEADERS["Auto-Submitted"] == "auto-replied"
    assert {"Precedence", "X-Auto-Response-Suppress"} < set(HEADERS)


def published(**more: Any) -> str:
    return replace(message(email=VISITOR), **more).serialize()


def test_the_language_travels_with_the_message_where_there_is_one() -> None:
    assert Message.deserialize(published(language="de")).language == "de"
    assert "language" not in published()
