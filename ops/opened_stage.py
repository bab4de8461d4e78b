"""Open a stage for a command or a page: its configuration, account, operations and addresses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ops import terminal
from ops.errors import OpsError

if TYPE_CHECKING:
    from chalicelib.settings import Stage
    from ops.aws.account import Account
    from ops.config.loader import StageConfig
    from ops.deploy.deployment import Deployment
    from ops.operations import Operations


@dataclass(frozen=True)
class Opened:
    """A stage of a checkout."""

    root: Path
    stages: Mapping[str, StageConfig]
    config: StageConfig

    @property
    def stage(self) -> Stage:
        return self.config.stage

    @cached_property
    def account(self) -> Account:
        """The stage's account; raises :class:`OpsError` where the shell's credentials are for another than the
        recorded one."""
        from ops.aws import account_guard
        from ops.aws.account import account_of

        account = account_of(self.config)
        account_guard.confirm(self.root, self.config, account.where)
        return account

    @cached_property
    def operations(self) -> Operations:
        """What can be done with the stage's messages; raises :class:`OpsError` where the account can't be reached."""
        from ops.operations import Operations

        return Operations(self.stage, self.account, sent_to=self.sent_to)

    @property
    def sent_to(self) -> tuple[str, ...]:
        """The targets of the owner's rules and subscribers, as they are written in ``herald.toml``."""
        return tuple(dict.fromkeys(str(target) for _, target in self.config.extensions.targets))

    @property
    def deployment(self) -> Deployment:
        from ops.aws.account import environment
        from ops.deploy.deployment import Deployment

        return Deployment(self.root, self.config, self.account, environment(self.config), terminal.echo)

    @cached_property
    def addresses(self) -> dict[str, str]:
        """The stage's addresses by name; raises :class:`OpsError` where it is not deployed."""
        from ops.config.loader import LOCAL
        from ops.deploy.stage_addresses import addresses
        from ops.local.ports import Ports

        _ = self.account.where  # Raises where there is no account, or no local stack.
        found = addresses(self.config, self.account, Ports.of(os.environ).web_url)
        if "api" not in found:
            name = self.stage.name
            start = "make run" if name == LOCAL else f"make deploy STAGE={name}"
            raise OpsError(f"stage {name} is not deployed; start with: {start}")
        return found


def opened(root: Path, stage: str) -> Opened:
    """The stage of that name; raises :class:`OpsError` where ``herald.toml`` has no such stage, or has mistakes."""
    from ops.config import loader
    from ops.config.loader import LOCAL
    from ops.local.ports import Ports

    overrides = Ports.of(os.environ).overrides() if stage == LOCAL else None
    stages = loader.load(root, overrides)
    return Opened(root, stages, loader.named(stages, stage))
