"""The commands ``render``, ``check`` and ``pin``, which work on the checkout alone and ask no account."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ops.cli.exit_status import FAILED
from ops.cli.options import PROJECT
from ops.terminal import echo


@click.command()
@PROJECT
def render(root: Path) -> None:
    """Write every generated file from herald.toml and the manifest, and print which of them changed."""
    from ops.config import loader
    from ops.generate import render as rendering

    stages = loader.load(root)
    files = rendering.generated(stages) | _pages()
    written = rendering.write(root, files)
    for path in sorted(written):
        echo(f"wrote     {path}")
    for path in rendering.left_over(root, files):
        (root / path).unlink()
        echo(f"{'deleted':<9} {path}")
    echo(
        f"{loader.FILE} has no mistakes. {len(written)} of {len(files)} generated files changed,"
        f" for the stages {', '.join(sorted(stages))}."
    )


def _pages() -> dict[Path, str]:
    """The generated page that needs the command line itself."""
    from ops.cli import commands_page

    return {commands_page.PAGE: commands_page.document(click.get_current_context().find_root().command)}


@click.command()
@PROJECT
def check(root: Path) -> None:
    """Check that generated files are current, functions are declared, and policies have no fault."""
    from ops.config import loader
    from ops.generate.check import mistakes

    found = list(mistakes(root, loader.load(root), _pages()))
    for mistake in found:
        echo(mistake, err=True)
    if found:
        sys.exit(FAILED)
    echo("generated files are current, functions declared, policies sound")


@click.command()
@click.option(
    "--candidate",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder that holds another MiniStack. The installed one unless given.",
)
def pin(candidate: Path | None) -> None:
    """Report which parts of MiniStack that the local AWS extends have changed, and what to read.

    docs/ministack-pin.md explains what to do then.
    """
    from ops.local.aws.pin_report import moved_parts

    moved = moved_parts(candidate)
    for each in moved:
        echo(f"{'gone' if each.gone else 'moved'}  {each.part}")
        for file in each.extensions:
            echo(f"  read {file}, which replaces or calls it, and the pages of AWS that it names")
        for line in each.difference:
            echo(f"  | {line}")
    if moved:
        echo(f"{len(moved)} parts differ from the pinned ones. What to do: docs/ministack-pin.md", err=True)
        sys.exit(FAILED)
    echo("No part of MiniStack that the local AWS extends has changed.")
