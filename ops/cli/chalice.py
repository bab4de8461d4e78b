"""Commands of Chalice that Herald runs: ``chalice local``."""

from __future__ import annotations

from pathlib import Path

import click

from ops.cli.command_group import SentenceGroup
from ops.cli.options import PROJECT, STAGE
from ops.opened_stage import opened


@click.group(cls=SentenceGroup)
def chalice() -> None:
    """Run a command of Chalice safely on this machine."""


@chalice.command()
@STAGE
@PROJECT
@click.option("--port", type=click.IntRange(1, 65_535), default=8000, show_default=True, help="The port on 127.0.0.1.")
def local(stage: str, root: Path, port: int) -> None:
    """Serve the API's routes from the checkout's code, against a deployed stage.

    Like `chalice local`, but only for requests to 127.0.0.1 and localhost. The server restarts when the code or
    herald.toml changes; Ctrl-C ends it.
    """
    from ops.aws.account import environment
    from ops.local.chalice_local import run

    it = opened(root, stage)
    _ = it.account.where
    run(root, stage, port, environment(it.config))
