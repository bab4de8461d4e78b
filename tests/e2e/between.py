"""A proxy between a command and the local AWS, which a test tells what to do with each call."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs

import urllib3

from tests.e2e.harness import PATIENCE

_OF_THE_CONNECTION = ("transfer-encoding", "connection", "content-length", "server", "date")


@dataclass(frozen=True, slots=True)
class Call:
    """A request to AWS."""

    service: str
    """As the signature names it."""
    operation: str
    """The operation, or method and path where a service has no other name in the request."""
    body: bytes

    def __str__(self) -> str:
        """The call in one line, with both ends of its body."""
        ends = self.body if len(self.body) < 4000 else self.body[:1000] + self.body[-1000:]
        return f"{self.service} {self.operation} {ends.decode(errors='replace')}"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


Decide = Callable[[Call, Callable[[], Answer]], Answer | None]
"""Gets a call and what makes it; returns what the command is to be told, or None to reset its connection."""


def _call(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Call:
    scope = headers.get("Authorization", "").partition("Credential=")[2].split("/")
    action = headers.get("X-Amz-Target", "").rpartition(".")[2]
    if not action and headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        action = parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
    return Call(scope[3] if len(scope) > 3 else "", action or f"{method} {path}", body)


class Between:
    """Serves the local AWS at another port of this machine, as ``decide`` says."""

    def __init__(self, aws: str, decide: Decide) -> None:
        pool = urllib3.PoolManager(maxsize=20, timeout=PATIENCE, retries=False)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:  # Who was killed doesn't wait for an answer.
                    self.close_connection = True

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = dict(self.headers)

                def forward() -> Answer:
                    given = pool.request(
                        self.command, aws + self.path, headers=headers, body=body, decode_content=False, redirect=False
                    )
                    return Answer(given.status, given.headers, given.data)

                answer = decide(_call(self.command, self.path, headers, body), forward)
                if answer is None:
                    # With this option a close resets the connection instead of ending it in order: socket(7).
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in _OF_THE_CONNECTION:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = pass_on

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
