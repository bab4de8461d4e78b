"""Commands that bring a stage into an account, start it on this machine, or take it away."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ops.commands import AS_JSON, PROJECT, STAGE, YES, echo_json, echo_lines, opened


@click.command()
@STAGE
@PROJECT
def deploy(stage: str, root: Path) -> None:
    """Deploy a stage to the account of the shell's credentials."""
    from ops.deploy import deploy

    it = opened(root, stage)
    deploy(it.deployment, it.stages)
    echo_lines(it.addresses)


@click.command()
@STAGE
@PROJECT
@click.option("--data", type=click.Choice(["keep", "delete"]), default="keep", help="What to do with the messages.")
@YES
def destroy(stage: str, root: Path, data: str, yes: bool) -> None:
    """Undo what deploy made; the message table stays unless --data delete is given."""
    from ops.deploy import destroy

    it = opened(root, stage)
    what = "and every message in it " if data == "delete" else ""
    if not yes:
        click.confirm(f"Destroy stage {stage} {what}in account {it.account.where.account}?", abort=True)
    destroy(it.deployment, data=data == "delete")


@click.command()
@STAGE
@PROJECT
def unlock(stage: str, root: Path) -> None:
    """Let a stage be deployed again after a run that was killed on another machine."""
    from ops import lock

    it = opened(root, stage)
    holder = lock.release(it.account.ssm, it.stage)
    click.echo(f"unlocked; it was held by: {holder}" if holder else "was not locked")


@click.command()
@STAGE
@PROJECT
@AS_JSON
def urls(stage: str, root: Path, as_json: bool) -> None:
    """Print the addresses of a deployed stage."""
    found = opened(root, stage).addresses
    if as_json:
        echo_json(found)
    else:
        echo_lines(found)


@click.command()
@PROJECT
@click.option("--once", is_flag=True, help="Don't redeploy when the code changes.")
def run(root: Path, once: bool) -> None:
    """Start the local stack, deploy to it, and show each message on its way."""
    from ops.local.ports import Ports
    from ops.local.run import run as run_local

    sys.exit(run_local(root.resolve(), Ports.of(os.environ), watch=not once))
