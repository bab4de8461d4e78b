"""``python -m ops``: Herald's commands for the person at the terminal."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click
from botocore.exceptions import BotoCoreError, ClientError

from ops import config as configuration
from ops import render as rendering
from ops.account import account_of, environment
from ops.config import LOCAL, StageConfig
from ops.deploy import Deployment
from ops.deploy import deploy as deploy_stage
from ops.deploy import destroy as destroy_stage
from ops.errors import OpsError
from ops.local.ports import Ports

STAGE = click.option("--stage", required=True, help="A stage of herald.toml, such as local or dev.")
PROJECT = click.option(
    "--project",
    "root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The checkout to work on; the current folder by default.",
)


class Commands(click.Group):
    """Turns the errors that a person can mend into one message and exit status 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except OpsError as error:
            raise click.ClickException(str(error)) from error
        except (BotoCoreError, ClientError) as error:
            raise click.ClickException(f"AWS refused or did not answer: {error}") from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Render, check, deploy and run Herald."""


@main.command()
@PROJECT
def render(root: Path) -> None:
    """Make every generated file from herald.toml and the manifest."""
    files = rendering.generated(configuration.load(root))
    for path in rendering.write(root, files):
        click.echo(f"wrote {path}")
    for path in rendering.left_over(root, files):
        (root / path).unlink()
        click.echo(f"deleted {path}")


@main.command()
@PROJECT
def check(root: Path) -> None:
    """Fail when a generated file is stale, a function is undeclared, or a policy is at fault."""
    from ops.check import mistakes

    found = list(mistakes(root, configuration.load(root)))
    for mistake in found:
        click.echo(mistake, err=True)
    if found:
        sys.exit(1)
    click.echo("generated files are current, functions declared, policies sound")


@main.command()
@STAGE
@PROJECT
def deploy(stage: str, root: Path) -> None:
    """Deploy a stage to the account of the shell's credentials."""
    stages, config = _load(root, stage)
    deploy_stage(_deployment(root, config), stages)
    _print(_addresses(config))


@main.command()
@STAGE
@PROJECT
@click.option("--data", type=click.Choice(["keep", "delete"]), default="keep", help="What to do with the messages.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def destroy(stage: str, root: Path, data: str, yes: bool) -> None:
    """Undo what deploy made; the message table stays unless --data delete is given."""
    _, config = _load(root, stage)
    it = _deployment(root, config)
    what = "and every message in it " if data == "delete" else ""
    if not yes:
        click.confirm(f"Destroy stage {stage} {what}in account {it.account.where.account}?", abort=True)
    destroy_stage(it, data=data == "delete")


@main.command()
@STAGE
@PROJECT
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
def urls(stage: str, root: Path, as_json: bool) -> None:
    """Print the addresses of a deployed stage."""
    _, config = _load(root, stage)
    found = _addresses(config)
    if "api" not in found:
        start = "make run" if stage == LOCAL else f"make deploy STAGE={stage}"
        raise OpsError(f"stage {stage} is not deployed; start with: {start}")
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _print(found)


@main.command()
@PROJECT
@click.option("--once", is_flag=True, help="Don't redeploy when the code changes.")
def run(root: Path, once: bool) -> None:
    """Start the local stack, deploy to it, and show each message on its way."""
    from ops.local.run import run as run_local

    sys.exit(run_local(root.resolve(), Ports.of(os.environ), watch=not once))


def _load(root: Path, stage: str) -> tuple[dict[str, StageConfig], StageConfig]:
    overrides = Ports.of(os.environ).overrides() if stage == LOCAL else None
    stages = configuration.load(root, overrides)
    return stages, configuration.named(stages, stage)


def _deployment(root: Path, config: StageConfig) -> Deployment:
    return Deployment(root, config, account_of(config), environment(config), click.echo)


def _addresses(config: StageConfig) -> dict[str, str]:
    from ops.urls import addresses

    account = account_of(config)
    _ = account.where  # Says what is missing where there is no account, or no local stack.
    return addresses(config, account, Ports.of(os.environ).web_url)


def _print(found: dict[str, str]) -> None:
    for name, address in found.items():
        click.echo(f"{name:<11} {address}")


if __name__ == "__main__":
    main()
