"""The commands ``inbox``, which shows a stage's messages in a browser, and ``sessions``, of the inbox in the pocket."""

from __future__ import annotations

from pathlib import Path

import click

from ops.cli.command_group import SentenceGroup
from ops.cli.options import PROJECT, STAGE
from ops.cli.times import shown
from ops.opened_stage import opened
from ops.terminal import echo, table


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


_CHANNEL = click.option("--channel", metavar="NAME", default="", help="Only those of this channel.")


@click.group(cls=SentenceGroup)
def sessions() -> None:
    """See and end the browsers in which the inbox in the pocket is open: docs/pocket.md."""


@sessions.command("list")
@STAGE
@PROJECT
@_CHANNEL
def list_sessions(stage: str, root: Path, channel: str) -> None:
    """List the open sessions of each channel."""
    rows = [
        (name, shown(session.since), shown(session.ends_at))
        for name, found in opened(root, stage).operations.inbox_sessions(channel).items()
        for session in found
    ]
    table(("channel", "since", "until"), rows)
    if not rows:
        echo("No inbox is open.")


@sessions.command("end")
@STAGE
@PROJECT
@_CHANNEL
def end_sessions(stage: str, root: Path, channel: str) -> None:
    """End all sessions and all links sent so far, or those of a channel: a lost phone shows nothing more."""
    number = opened(root, stage).operations.end_inbox_sessions(channel)
    echo(
        f"{number} {'session was' if number == 1 else 'sessions were'} ended. Links that were sent so far open nothing."
    )
