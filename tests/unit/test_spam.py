"""What makes a message look like spam, and what a verdict is."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.errors import StoreError
from chalicelib.logic import spam
from chalicelib.logic.message import Message
from chalicelib.logic.spam import (
    COUNTS_AS,
    PROOF_LIFE,
    HoldReason,
    Signal,
    Verdict,
    count_links,
    find_signals,
    hash_sender,
    screen,
    subkey,
)
from chalicelib.logic.submission import Submission
from chalicelib.settings import Spam
from tests.fakes import NOW, InMemoryRecent, message, site

KEY = "0123456789abcdef" * 4
EVERYTHING = Spam(
    points={"honeypot": 1, "fill_time": 2, "links": 4, "rate": 8, "proof_of_work": 16},
    quarantine_from=1000,
    min_fill_seconds=3,
    most_links=2,
    most_messages=1,
    rate_minutes=60,
    proof_tries=200,
)
"""Every sign, each with points of its own, so that a sum tells which were counted."""


def only(sign: str, points: int = 10, **more: Any) -> Spam:
    """A site's rules with one sign, enough by itself."""
    return EVERYTHING._replace(points={sign: points}, quarantine_from=10, **more)


def numbered(number: int, at: int = NOW, site: str = "default", **more: Any) -> Message:
    """One of many messages that differ in everything but their site."""
    return replace(message(f"id-{number}", site, message=f"text {number}"), received_at=at, **more)


# At the door


@pytest.mark.parametrize("points", [{}, {"honeypot": 10}])
def test_a_filled_honeypot_is_kept_in_mind_even_where_it_counts_nothing(points: Mapping[str, int]) -> None:
    assert find_signals(Submission(honeypot=True), Spam(points=points)) == ["honeypot"]
    assert find_signals(Submission(), Spam(points=points)) == []


@pytest.mark.parametrize(("seconds", "too_fast"), [
    ("0", True), ("0.0", True), ("2", True), ("2.999999999", True), ("2.9", True),
    # As JavaScript writes what it has computed, such as 0.1 + 0.2.
    ("0.30000000000000004", True), ("2.4000000000000004", True), ("3.0000000000000004", False), ("00000002", True),
    ("3", False), ("3.0", False), ("3.000000001", False), ("7.5", False), ("999999999", False),
    # A form that doesn't say, or says what is no number of seconds, has shown nothing.
    ("", False), ("-1", False), ("+1", False), ("1e-9", False), ("1e0", False), ("0x1", False), ("1,5", False),
    (".5", False), ("1.", False), ("1 s", False), ("1\n", False), ("1_0", False), ("nan", False), ("NaN", False),
    ("inf", False), ("-inf", False), ("null", False), ("true", False), ("soon", False), ("²", False), ("1" * 10, False),
    ("0." + "1" * 31, False), ("0" * 60_000, False),
])  # fmt: skip
def test_a_form_that_was_filled_in_faster_than_allowed_shows_it(seconds: str, too_fast: bool) -> None:
    signals = find_signals(Submission(fill_seconds=seconds), only("fill_time"))
    assert signals == (["fill_time"] if too_fast else [])


def test_the_time_is_looked_at_only_where_it_counts() -> None:
    assert find_signals(Submission(fill_seconds="0"), Spam(min_fill_seconds=3)) == []


def test_both_signs_stand_side_by_side_and_are_texts_that_json_can_write() -> None:
    signals = find_signals(Submission(honeypot=True, fill_seconds="0.4"), EVERYTHING)
    assert signals == ["honeypot", "fill_time"]
    assert all(isinstance(signal, str) for signal in signals)


@pytest.mark.parametrize(
    ("seconds", "likely"), [("2.9", False), ("3", True), ("86400", True), ("86400.1", False), ("soon", False)]
)
def test_three_seconds_to_a_day_is_what_a_person_takes(seconds: str, likely: bool) -> None:
    found = spam.find_person_signs(Submission(fill_seconds=seconds), Spam(), from_own_page=False)
    assert found == ((spam.PersonSign.FILL_TIME,) if likely else ())


# The sender


def of(address: str, site: str = "default", key: str = KEY) -> str:
    return hash_sender(address, site, key)


@pytest.mark.parametrize(
    "same",
    [
        ("192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1", "::FFFF:c000:201"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:DB8:1:2::", "2001:0db8:0001:0002:0000:0000:0:01"),
        ("::1", "::2"),
        ("fe80::1", "fe80::1%eth0", "fe80::2%eth1"),
    ],
)
def test_addresses_of_one_subscriber_are_one_sender(same: tuple[str, ...]) -> None:
    assert len({of(address) for address in same}) == 1


def test_addresses_of_two_subscribers_are_two_senders() -> None:
    different = [
        "192.0.2.1", "192.0.2.2", "192.0.3.1", "::ffff:192.0.2.3", "2001:db8:1:2::1", "2001:db8:1:3::1",
        "2001:db8:2:2::1", "::1", "0.0.0.1", "255.255.255.255",
    ]  # fmt: skip
    assert len({of(address) for address in different}) == len(different)
    assert of("::ffff:192.0.2.1") != of("::ffff:192.0.2.2"), "64 bits of these are the same for the whole internet"


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_another_site_or_another_key_makes_another_sender(address: str) -> None:
    assert len({of(address), of(address, "shop"), of(address, key="f" * 64), of(address, key=KEY[:-1])}) == 4


def test_no_site_and_address_together_are_taken_for_others() -> None:
    assert of("192.0.2.1", "a") != of("192.0.2.1", "a\n192.0.2.1")


def test_an_update_of_herald_makes_no_other_sender_or_network() -> None:
    """What was counted before it counts afterwards too."""
    found = [spam.hash_network("192.0.2.1", "default", KEY), of("192.0.2.1"), of("2001:db8::1")]
    assert found == [
        "31393de8afd6290d30556f15771b99d6",
        "99df561923014b93156be3de93f6b9fa",
        "af4b06aa9e8fb8065f3680f88905075e",
    ]


@pytest.mark.parametrize("rubbish", [
    "", " ", "test-invoke-source-ip", "localhost", "192.0.2.1, 198.51.100.1", "192.0.2.1:443", "192.0.2.256", "192.0.2",
    "192.0.2.1/24", " 192.0.2.1", "192.0.2.1\n", "3221225985", "[2001:db8::1]", "2001:db8:::1", "1" * 10_000, "\ud800",
])  # fmt: skip
def test_what_is_no_address_is_no_sender(rubbish: str) -> None:
    assert of(rubbish) == ""


def test_each_purpose_has_a_key_of_its_own_from_which_no_other_follows() -> None:
    keys = {subkey(key, purpose) for key in (KEY, "other", "") for purpose in ("sender", "challenge", "solution")}
    assert len(keys) == 9
    assert {len(key) for key in keys} == {32}
    assert KEY.encode() not in keys
    assert subkey(KEY, "sender") == subkey(KEY, "sender")


# Links


@pytest.mark.parametrize(("text", "count"), [
    ("", 0), ("Hello", 0), ("Write to ada@example.com or to example.com", 0), ("the protocol http is old", 0),
    ("http:/ is no link", 0), ("ftp://example.com", 0), ("wwwhat? Awww.", 0), ("http://example.com", 1),
    ("https://example.com", 1), ("HTTPS://EXAMPLE.COM", 1), ("see www.example.com", 1), ("(WWW.example.com)", 1),
    ("http://a.example, http://b.example and https://c.example/?x=y", 3), ("http://a.example\nwww.b.example", 2),
    ("<a href='http://a.example'>http://a.example</a>", 2), ("https://www.example.com", 1),
    ("HTTP://WWW.example.com", 1), ("https://www.a.example https://www.b.example", 2),
    ("[url=https://a.example]A[/url]", 1), ("[url=https://www.a.example]A[/url]", 1), ("[URL=www.a.example]A[/URL]", 1),
    ("[url=https://www.a.example]A[/url] [url=https://www.b.example]B[/url]", 2), ("[url]a.example[/url]", 1),
    ("[URL=a.example]A[/URL]", 1), ("[url]https://a.example[/url]", 1), ('[url="https://a.example"]A[/url]', 1),
    ("https://www.a.example/www.html", 1), ("http://a.example,http://b.example", 2), ("http://http://", 1),
    ("h\u200bttp://example.com", 0),
])  # fmt: skip
def test_links_are_counted(text: str, count: int) -> None:
    assert count_links(message(message=text)) == count


def test_links_of_all_fields_are_counted_but_where_the_form_stands() -> None:
    it = message(source="https://www.example.com/contact.html", website="http://a.example", message="www.b.example")
    assert count_links(it) == 2
    assert count_links(message(source="http://a.example http://b.example")) == 0


def test_a_text_of_links_alone_is_counted_in_one_pass() -> None:
    assert count_links(message(message="http://a " * 9_000)) == 9_000


# Screening: each sign


class Silent:
    """Must not be asked."""

    def count(self, *arguments: Any) -> int:
        raise AssertionError(f"counted {arguments}")

    def claim_first(self, *arguments: Any) -> str:
        raise AssertionError(f"asked for {arguments}")

    def make_first(self, *arguments: Any) -> None:
        raise AssertionError(f"took over {arguments}")


class Journal(InMemoryRecent):
    """Remembers, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Any, ...]] = []

    def count(self, sender: str, message_id: str, at: int, seconds: int, most: int) -> int:
        self.asked.append(("count", sender, message_id, at, seconds, most))
        return super().count(sender, message_id, at, seconds, most)

    def claim_first(self, what: str, message_id: str, at: int, seconds: int) -> str:
        self.asked.append(("first", what, message_id, at, seconds))
        return super().claim_first(what, message_id, at, seconds)


@pytest.mark.parametrize("duplicate_seconds", [0, 600])
def test_a_site_without_any_sign_asks_nobody_and_the_same_content_is_none(duplicate_seconds: int) -> None:
    """It is looked at once the message is stored: tests/unit/test_delivery.py."""
    it = replace(message(message="http://a http://b http://c"), sender_hash="s", solved_challenge="p")
    assert screen(it, site(duplicate_seconds=duplicate_seconds), Silent()) == Verdict()


@pytest.mark.parametrize("signals", [(), ("honeypot",), ("unchecked", "proof_missing")])
def test_a_site_that_has_left_has_no_rules_and_asks_nobody(signals: tuple[str, ...]) -> None:
    it = replace(message(), signals=signals, sender_hash="s", solved_challenge="p")
    assert screen(it, None, Silent()) == Verdict(signals, 0, None, "")


def test_a_person_of_a_site_that_has_left_is_still_likely_one() -> None:
    it = replace(message(), evidence=(spam.PersonSign.ORIGIN, spam.PersonSign.FILL_TIME))
    assert screen(it, None, Silent()) == Verdict(person_rank=2)


@pytest.mark.parametrize("sign", ["honeypot", "fill_time", "links"])
def test_a_sign_that_needs_no_memory_asks_nobody(sign: str) -> None:
    it = replace(message(message="http://a"), sender_hash="s", solved_challenge="p")
    assert screen(it, site(duplicate_seconds=0, spam=only(sign, most_links=5)), Silent()) == Verdict()


def test_what_counts_is_what_was_asked_for_and_only_with_what_the_site_looks_at() -> None:
    journal = Journal()
    it = replace(numbered(1), sender_hash="abc", solved_challenge="nonce")
    screen(it, site(duplicate_seconds=600, spam=EVERYTHING), journal)
    assert journal.asked == [
        ("count", "default#abc", "id-1", NOW, 3600, 1),
        ("first", "proof#nonce", "id-1", NOW, PROOF_LIFE),
    ]


def test_without_sender_and_proof_nothing_is_counted() -> None:
    journal = Journal()
    screen(numbered(1), site(duplicate_seconds=0, spam=EVERYTHING), journal)
    assert journal.asked == []


@pytest.mark.parametrize(("number", "signals"), [(1, ()), (2, ()), (3, ("links",)), (4, ("links",))])
def test_links_are_a_sign_beyond_the_most_that_is_allowed(number: int, signals: tuple[str, ...]) -> None:
    it = message(message="http://a " * number)
    assert screen(it, site(spam=only("links")), InMemoryRecent()).signals == signals


def test_no_link_at_all_may_be_allowed() -> None:
    rules = site(spam=only("links", most_links=0))
    assert screen(message(message="http://a"), rules, InMemoryRecent()).hold_reason is HoldReason.QUARANTINED
    assert screen(message(message="Hi"), rules, InMemoryRecent()).hold_reason is None


def test_links_are_no_sign_where_they_dont_count() -> None:
    it = message(message="http://a " * 99)
    assert screen(it, site(spam=only("honeypot")), InMemoryRecent()) == Verdict()


def test_the_message_after_the_most_that_one_address_may_send_is_a_sign_and_each_one_later() -> None:
    recent, rules = InMemoryRecent(), site(spam=only("rate", most_messages=3))
    verdicts = [screen(numbered(number, NOW + number, sender_hash="s"), rules, recent) for number in range(6)]
    assert [verdict.signals for verdict in verdicts] == [(), (), (), ("rate",), ("rate",), ("rate",)]
    assert [verdict.hold_reason for verdict in verdicts] == [None] * 3 + [HoldReason.QUARANTINED] * 3


def test_messages_that_lie_far_enough_apart_are_no_sign() -> None:
    recent, rules = InMemoryRecent(), site(spam=only("rate", most_messages=1, rate_minutes=10))
    them = [numbered(number, NOW + later, sender_hash="s") for number, later in enumerate([0, 600, 1199, 1800])]
    assert [screen(it, rules, recent).signals for it in them] == [(), (), ("rate",), ()]


def test_each_sender_and_each_site_is_counted_for_itself() -> None:
    recent, rules = InMemoryRecent(), only("rate", most_messages=1)
    for number, (name, who) in enumerate([("default", "a"), ("default", "b"), ("shop", "a")]):
        assert screen(numbered(number, site=name, sender_hash=who), site(name, spam=rules), recent).signals == ()


def test_a_solution_that_is_sent_with_another_message_is_a_sign() -> None:
    recent, rules = InMemoryRecent(), site(spam=only("proof_of_work"))
    assert screen(numbered(1, solved_challenge="p"), rules, recent) == Verdict()
    replayed = Verdict(("proof_replayed",), 10, HoldReason.QUARANTINED)
    assert screen(numbered(2, solved_challenge="p"), rules, recent) == replayed
    assert screen(numbered(3, solved_challenge="q"), rules, recent) == Verdict()
    last = numbered(4, NOW + PROOF_LIFE - 1, solved_challenge="p")
    assert screen(last, rules, recent).signals == ("proof_replayed",), "as long as its challenge may be valid"


def test_a_solution_that_was_used_for_a_quarantined_message_is_used() -> None:
    recent, rules = InMemoryRecent(), site(spam=EVERYTHING._replace(points={"proof_of_work": 10, "honeypot": 1000}))
    first = numbered(1, solved_challenge="p", signals=("honeypot",))
    assert screen(first, rules, recent).hold_reason is HoldReason.QUARANTINED
    assert screen(numbered(2, solved_challenge="p"), rules, recent).signals == ("proof_replayed",)


# Screening: points


SIGNALS = {Signal.HONEYPOT: 1, Signal.FILL_TIME: 2, Signal.NO_PROOF: 16, Signal.WRONG_PROOF: 16, Signal.UNCHECKED: 0}


@pytest.mark.parametrize(
    "signals", [each for size in range(4) for each in itertools.combinations(sorted(SIGNALS), size)], ids=",".join
)
def test_the_score_is_the_sum_of_what_was_found_and_each_signal_is_kept(signals: tuple[str, ...]) -> None:
    verdict = screen(replace(message(), signals=signals), site(spam=EVERYTHING), InMemoryRecent())
    assert (verdict.signals, verdict.hold_reason) == (signals, None)
    assert verdict.score == sum(SIGNALS[Signal(signal)] for signal in signals)


def test_everything_at_once_is_everything_summed_up_in_the_order_found() -> None:
    recent, rules = InMemoryRecent(), site(spam=EVERYTHING)
    screen(numbered(1, sender_hash="s", solved_challenge="p"), rules, recent)
    it = replace(message("id-2", message="http://a " * 3), signals=("honeypot", "fill_time"))
    it = replace(it, sender_hash="s", solved_challenge="p")
    found = ("honeypot", "fill_time", "links", "rate", "proof_replayed")
    assert screen(it, rules, recent) == Verdict(found, 1 + 2 + 4 + 8 + 16)


@pytest.mark.parametrize(("quarantine_from", "held"), [(16, True), (17, True), (18, False), (1, True)])
def test_from_the_threshold_on_a_message_is_quarantined(quarantine_from: int, held: bool) -> None:
    rules = site(spam=EVERYTHING._replace(quarantine_from=quarantine_from))
    verdict = screen(numbered(1, signals=(Signal.HONEYPOT, Signal.NO_PROOF)), rules, InMemoryRecent())
    assert (verdict.score, verdict.hold_reason) == (17, HoldReason.QUARANTINED if held else None)


def test_a_sign_that_the_site_does_not_count_is_kept_and_counts_nothing() -> None:
    it = replace(message(), signals=("honeypot", "from another release"))
    assert screen(it, site(spam=Spam(quarantine_from=1)), InMemoryRecent()) == Verdict(it.signals, 0)


def test_a_message_that_could_not_be_checked_is_not_held_for_it() -> None:
    it = replace(message(), signals=(Signal.UNCHECKED,))
    assert screen(it, site(spam=EVERYTHING._replace(quarantine_from=1)), InMemoryRecent()).hold_reason is None


@pytest.mark.parametrize("signal", list(Signal))
def test_every_signal_has_a_setting_for_its_points_or_counts_nothing(signal: Signal) -> None:
    setting = COUNTS_AS.get(signal, signal)
    assert (setting in {*EVERYTHING.points, "captcha"}) is (signal not in (Signal.UNCHECKED, Signal.UNCHECKED_CAPTCHA))


# Screening once more


@pytest.mark.parametrize(
    "it",
    [
        numbered(1),
        numbered(1, sender_hash="s"),
        numbered(1, solved_challenge="p"),
        numbered(1, sender_hash="s", solved_challenge="p", signals=("honeypot", "fill_time")),
        numbered(1, has_idempotency_key=True, sender_hash="s", solved_challenge="p"),
        numbered(1, signals=("proof_missing",)),
    ],
    ids=lambda it: f"{it.signals} {it.sender_hash} {it.solved_challenge} {it.has_idempotency_key}",
)
def test_a_message_that_is_screened_again_finds_the_same(it: Message) -> None:
    """Lambda's retry after a crash, an event handed over twice, a redelivery of SNS: it is the same message."""
    for quarantine_from in (1, 16, 1000):
        recent, rules = InMemoryRecent(), site(spam=EVERYTHING._replace(quarantine_from=quarantine_from))
        first = screen(it, rules, recent)
        assert [screen(it, rules, recent) for _ in range(3)] == [first] * 3


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_whatever_the_order_in_which_they_come_nobody_is_held_for_a_later_one(order: tuple[int, ...]) -> None:
    recent, rules = InMemoryRecent(), site(spam=only("rate", most_messages=2))
    held = {
        number for number in order if screen(numbered(number, NOW + number, sender_hash="s"), rules, recent).hold_reason
    }
    assert held <= {2, 3}
    assert (order != (0, 1, 2, 3)) or held == {2, 3}


def test_a_message_that_was_held_up_for_hours_is_not_counted_with_those_of_today() -> None:
    recent, rules = InMemoryRecent(), site(spam=only("rate", most_messages=1, rate_minutes=60))
    screen(numbered(1, NOW, sender_hash="s"), rules, recent)
    assert screen(numbered(2, NOW - 6 * 3600, sender_hash="s"), rules, recent) == Verdict()
    third = screen(numbered(3, NOW + 1, sender_hash="s"), rules, recent)
    assert third.signals == ("rate",), "and nobody forgets the first"


def test_a_message_that_is_sent_again_under_its_key_counts_once() -> None:
    recent, rules = InMemoryRecent(), site(spam=only("rate", most_messages=2))
    for seconds in range(9):
        it = numbered(1, NOW + seconds, sender_hash="s", has_idempotency_key=True)
        assert screen(it, rules, recent).signals == ()
    assert screen(numbered(2, NOW + 9, sender_hash="s"), rules, recent).signals == ()
    assert screen(numbered(3, NOW + 9, sender_hash="s"), rules, recent).signals == ("rate",)


def test_a_solution_of_a_message_that_was_held_up_is_its_own() -> None:
    """The one that came a day later can't have used the same challenge: whoever looked at it said so."""
    recent, rules = InMemoryRecent(), site(spam=only("proof_of_work"))
    screen(numbered(2, NOW + PROOF_LIFE, solved_challenge="p"), rules, recent)
    assert screen(numbered(1, NOW, solved_challenge="p"), rules, recent) == Verdict()
    assert screen(numbered(3, NOW + 1, solved_challenge="p"), rules, recent).signals == ("proof_replayed",)


class Forgetful(InMemoryRecent):
    """Fails at one of its calls, after it has written."""

    def __init__(self, fails_at: int) -> None:
        super().__init__()
        self._left = fails_at

    def _fail(self) -> None:
        self._left -= 1
        if not self._left:
            raise StoreError("ServiceUnavailable")

    def count(self, *arguments: Any) -> int:
        found = super().count(*arguments)
        self._fail()
        return found

    def claim_first(self, *arguments: Any) -> str:
        found = super().claim_first(*arguments)
        self._fail()
        return found


@pytest.mark.parametrize("fails_at", [1, 2])
def test_an_error_escapes_and_the_retry_after_it_finds_a_good_message_good(fails_at: int) -> None:
    recent, rules = Forgetful(fails_at), site(spam=EVERYTHING._replace(quarantine_from=1))
    it = numbered(1, sender_hash="s", solved_challenge="p")
    with pytest.raises(StoreError):
        screen(it, rules, recent)
    assert screen(it, rules, recent) == Verdict()


# One network

LIKE_A_PERSON = (spam.PersonSign.ORIGIN, spam.PersonSign.FILL_TIME)
TWO_EACH = site(spam=only("rate", most_messages=2))


def test_who_looks_like_a_person_is_not_held_for_what_a_neighbour_sends() -> None:
    recent = InMemoryRecent()
    evidence = [(), (), (), (), LIKE_A_PERSON]
    them = [numbered(number, sender_hash="one", evidence=each) for number, each in enumerate(evidence)]
    assert [screen(it, TWO_EACH, recent).hold_reason is not None for it in them] == [False, False, True, True, False]


def test_a_network_that_many_share_counts_as_one_thing_less_that_speaks_for_a_person() -> None:
    recent = InMemoryRecent()
    evidence = [LIKE_A_PERSON] * 4 + [()]
    them = [
        numbered(number, sender_hash=str(number), network_hash="all", evidence=each)
        for number, each in enumerate(evidence)
    ]
    assert [screen(it, TWO_EACH, recent).person_rank for it in them] == [2, 2, 1, 1, 0]


def test_of_a_network_more_are_let_through_than_of_one_address_and_not_all() -> None:
    recent, most = InMemoryRecent(), 2 * spam.NETWORK_FACTOR
    them = [numbered(number, sender_hash=str(number), network_hash="all") for number in range(20)]
    held = [screen(it, TWO_EACH, recent).hold_reason for it in them]
    assert held == [None] * most + [HoldReason.QUARANTINED] * (20 - most)


@pytest.mark.parametrize(("one", "other", "same"), [
    ("192.0.2.1", "192.0.2.200", True), ("192.0.2.1", "192.0.3.1", False),
    ("2001:db8:1:2::1", "2001:db8:1:ffff::1", True), ("2001:db8:1:2::1", "2001:db8:2:2::1", False),
    ("::ffff:192.0.2.1", "192.0.2.9", True),
])  # fmt: skip
def test_a_network_is_what_somebody_may_have_many_addresses_in(one: str, other: str, same: bool) -> None:
    assert (spam.hash_network(one, "default", "key") == spam.hash_network(other, "default", "key")) is same
    assert spam.hash_network(one, "default", "key") != spam.hash_sender(one, "default", "key")
    assert spam.hash_network(one, "default", "key") != spam.hash_network(one, "shop", "key")
