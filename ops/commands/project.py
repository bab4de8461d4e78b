"""Commands on the checkout alone: no account is asked."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ops.commands import NOT_WELL, PROJECT


@click.command()
@PROJECT
def render(root: Path) -> None:
    """Make every generated file from herald.toml and the manifest."""
    from ops import config as configuration
    from ops import render as rendering

    files = rendering.generated(configuration.load(root))
    for path in rendering.write(root, files):
        click.echo(f"wrote {path}")
    for path in rendering.left_over(root, files):
        (root / path).unlink()
        click.echo(f"deleted {path}")


@click.command()
@PROJECT
def check(root: Path) -> None:
    """Fail when a generated file is stale, a function is undeclared, or a policy is at fault."""
    from ops import config as configuration
    from ops.check import mistakes

    found = list(mistakes(root, configuration.load(root)))
    for mistake in found:
        click.echo(mistake, err=True)
    if found:
        sys.exit(NOT_WELL)
    click.echo("generated files are current, functions declared, policies sound")
