"""Commands on the checkout alone: no account is asked."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ops.commands import NOT_WELL, PROJECT
from ops.terminal import echo


@click.command()
@PROJECT
def render(root: Path) -> None:
    """Make every generated file from herald.toml and the manifest, and say which were changed by that."""
    from ops import config as configuration
    from ops import render as rendering

    stages = configuration.load(root)
    files = rendering.generated(stages)
    written = rendering.write(root, files)
    for path in sorted(files):
        echo(f"{'wrote' if path in written else 'unchanged':<9} {path}")
    for path in rendering.left_over(root, files):
        (root / path).unlink()
        echo(f"{'deleted':<9} {path}")
    echo(f"{len(written)} of {len(files)} files written, for the stages {', '.join(sorted(stages))}.")
    for stage in sorted(set(stages) - {configuration.LOCAL}):
        echo(f"make deploy STAGE={stage} writes the policies of {stage}: they name its account.")


@click.command()
@PROJECT
def check(root: Path) -> None:
    """Fail when a generated file is stale, a function is undeclared, or a policy is at fault."""
    from ops import config as configuration
    from ops.check import mistakes

    found = list(mistakes(root, configuration.load(root)))
    for mistake in found:
        echo(mistake, err=True)
    if found:
        sys.exit(NOT_WELL)
    echo("generated files are current, functions declared, policies sound")
