"""A deployment that is killed at one of its calls to AWS: the call is made, and nobody hears its answer."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from ops.local.ports import Ports
from tests.e2e.between import Answer, Between, Call
from tests.e2e.harness import processes_with, wait_for


def interrupted(
    project: Path, environ: dict[str, str], ports: Ports, at: str, *words: str, by: signal.Signals = signal.SIGKILL
) -> str:
    """Run a command and send it a signal at the call that fits ``at``; returns what it said until its end."""
    running: list[subprocess.Popen[str]] = []
    met = threading.Event()

    def stop(call: Call, forward: Callable[[], Answer]) -> Answer | None:
        answer = forward()
        if met.is_set() or not re.search(at, str(call), re.DOTALL):
            return answer
        met.set()
        running[0].send_signal(by)
        return None

    with Between(ports.aws_url, stop) as between:
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
        assert met.is_set(), f"{at} was never called:\n{said}"
        assert process.returncode != 0, said
        # Chalice, in a process of its own, ends as well.
        mark = f"AWS_ENDPOINT_URL={between.url}"
        wait_for(lambda: not processes_with(mark), "end of every process")
    return said
