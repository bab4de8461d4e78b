"""The stand-in for receivers of webhooks: it verifies, knows repetitions, and fails on command."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from ops.local.web.settings import LOCAL_WEBHOOK_SECRET

EVENT = {"type": "message.received", "timestamp": "2026-01-01T00:00:00Z", "data": {"message": "Hello"}}
CONTROL = "/webhooks/_control"


def signed(
    body: bytes, identity: str = "msg_1", secret: str = LOCAL_WEBHOOK_SECRET, at: datetime | None = None
) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(identity, at, body.decode()),
    }


def post(client: httpx.Client, body: Any = EVENT, channel: str = "own", **changed: Any) -> httpx.Response:
    content = json.dumps(body).encode()
    return client.post(f"/webhooks/{channel}", content=content, headers=signed(content, **changed))


def received(client: httpx.Client) -> Any:
    return client.get("/webhooks/messages.json").json()


def test_what_verifies_is_taken_and_a_repetition_is_known(client: httpx.Client) -> None:
    assert [post(client).status_code, post(client).status_code] == [200, 200]
    assert post(client, identity="msg_2").status_code == 200
    assert post(client, channel="other").status_code == 200
    found = received(client)
    assert [(hook["channel"], hook["id"], hook["verified"], hook["repeated"]) for hook in found] == [
        ("own", "msg_1", True, False),
        ("own", "msg_1", True, True),
        ("own", "msg_2", True, False),
        ("other", "msg_1", True, False),
    ]
    assert found[0]["body"] == EVENT


def test_what_does_not_verify_is_refused(client: httpx.Client) -> None:
    other = "whsec_" + "b3RoZXIh" * 4
    assert post(client, secret=other).status_code == 401
    assert post(client, at=datetime.now(UTC) - timedelta(minutes=6)).status_code == 401
    assert client.post("/webhooks/own", json=EVENT).status_code == 401, "an event without a signature"
    content = json.dumps(EVENT).encode()
    assert client.post("/webhooks/own", content=content + b" ", headers=signed(content)).status_code == 401
    broken = signed(content) | {"webhook-signature": "v1"}
    assert client.post("/webhooks/own", content=content, headers=broken).status_code == 401
    assert received(client) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": "Hello"}, 200),
        ({"content": "x" * 2000}, 200),
        ({"content": "x" * 2001}, 400),
        ({"content": "🚀" * 1001}, 400),
        ({"attachments": []}, 202),
        ({"text": "x" * 40_001, "unfurl_links": False}, 400),
        ([1], 400),
    ],
)
def test_a_services_body_is_answered_as_the_service_does(client: httpx.Client, body: object, status: int) -> None:
    assert client.post("/webhooks/any", json=body).status_code == status
    assert len(received(client)) == (status < 300)


@pytest.mark.parametrize("text", ["x" * 28 * 1024, '"' * 10_000, "я" * 4_200, "\n" * 10_000])
def test_a_card_that_is_too_large_once_it_is_escaped_is_accepted_and_never_shown(
    client: httpx.Client, text: str
) -> None:
    answer = client.post("/webhooks/team", json={"attachments": [{"content": {"body": [text]}}]})
    assert answer.status_code == 202
    assert received(client) == []
    assert [lost["channel"] for lost in client.get("/webhooks/lost.json").json()] == ["team"]


def test_faults_come_in_order_and_then_all_is_well(client: httpx.Client) -> None:
    faults = [
        {"do": "status", "status": 410},
        {"do": "status", "status": 429, "reset_in": 7},
        {"do": "status", "status": 502},
        {"do": "redirect"},
    ]
    client.put(CONTROL, json={"faults": faults}).raise_for_status()
    answers = [post(client) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [410, 429, 502, 302, 200]
    assert answers[1].headers["Retry-After"] == "7"
    assert answers[3].headers["Location"] == "/"
    assert client.get(CONTROL).json() == {
        "requests": 5,
        "faulted": {"status_410": 1, "status_429": 1, "status_502": 1, "redirect": 1},
        "pending": [],
    }
    assert len(received(client)) == 1


def test_a_lost_answer_is_one_after_it_was_taken_and_a_refused_one_before(client: httpx.Client) -> None:
    client.put(CONTROL, json={"faults": [{"do": "refuse"}, {"do": "accept_then_stall", "seconds": 60}]})
    with pytest.raises(httpx.RemoteProtocolError):
        post(client)
    assert received(client) == []
    with pytest.raises(httpx.ReadTimeout):
        client.post("/webhooks/any", json={"text": "x"}, timeout=httpx.Timeout(60, read=2))
    assert len(received(client)) == 1


@pytest.mark.parametrize("control", [b"", b"[", b'{"faults": [{"do": "dance"}]}'])
def test_a_command_that_is_wrong_is_told_so(client: httpx.Client, control: bytes) -> None:
    assert client.put(CONTROL, content=control).status_code == 400
