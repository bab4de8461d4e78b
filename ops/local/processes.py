"""Start the server processes of the local stack, wait until they answer, and stop them with their child processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ops.errors import OpsError

_START = 120
"""Seconds within which a process must answer: a bound against hanging, as a busy machine is slow."""
_END = 10
"""Seconds that a process has to stop before it is killed."""


class Process:
    """One server of the local stack. It has its own process group and writes its output to a log file."""

    def __init__(
        self, name: str, module: Sequence[str], root: Path, environ: Mapping[str, str], log: Path, health: str
    ) -> None:
        self.name = name
        self._log = log
        self._health = health
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            # In its own group the server doesn't get Ctrl-C from the terminal. Only the parent does, and stops
            # everything in order.
            self._process = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=root,
                env=dict(environ),
                # This pipe closes however this process ends, which tells the server to stop.
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, check: Callable[[], None]) -> None:
        """Wait until the server answers. Raises :class:`OpsError` with the end of its output if it doesn't.

        ``check`` is called before each attempt; what it raises ends the wait.
        """
        deadline = time.monotonic() + _START
        while time.monotonic() < deadline:
            check()
            if self._process.poll() is not None:
                raise OpsError(
                    f"{self.name} ended at once with status {self._process.returncode}:\n{self.last_words()}"
                )
            try:
                with urllib.request.urlopen(self._health, timeout=1) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise OpsError(f"{self.name} did not answer within {_START} s:\n{self.last_words()}")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def last_words(self) -> str:
        """Return the last lines of the server's output."""
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])

    def end(self) -> None:
        """Stop the server and every process of its group."""
        if self.running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_END)
        if self._process.stdin:
            self._process.stdin.close()
