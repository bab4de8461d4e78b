"""Each test talks HTTP to a real server on a free port: stalls and refusals need a socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from ops.local.web.app import create_app
from ops.local.web.server import LocalServer
from ops.local.web.settings import LOCAL_TOKEN, LOCAL_USER, WebSettings
from ops.loopback import listen

Message = dict[str, object]
Start = Callable[[WebSettings], httpx.Client]


@contextmanager
def running(settings: WebSettings) -> Iterator[str]:
    """A server with these settings; yields its address."""
    listener = listen(0)
    loop = asyncio.new_event_loop()
    server = LocalServer(create_app(settings))
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve([listener]),))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(60)
        loop.close()


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def start_one(settings: WebSettings) -> httpx.Client:
            address = stack.enter_context(running(settings))
            return stack.enter_context(httpx.Client(base_url=address, timeout=60, trust_env=False))

        yield start_one


@pytest.fixture(scope="session")
def shared() -> Iterator[str]:
    with running(WebSettings()) as address:
        yield address


@pytest.fixture
def client(shared: str) -> Iterator[httpx.Client]:
    """Talks to a server with default settings that has forgotten what earlier tests did to it."""
    with httpx.Client(base_url=shared, timeout=60, trust_env=False) as client:
        for path in (
            *(f"/{name}/_control" for name in ("pushover", "ses", "webhooks", "captcha")),
            "/phone/messages.json",
        ):
            client.delete(path).raise_for_status()
        client.put("/_herald/api", json={"api": None}).raise_for_status()
        yield client


@pytest.fixture
def message() -> Message:
    return {"token": LOCAL_TOKEN, "user": LOCAL_USER, "message": "Hello"}
