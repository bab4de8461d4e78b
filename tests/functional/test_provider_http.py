"""Connections to providers: kept while they are used, and none that lay idle while Lambda froze the function."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.client import parse_headers
from io import BufferedReader

import pytest
import requests

from chalicelib.adapters.provider_http import MAX_IDLE, Session
from tests.fakes import Clock

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Provider:
    """Answers every request, and counts connections; those that lie idle break at the next request on them."""

    def __init__(self) -> None:
        self.connections = 0
        self.breaks = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as requests:
            first = True
            while _read_request(requests):
                if self.breaks and not first:
                    return
                connection.sendall(ANSWER)
                first = False

    def close(self) -> None:
        self._listener.close()


def _read_request(stream: BufferedReader) -> bool:
    """Read one request to its end, as its head and its body may come apart; False where the client hung up."""
    if not stream.readline():
        return False
    head = parse_headers(stream)
    stream.read(int(head.get("Content-Length", 0)))
    return True


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider()
    yield found
    found.close()


def test_a_connection_is_kept_while_it_is_used(provider: Provider) -> None:
    clock = Clock()
    with Session(clock) as session:
        for _ in range(3):
            assert session.get(provider.url, timeout=60).text == "ok"
            clock.now += MAX_IDLE - 1
    assert provider.connections == 1


@pytest.mark.parametrize("away", [MAX_IDLE, 3_600, -60])
def test_one_that_lay_idle_is_not_used_any_more(provider: Provider, away: int) -> None:
    """Also where the clock was set back meanwhile."""
    provider.breaks = True
    clock = Clock()
    with Session(clock) as session:
        session.post(provider.url, data="1", timeout=60)
        clock.now += away
        assert session.post(provider.url, data="2", timeout=60).text == "ok"
    assert provider.connections == 2


def test_what_breaks_on_a_kept_connection_is_an_error_and_not_sent_again(provider: Provider) -> None:
    """So the test above would fail without what it is about."""
    provider.breaks = True
    with Session(Clock()) as session:
        session.post(provider.url, data="1", timeout=60)
        with pytest.raises(requests.exceptions.ConnectionError):
            session.post(provider.url, data="2", timeout=60)


def test_neither_a_proxy_nor_a_netrc_is_asked() -> None:
    assert Session().trust_env is False
