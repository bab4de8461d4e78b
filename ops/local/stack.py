"""The local stack as one object: start AWS and the web server, deploy to them, and stop them completely."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from ops.aws.account import account_of
from ops.config import loader
from ops.config.loader import LOCAL, StageConfig
from ops.errors import OpsError
from ops.local.ports import Ports
from ops.local.processes import Process
from ops.local.web.settings import LOCAL_TOKEN, LOCAL_USER

_END = 15
"""Seconds that a deployment has to stop before it is killed."""

WORK = Path(".herald")
"""The folder of the checkout for everything that the local stack writes."""


@dataclass(frozen=True, slots=True)
class Pushover:
    """The Pushover credentials for notifications, real ones or the stand-in's."""

    token: str
    user: str
    real: bool

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Pushover:
        """Read the user's own from ``PUSHOVER_TOKEN`` and ``PUSHOVER_USER``, or return those of the stand-in.

        Raises :class:`OpsError` if only one of the two variables is set.
        """
        token, user = environ.get("PUSHOVER_TOKEN", ""), environ.get("PUSHOVER_USER", "")
        if bool(token) != bool(user):
            missing = "PUSHOVER_USER" if token else "PUSHOVER_TOKEN"
            raise OpsError(f"{missing} is not set; set both to use the real Pushover, or neither for the stand-in")
        return cls(token or LOCAL_TOKEN, user or LOCAL_USER, real=bool(token))

    def environ(self) -> dict[str, str]:
        """Return the environment variables that :meth:`of` reads these credentials from."""
        return dict(
            zip(("PUSHOVER_TOKEN", "PUSHOVER_USER"), (self.token, self.user) if self.real else ("", ""), strict=True)
        )


class Interrupted(OpsError):
    """:meth:`LocalStack.interrupt` was called."""


class LocalStack:
    """The running stack. Use it in a ``with`` block; ``deploy`` may be called again after any change."""

    def __init__(
        self, root: Path, ports: Ports, pushover: Pushover, environ: Mapping[str, str] = os.environ, name: str = "local"
    ) -> None:
        self.root = root
        self.ports = ports
        self._pushover = pushover
        self._environ = dict(environ)
        self.work = root / WORK / name
        self._processes: list[Process] = []
        self._deploying: subprocess.Popen[str] | None = None
        self._interrupted = False

    def config(self, stage: str = LOCAL) -> StageConfig:
        """Return the configuration of a stage as this stack runs it."""
        return loader.named(self._stages(self.root), stage)

    def __enter__(self) -> LocalStack:
        self.ports.claim()
        temporary = self.work / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        environ = self._environ | {"TMPDIR": str(temporary)}
        try:
            self._deployer()
            self._start(
                Process(
                    "the local AWS",
                    ["ops.local.aws", "--port", str(self.ports.aws), "--until-stdin-closes"],
                    self.root,
                    environ,
                    self.aws_log,
                    f"{self.ports.aws_url}/_ministack/health",
                ),
                Process(
                    "the local web server",
                    ["ops.local.web", "--port", str(self.ports.web), "--exit-with-parent", str(os.getpid())],
                    self.root,
                    environ,
                    self.work / "web.log",
                    f"{self.ports.web_url}/_herald/health",
                ),
            )
            # Not earlier: the local AWS creates the credentials at its start.
            self.account = account_of(self.config(), self._environ)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._deploying:
            with self._deploying:  # Closes its pipes.
                self._deploying.terminate()
                with suppress(subprocess.TimeoutExpired):
                    self._deploying.wait(_END)
                self._deploying.kill()
        for process in reversed(self._processes):
            process.end()
        self._processes.clear()

    def ended(self) -> str | None:
        """Return the name and last output of a process that has stopped by itself; None while all run."""
        for process in self._processes:
            if not process.running:
                return f"{process.name} ended:\n{process.last_words()}"
        return None

    def deploy(self, say: Callable[[str], None], stage: str = LOCAL) -> dict[str, str]:
        """Deploy a stage from the current state of the checkout. Return its addresses.

        Raises :class:`OpsError` with the reason if it fails. It may be called again.
        """
        result = self._result
        result.unlink(missing_ok=True)
        with self._deployer() as process:
            try:
                if process.stdin:
                    process.stdin.write(f"{stage}\n")
                    process.stdin.close()
                for line in process.stdout or ():
                    say(line.rstrip("\n"))
            except BaseException:
                process.terminate()
                raise
        self._deployer()  # Start the next process now, so that the next deployment needn't wait for its imports.
        if not result.exists():
            raise OpsError(f"the deployment ended with status {process.returncode}")
        found = json.loads(result.read_text(encoding="utf-8"))
        if "error" in found:
            raise OpsError(found["error"])
        addresses: dict[str, str] = found["addresses"]
        self._tell_web(addresses["api"])
        return addresses

    def interrupt(self) -> None:
        """Stop a start or a deployment that is in progress, and refuse any other."""
        self._interrupted = True
        if self._deploying:
            self._deploying.terminate()

    @property
    def aws_log(self) -> Path:
        """What the local AWS prints."""
        return self.work / "aws.log"

    @property
    def _result(self) -> Path:
        return self.work / "deployed.json"

    def _deployer(self) -> subprocess.Popen[str]:
        """Return the process for the next deployment. Start it unless one is already waiting.

        Raises :class:`Interrupted` after :meth:`interrupt`.
        """
        if self._deploying is None or self._deploying.poll() is not None:
            paths = ["--copy", str(self.work / "project"), "--result", str(self._result)]
            self._deploying = subprocess.Popen(
                [sys.executable, "-m", "ops.local.deployment", *paths],
                cwd=self.root,
                env=self._environ | self.ports.environ() | self._pushover.environ() | {"PYTHONIOENCODING": "utf-8"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        # Asked last: before, `interrupt` may not have found this process.
        if self._interrupted:
            self._deploying.terminate()
        self._check_interrupted()
        return self._deploying

    def _stages(self, root: Path) -> dict[str, StageConfig]:
        overrides = replace(self.ports.overrides(), real_pushover=self._pushover.real)
        return loader.load(root, overrides)

    def _start(self, *processes: Process) -> None:
        self._processes.extend(processes)
        for process in processes:
            process.wait(self._check_interrupted)

    def _check_interrupted(self) -> None:
        if self._interrupted:
            raise Interrupted("the local stack was interrupted")

    def _tell_web(self, api: str) -> None:
        request = urllib.request.Request(
            f"{self.ports.web_url}/_herald/api",
            data=json.dumps({"api": api}).encode(),
            headers={"Content-Type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(request, timeout=60).close()
