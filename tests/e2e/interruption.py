"""A deployment that is killed at one of its calls to AWS: the call is made, and nobody hears its answer."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import requests

from ops.local.ports import Ports
from tests.e2e.harness import PATIENCE, processes_with, wait_for


def call(method: str, path: str, headers: dict[str, str], body: bytes) -> str:
    """A request in one line: service, operation or method and path, and both ends of its body."""
    scope = headers.get("Authorization", "").partition("Credential=")[2].split("/")
    service = scope[3] if len(scope) > 3 else ""
    action = headers.get("X-Amz-Target", "").rpartition(".")[2]
    if not action and headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        action = parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
    ends = body if len(body) < 4000 else body[:1000] + body[-1000:]
    return f"{service} {action or f'{method} {path}'} {ends.decode(errors='replace')}"


class Between:
    """Stands between a command and the local AWS, and does something once a call has been made that fits."""

    def __init__(self, aws: str, fits: str, then: Callable[[], None]) -> None:
        self._aws, self._fits, self._then = aws, re.compile(fits, re.DOTALL), then
        self.met = threading.Event()
        between = self

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
                answer = requests.request(
                    self.command, between._aws + self.path, headers=headers, data=body, timeout=PATIENCE, stream=True
                )
                content = answer.raw.read()
                if not between.met.is_set() and between._fits.search(call(self.command, self.path, headers, body)):
                    between.met.set()
                    between._then()
                    self.close_connection = True
                    return
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = pass_on

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Between:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def interrupted(
    project: Path, environ: dict[str, str], ports: Ports, at: str, *words: str, by: signal.Signals = signal.SIGKILL
) -> str:
    """Run a command and send it a signal at the call that fits ``at``; returns what it said until its end."""
    running: list[subprocess.Popen[str]] = []
    with Between(ports.aws_url, at, lambda: running[0].send_signal(by)) as between:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops", *words],
            cwd=project,
            env=environ | {"AWS_ENDPOINT_URL": between.url, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        said, _ = process.communicate(timeout=120)
        assert between.met.is_set(), f"{at} was never called:\n{said}"
        assert process.returncode != 0, said
        # Chalice, in a process of its own, ends as well.
        mark = f"AWS_ENDPOINT_URL={between.url}"
        wait_for(lambda: not processes_with(mark), "end of every process")
    return said
