"""Limits, quota and encodings of https://pushover.net/api, each at its border."""

from __future__ import annotations

from datetime import datetime

import httpx
import pytest

from ops.local.web.app import create_app
from ops.local.web.pushover.rules import next_reset
from ops.local.web.settings import LOCAL_TOKEN, LOCAL_USER, WebSettings
from tests.local_web.conftest import Message, Start

URL = "/pushover/1/messages.json"
CREDENTIALS = f'"token": "{LOCAL_TOKEN}", "user": "{LOCAL_USER}"'.encode()


@pytest.mark.parametrize(("name", "longest"), [("message", 1024), ("title", 250), ("url", 512), ("url_title", 100)])
def test_a_length_is_counted_in_characters_up_to_the_limit(
    client: httpx.Client, message: Message, name: str, longest: int
) -> None:
    assert client.post(URL, json={**message, name: "𝄞" * longest}).status_code == 200
    refused = client.post(URL, json={**message, name: "𝄞" * (longest + 1)})
    assert refused.status_code == 400
    assert name in refused.json()


@pytest.mark.parametrize(
    "good",
    [
        {"priority": -2},
        {"priority": "1"},
        {"priority": ""},
        {"priority": 2, "retry": 30, "expire": 10_800},
        {"priority": 2, "retry": 30, "expire": 60, "ttl": -1},  # "ignored for messages with a priority value of 2"
        {"ttl": 1},
        {"timestamp": 1_331_249_662},
        {"device": "iphone,nexus5"},
        {"device": "no-such-device"},  # "notifications will be sent to all active devices"
        {"sound": ""},
        {"html": 1},
        {"monospace": "1", "html": "0"},
        {"user": f"{LOCAL_USER},{LOCAL_USER}"},
        {"title": None},
    ],
    ids=str,
)
def test_what_the_documentation_allows_is_accepted(
    client: httpx.Client, message: Message, good: dict[str, object]
) -> None:
    answer = client.post(URL, json={**message, **good})
    assert (answer.status_code, answer.json()["status"]) == (200, 1)


@pytest.mark.parametrize(
    "bad",
    [
        {"priority": 3},
        {"priority": -3},
        {"priority": "high"},
        {"priority": True},
        {"priority": 2, "expire": 60},
        {"priority": 2, "retry": 30, "expire": 10_801},
        {"ttl": 0},
        {"timestamp": "yesterday"},
        {"device": "two words"},
        {"device": "d" * 26},
        {"html": 1, "monospace": 1},
        {"message": " \n"},
        {"message": None},
        {"message": ["a", "list"]},
        {"user": LOCAL_USER[:-1]},
        {"user": LOCAL_USER.upper()},
        {"user": ",".join([LOCAL_USER] * 51)},
        {"token": "short"},
        {"token": None},
    ],
    ids=str,
)
def test_what_the_documentation_forbids_is_rejected_and_not_shown(
    client: httpx.Client, message: Message, bad: dict[str, object]
) -> None:
    answer = client.post(URL, json={**message, **bad})
    assert (answer.status_code, answer.json()["status"]) == (400, 0)
    assert answer.json()["errors"]
    assert client.get("/phone/messages.json").json() == []
    assert client.get("/pushover/_control").json()["rejected"] == 1


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/json", b'{%s, "message": "\\ud800"}' % CREDENTIALS),
        ("application/json", b'{%s, "message": "m", "unheard_of": 1e999}' % CREDENTIALS),
        ("application/json", b"[" * 100_000),
        ("multipart/form-data; boundary=x", b"--y\r\nnot multipart"),
        ("text/plain", b"token=x"),
    ],
    ids=str,
)
def test_an_unreadable_body_is_a_client_error(client: httpx.Client, content_type: str, body: bytes) -> None:
    answer = client.post(URL, content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["status"]) == (400, 0)


def test_only_post_sends_a_message(client: httpx.Client) -> None:
    assert client.get(URL).status_code == 405


def test_the_quota_counts_recipients_and_ends_with_429(start: Start, message: Message) -> None:
    client = start(WebSettings(quota=3))
    first = client.post(URL, data=message)
    assert (first.headers["x-limit-app-limit"], first.headers["x-limit-app-remaining"]) == ("3", "2")
    client.post(URL, json={**message, "user": f"{LOCAL_USER},{LOCAL_USER}"})
    refused = client.post(URL, data=message)
    assert refused.status_code == 429
    assert refused.headers["x-limit-app-remaining"] == "0"


@pytest.mark.parametrize(
    ("now", "reset"),
    [
        # Both resets are on record: the documentation's example, and https://github.com/Tautulli/Tautulli/issues/396
        ("2014-02-14T12:00:00+00:00", 1_393_653_600),
        ("2015-12-24T00:16:01+00:00", 1_451_628_000),
        ("2016-01-01T05:59:59+00:00", 1_451_628_000),
        ("2026-06-30T12:00:00-05:00", int(datetime.fromisoformat("2026-07-01T00:00:00-05:00").timestamp())),
    ],
)
def test_the_quota_is_reset_at_midnight_central_time_on_the_first(now: str, reset: int) -> None:
    assert next_reset(datetime.fromisoformat(now).timestamp()) == reset


def test_an_attachment_is_described_but_not_kept(client: httpx.Client, message: Message) -> None:
    files = {"attachment": ("chair.jpg", b"\xff" * 2_000_000, "image/jpeg")}
    answer = client.post(URL, data=message, files=files)
    assert answer.status_code == 200
    (push,) = client.get("/phone/messages.json").json()
    assert push["attachment"] == {"filename": "chair.jpg", "content_type": "image/jpeg", "bytes": 2_000_000}


def test_a_body_beyond_any_attachment_is_too_large(client: httpx.Client) -> None:
    assert client.post(URL, content=b"x" * (8 * 1024 * 1024 + 1)).status_code == 413


def test_settings_with_an_impossible_token_are_refused() -> None:
    with pytest.raises(ValueError, match="token: expected 30 characters"):
        create_app(WebSettings(token="short"))
