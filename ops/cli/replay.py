"""The commands ``replay`` and ``quarantine``: have messages delivered that were not, or hold them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.command_group import SentenceGroup
from ops.cli.exit_status import FAILED
from ops.cli.messages import CURSOR, IDS, MAX_MESSAGES, print_page, selection, some_pages
from ops.cli.options import AS_JSON, PROJECT, STAGE
from ops.cli.times import When
from ops.opened_stage import opened
from ops.terminal import echo, echo_json, one_line, progress

if TYPE_CHECKING:
    from ops.operations import RedriveResult, Replayed


@click.command()
@STAGE
@PROJECT
@IDS
@click.option("--failed", is_flag=True, help="Every message that was not delivered, since --since.")
@click.option("--since", type=When(), help="With --failed: not older than this, a time or an age such as 2d.")
@click.option("--site", help="With --failed: only this site's.")
@click.option("--letters", is_flag=True, help="Redrive the dead letters: events that were never handled.")
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
    """Deliver again what failed, only by the channels that have not delivered it.

    docs/delivery.md says what counts as delivered, and what a replay changes. --failed selects messages that are
    undeliverable, uncertain and held, or waiting after Lambda's own attempts. `trace` shows whether one arrives then.

    JSON: {"replayed": [{"id", "channels", "left", "asked"}], "errors": [{"id", "error"}]}; with --letters {"messages",
    "test_events", "left", "errors"}. Status 1 when anything could not be replayed.
    """
    ways = [bool(message_ids), failed, letters]
    if sum(ways) != 1:
        raise click.UsageError("Choose what to replay: IDs, or --failed, or --letters.")
    if failed is (since is None) or (site is not None and not failed):
        raise click.UsageError("--failed needs --since, and --since and --site are for --failed alone.")
    operations = opened(root, stage).operations
    if letters:
        _print_redrive(operations.redrive(), as_json)
        return
    ids = operations.whole_ids(message_ids) or [message.id for message in operations.failed(since or 0, site)]
    _each(ids, operations.replay, as_json, "Replaying")


@click.group(cls=SentenceGroup)
def quarantine() -> None:
    """List the messages that look like spam, add others that are spam, or have them delivered."""


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
    """List the messages in quarantine, newest first, with their signs of spam.

    JSON: as `messages list`.
    """
    it = opened(root, stage)
    print_page(some_pages(it, selection(it, site, "quarantined", since, until, MAX_MESSAGES, cursor)), as_json)


@quarantine.command("add")
@STAGE
@PROJECT
@click.argument("message_ids", metavar="ID...", nargs=-1, required=True)
def quarantine_add(stage: str, root: Path, message_ids: tuple[str, ...]) -> None:
    """Hold messages that are spam: no channel is tried any more."""
    from chalicelib.logic.stored_messages import OwnerMark

    operations = opened(root, stage).operations
    for message_id in operations.whole_ids(message_ids):
        operations.mark(message_id, OwnerMark.SPAM)
        echo(f"{one_line(message_id)} is in quarantine")


@quarantine.command("release")
@STAGE
@PROJECT
@click.argument("message_ids", metavar="ID...", nargs=-1, required=True)
@AS_JSON
def quarantine_release(stage: str, root: Path, message_ids: tuple[str, ...], as_json: bool) -> None:
    """Have messages delivered that were in quarantine, also duplicates that were held.

    JSON: as `replay`.
    """
    operations = opened(root, stage).operations
    _each(operations.whole_ids(message_ids), operations.release, as_json, "Releasing")


def _each(ids: Sequence[str], do: Callable[[str], Replayed], as_json: bool, what: str) -> None:
    """Call ``do`` with each id, also after one fails; print the results and the errors."""
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
        failed = [{"id": message_id, "error": text} for message_id, text in errors.items()]
        echo_json({"replayed": [replayed.as_json() for replayed in done], "errors": failed})
    else:
        for replayed in done:
            echo(f"{one_line(replayed.id)} {_format(replayed)}")
        if not ids:
            echo("Nothing to replay.")
        for text in errors.values():
            echo(text, err=True)
    if errors:
        sys.exit(FAILED)


def _format(replayed: Replayed) -> str:
    skipped = ", ".join(f"{name} is {reason}" for name, reason in replayed.left.items())
    if not replayed.channels:
        return f"nothing to try{f': {skipped}' if skipped else ''}"
    text = f"tries {', '.join(replayed.channels)}" + (f" ({skipped})" if skipped else "")
    return text if replayed.asked else f"{text} within 15 minutes, as `destined` could not be invoked now"


def _print_redrive(result: RedriveResult, as_json: bool) -> None:
    if as_json:
        echo_json(result.as_json())
    else:
        deleted = f"{result.test_events} test events and canaries deleted"
        echo(f"{len(result.messages)} redriven, {deleted}, {result.left} left")
        for message_id in result.messages:
            echo(one_line(message_id))
        for error in result.errors:
            echo(error, err=True)
    if result.errors or result.left:
        sys.exit(FAILED)
