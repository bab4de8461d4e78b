"""The command ``inbox`` as a process: it asks who it works as, serves, and ends at Ctrl-C whatever AWS does."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from ops.local.ports import AWS_PORT
from ops.loopback import credentials

ROOT = Path(__file__).parents[2]


@contextmanager
def inbox(aws: socket.socket) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command and the address that it prints; ``aws`` stands where its local stack should be."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ops", "inbox", "--stage", "local", "--no-browser"],
        cwd=ROOT,
        env=dict(os.environ) | {AWS_PORT: str(aws.getsockname()[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        found = re.search(r"http://127\.0\.0\.1:\d+/open\?token=\S+", process.stdout.readline())
        assert found, process.communicate(timeout=60)
        yield process, found[0]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=60)


@contextmanager
def person(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address.partition("/open")[0], trust_env=False, timeout=60) as client:
        assert client.get(address).status_code == 200
        yield client


IDENTITY = (
    "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::000000000000:root</Arn>"
    "<Account>000000000000</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""


def _answer_once(server: socket.socket) -> None:
    with server.accept()[0] as connection:
        asked = b""
        while b"Action=GetCallerIdentity" not in asked:
            asked += connection.recv(65_536)
        head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(IDENTITY)}\r\n\r\n"
        connection.sendall(f"{head}{IDENTITY}".encode())


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A stack that says once who asks; then it takes connections and never answers."""
    with socket.socket() as server, ThreadPoolExecutor(1) as pool:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(60)
        pool.submit(_answer_once, server)
        port = server.getsockname()[1]
        credentials.create(port)
        yield server
        credentials.remove(port)


def test_a_stack_that_ends_later_is_told_on_the_page(silent: socket.socket) -> None:
    with inbox(silent) as (process, address):
        silent.close()
        with person(address) as client:
            answer = client.get("/")
            assert answer.status_code == 503
            assert "No local stack" in answer.text
            assert "make run" in answer.text
            assert "server" not in answer.headers
        process.send_signal(signal.SIGINT)
        _, complained = process.communicate(timeout=60)
    assert (process.returncode, complained) == (0, "")


def test_it_ends_while_aws_keeps_it_waiting(silent: socket.socket) -> None:
    with inbox(silent) as (process, address), person(address) as client, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.get, "/")
        with silent.accept()[0]:
            process.send_signal(signal.SIGTERM)
            # The call of AWS would be waited for 60 seconds, and five times.
            _, complained = process.communicate(timeout=60)
        assert (process.returncode, complained) == (0, "")
        with suppress(httpx.HTTPError):
            waiting.result(60)


def test_a_port_that_is_taken_is_named(silent: socket.socket) -> None:
    port = silent.getsockname()[1]
    ran = subprocess.run(
        [sys.executable, "-m", "ops", "inbox", "--stage", "local", "--no-browser", "--port", str(port)],
        cwd=ROOT,
        env=dict(os.environ) | {AWS_PORT: str(port)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 1
    assert f"port {port} of 127.0.0.1 can't be used" in ran.stderr
    assert "--port" in ran.stderr
