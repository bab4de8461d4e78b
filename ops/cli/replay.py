"""``replay`` and ``quarantine``: messages that are to be delivered after all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.exit_status import FAILED
from ops.cli.messages import CURSOR, IDS, MAX_MESSAGES, print_page, selection, some_pages
from ops.cli.options import AS_JSON, PROJECT, STAGE
from ops.cli.times import When
from ops.session import opened
from ops.terminal import echo, echo_json, one_line, progress

if TYPE_CHECKING:
    from ops.operations import RedriveResult, Replayed


@click.command()
@STAGE
@PROJECT
@IDS
@click.option("--failed", is_flag=True, help="Every message that was not delivered; --since says how far back.")
@click.option("--since", type=When(), help="With --failed: not older than this, a time or an age such as 2d.")
@click.option("--site", help="With --failed: only this site's.")
@click.option("--letters", is_flag=True, help="Feed back the dead letters: events that were never handled.")
@AS_JSON
def replay(
    stage: str,
    root: Path,
    message_ids: tuple[str, ...],
    failed: bool,
    since: int | None,
    site: str | None,
    letters: bool,
    as_json: bool,
) -> None:
    """Try again what was not delivered: only channels that have not delivered, never one that did.

    What counts as delivered, and what a replay changes: docs/delivery.md. --failed takes what is undeliverable, what is
    uncertain and held, and what waits after Lambda's own attempts. Whether a message arrives then, `trace` tells.

    JSON: {"replayed": [{"id", "channels", "left", "asked"}], "errors": [{"id", "error"}]}; with --letters {"messages",
    "test_events", "left", "errors"}. Status 1 when anything could not be replayed.
    """
    ways = [bool(message_ids), failed, letters]
    if sum(ways) != 1:
        raise click.UsageError("Say what: IDs, or --failed, or --letters.")
    if failed is (since is None) or (site is not None and not failed):
        raise click.UsageError("--failed needs --since, and --since and --site are for --failed alone.")
    operations = opened(root, stage).operations
    if letters:
        _say_fed(operations.redrive(), as_json)
        return
    ids = operations.whole_ids(message_ids) or [message.id for message in operations.failed(since or 0, site)]
    _each(ids, operations.replay, as_json, "Replaying")


@click.group()
def quarantine() -> None:
    """Messages that look like spam and rang nobody."""


@quarantine.command("list")
@STAGE
@PROJECT
@click.option("--site", help="Only this site's.")
@click.option("--since", type=When(), help="Not older than this: a time, or an age such as 2h or 7d.")
@click.option("--until", type=When(), help="Older than this: a time, or an age.")
@CURSOR
@AS_JSON
def quarantine_list(
    stage: str, root: Path, site: str | None, since: int | None, until: int | None, cursor: str | None, as_json: bool
) -> None:
    """List what is in quarantine, newest first, with the signs that speak against it.

    JSON: as `messages list`.
    """
    it = opened(root, stage)
    print_page(some_pages(it, selection(it, site, "quarantined", since, until, MAX_MESSAGES, cursor)), as_json)


@quarantine.command("release")
@STAGE
@PROJECT
@click.argument("message_ids", metavar="ID...", nargs=-1, required=True)
@AS_JSON
def quarantine_release(stage: str, root: Path, message_ids: tuple[str, ...], as_json: bool) -> None:
    """Let messages out and have them delivered; also such as were held because another had the same content.

    JSON: as `replay`.
    """
    operations = opened(root, stage).operations
    _each(operations.whole_ids(message_ids), operations.release, as_json, "Releasing")


def _each(ids: Sequence[str], do: Callable[[str], Replayed], as_json: bool, what: str) -> None:
    """Do it with each message, whatever becomes of the others."""
    from chalicelib.errors import HeraldError
    from ops.errors import OpsError

    done: list[Replayed] = []
    errors: dict[str, str] = {}
    with progress(what, len(ids)) as step:
        for message_id in ids:
            try:
                done.append(do(message_id))
            except (OpsError, HeraldError) as error:
                errors[message_id] = str(error)
            step()
    if as_json:
        told = [{"id": message_id, "error": text} for message_id, text in errors.items()]
        echo_json({"replayed": [one.as_json() for one in done], "errors": told})
    else:
        for one in done:
            echo(f"{one_line(one.id)} {_said(one)}")
        if not ids:
            echo("Nothing to replay.")
        for text in errors.values():
            echo(text, err=True)
    if errors:
        sys.exit(FAILED)


def _said(one: Replayed) -> str:
    left = ", ".join(f"{name} is {why}" for name, why in one.left.items())
    if not one.channels:
        return f"nothing to try{f': {left}' if left else ''}"
    tried = f"tries {', '.join(one.channels)}" + (f" ({left})" if left else "")
    return tried if one.asked else f"{tried} within 15 minutes, as `destined` could not be asked now"


def _say_fed(fed: RedriveResult, as_json: bool) -> None:
    if as_json:
        echo_json(fed.as_json())
    else:
        echo(f"{len(fed.messages)} fed back, {fed.test_events} test events and canaries thrown away, {fed.left} left")
        for message_id in fed.messages:
            echo(one_line(message_id))
        for error in fed.errors:
            echo(error, err=True)
    if fed.errors or fed.left:
        sys.exit(FAILED)
