"""The command ``inbox``: show a stage's messages in a browser."""

from __future__ import annotations

from pathlib import Path

import click

from ops.cli.options import PROJECT, STAGE
from ops.session import opened


@click.command()
@STAGE
@PROJECT
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The port on 127.0.0.1; a free one by default.")
@click.option("--browser/--no-browser", default=True, help="Open the address, or only print it.")
def inbox(stage: str, root: Path, port: int, browser: bool) -> None:
    """Show messages as a page on this machine, to read, trace, replay and release them.

    Only one browser on this machine can open the page. It works with the credentials of this shell; docs/inbox.md says
    what it shows and does. Ctrl-C ends it.
    """
    from ops.inbox.server import run

    it = opened(root, stage)
    _ = it.account  # Fails now, rather than on the page, where there is none.
    run(it, port, browser=browser)
