"""Pages of the web, and names that point at 127.0.0.1, get nothing."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.types import Message as Sent
from starlette.types import Receive, Scope, Send

from ops.loopback.guard import LoopbackGuard
from tests.local_web.conftest import Message


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "192.168.1.10", "[::1]", ""]
)
@pytest.mark.parametrize("path", ["/thanks.html", "/phone/messages.json", "/_herald/health"])
def test_a_foreign_host_is_refused(client: httpx.Client, host: str, path: str) -> None:
    assert client.get(path, headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9", "localhost", "LOCALHOST:8080"])
def test_the_loopback_names_are_answered(client: httpx.Client, host: str) -> None:
    assert client.get("/_herald/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "https://{own}"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/pushover/_control"), ("DELETE", "/phone/messages.json"), ("POST", "/pushover/1/messages.json")],
)
def test_a_page_of_another_origin_changes_nothing(
    client: httpx.Client, message: Message, method: str, path: str, origin: str
) -> None:
    own = client.base_url.netloc.decode()
    client.post("/pushover/1/messages.json", data=message)
    before = client.get("/pushover/_control").json()

    answer = client.request(method, path, json={"faults": []}, headers={"Origin": origin.format(own=own)})

    assert answer.status_code == 403
    assert client.get("/pushover/_control").json() == before
    assert len(client.get("/phone/messages.json").json()) == 1


def page(site: str, mode: str, dest: str) -> dict[str, str]:
    return {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (page("cross-site", "no-cors", "image"), 403),
        (page("same-site", "cors", "empty"), 403),
        (page("cross-site", "navigate", "iframe"), 403),
        ({"Origin": "https://evil.example"}, 403),
        (page("cross-site", "navigate", "document"), 200),
        (page("same-origin", "cors", "empty"), 200),
        (page("none", "navigate", "document"), 200),
    ],
)
def test_a_page_of_another_origin_may_link_here_and_neither_fetch_nor_embed(
    client: httpx.Client, headers: dict[str, str], expected: int
) -> None:
    assert client.get("/phone/messages.json", headers=headers).status_code == expected


def test_our_own_page_may(client: httpx.Client) -> None:
    own = f"http://{client.base_url.netloc.decode()}"
    assert client.delete("/phone/messages.json", headers={"Origin": own}).status_code == 204


def test_answers_are_neither_sniffed_nor_embedded_nor_cached(client: httpx.Client) -> None:
    headers = client.get("/phone/messages.json").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


def test_a_websocket_is_refused_whatever_stands_behind() -> None:
    async def accepting(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    async def receive() -> Sent:
        return {"type": "websocket.connect"}

    sent: list[Sent] = []

    async def send(message: Sent) -> None:
        sent.append(message)

    asyncio.run(LoopbackGuard(accepting)({"type": "websocket", "headers": [(b"host", b"127.0.0.1")]}, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_no_answer_lets_other_origins_read_it() -> None:
    async def emulator(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"access-control-allow-origin", b"*"), (b"Access-Control-Allow-Headers", b"*")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    transport = httpx.ASGITransport(app=LoopbackGuard(emulator))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get("/")

    assert not [name for name in asyncio.run(ask()).headers if name.lower().startswith("access-control-")]
