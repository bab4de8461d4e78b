"""The phone page and its feed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from ops.local.web.settings import LOCAL_USER, WebSettings
from tests.local_web.conftest import Message, Start

URL = "/pushover/1/messages.json"
FEED = "/phone/messages.json"
NASTY = '</script><img src=x onerror=alert(1)>\ndata: fake\n\nevent: push "\u2028'


def events(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_the_list_holds_every_parameter_but_the_token(start: Start, message: Message) -> None:
    client = start(WebSettings(clock=lambda: 1_767_225_600.25))
    sent = {**message, "title": NASTY, "priority": "1", "timestamp": "1767225000", "unheard_of": "too"}
    request = client.post(URL, data=sent).json()["request"]
    del sent["token"]
    assert client.get(FEED).json() == [{**sent, "status": 1, "request": request, "received_at": 1_767_225_600.25}]


def test_a_parameter_of_the_sender_does_not_pass_for_our_own(client: httpx.Client, message: Message) -> None:
    request = client.post(URL, json={**message, "request": "forged", "received_at": 0, "ttl": 9}).json()["request"]
    (push,) = client.get(FEED).json()
    assert push["request"] == request
    assert push["received_at"] > 0
    assert push["ttl"] == 9, "a parameter in JSON keeps its type"


def test_an_open_page_gets_what_is_there_what_arrives_and_what_is_cleared(
    client: httpx.Client, message: Message
) -> None:
    client.post(URL, data={**message, "message": "before"})
    with client.stream("GET", "/phone/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        feed = events(stream)
        assert next(feed) == ("app", {"name": "Herald"})
        name, pushes = next(feed)
        assert (name, [push["message"] for push in pushes]) == ("snapshot", ["before"])

        with httpx.Client(base_url=client.base_url, trust_env=False) as other:
            other.post(URL, json={**message, "message": NASTY})
            name, pushes = next(feed)
            assert (name, [push["message"] for push in pushes]) == ("push", [NASTY])
            assert pushes[0]["user"] == LOCAL_USER
            assert "token" not in pushes[0]
            assert other.delete(FEED).status_code == 204
            assert next(feed) == ("snapshot", [])
            assert other.get(FEED).json() == []


def test_the_page_is_served_with_a_policy_that_runs_no_foreign_script(client: httpx.Client) -> None:
    page = client.get("/phone")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert address.startswith(("/", "data:"))
    for file in ("/phone/phone.js", "/phone/phone.css"):
        assert client.get(file).status_code == 200


def test_no_other_file_of_the_directory_is_served(client: httpx.Client) -> None:
    assert client.get("/phone/index.html").status_code == 404
    assert client.get("/phone/..%2Fsnippet.html").status_code == 404


def test_the_script_never_writes_markup() -> None:
    script = (Path(__file__).parents[2] / "web" / "phone" / "phone.js").read_text(encoding="utf-8")
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", ".href"):
        assert way not in script
