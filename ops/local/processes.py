"""Start the server processes of the local stack, wait until they answer, and end them with their child processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.errors import OpsError

_START = 30
"""Seconds that a process may take until it answers."""
_END = 10
"""Seconds that a process has to end by itself."""


class Process:
    """One server of the local stack, in a process group of its own, its output in a log file."""

    def __init__(
        self, name: str, module: Sequence[str], root: Path, environ: Mapping[str, str], log: Path, health: str
    ) -> None:
        self.name = name
        self._log = log
        self._health = health
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            # A group of its own: Ctrl-C at the terminal reaches the parent alone, which then ends things in order.
            self._process = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=root,
                env=dict(environ),
                # Held open as long as we live: the server ends when we do, however that comes.
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until it answers; raises :class:`OpsError` with the end of its output when it doesn't."""
        deadline = time.monotonic() + _START
        while time.monotonic() < deadline:
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
        """The end of its output."""
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])

    def end(self) -> None:
        """End it and every process of its group."""
        if self.running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_END)
        if self._process.stdin:
            self._process.stdin.close()
