"""What a program may publish, what is told of a mistake, and how each provider is told what it may say."""

from __future__ import annotations

import json

import pytest

from chalicelib.errors import InvalidRequestError
from chalicelib.logic.message import Message
from chalicelib.logic.notification import Notification
from chalicelib.logic.published_notification import MAX_LINK, MAX_MESSAGE, as_notification, published_at, read
from tests.fakes import NOW, channel, stage

LEAST = {"version": 1, "kind": "notification", "title": "T", "message": "M"}
KEYS = "version, kind, title, message and, optionally, priority, link, channels, key"
CHANNELS = "channels: expected a list of one or more of: pushover"
ADDRESS = "link: expected an address such as https://www.example.com/, in ASCII and without spaces"


def test_everything_that_may_be_published_is_kept() -> None:
    more = {"priority": "high", "link": "https://a.example/", "channels": ["pushover", "pushover"], "key": "k"}
    assert read(json.dumps(LEAST | more), "sns-1", NOW, stage()) == Message(
        "38c71156-df5a-52d5-9cac-1568ac0e2915",
        "notifications",
        NOW,
        {"title": "T", "message": "M", "priority": "high", "link": "https://a.example/", "channels": "pushover"},
        has_idempotency_key=True,
        channels=("pushover",),
    )
    both = read(json.dumps(LEAST | {"channels": ["b", "a"]}), "sns-1", NOW, stage(channels=("a", "b")))
    assert (both.fields["channels"], both.channels) == ("b, a", ("b", "a"))
    least = Message("sns-1", "notifications", NOW, {"title": "T", "message": "M"}, channels=("pushover",))
    assert read(json.dumps(LEAST), "sns-1", NOW, stage()) == least


@pytest.mark.parametrize(
    ("published", "message"),
    [
        ("hello", 'message: expected a JSON object with "kind": "notification", found other text'),
        ("[" * 9999, 'message: expected a JSON object with "kind": "notification", found other text'),
        ("[]", 'kind: expected "notification"'),
        ('{"kind": "other"}', 'kind: expected "notification"'),
        (LEAST | {"title": "x" * 251}, "title: expected at most 250 characters, found 251"),
        (LEAST | {"message": "x" * 20_001}, "message: expected at most 20000 characters, found 20001"),
        (LEAST | {"key": "x" * 129}, "key: expected at most 128 characters, found 129"),
        (LEAST | {"priority": "urgent"}, "priority: expected one of: low, normal, high, emergency"),
        (LEAST | {"link": "www.example.com"}, ADDRESS),
        (LEAST | {"link": "https://a.example/a b"}, ADDRESS),
        (LEAST | {"link": "https://a.example/\n"}, ADDRESS),
        (LEAST | {"link": "http://" + "x" * 506}, "link: expected at most 512 characters, found 513"),
        *((LEAST | {"channels": value}, CHANNELS) for value in ([], "pushover", ["pushover", "fax"], {"pushover": 1})),
        (LEAST | {"sound": 1}, f"sound: unknown; expected {KEYS}"),
    ],
)
def test_a_mistake_is_told_with_what_is_right(published: object, message: str) -> None:
    text = published if isinstance(published, str) else json.dumps(published)
    with pytest.raises(InvalidRequestError) as caught:
        read(text, "sns-1", NOW, stage())
    assert (caught.value.key, caught.value.message) == (message.partition(":")[0], message)


def test_the_longest_of_everything_is_taken() -> None:
    longest = {"title": "x" * 250, "message": "x" * MAX_MESSAGE, "link": "http://" + "x" * (MAX_LINK - 7)}
    assert read(json.dumps(LEAST | longest | {"key": "x" * 128}), "sns-1", NOW, stage()).fields == longest


def test_priority_and_link_are_said_in_a_providers_terms_or_below_the_text() -> None:
    fields = {"title": "T", "message": "M", "priority": "high", "link": "https://a.example/"}
    own = channel()._replace(priorities={"high": {"priority": 1}}, link_option="url")
    at = "./herald messages show --stage dev id-1"

    def told(message: str, options: dict[str, object]) -> Notification:
        return Notification("id-1", "T", message, NOW, options=options, full_text_at=at)

    message = Message("id-1", "notifications", NOW, fields)
    assert as_notification(message, own, "dev") == told("M", {"priority": 1, "url": "https://a.example/"})
    below = told("M\n\nhttps://a.example/", {})
    assert as_notification(message, own._replace(priorities={}, link_option=""), "dev") == below
    plain = Message("id-1", "notifications", NOW, {"title": "T", "message": "M"})
    assert as_notification(plain, own, "dev") == told("M", {})


def test_a_time_of_sns_is_a_second() -> None:
    assert published_at("2026-01-01T00:00:00.999Z") == NOW
