"""The local stack as one thing: AWS and the web server, started and deployed to, and ended without a trace."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from chalicelib.settings import Stage
from ops import config as configuration
from ops.account import Account, account_of, environment
from ops.config import LOCAL, StageConfig
from ops.deploy import Deployment, deploy
from ops.errors import OpsError
from ops.local.mirror import mirror
from ops.local.ports import Ports
from ops.local.processes import Process
from ops.local.web.settings import LOCAL_TOKEN, LOCAL_USER, LOCAL_WEBHOOK_SECRET
from ops.loopback import credentials
from ops.urls import addresses

WORK = Path(".herald")
"""Everything that the local stack writes lies below this folder of the checkout."""


@dataclass(frozen=True, slots=True)
class Pushover:
    """The credentials that notifications are sent with."""

    token: str
    user: str
    real: bool

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Pushover:
        """The person's own from ``PUSHOVER_TOKEN`` and ``PUSHOVER_USER``, or those of the stand-in."""
        token, user = environ.get("PUSHOVER_TOKEN", ""), environ.get("PUSHOVER_USER", "")
        if bool(token) != bool(user):
            missing = "PUSHOVER_USER" if token else "PUSHOVER_TOKEN"
            raise OpsError(f"{missing} is not set; set both to use the real Pushover, or neither for the stand-in")
        return cls(token or LOCAL_TOKEN, user or LOCAL_USER, real=bool(token))


class LocalStack:
    """Runs inside a ``with`` block; ``deploy`` may be called again after any change."""

    def __init__(
        self, root: Path, ports: Ports, pushover: Pushover, environ: Mapping[str, str] = os.environ, name: str = "local"
    ) -> None:
        self.root = root
        self.ports = ports
        self._pushover = pushover
        self._environ = dict(environ)
        self.work = root / WORK / name
        self._processes: list[Process] = []

    def config(self, stage: str = LOCAL) -> StageConfig:
        """A stage as this stack runs it."""
        return configuration.named(self._stages(self.root), stage)

    def __enter__(self) -> LocalStack:
        self.ports.claim()
        temporary = self.work / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        environ = self._environ | {"TMPDIR": str(temporary)}
        try:
            self._start(
                Process(
                    "the local AWS",
                    ["ops.local.aws", "--port", str(self.ports.aws), "--until-stdin-closes"],
                    self.root,
                    environ,
                    self.work / "aws.log",
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
            # Only now: its keys are made when it starts.
            self.account = account_of(self.config(), self._environ)
            self._keep_secrets()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            process.end()
        self._processes.clear()

    def ended(self) -> str | None:
        """What a process said last that ended by itself, or None while all run."""
        for process in self._processes:
            if not process.running:
                return f"{process.name} ended:\n{process.last_words()}"
        return None

    def deploy(self, say: Callable[[str], None], stage: str = LOCAL) -> dict[str, str]:
        """Deploy a stage as it stands in the checkout; returns its addresses."""
        copy = self.work / "project"
        copy.mkdir(parents=True, exist_ok=True)
        mirror(self.root, copy)
        stages = self._stages(copy)
        config = configuration.named(stages, stage)
        # Where plain `chalice local` looks for them, when it is run in the copy.
        keys = copy / credentials.file_name(self.ports.aws)
        keys.parent.mkdir(parents=True, exist_ok=True)
        keys.unlink(missing_ok=True)
        keys.symlink_to(credentials.file_of(self.ports.aws))
        environ = environment(stages[LOCAL], self._environ)
        keep_webhook_secrets(self.account, config.stage, self.ports)
        deploy(Deployment(copy, config, self.account, environ, say), stages)
        keep_identities(self.account, config.stage)
        found = addresses(config, self.account, self.ports.web_url)
        self._tell_web(found["api"])
        return found

    def _stages(self, root: Path) -> dict[str, StageConfig]:
        overrides = replace(self.ports.overrides(), real_pushover=self._pushover.real)
        return configuration.load(root, overrides)

    def _start(self, *processes: Process) -> None:
        self._processes.extend(processes)
        for process in processes:
            process.wait()

    def _keep_secrets(self) -> None:
        keep_pushover_secrets(self.account, self.config().stage, self._pushover)

    def _tell_web(self, api: str) -> None:
        request = urllib.request.Request(
            f"{self.ports.web_url}/_herald/api",
            data=json.dumps({"api": api}).encode(),
            headers={"Content-Type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(request, timeout=5).close()


def keep_pushover_secrets(account: Account, stage: Stage, pushover: Pushover) -> None:
    """Put the credentials where ``notify_pushover`` reads those of each channel."""
    for channel in (name for name, it in stage.channels.items() if it.kind == "pushover"):
        for name, value in (("token", pushover.token), ("user", pushover.user)):
            account.ssm.put_parameter(
                Name=f"{stage.parameters}/{channel}/{name}", Value=value, Type="SecureString", Overwrite=True
            )


def keep_identities(account: Account, stage: Stage) -> None:
    """Let the local SES know as verified what the stage's channels send mails with."""
    sesv2 = account.client("sesv2")
    for channel in stage.channels_of("email"):
        for identity in stage.channels[channel].texts("identities"):
            with suppress(sesv2.exceptions.AlreadyExistsException):
                sesv2.create_email_identity(EmailIdentity=identity)


def keep_webhook_secrets(account: Account, stage: Stage, ports: Ports) -> None:
    """Let each webhook channel lead to the stand-in, unless somebody has set an address of their own."""
    for channel in stage.channels_of("webhook"):
        for name, value in (("url", f"{ports.web_url}/webhooks/{channel}"), ("secret", LOCAL_WEBHOOK_SECRET)):
            with suppress(account.ssm.exceptions.ParameterAlreadyExists):
                account.ssm.put_parameter(
                    Name=f"{stage.parameters}/{channel}/{name}", Value=value, Type="SecureString", Overwrite=False
                )
