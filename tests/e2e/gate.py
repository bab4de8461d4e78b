"""A gate between a function and one service of AWS: it passes every call on, and stops at the one that a test names."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.harness import PATIENCE

Call = Callable[[str, dict[str, Any]], bool]
"""Whether a call is meant: by its operation, such as ``PutItem``, and its request."""


class Stop(Enum):
    """What becomes of a call that is stopped at."""

    BEFORE = "held, and never done"
    AFTER = "done, and its answer held"
    FAIL = "answered 500 every time, and never done"
    LOSE = "done once without an answer"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: who is killed resets its connections."""


class Gate:
    """Passes JSON calls (https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html) on to ``aws``."""

    def __init__(self, aws: str) -> None:
        self._aws = urlsplit(aws).netloc
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._stop: tuple[Call, Stop] | None = None
        self._held, self._go = threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def open(self) -> Iterator[Gate]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    @contextmanager
    def stopping(self, at: Call, how: Stop) -> Iterator[Gate]:
        """Stop at a call, within the block. Once that has ended, whoever made the call gets no answer any more."""
        self._held, self._go = threading.Event(), threading.Event()
        self._stop = (at, how)
        try:
            yield self
        finally:
            self._stop = None
            self._go.set()

    def wait(self) -> None:
        """Return once the call was stopped at."""
        assert self._held.wait(PATIENCE), "the call was never made"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                operation = self.headers["X-Amz-Target"].rpartition(".")[2]
                status, answer = gate._answer(operation, body, dict(self.headers))
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    def _answer(self, operation: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """The status and body of an answer; status 0 for none."""
        meant, how = self._stop or (None, None)
        if meant is None or not meant(operation, json.loads(body)):
            return self._pass_on(body, headers)
        held, go = self._held, self._go
        if how is Stop.FAIL:
            held.set()
            return 500, b'{"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError"}'
        if how is not Stop.BEFORE:
            passed = self._pass_on(body, headers)
            if how is Stop.LOSE and held.is_set():
                return passed
        held.set()
        if how is not Stop.LOSE:
            go.wait(PATIENCE)
        return 0, b""

    def _pass_on(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._aws, timeout=PATIENCE)
        try:
            # With the headers as they came, Host among them, as the signature is about these.
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
