"""The commands ``messages`` and ``trace``: list, show, export and erase messages, and explain one."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from ops.cli.command_group import SentenceGroup
from ops.cli.exit_status import FAILED
from ops.cli.options import AS_JSON, PROJECT, STAGE, YES
from ops.cli.times import When, shown
from ops.opened_stage import Opened, opened
from ops.terminal import confirm, echo, echo_json, one_line, progress, table

if TYPE_CHECKING:
    from chalicelib.logic.stored_messages import ListedMessage, StoredMessage
    from ops.operations import Erased, Listing, Selection, Step

STATES = (
    "stored",
    "waiting",
    "delivered",
    "undeliverable",
    "uncertain",
    "quarantined",
    "summarized",
    "duplicate",
    "rejected",
)
MAX_MESSAGES = 50
"""The messages on a page. Both values are those of ``logic/stored_messages.py``, which ``--help`` must not load."""
_MAX_PAGES = 20
"""The number of pages that are searched for one page of a state."""
_MAX_NAMED = 10
"""The number of sites, senders and ids that are printed before an erasure."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def selecting(command: _Command) -> _Command:
    """Add the options that select messages."""
    options = [
        click.option("--site", help="Only this site's, also one that was removed from herald.toml."),
        click.option("--state", type=click.Choice(STATES), help="Only those in this state."),
        click.option("--since", type=When(), help="Not older than this: a time, or an age such as 2h or 7d."),
        click.option("--until", type=When(), help="Older than this: a time, or an age."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


class Address(click.ParamType[str]):
    """A visitor's e-mail address, in any script."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from ops.operations.same_address import address_of

        address = str(value).strip()
        if not address_of(address):
            self.fail(f"{value!r} is not an e-mail address such as you@example.com.", param, ctx)
        return address


EMAIL = click.option(
    "--email", type=Address(), help="Only those with a field that is this e-mail address; reads every message."
)
CURSOR = click.option("--cursor", help="The cursor that the page before printed.")
ID = click.argument("message_id", metavar="ID")
IDS = click.argument("message_ids", metavar="[ID]...", nargs=-1)


def selection(
    it: Opened,
    site: str | None,
    state: str | None,
    since: int | None,
    until: int | None,
    limit: int = MAX_MESSAGES,
    cursor: str | None = None,
) -> Selection:
    """The selection from the options. Prints a line where ``herald.toml`` has no such site."""
    from chalicelib.logic.overall_state import MessageState
    from chalicelib.logic.stored_messages import LATEST
    from ops.operations import Selection

    if site is not None and site not in it.stage.site_names:
        echo(f"herald.toml has no site {site}; it has: {', '.join(sorted(it.stage.site_names))}", err=True)
    wanted = None if state is None else MessageState(state)
    return Selection(site, wanted, since or 0, LATEST if until is None else until, limit, cursor or "")


@click.group(cls=SentenceGroup)
def messages() -> None:
    """List, show, export and erase messages."""


@messages.command("list")
@STAGE
@PROJECT
@selecting
@EMAIL
@click.option(
    "--limit", type=click.IntRange(1, MAX_MESSAGES), default=MAX_MESSAGES, show_default=True, help="Messages of a page."
)
@CURSOR
@AS_JSON
def list_(
    stage: str,
    root: Path,
    site: str | None,
    state: str | None,
    since: int | None,
    until: int | None,
    email: str | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List messages, newest first, with their states. Shows nothing that visitors typed.

    JSON: {"messages": [...], "cursor": "..." or null}, each message as `list_messages` returns it (docs/contracts).
    """
    from ops.operations import Listing

    it = opened(root, stage)
    asked = selection(it, site, state, since, until, limit, cursor)
    if email is not None:
        if (
            cursor is not None
            or click.get_current_context().get_parameter_source("limit") is ParameterSource.COMMANDLINE
        ):
            raise click.UsageError("--email reads every message, so --cursor and --limit can't be used with it.")
        found = Listing(tuple(message.listed for message in it.operations.of_address(email, asked)), "")
    else:
        found = some_pages(it, asked)
    print_page(found, as_json)


def print_page(found: Listing, as_json: bool) -> None:
    if as_json:
        echo_json(found.as_json())
        return
    _print_list(found.messages)
    if found.cursor:
        echo(f"There are more: --cursor {found.cursor}", err=True)


def some_pages(it: Opened, asked: Selection) -> Listing:
    """A page. When a state is selected, up to :data:`_MAX_PAGES` pages are searched to fill it."""
    from dataclasses import replace

    from ops.operations import Listing

    found: list[ListedMessage] = []
    for _ in range(_MAX_PAGES):
        part = it.operations.page(replace(asked, limit=asked.limit - len(found)))
        found.extend(part.messages)
        asked = replace(asked, limit=asked.limit, cursor=part.cursor)
        if asked.state is None or not part.cursor or len(found) >= asked.limit:
            break
    return Listing(tuple(found), asked.cursor)


def _print_list(found: Sequence[ListedMessage]) -> None:
    if not found:
        echo("No messages.", err=True)
        return
    rows = [
        (
            shown(message.received_at),
            message.id,
            message.site,
            f"{message.state}, answered" if message.answered_at else str(message.state),
            ", ".join(
                f"{name} {delivery.state}" + (f" ({delivery.error})" if delivery.error else "")
                for name, delivery in message.channels.items()
            ),
            ", ".join(message.verdict.signals),
        )
        for message in found
    ]
    table(("received", "id", "site", "state", "channels", "signs of spam"), rows)


@messages.command("show")
@STAGE
@PROJECT
@ID
@AS_JSON
def show(stage: str, root: Path, message_id: str, as_json: bool) -> None:
    """Show one message with what its visitor typed.

    JSON: the object that `get_message` returns (docs/contracts).
    """
    message = _stored(opened(root, stage), message_id)
    if as_json:
        echo_json(message.as_json())
        return
    listed, verdict = message.listed, message.listed.verdict
    facts = {
        "id": listed.id,
        "site": listed.site,
        "state": str(listed.state),
        "received": shown(listed.received_at),
        **({"answered": shown(listed.answered_at)} if listed.answered_at else {}),
        "expires": shown(message.expires_at),
        **({"next try": shown(message.due_at)} if message.due_at else {}),
        **({"signs": f"{', '.join(verdict.signals)} ({verdict.score})"} if verdict.signals else {}),
        **({"duplicate of": verdict.duplicate_of} if verdict.duplicate_of else {}),
        **({"reason": verdict.reason} if verdict.reason else {}),
    }
    for name, text in facts.items():
        echo(f"{name:<12} {one_line(text)}")
    table(
        ("channel", "state", "attempts", "since", "error", "reference"),
        [
            (
                name,
                str(delivery.state),
                str(delivery.attempts),
                shown(delivery.since) if delivery.since else "",
                delivery.error,
                delivery.reference,
            )
            for name, delivery in listed.channels.items()
        ],
    )
    table(("field", "text"), list(message.fields.items()), whole=0)
    if message.files:
        from chalicelib.logic.message_files import described

        rows = [
            (
                str(number),
                file.declared_file.name,
                described(file),
                ", ".join(f"{name} {text}" for name, text in exif.items()),
            )
            for number, file in enumerate(message.files, 1)
            for exif in (file.facts.exif,)
        ]
        table(("file", "name", "what", "EXIF data"), rows)


@messages.command("mark-answered")
@STAGE
@PROJECT
@click.argument("message_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--undo", is_flag=True, help="Take the mark away.")
def mark_answered(stage: str, root: Path, message_ids: tuple[str, ...], undo: bool) -> None:
    """Mark messages as answered, which `messages list`, `messages show` and the inbox say. Nobody is notified."""
    from chalicelib.logic.stored_messages import OwnerMark

    operations = opened(root, stage).operations
    for message_id in operations.whole_ids(message_ids):
        operations.mark(message_id, OwnerMark.NOT_ANSWERED if undo else OwnerMark.ANSWERED)
        echo(f"{one_line(message_id)} {'is not marked any more' if undo else 'is marked as answered'}")


def _stored(it: Opened, message_id: str) -> StoredMessage:
    from ops.operations.short_ids import no_message

    (message_id,) = it.operations.whole_ids([message_id])
    found = it.operations.get(message_id)
    if found is None:
        raise click.ClickException(no_message(message_id, it.stage))
    return found


@messages.command("files")
@STAGE
@PROJECT
@ID
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="A folder to write to; it is made where there is none.",
)
def files(stage: str, root: Path, message_id: str, output: Path) -> None:
    """Fetch the files that came with a message, as they were sent. Never replaces a file.

    Their names begin with a number and are made fit for every system; only you can read them. Status 1 when a file is
    not there any more.
    """
    from chalicelib.logic.message_files import described
    from ops.operations.message_files import save

    it = opened(root, stage)
    message = _stored(it, message_id)
    if not message.files:
        echo("No files.", err=True)
    lost = 0
    for found in it.operations.files(message):
        if found.content is None:
            lost += 1
            echo(f"{found.number}: not there any more", err=True)
        else:
            echo(one_line(f"{save(found, output)}: {described(found.file)}"))
    if lost:
        sys.exit(FAILED)


@messages.command("export")
@STAGE
@PROJECT
@selecting
@EMAIL
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    help="A file, pipe or device to write to; standard output by default.",
)
@YES
def export(
    stage: str,
    root: Path,
    site: str | None,
    state: str | None,
    since: int | None,
    until: int | None,
    email: str | None,
    form: str,
    output: Path | None,
    yes: bool,
) -> None:
    """Write messages with everything that visitors typed, newest first, as CSV or as one JSON object a line.

    CSV is for spreadsheets: it begins with a byte-order mark, and an apostrophe turns a formula into text
    (docs/export.md). JSON Lines hold each text unchanged. Only you can read the file. An existing file, or the target
    of a link, is replaced after a question, or with --yes.
    """
    from ops.cli.export import is_file, opened_for_writing, write

    it = opened(root, stage)
    asked = selection(it, site, state, since, until)
    found = it.operations.whole(asked) if email is None else it.operations.of_address(email, asked)
    if output is not None and is_file(output) and not yes:
        confirm(f"Replace {output}?")
    with opened_for_writing(output) as file:
        number = write(found, form, file)
    echo(f"{number} messages", err=True)


@messages.command("erase")
@STAGE
@PROJECT
@IDS
@selecting
@EMAIL
@YES
@AS_JSON
def erase(
    stage: str,
    root: Path,
    message_ids: tuple[str, ...],
    site: str | None,
    state: str | None,
    since: int | None,
    until: int | None,
    email: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase messages for good: by their IDs, by an e-mail address, or by their age (--until 90d).

    First prints how many there are, of which sites and from whom. Also erases dead letters that hold a message, or that
    have such an address or age. Prints which copies remain, and until when. Status 1 when an ID has no message; the
    others are erased. Where a shortened ID fits several messages, nothing is erased.

    JSON: [{"id", "letters", "copies": [{"where", "expires_at", "note"}]}].
    """
    narrowed = email is not None or until is not None
    others = [given for given in (site, state, since) if given is not None]
    if bool(message_ids) is narrowed or (message_ids and others):
        raise click.UsageError("Choose messages: IDs, or --email or --until, optionally with --site, --state, --since.")
    it = opened(root, stage)
    ids, seen = it.operations.whole_ids(message_ids), False
    if ids:
        found = list(it.operations.several(ids).values())
    else:
        asked = selection(it, site, state, since, until)
        found = list(it.operations.whole(asked) if email is None else it.operations.of_address(email, asked))
        ids = [message.listed.id for message in found]
        if seen := state is None:  # A dead letter has no state.
            ids = list(dict.fromkeys([*ids, *it.operations.in_letters(email, asked)]))
    if ids:
        _print_whose(found, ids)
        if not yes:
            many = f"{len(ids)} messages" if len(ids) > 1 else f"message {ids[0]}"
            confirm(f"Erase {many} of stage {stage} in account {it.account.where.account}?")
    with progress("Erasing", len(ids)) as step:
        erased = it.operations.erase_all(ids, lambda message_id: step(), letters_seen=seen) if ids else ()
    if as_json:
        echo_json([result.as_json() for result in erased])
    else:
        echo(f"{len(erased)} erased, with {sum(result.letters for result in erased)} dead letters")
        _print_copies(erased)
    from ops.operations.short_ids import no_message

    missing = sorted(set(ids) - {result.id for result in erased}) if message_ids else []
    for message_id in missing:
        echo(no_message(message_id, it.stage, "neither a message nor a dead letter"), err=True)
    if missing:
        sys.exit(FAILED)


def _print_whose(found: Sequence[StoredMessage], ids: Sequence[str]) -> None:
    """Print what will be erased: the number of messages, their times, sites and senders, and the ids of a few."""
    if found:
        times = sorted(message.listed.received_at for message in found)
        echo(f"{len(found)} stored, received {shown(times[0])} to {shown(times[-1])}", err=True)
        for what, names in {
            "of site": Counter(message.listed.site for message in found),
            "from": Counter(message.fields.get("email") or "senders without an address" for message in found),
        }.items():
            some = ", ".join(f"{one_line(name)} ({number})" for name, number in names.most_common(_MAX_NAMED))
            more = f" and {len(names) - _MAX_NAMED} others" if len(names) > _MAX_NAMED else ""
            echo(f"  {what} {some}{more}", err=True)
    stored = {message.listed.id for message in found}
    if letters := [message_id for message_id in ids if message_id not in stored]:
        echo(f"{len(letters)} not in the table; dead letters will be searched for them", err=True)
    if len(ids) <= _MAX_NAMED:
        for message_id in ids:
            echo(f"  {one_line(message_id)}", err=True)


def _print_copies(erased: Sequence[Erased]) -> None:
    """Print each place once, with the latest time at which a copy is there."""
    every = (copy for result in erased for copy in result.copies)
    copies = {copy.where: copy for copy in sorted(every, key=lambda copy: copy.expires_at or 0)}
    if not copies:
        return
    echo("Copies that remain, or may remain:")
    table(
        ("where", "until", ""),
        [(copy.where, shown(copy.expires_at) if copy.expires_at else "", copy.note) for copy in copies.values()],
    )
    echo("The logs keep ids and states, and nothing that a visitor typed.")


@click.command()
@STAGE
@PROJECT
@ID
@click.option("--no-logs", is_flag=True, help="Only what the table holds, without outcomes and rules.")
@AS_JSON
def trace(stage: str, root: Path, message_id: str, no_logs: bool, as_json: bool) -> None:
    """Explain what happened to a message: accepted, stored, each attempt, outcome, and the rules that match it.

    JSON: {"id", "state", "message", "steps", "targets", "notes"}; each step has "at", "kind", "source", "channel",
    "state", "attempt", "error", "reference" and "details". Status 1 when neither table nor logs know the message.
    """
    from ops.operations.short_ids import no_message

    it = opened(root, stage)
    (message_id,) = it.operations.whole_ids([message_id])
    found = it.operations.trace(message_id, logs=not no_logs)
    if as_json:
        echo_json(found.as_json())
    else:
        echo(f"{one_line(message_id)} is {found.state or 'not in the table'}")
        table(
            ("time", "step", "from", "what"),
            [(shown(step.at), str(step.kind), step.source, format_step(step)) for step in found.steps],
        )
        for target in found.targets:
            echo(one_line(f"rule {target.rule} sends to {target.arn}"))
        for note in found.notes:
            echo(f"note: {note}", err=True)
    if found.message is None and not found.steps:
        echo(f"no log line mentions it, and {no_message(message_id, it.stage)}", err=True)
        sys.exit(FAILED)


def format_step(step: Step) -> str:
    """A step as one line."""
    attempt = f"attempt {step.attempt}" if step.attempt and step.kind == "attempt" else ""
    state = step.state if step.kind == "attempt" else ""
    details = (f"{name}={value}" for name, value in step.details.items())
    return " ".join(filter(None, (step.channel, attempt, state, step.error, step.reference, *details)))
