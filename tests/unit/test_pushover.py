"""The parameters of a Pushover message: https://pushover.net/api, in a channel of ``herald.toml`` and in a request."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.errors import InvalidRequestError
from chalicelib.logic.notification import Notification, Quota
from chalicelib.logic.pushover_parameters import (
    DEFAULT_EXPIRE,
    DEFAULT_RETRY,
    OPTIONS,
    make_parameters,
    make_texts,
    read_quota,
    seconds_until_reset,
)
from ops.config.loader import ConfigError, load
from tests.fakes import NOW

EVERY_OPTION: dict[str, str | int | bool] = {
    "priority": 1,
    "ttl": 3600,
    "sound": "siren",
    "device": "phone,tablet",
    "link": "https://www.example.com/inbox",
    "link_title": "Inbox",
    "monospace": True,
}
AN_EMERGENCY: dict[str, str | int | bool] = {
    "priority": 2,
    "retry": 30,
    "expire": 10_800,
    "tags": "contact,www.example.com",
    "callback": "https://example.com/acknowledged",
}

GOOD: list[tuple[str, object]] = [
    *(("priority", value) for value in (-2, -1, 0, 1)),
    *(("ttl", value) for value in (1, 31_536_000)),
    *(("sound", value) for value in ("none", "my_own-Sound1")),
    *(("device", value) for value in ("d" * 25, "one,two-2,Three_3")),
    *(("link", value) for value in ("tel:+4930123456", "twitter://status?id=12345", "https://www.example.com/süß/🚀")),
    ("link", "https://x/" + "🚀" * 502),
    ("monospace", True),
]
BAD: list[tuple[str, object]] = [
    *(("priority", value) for value in (-3, 3, "1", 1.0, True, None, [1])),
    *(("retry", value) for value in (29, 10_801, "60", True)),
    *(("expire", value) for value in (0, 29, 10_801, "60", 3600.0)),
    *(("ttl", value) for value in (0, -1, 31_536_001, "60", False)),
    *(("sound", value) for value in ("", "two words", "s" * 51, "siren\n", 1, None)),
    *(("device", value) for value in ("", "two words", "a,,b", "a, b", "a,", "d" * 26, "dä", ["a"])),
    *(("tags", value) for value in ("", "a b", "a,,b", "a\n", "t" * 101, ",".join("abcdefghijk"))),
    *(("link", value) for value in ("", "www.example.com", "https:", "https://a b", "https://a\n", "1:x", 7)),
    ("link", "https://x/" + "🚀" * 503),
    ("link", "https://x/\ud800"),
    *(("callback", value) for value in ("", "ftp://example.com/", "https://", "https://ä.example/", "https://a b/")),
    ("callback", "https://" + "c" * 505),
    *(("link_title", value) for value in ("", " ", "two\nlines", "a\x00", 7)),
    *(("monospace", value) for value in (1, "1", None)),
    *(("html", value) for value in (1, True, 0)),
    *((name, 1) for name in ("quota_alert", "url", "token", "user", "attachment", "timestamp", "Priority", "")),
]


# A request


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_what_pushover_allows_is_sent_as_it_is(name: str, value: object) -> None:
    assert make_parameters({}, {name: value}) == {"url" if name == "link" else name: value}


@pytest.mark.parametrize(("name", "value"), BAD)
def test_what_pushover_forbids_is_refused_by_its_name_and_never_quoted(name: str, value: object) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        make_parameters({"link": "tel:1", "priority": 1 if name == "ttl" else 2}, {name: value})
    assert caught.value.key == f"options.{name}"
    reason = caught.value.message.removeprefix(f"options.{name}: ")
    if name == "html":
        assert reason == "there is none: what visitors typed would be markup"
    else:
        assert reason.startswith(("expected ", "unknown; expected "))
    if isinstance(value, str) and len(value) > 16:
        assert value not in str(caught.value)


def test_options_have_pushovers_own_names_when_they_are_sent() -> None:
    renamed = {"link": "url", "link_title": "url_title"}
    sent = {renamed.get(name, name): value for name, value in EVERY_OPTION.items()}
    assert make_parameters({}, EVERY_OPTION) == sent | {"monospace": 1}
    assert make_parameters({}, AN_EMERGENCY) == AN_EMERGENCY
    assert make_parameters({}, {}) == {}
    requestable = {option.name for option in OPTIONS if option.requestable}
    assert {*EVERY_OPTION, *AN_EMERGENCY} == requestable, "and each is tried here"


def test_an_emergency_rings_every_other_minute_for_an_hour_unless_told_otherwise() -> None:
    assert make_parameters({}, {"priority": 2}) == {"priority": 2, "retry": 120, "expire": 3600}
    assert make_parameters({"priority": 2, "retry": 60}, {}) == {"priority": 2, "retry": 60, "expire": 3600}
    assert DEFAULT_EXPIRE / DEFAULT_RETRY <= 50, "Pushover rings no more often than that"


@pytest.mark.parametrize("name", ["retry", "expire", "tags", "callback"])
def test_a_request_with_what_only_an_emergency_has_must_be_one(name: str) -> None:
    for of_channel in ({}, {"priority": 1}):
        with pytest.raises(InvalidRequestError, match="only with priority 2") as caught:
            make_parameters(of_channel, {name: AN_EMERGENCY[name]})
        assert caught.value.key == f"options.{name}"
    assert make_parameters({"priority": 2}, {name: AN_EMERGENCY[name]})[name] == AN_EMERGENCY[name]


def test_a_request_gives_an_emergency_no_time_to_live() -> None:
    with pytest.raises(InvalidRequestError, match="ignores it") as caught:
        make_parameters({"priority": 2}, {"ttl": 60})
    assert caught.value.key == "options.ttl"


def test_a_request_gives_no_title_to_no_link() -> None:
    with pytest.raises(InvalidRequestError, match="only with link") as caught:
        make_parameters({}, {"link_title": "Inbox"})
    assert caught.value.key == "options.link_title"
    assert make_parameters({"link": "tel:1"}, {"link_title": "Call"}) == {"url": "tel:1", "url_title": "Call"}


# A request over a channel


def test_a_request_overrides_its_channel_option_by_option() -> None:
    found = make_parameters(EVERY_OPTION, {"priority": -1, "sound": "none", "monospace": False})
    assert (found["priority"], found["sound"], found["ttl"]) == (-1, "none", 3600)
    assert "monospace" not in found


def test_what_a_request_makes_meaningless_of_its_channel_is_left_out() -> None:
    assert make_parameters(AN_EMERGENCY, {"priority": 0}) == {"priority": 0}
    ring = {"priority": 2, "retry": DEFAULT_RETRY, "expire": DEFAULT_EXPIRE}
    assert make_parameters({"ttl": 60}, {"priority": 2}) == ring


def test_a_request_with_a_link_of_its_own_does_not_bear_the_title_of_another() -> None:
    assert make_parameters(EVERY_OPTION, {"link": "tel:1"}).get("url_title") is None


def test_an_option_that_there_is_not_is_told_which_there_are() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        make_parameters({}, {"colour": "red"})
    there_are = ", ".join(option.name for option in OPTIONS if option.requestable)
    assert caught.value.message == f"options.colour: unknown; expected one of: {there_are}"


def test_title_and_message_are_what_pushover_calls_them() -> None:
    assert make_texts(Notification("id-1", " A\ntitle", "Hi")) == {"title": "A title", "message": "Hi"}


def test_what_is_no_parameter_of_pushovers_stays_here() -> None:
    assert make_parameters({"quota_alert": 20}, {}) == {}


# Length

NOTE = "\n\n… Cut to fit."


def sent(message: str) -> object:
    return make_texts(Notification("id-1", "T", message))["message"]


@pytest.mark.parametrize("character", ["a", "я", "🚀", "\u0301"])
def test_a_title_of_a_link_is_counted_in_characters_and_cut_with_a_mark(character: str) -> None:
    link = {"link": "tel:1"}
    if character.isprintable():
        assert make_parameters(link, {"link_title": character * 100})["url_title"] == character * 100
        assert make_parameters(link, {"link_title": character * 101})["url_title"] == character * 99 + "…"
    assert sent(character * 1024) == character * 1024
    assert sent(character * 1025) == character * (1024 - len(NOTE) - 1) + "…" + NOTE


@pytest.mark.parametrize(("typed", "arrives"), [
    ("a\r\nb\rc\u2028d", "a\nb\nc\nd"), ("tab\tand\nline", "tab\tand\nline"), ("a\x00b\x1bc\x7fd\x9fe", "abcde"),
    ("half \ud83d of a pair", "half  of a pair"),
])  # fmt: skip
def test_what_is_no_text_is_left_out_and_the_rest_arrives(typed: str, arrives: str) -> None:
    assert sent(typed) == arrives
    arrives.encode()


def test_what_is_left_out_takes_no_room() -> None:
    assert sent("\x00" * 2000 + "a" * 10) == "a" * 10


# The quota


def headers(limit: object = 10_000, remaining: object = 7_496, reset: object = NOW + 60) -> dict[str, str]:
    found = {"X-Limit-App-Limit": limit, "X-Limit-App-Remaining": remaining, "X-Limit-App-Reset": reset}
    return {name: str(value) for name, value in found.items() if value is not None}


def test_a_quota_is_read_from_the_headers() -> None:
    assert read_quota(headers()) == Quota(10_000, 7_496, NOW + 60)
    assert read_quota(headers(remaining=0)) == Quota(10_000, 0, NOW + 60)
    assert read_quota(headers(1, 1)) == Quota(1, 1, NOW + 60)


@pytest.mark.parametrize("strange", [
    {}, headers(limit=None), headers(remaining=None), headers(reset=None), headers(limit="many"), headers(limit=""),
    headers(limit=0, remaining=0), headers(remaining=-1), headers(remaining=10_001), headers(remaining="9" * 5000),
])  # fmt: skip
def test_headers_that_make_no_sense_are_no_quota(strange: dict[str, str]) -> None:
    assert read_quota(strange) is None


@pytest.mark.parametrize(("remaining", "low"), [(1000, False), (999, True), (0, True), (10_000, False)])
def test_a_quota_is_low_below_its_share(remaining: int, low: bool) -> None:
    assert Quota(10_000, remaining, NOW).is_below(10) is low
    assert not Quota(10_000, remaining, NOW).is_below(0)


@pytest.mark.parametrize(("reset", "wait"), [
    (NOW + 3600, 3600), (NOW + 31 * 86_400, 31 * 86_400), (NOW + 32 * 86_400, 32 * 86_400),
    (NOW + 32 * 86_400 + 1, 3600), (NOW * 1000, 3600), (NOW, 5), (NOW - 86_400, 5), (-1, 5), ("", 3600), ("soon", 3600),
    ("9" * 5000, 3600), (None, 3600),
])  # fmt: skip
def test_a_wait_ends_at_the_reset_and_is_never_absurd(reset: object, wait: int) -> None:
    assert seconds_until_reset(reset, NOW + 0.9, 5) == wait


# herald.toml


TOML = """
version = 1
[sites.default]
thanks = "https://www.example.com/thanks.html"
channels = ["phone"]
[channels.phone]
kind = "pushover"
{options}
[stages.dev]
"""


def compiled(folder: Path, options: str) -> object:
    (folder / "herald.toml").write_text(TOML.format(options=options), encoding="utf-8")
    return load(folder)["dev"].stage.channels["phone"].options


def test_every_option_of_a_channel_arrives(tmp_path: Path) -> None:
    assert compiled(tmp_path, "") == {}
    written = 'priority = 1\nttl = 3600\nsound = "siren"\ndevice = "phone,tablet"\nmonospace = true\nquota_alert = 0\n'
    written += 'link = "https://www.example.com/inbox"\nlink_title = "Inbox"'
    assert compiled(tmp_path, written) == {**EVERY_OPTION, "quota_alert": 0}
    written = 'priority = 2\nretry = 30\nexpire = 10800\ntags = "contact,www.example.com"\n'
    written += 'callback = "https://example.com/acknowledged"'
    assert compiled(tmp_path, written) == AN_EMERGENCY


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("priority = 3", "channels.phone.priority: found 3; expected a whole number from -2 to 2"),
        ("priority = 2\nretry = 29", "channels.phone.retry: found 29; expected a whole number from 30 to 10,800"),
        ("priority = 2\nexpire = 10801", "channels.phone.expire: found 10801; expected a whole number from 30"),
        ("ttl = 0", "channels.phone.ttl: found 0; expected a whole number from 1 to 31,536,000"),
        ('sound = "two words"', "channels.phone.sound: found 'two words'; expected the name of a sound"),
        ('device = ["a"]', "channels.phone.device: found list; expected names of devices"),
        ('link = "www.example.com"', "channels.phone.link: found 'www.example.com'; expected an address"),
        ('callback = "x"', "channels.phone.callback: found 'x'; expected an http:// or https:// address"),
        ("monospace = 1", "channels.phone.monospace: found 1; expected true or false"),
        ("quota_alert = 101", "channels.phone.quota_alert: found 101"),
        ("html = true", "channels.phone.html: unknown key; expected "),
        ("retry = 60", "channels.phone.retry: only with priority 2"),
        ('priority = 1\ntags = "a"', "channels.phone.tags: only with priority 2"),
        ("priority = 2\nttl = 60", "channels.phone.ttl: not with priority 2"),
        ('link_title = "Inbox"', "channels.phone.link_title: only with link"),
    ],
)
def test_a_mistake_in_a_channel_is_named(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compiled(tmp_path, written)
    assert said in str(caught.value)
