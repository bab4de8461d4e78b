"""What makes a message look like spam, and when the same content is the same message."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.errors import StoreError
from chalicelib.logic.spam import (
    COUNTS_AS,
    PROOF_LIFE,
    Held,
    Signal,
    Verdict,
    at_the_door,
    content,
    links,
    screen,
    sender,
    subkey,
)
from chalicelib.logic.submission import Message, Submission
from chalicelib.settings import Site, Spam
from tests.fakes import NOW, InMemoryRecent, message, site

KEY = "0123456789abcdef" * 4
EVERYTHING = Spam(
    points={"honeypot": 1, "fill_time": 2, "links": 4, "rate": 8, "proof_of_work": 16},
    quarantine_from=1000,
    fill_seconds=3,
    most_links=2,
    most_messages=1,
    minutes=60,
    tries=200,
)
"""Every sign, each with points of its own, so that a sum tells which were counted."""


def only(sign: str, points: int = 10, **more: Any) -> Spam:
    """A site's rules with one sign, enough by itself."""
    return replace(EVERYTHING, points={sign: points}, quarantine_from=10, **more)


def numbered(number: int, at: int = NOW, site: str = "default", **more: Any) -> Message:
    """One of many messages that differ in everything but their site."""
    return replace(message(f"id-{number}", site, message=f"text {number}"), received_at=at, **more)


# At the door


@pytest.mark.parametrize("points", [{}, {"honeypot": 10}])
def test_a_filled_honeypot_is_kept_in_mind_even_where_it_counts_nothing(points: Mapping[str, int]) -> None:
    assert at_the_door(Submission(honeypot=True), Spam(points=points)) == ["honeypot"]
    assert at_the_door(Submission(), Spam(points=points)) == []


@pytest.mark.parametrize(
    ("seconds", "too_fast"),
    [
        ("0", True),
        ("0.0", True),
        ("2", True),
        ("2.999999999", True),
        ("2.9", True),
        ("00000002", True),
        ("3", False),
        ("3.0", False),
        ("3.000000001", False),
        ("7.5", False),
        ("999999999", False),
        # A form that doesn't say, or says what is no number of seconds, has shown nothing.
        ("", False),
        ("-1", False),
        ("+1", False),
        ("1e-9", False),
        ("1e0", False),
        ("0x1", False),
        ("1,5", False),
        (".5", False),
        ("1.", False),
        ("1 s", False),
        ("1\n", False),
        ("1_0", False),
        ("nan", False),
        ("NaN", False),
        ("inf", False),
        ("-inf", False),
        ("null", False),
        ("true", False),
        ("soon", False),
        ("²", False),
        ("1" * 10, False),
        ("0" * 60_000, False),
    ],
)
def test_a_form_that_was_filled_in_faster_than_allowed_shows_it(seconds: str, too_fast: bool) -> None:
    signals = at_the_door(Submission(fill_seconds=seconds), only("fill_time"))
    assert signals == (["fill_time"] if too_fast else [])


def test_the_time_is_looked_at_only_where_it_counts() -> None:
    assert at_the_door(Submission(fill_seconds="0"), Spam(fill_seconds=3)) == []


def test_both_signs_stand_side_by_side_and_are_texts_that_json_can_write() -> None:
    signals = at_the_door(Submission(honeypot=True, fill_seconds="0.4"), EVERYTHING)
    assert signals == ["honeypot", "fill_time"]
    assert all(isinstance(signal, str) for signal in signals)


# The sender


def of(address: str, site: str = "default", key: str = KEY) -> str:
    return sender(address, site, key)


@pytest.mark.parametrize(
    "same",
    [
        ("192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1", "::FFFF:c000:201"),
        (
            "2001:db8:1:2::1",
            "2001:db8:1:2:ffff:ffff:ffff:ffff",
            "2001:DB8:1:2::",
            "2001:0db8:0001:0002:0000:0000:0000:0001",
        ),
        ("::1", "::2"),
    ],
)
def test_addresses_of_one_subscriber_are_one_sender(same: tuple[str, ...]) -> None:
    assert len({of(address) for address in same}) == 1


def test_addresses_of_two_subscribers_are_two_senders() -> None:
    different = [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.3.1",
        "::ffff:192.0.2.3",
        "2001:db8:1:2::1",
        "2001:db8:1:3::1",
        "2001:db8:2:2::1",
        "::1",
        "0.0.0.1",
        "255.255.255.255",
    ]
    assert len({of(address) for address in different}) == len(different)
    assert of("::ffff:192.0.2.1") != of("::ffff:192.0.2.2"), "64 bits of these are the same for the whole internet"


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_another_site_or_another_key_makes_another_sender(address: str) -> None:
    assert len({of(address), of(address, "shop"), of(address, key="f" * 64), of(address, key=KEY[:-1])}) == 4


def test_no_site_and_address_together_are_taken_for_others() -> None:
    assert of("192.0.2.1", "a") != of("192.0.2.1", "a\n192.0.2.1")


def test_a_sender_is_128_bits_of_which_nobody_without_the_key_learns_the_address() -> None:
    found = of("192.0.2.1")
    assert len(found) == 32
    assert set(found) <= set("0123456789abcdef")
    assert "192.0.2.1" not in found
    assert of("192.0.2.1", key="") != found


@pytest.mark.parametrize(
    "rubbish",
    [
        "",
        " ",
        "test-invoke-source-ip",
        "localhost",
        "192.0.2.1, 198.51.100.1",
        "192.0.2.1:443",
        "192.0.2.256",
        "192.0.2",
        "192.0.2.1/24",
        " 192.0.2.1",
        "192.0.2.1\n",
        "3221225985",
        "[2001:db8::1]",
        "2001:db8:::1",
        "1" * 10_000,
        "\ud800",
    ],
)
def test_what_is_no_address_is_no_sender(rubbish: str) -> None:
    assert of(rubbish) == ""


def test_a_zone_makes_no_other_sender() -> None:
    assert of("fe80::1%eth0") == of("fe80::2%eth1") == of("fe80::1")


def test_each_purpose_has_a_key_of_its_own_from_which_no_other_follows() -> None:
    keys = {subkey(key, purpose) for key in (KEY, "other", "") for purpose in ("sender", "challenge", "solution")}
    assert len(keys) == 9
    assert {len(key) for key in keys} == {32}
    assert KEY.encode() not in keys
    assert subkey(KEY, "sender") == subkey(KEY, "sender")


# Links


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("Hello", 0),
        ("Write to ada@example.com or to example.com", 0),
        ("the protocol http is old", 0),
        ("http:/ is no link", 0),
        ("ftp://example.com", 0),
        ("wwwhat? Awww.", 0),
        ("http://example.com", 1),
        ("https://example.com", 1),
        ("HTTPS://EXAMPLE.COM", 1),
        ("see www.example.com", 1),
        ("(WWW.example.com)", 1),
        ("http://a.example, http://b.example and https://c.example/?x=y", 3),
        ("http://a.example\nwww.b.example", 2),
        ("<a href='http://a.example'>http://a.example</a>", 2),
        ("[url]a.example[/url]", 1),
        ("[URL=a.example]A[/URL]", 1),
        ("http://http://", 2),
        ("h\u200bttp://example.com", 0),
    ],
)
def test_links_are_counted(text: str, count: int) -> None:
    assert links(message(message=text)) == count


def test_links_of_all_fields_are_counted_but_where_the_form_stands() -> None:
    it = message(source="https://www.example.com/contact.html", website="http://a.example", message="www.b.example")
    assert links(it) == 2
    assert links(message(source="http://a.example http://b.example")) == 0


def test_a_text_of_links_alone_is_counted_in_one_pass() -> None:
    assert links(message(message="http://" * 9_000)) == 9_000


# Content


def test_the_same_site_and_fields_are_the_same_content_whatever_else_differs() -> None:
    one = message("id-1", name="Ada", message="Hi")
    other = replace(
        message("id-2", name="Ada", message="Hi"),
        received_at=NOW + 500,
        signals=("honeypot",),
        sender="s",
        proof="p",
        keyed=True,
    )
    assert content(one) == content(other)


def test_another_order_site_name_or_text_is_another_content() -> None:
    them = [
        message(name="Ada", message="Hi"),
        message(message="Hi", name="Ada"),
        message(site="shop", name="Ada", message="Hi"),
        message(name="Ada", message="Hi "),
        message(name="Ada", message="hi"),
        message(name="ada", message="Hi"),
        message(Name="Ada", message="Hi"),
        message(message="Hi"),
        message(name="", message="Hi"),
        message(name="Ada"),
        message(name="Ada", message="Hi", more=""),
    ]
    assert len({content(it) for it in them}) == len(them)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "b", "c": "d"}, {"a": "bcd"}),
        ({"a": "b", "c": "d"}, {"ab": "cd"}),
        ({"a": 'b", "c": "d'}, {"a": "b", "c": "d"}),
        ({"a": 'b"], ["c", "d'}, {"a": "b", "c": "d"}),
        ({"a": "b\nc"}, {"a": "b\\nc"}),
        ({"a": "b\x00c"}, {"a": "bc"}),
        ({"a": "é"}, {"a": "\\u00e9"}),
        ({"a": "é"}, {"a": "e\u0301"}),
        ({"": "a"}, {"a": ""}),
    ],
)
def test_no_separator_in_a_field_makes_two_contents_one(one: dict[str, str], other: dict[str, str]) -> None:
    assert content(replace(message(), fields=one)) != content(replace(message(), fields=other))


def test_a_content_can_be_named_even_for_half_a_character() -> None:
    assert content(message(message="\ud800")) != content(message(message="\udfff"))


def test_of_a_content_nothing_is_legible() -> None:
    found = content(message(message="MARKER"))
    assert "MARKER" not in found
    assert len(found) == 64


# Screening: each sign


class Silent:
    """Must not be asked."""

    def count(self, *arguments: Any) -> int:
        raise AssertionError(f"counted {arguments}")

    def first(self, *arguments: Any) -> str:
        raise AssertionError(f"asked for {arguments}")

    def take_over(self, *arguments: Any) -> None:
        raise AssertionError(f"took over {arguments}")


class Journal(InMemoryRecent):
    """Remembers, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Any, ...]] = []

    def count(self, sender: str, message_id: str, at: int, seconds: int, most: int) -> int:
        self.asked.append(("count", sender, message_id, at, seconds, most))
        return super().count(sender, message_id, at, seconds, most)

    def first(self, what: str, message_id: str, at: int, seconds: int) -> str:
        self.asked.append(("first", what, message_id, at, seconds))
        return super().first(what, message_id, at, seconds)


def test_a_site_without_any_sign_asks_nobody_where_content_may_repeat() -> None:
    it = message(message="http://a http://b http://c")
    it = replace(it, sender="s", proof="p")
    assert screen(it, site(once_within=0), Silent()) == Verdict()


@pytest.mark.parametrize("signals", [(), ("honeypot",), ("unchecked", "proof_missing")])
def test_a_site_that_has_left_has_no_rules_and_asks_nobody(signals: tuple[str, ...]) -> None:
    it = replace(message(), signals=signals, sender="s", proof="p")
    assert screen(it, None, Silent()) == Verdict(signals, 0, None, "")


@pytest.mark.parametrize("sign", ["honeypot", "fill_time", "links"])
def test_a_sign_that_needs_no_memory_asks_nobody(sign: str) -> None:
    it = replace(message(message="http://a"), sender="s", proof="p")
    assert screen(it, site(once_within=0, spam=only(sign, most_links=5)), Silent()) == Verdict()


def test_what_counts_is_what_was_asked_for_and_only_with_what_the_site_looks_at() -> None:
    journal = Journal()
    it = replace(numbered(1), sender="abc", proof="nonce")
    screen(it, site(once_within=600, spam=EVERYTHING), journal)
    assert journal.asked == [
        ("count", "default#abc", "id-1", NOW, 3600, 1),
        ("first", "proof#nonce", "id-1", NOW, PROOF_LIFE),
        ("first", f"content#{content(it)}", "id-1", NOW, 600),
    ]


def test_without_sender_and_proof_nothing_is_counted() -> None:
    journal = Journal()
    screen(numbered(1), site(once_within=0, spam=EVERYTHING), journal)
    assert journal.asked == []


@pytest.mark.parametrize(("number", "signals"), [(1, ()), (2, ()), (3, ("links",)), (4, ("links",))])
def test_links_are_a_sign_beyond_the_most_that_is_allowed(number: int, signals: tuple[str, ...]) -> None:
    it = message(message="http://a " * number)
    assert screen(it, site(spam=only("links")), InMemoryRecent()).signals == signals


def test_no_link_at_all_may_be_allowed() -> None:
    rules = site(spam=only("links", most_links=0))
    assert screen(message(message="http://a"), rules, InMemoryRecent()).held is Held.QUARANTINED
    assert screen(message(message="Hi"), rules, InMemoryRecent()).held is None


def test_links_are_no_sign_where_they_dont_count() -> None:
    it = message(message="http://a " * 99)
    assert screen(it, site(spam=only("honeypot")), InMemoryRecent()) == Verdict()


def test_the_message_after_the_most_that_one_address_may_send_is_a_sign_and_each_one_later() -> None:
    recent, rules = InMemoryRecent(), site(spam=only("rate", most_messages=3))
    verdicts = [screen(numbered(number, NOW + number, sender="s"), rules, recent) for number in range(6)]
    assert [verdict.signals for verdict in verdicts] == [(), (), (), ("rate",), ("rate",), ("rate",)]
    assert [verdict.held for verdict in verdicts] == [None] * 3 + [Held.QUARANTINED] * 3


def test_messages_that_lie_far_enough_apart_are_no_sign() -> None:
    recent, rules = InMemoryRecent(), site(spam=only("rate", most_messages=1, minutes=10))
    found = [
        screen(numbered(number, at, sender="s"), rules, recent).signals
        for number, at in enumerate([NOW, NOW + 600, NOW + 1199, NOW + 1800])
    ]
    assert found == [(), (), ("rate",), ()]


def test_each_sender_and_each_site_is_counted_for_itself() -> None:
    recent, rules = InMemoryRecent(), only("rate", most_messages=1)
    for number, (name, who) in enumerate([("default", "a"), ("default", "b"), ("shop", "a")]):
        assert screen(numbered(number, site=name, sender=who), site(name, spam=rules), recent).signals == ()


def test_a_solution_that_is_sent_with_another_message_is_a_sign() -> None:
    recent, rules = InMemoryRecent(), site(spam=only("proof_of_work"))
    assert screen(numbered(1, proof="p"), rules, recent) == Verdict()
    assert screen(numbered(2, proof="p"), rules, recent) == Verdict(("proof_replayed",), 10, Held.QUARANTINED)
    assert screen(numbered(3, proof="q"), rules, recent) == Verdict()
    last = numbered(4, NOW + PROOF_LIFE - 1, proof="p")
    assert screen(last, rules, recent).signals == ("proof_replayed",), "as long as its challenge may be valid"


def test_a_solution_that_was_used_for_a_quarantined_message_is_used() -> None:
    recent = InMemoryRecent()
    rules = site(spam=replace(only("proof_of_work"), points={"proof_of_work": 10, "honeypot": 10}))
    assert screen(numbered(1, proof="p", signals=("honeypot",)), rules, recent).held is Held.QUARANTINED
    assert screen(numbered(2, proof="p"), rules, recent).signals == ("proof_replayed",)


# Screening: points


SIGNALS = {
    Signal.HONEYPOT: 1,
    Signal.FILL_TIME: 2,
    Signal.NO_PROOF: 16,
    Signal.WRONG_PROOF: 16,
    Signal.UNCHECKED: 0,
}


@pytest.mark.parametrize(
    "signals", [each for size in range(4) for each in itertools.combinations(sorted(SIGNALS), size)], ids=",".join
)
def test_the_score_is_the_sum_of_what_was_found_and_each_signal_is_kept(signals: tuple[str, ...]) -> None:
    verdict = screen(replace(message(), signals=signals), site(spam=EVERYTHING), InMemoryRecent())
    assert (verdict.signals, verdict.held) == (signals, None)
    assert verdict.score == sum(SIGNALS[Signal(signal)] for signal in signals)


def test_everything_at_once_is_everything_summed_up_in_the_order_found() -> None:
    recent, rules = InMemoryRecent(), site(spam=EVERYTHING)
    screen(numbered(1, sender="s", proof="p"), rules, recent)
    it = replace(message("id-2", message="http://a " * 3), signals=("honeypot", "fill_time"), sender="s", proof="p")
    assert screen(it, rules, recent) == Verdict(
        ("honeypot", "fill_time", "links", "rate", "proof_replayed"), 1 + 2 + 4 + 8 + 16
    )


@pytest.mark.parametrize(("quarantine_from", "held"), [(16, True), (17, True), (18, False), (1, True)])
def test_from_the_threshold_on_a_message_is_quarantined(quarantine_from: int, held: bool) -> None:
    rules = site(spam=replace(EVERYTHING, quarantine_from=quarantine_from))
    it = replace(message(), signals=(Signal.HONEYPOT, Signal.NO_PROOF))
    verdict = screen(it, rules, InMemoryRecent())
    assert verdict.score == 17
    assert verdict.held is (Held.QUARANTINED if held else None)


def test_a_sign_that_the_site_does_not_count_is_kept_and_counts_nothing() -> None:
    it = replace(message(), signals=("honeypot", "from another release"))
    assert screen(it, site(spam=Spam(quarantine_from=1)), InMemoryRecent()) == Verdict(it.signals, 0)


def test_a_message_that_could_not_be_checked_is_not_held_for_it() -> None:
    it = replace(message(), signals=(Signal.UNCHECKED,))
    assert screen(it, site(spam=replace(EVERYTHING, quarantine_from=1)), InMemoryRecent()).held is None


@pytest.mark.parametrize("signal", list(Signal))
def test_every_signal_has_a_setting_for_its_points_or_counts_nothing(signal: Signal) -> None:
    setting = COUNTS_AS.get(signal, signal)
    assert (setting in EVERYTHING.points) is (signal is not Signal.UNCHECKED)


# Screening: the same content


ONCE = site(once_within=600)


def again(number: int, at: int = NOW, **more: Any) -> Message:
    """One of many messages that say the same."""
    return replace(message(f"id-{number}", message="same"), received_at=at, **more)


def test_the_same_content_once_more_is_a_duplicate_of_the_first() -> None:
    recent = InMemoryRecent()
    assert screen(again(1), ONCE, recent) == Verdict()
    for number in (2, 3):
        assert screen(again(number, NOW + number), ONCE, recent) == Verdict((), 0, Held.DUPLICATE, "id-1")


@pytest.mark.parametrize(("later", "held"), [(0, True), (1, True), (599, True), (600, False), (601, False)])
def test_the_window_begins_with_the_first_and_has_no_edge_of_a_clock(later: int, held: bool) -> None:
    for start in range(NOW, NOW + 600, 97):
        recent = InMemoryRecent()
        screen(again(1, start), ONCE, recent)
        assert (screen(again(2, start + later), ONCE, recent).held is Held.DUPLICATE) is held


def test_repetitions_dont_make_the_window_longer() -> None:
    """Or a form that says the same each minute, such as one without any text, would ring once and never again."""
    recent = InMemoryRecent()
    held = [screen(again(minute, NOW + 60 * minute), ONCE, recent).held for minute in range(25)]
    assert [minute for minute, each in enumerate(held) if each is None] == [0, 10, 20]


def test_the_same_content_of_another_site_is_another_message() -> None:
    recent = InMemoryRecent()
    screen(again(1), ONCE, recent)
    assert screen(replace(again(2), site="shop"), site("shop", once_within=600), recent) == Verdict()


def test_without_a_window_every_message_counts() -> None:
    assert screen(again(1), site(once_within=0), Silent()) == Verdict()


def test_messages_with_a_key_of_their_own_are_what_their_sender_says_they_are() -> None:
    recent = InMemoryRecent()
    screen(again(1), ONCE, recent)
    assert screen(again(2, keyed=True), ONCE, recent) == Verdict()
    assert screen(again(3, keyed=True), ONCE, Silent()) == Verdict()


def test_a_message_with_a_key_is_looked_at_for_spam_all_the_same() -> None:
    it = again(1, keyed=True, signals=("honeypot",))
    assert screen(it, site(spam=only("honeypot")), InMemoryRecent()).held is Held.QUARANTINED


def test_a_quarantined_message_is_no_first_of_its_kind() -> None:
    recent, rules = InMemoryRecent(), site(spam=only("proof_of_work"))
    assert screen(again(1, signals=("proof_missing",)), rules, recent).held is Held.QUARANTINED
    assert screen(again(2, proof="p"), rules, recent) == Verdict()
    assert screen(again(3, proof="q"), rules, recent).duplicate_of == "id-2"


def test_a_repetition_that_looks_like_spam_is_quarantined_rather_than_a_duplicate() -> None:
    recent, rules = InMemoryRecent(), site(spam=only("honeypot"))
    screen(again(1), rules, recent)
    assert screen(again(2, signals=("honeypot",)), rules, recent) == Verdict(("honeypot",), 10, Held.QUARANTINED)


def test_a_duplicate_keeps_the_signs_that_were_not_enough() -> None:
    recent, rules = InMemoryRecent(), site(spam=only("honeypot", points=9))
    screen(again(1), rules, recent)
    assert screen(again(2, signals=("honeypot",)), rules, recent) == Verdict(("honeypot",), 9, Held.DUPLICATE, "id-1")


# Screening once more


@pytest.mark.parametrize(
    "it",
    [
        again(1),
        again(1, sender="s"),
        again(1, proof="p"),
        again(1, sender="s", proof="p", signals=("honeypot", "fill_time")),
        again(1, keyed=True, sender="s", proof="p"),
        again(1, signals=("proof_missing",)),
    ],
    ids=lambda it: f"{it.signals} {it.sender} {it.proof} {it.keyed}",
)
def test_a_message_that_is_screened_again_finds_the_same(it: Message) -> None:
    """Lambda's retry after a crash, an event handed over twice, a redelivery of SNS: it is the same message."""
    for quarantine_from in (1, 16, 1000):
        recent, rules = InMemoryRecent(), site(spam=replace(EVERYTHING, quarantine_from=quarantine_from))
        first = screen(it, rules, recent)
        assert [screen(it, rules, recent) for _ in range(3)] == [first] * 3


def test_a_retry_is_counted_once() -> None:
    recent, rules = InMemoryRecent(), site(spam=only("rate", most_messages=2))
    for _ in range(5):
        assert screen(numbered(1, sender="s"), rules, recent).signals == ()
    assert screen(numbered(2, sender="s"), rules, recent).signals == ()
    assert screen(numbered(3, sender="s"), rules, recent).signals == ("rate",)


def test_a_retry_of_the_first_is_no_duplicate_of_the_second_and_one_of_both_rings() -> None:
    recent = InMemoryRecent()
    order = [again(1), again(2, NOW + 1), again(1), again(2, NOW + 1), again(2, NOW + 1), again(1)]
    assert [screen(it, ONCE, recent).duplicate_of for it in order] == ["", "id-1", "", "id-1", "id-1", ""]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_whatever_the_order_in_which_they_come_one_of_the_same_content_rings(order: tuple[int, ...]) -> None:
    recent = InMemoryRecent()
    verdicts = {number: screen(again(number, NOW + 100 * number), ONCE, recent) for number in order}
    rang = [f"id-{number}" for number, verdict in verdicts.items() if verdict.held is None]
    assert rang == [f"id-{order[0]}"]
    assert {verdict.duplicate_of for verdict in verdicts.values()} == {"", *rang}


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

    def first(self, *arguments: Any) -> str:
        found = super().first(*arguments)
        self._fail()
        return found


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_an_error_escapes_and_the_retry_after_it_finds_a_good_message_good(fails_at: int) -> None:
    recent, rules = Forgetful(fails_at), site(spam=replace(EVERYTHING, quarantine_from=1))
    it = again(1, sender="s", proof="p")
    with pytest.raises(StoreError):
        screen(it, rules, recent)
    assert screen(it, rules, recent) == Verdict()


def test_a_verdict_does_not_depend_on_the_rules_of_another_site() -> None:
    rules: Site = site("shop", once_within=0)
    assert screen(numbered(1, site="shop", signals=("honeypot",)), rules, Silent()) == Verdict(("honeypot",), 0)
