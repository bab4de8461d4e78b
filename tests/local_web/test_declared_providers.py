"""The stand-ins of declared kinds: documented answers, the kind's secrets and limits, and failure on command."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from chalicelib.logic.channel_kind import AnswerMeaning, encoded
from chalicelib.logic.notification import Notification
from tests.declared import HTTP, declared_channel, http_of, request_of

every = pytest.mark.parametrize("kind", HTTP)


@pytest.fixture
def provider(kind: str, shared: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{shared}/providers/{kind}/", timeout=60, trust_env=False) as client:
        client.delete("_control").raise_for_status()
        yield client


def post(client: httpx.Client, kind: str, **changed: object) -> httpx.Response:
    it = request_of(Notification("id-1", "T", "Hello"), declared_channel(kind, str(client.base_url)))
    return client.post(it.url, content=encoded(json.loads(it.body) | changed), headers=dict(it.headers))


def answers(kind: str, means: AnswerMeaning) -> list[tuple[int, str]]:
    return [(known.status, known.body) for known in http_of(kind).answers if known.meaning is means]


@every
def test_what_has_the_kinds_secrets_is_accepted_and_kept(kind: str, provider: httpx.Client) -> None:
    answer = post(provider, kind)
    assert (answer.status_code, answer.text) in answers(kind, AnswerMeaning.DELIVERED)
    (taken,) = provider.get("messages.json").json()
    assert "Hello" in json.dumps(taken["body"])


@every
def test_what_lacks_a_secret_is_refused(kind: str, provider: httpx.Client) -> None:
    answer = provider.post("", json={"message": "Hello"})
    assert (answer.status_code, answer.text) in answers(kind, AnswerMeaning.OWNER_MUST_ACT)
    assert provider.get("messages.json").json() == []


@pytest.mark.parametrize(
    ("kind", "part", "most", "piece"),
    [
        ("ntfy", "message", 4096, "x"),
        ("ntfy", "message", 2048, "я"),
        ("telegram", "text", 4096, "я"),
        ("telegram", "text", 2048, "🚀"),
    ],
)
def test_what_is_longer_than_the_provider_takes_is_refused(
    kind: str, provider: httpx.Client, part: str, most: int, piece: str
) -> None:
    assert post(provider, kind, **{part: piece * most}).is_success
    answer = post(provider, kind, **{part: piece * (most + 1)})
    assert (answer.status_code, answer.text) in answers(kind, AnswerMeaning.REJECTED)


@every
def test_it_fails_on_command_and_then_all_is_well(kind: str, provider: httpx.Client) -> None:
    faults = [{"do": "status", "status": 429}, {"do": "status", "status": 503}]
    provider.put("_control", json={"faults": faults}).raise_for_status()
    assert [post(provider, kind).status_code for _ in range(3)] == [429, 503, 200]
    assert len(provider.get("messages.json").json()) == 1
