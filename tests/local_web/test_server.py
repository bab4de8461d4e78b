"""The process: start, end, and what it says when it can't."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from ops.local.web.settings import LOCAL_TOKEN, LOCAL_USER
from ops.loopback import listen

PATIENCE = 60.0
"""Seconds after which something that should happen hasn't: a bound against hanging, not a measure."""
ROOT = Path(__file__).parents[2]
Processes = list[subprocess.Popen[str]]
COMMAND = [sys.executable, "-m", "ops.local.web", "--port", "0"]
PARENT = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:])
time.sleep(600)
"""


@pytest.fixture
def processes() -> Iterator[Processes]:
    started: Processes = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def run(processes: Processes, *command: str) -> tuple[subprocess.Popen[str], str]:
    """A started process and the address that it prints."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    processes.append(process)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(r"Listening on (http://127\.0\.0\.1:\d+)\n", line)
    assert found, line
    return process, found[1]


def ask_until(deadline: float, address: str) -> None:
    while time.monotonic() < deadline:
        # It may end in the middle of an answer.
        with suppress(httpx.RemoteProtocolError, httpx.ReadError):
            httpx.get(f"{address}/_herald/health", trust_env=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_with_a_page_open_and_an_answer_stalled(
    processes: Processes, number: signal.Signals
) -> None:
    process, address = run(processes, *COMMAND)
    stalled = {"do": "stall", "seconds": 10 * PATIENCE}
    message = {"token": LOCAL_TOKEN, "user": LOCAL_USER, "message": "Hello"}
    with (
        httpx.Client(base_url=address, trust_env=False) as client,
        ThreadPoolExecutor(1) as pool,
        client.stream("GET", "/phone/events") as stream,
    ):
        next(stream.iter_lines())
        client.put("/pushover/_control", json={"faults": [stalled]}).raise_for_status()
        answer = pool.submit(client.post, "/pushover/1/messages.json", data=message)
        while client.get("/pushover/_control").json()["in_progress"] == 0:
            pass
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert answer.result(PATIENCE).status_code == 503
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_a_signal_right_after_the_first_line_is_clean_too(processes: Processes) -> None:
    process, _ = run(processes, *COMMAND)
    process.terminate()
    assert process.wait(PATIENCE) == 0


def test_its_health_names_the_api(processes: Processes) -> None:
    _, address = run(processes, *COMMAND, "--api", "http://127.0.0.1:4566/x")
    health = httpx.get(f"{address}/_herald/health", trust_env=False)
    assert health.json() == {"status": "ok", "api": "http://127.0.0.1:4566/x"}


def test_it_ends_with_its_parent(processes: Processes) -> None:
    parent, address = run(processes, sys.executable, "-c", PARENT, *COMMAND, "--exit-with-parent")
    httpx.get(f"{address}/_herald/health", trust_env=False).raise_for_status()
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + PATIENCE
    with pytest.raises(httpx.ConnectError):
        ask_until(deadline, address)


def test_it_ends_at_once_when_the_named_parent_has_gone_before(processes: Processes) -> None:
    process, _ = run(processes, *COMMAND, "--exit-with-parent", str(os.getpid() + 1))
    assert process.wait(PATIENCE) == 0


def test_it_stays_as_long_as_the_parent_does(processes: Processes) -> None:
    process, _ = run(processes, *COMMAND, "--exit-with-parent", str(os.getpid()))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.6)


def refused(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ops.local.web", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE)


def test_a_taken_port_is_named_and_only_the_loopback_address_listened_on() -> None:
    with listen(0) as taken:
        address, port = taken.getsockname()
        done = refused("--port", str(port))
    assert (address, done.returncode) == ("127.0.0.1", 1)
    assert f"Port {port} of 127.0.0.1 can't be used" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", [["--port", "70000"], ["--api", "http://example.com"]])
def test_a_wrong_option_is_refused(option: list[str]) -> None:
    done = refused(*option)
    assert done.returncode == 2
    assert option[1] in done.stderr


def test_answers_are_not_held_back_by_nagle(client: httpx.Client) -> None:
    times = []
    for _ in range(20):
        begun = time.monotonic()
        client.get("/_herald/health")
        times.append(time.monotonic() - begun)
    # Were they, each but the first would take 40 ms; on a busy machine the quickest is quick.
    assert min(times[1:]) < 0.03
