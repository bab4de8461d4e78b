"""The stand-in against what Pushover's documentation and its users say that Pushover answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.local.web.settings import WebSettings
from tests.local_web.conftest import Start, running

SAMPLES = Path(__file__).parent / "samples"
TOKEN = "azGDORePK8gMaC0QOYAMyEEuzJnyUi"
USER = "uQiRzpo4DXghDmr9QzzfQu27cmVRsG"
"""The examples of https://pushover.net/api#registration and #identifiers."""
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ANY = {"request": UUID, "receipt": re.compile(r"[A-Za-z0-9]{30}")}
"""Values that are random; their form is checked."""

NAMES = sorted(path.stem for path in SAMPLES.glob("*.json") if not path.stem.endswith(".keys"))


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def send(client: httpx.Client, encoding: str, path: str, parameters: dict[str, str]) -> httpx.Response:
    if encoding == "json":
        return client.post(f"/pushover{path}", json=parameters)
    if encoding == "multipart":
        return client.post(f"/pushover{path}", files={name: (None, text) for name, text in parameters.items()})
    return client.post(f"/pushover{path}", data=parameters)


@pytest.fixture(scope="module")
def documented() -> Iterator[httpx.Client]:
    """A stand-in that knows the documentation's own credentials."""
    with (
        running(WebSettings(token=TOKEN, users=(USER,))) as address,
        httpx.Client(base_url=address, timeout=60, trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize("encoding", ["urlencoded", "json", "multipart"])
@pytest.mark.parametrize("name", NAMES)
def test_a_request_gets_the_answer_of_its_sample(documented: httpx.Client, name: str, encoding: str) -> None:
    request, expected = sample(name)["request"], sample(name)["answer"]
    documented.put("/pushover/_control", json={"faults": [], "quota": request.get("quota", 10_000)}).raise_for_status()
    if encoding == "multipart" and "" in request["parameters"].values():
        request["parameters"] = {key: value or " " for key, value in request["parameters"].items()}

    answer = send(documented, encoding, request["path"], request["parameters"])

    assert answer.status_code == expected["status_code"]
    body = answer.json()
    assert set(body) == set(expected["body"])
    for key, value in expected["body"].items():
        if key in ANY:
            assert ANY[key].fullmatch(body[key])
        else:
            assert body[key] == value
    for header in expected.get("headers", []):
        assert answer.headers[header].isdecimal()


def test_a_receipt_tells_what_the_documentation_lists(start: Start) -> None:
    now = 1_767_225_600.0
    client = start(WebSettings(token=TOKEN, users=(USER,), clock=lambda: now))
    parameters = sample("message-emergency")["request"]["parameters"]
    receipt = client.post("/pushover/1/messages.json", data=parameters).json()["receipt"]

    answer = client.get(f"/pushover/1/receipts/{receipt}.json", params={"token": TOKEN})

    assert answer.status_code == 200
    assert sorted(answer.json()) == sorted(sample("receipt.keys")["keys"])
    assert answer.json()["expires_at"] == now + 1800
    assert answer.json()["expired"] == 0
    unknown = client.get(f"/pushover/1/receipts/{'r' * 30}.json", params={"token": TOKEN})
    assert (unknown.status_code, unknown.json()["status"]) == (404, 0)


def test_the_quota_is_told_as_the_documentation_lists_it(documented: httpx.Client) -> None:
    documented.put("/pushover/_control", json={"faults": [], "quota": 2}).raise_for_status()
    documented.post("/pushover/1/messages.json", data=sample("message-success")["request"]["parameters"])

    answer = documented.get("/pushover/1/apps/limits.json", params={"token": TOKEN})

    assert answer.status_code == 200
    assert sorted(answer.json()) == sorted(sample("limits.keys")["keys"])
    assert (answer.json()["limit"], answer.json()["remaining"], answer.json()["status"]) == (2, 1, 1)
    assert documented.get("/pushover/1/apps/limits.json", params={"token": USER}).status_code == 400
