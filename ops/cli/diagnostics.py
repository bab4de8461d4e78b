"""``send``, ``doctor`` and ``logs``: does it work, what is wrong, what was written."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.exit_status import FAILED, TOO_LATE
from ops.cli.options import AS_JSON, PROJECT, STAGE
from ops.cli.times import When, shown
from ops.session import Opened, opened
from ops.terminal import echo, echo_json, json_text, one_line

if TYPE_CHECKING:
    from ops.operations.logs import Line


@click.command()
@STAGE
@PROJECT
@click.option("--site", default="default", show_default=True, help="Whose form is sent.")
@click.option("--message", "text", help="What to write; the time and a random word by default.")
@click.option("--timeout", type=click.IntRange(1, 3600), default=60, show_default=True, help="Seconds to wait at most.")
@AS_JSON
def send(stage: str, root: Path, site: str, text: str | None, timeout: int, as_json: bool) -> None:
    """Send a test message through the deployed path, and tell of each step until its outcome is known.

    It is a message like any other: it rings, and stays in the table. The seconds are those after sending at which a
    step was seen; they are no measure of it.

    JSON: {"id", "state", "seconds", "steps"}, each step as in `trace`, with "seconds". Status 1 unless it was
    delivered, 3 when the time was over before its end was known.
    """
    from ops.cli.messages import said
    from ops.operations import test_message
    from ops.operations.test_message import Sent

    it = opened(root, stage)
    if site not in it.stage.sites:
        raise click.UsageError(f"{site!r} is no site of stage {stage}; it has: {', '.join(it.stage.sites)}")
    operations, api, where = it.operations, it.addresses["api"], it.stage.sites[site]
    if text is None:
        # What was sent twice with the same content rings once, also within one second.
        text = f"A test by `./herald send`, {time.strftime('%Y-%m-%d %H:%M:%S')}, {secrets.token_hex(3)}"
    begin = time.monotonic()
    message_id = test_message.post(f"{api}/contact/{site}", where, test_message.form(where, text))
    if not as_json:
        echo(f"{message_id} was accepted after {time.monotonic() - begin:.1f} s")
    seen: list[Sent] = []

    def saw(one: Sent) -> None:
        seen.append(one)
        if not as_json:
            echo(f"{one.seconds:6.1f} s  {one.step.kind:<9} {one.step.source:<12} {one_line(said(one.step))}")

    state = test_message.follow(operations, message_id, timeout, saw)
    if as_json:
        seconds = round(time.monotonic() - begin, 3)
        steps = [one.as_json() for one in seen]
        echo_json({"id": message_id, "state": str(state) if state else None, "seconds": seconds, "steps": steps})
    elif state:
        echo(f"{message_id} is {state}")
    if state is None:
        later = f"./herald trace --stage {stage} {message_id}"
        echo(f"after {timeout} s its end was not known yet; later: {later}", err=True)
        sys.exit(TOO_LATE)
    if state != "delivered":
        sys.exit(FAILED)


@click.command()
@STAGE
@PROJECT
@AS_JSON
def doctor(stage: str, root: Path, as_json: bool) -> None:
    """Say what is wrong with a stage, and how to mend it; changes nothing.

    Looks at credentials, generated files, stacks, functions, the subscription, destinations, rules, the schedule of
    retry_due, messages that are overdue, dead letters, secrets, channels (each notifier asks its provider; nobody is
    rung), SES's sandbox and alarms.

    JSON: [{"level": "well", "warning" or "wrong", "what", "mend"}]. Status 1 when anything is wrong; not for warnings.
    """
    from ops.operations.doctor import Level, examine

    it = opened(root, stage)
    found = []
    signs = {Level.WELL: "ok", Level.WARNING: "warning", Level.WRONG: "WRONG"}
    for finding in examine(it.config, lambda: it.account, _stale(it)):
        found.append(finding)
        if not as_json:
            echo(f"{signs[finding.level]:<8} {one_line(finding.what)}")
            if finding.mend:
                echo(f"{'':<8} → {finding.mend}")
    if as_json:
        echo_json([finding.as_json() for finding in found])
    if any(finding.level is Level.WRONG for finding in found):
        sys.exit(FAILED)


def _stale(it: Opened) -> Iterator[str]:
    """The generated files that are not as ``./herald render`` would make them."""
    from ops.config import loader
    from ops.generate import render

    # As the file says, without what a run of the local stack changes.
    yield from map(str, render.stale(it.root, render.generated(loader.load(it.root))))


@click.command()
@STAGE
@PROJECT
@click.option("--message", "message_id", metavar="ID", help="Only lines with this message's id in them.")
@click.option("--function", "functions", multiple=True, help="Only this function's; may be given several times.")
@click.option("--since", type=When(), default="10m", show_default=True, help="A time, or an age such as 2h.")
@click.option("--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option("--for", "seconds", type=click.IntRange(1), help="With --follow: end after so many seconds.")
@AS_JSON
def logs(
    stage: str,
    root: Path,
    message_id: str | None,
    functions: tuple[str, ...],
    since: int,
    follow: bool,
    seconds: int | None,
    as_json: bool,
) -> None:
    """Show what the functions wrote, all of them side by side; no line holds anything that a visitor typed.

    JSON: one object a line, {"at", "function", "line"}, "line" an object where the function wrote one, otherwise text.
    Shows 1000 lines of a function at most; with --follow as many each time that it looks.
    """
    from chalicelib.functions import functions_of
    from ops.operations.logs import followed, merged

    if seconds and not follow:
        raise click.UsageError("--for is for --follow.")
    it = opened(root, stage)
    there = [spec.name for spec in functions_of(it.stage)]
    unknown = set(functions) - set(there)
    if unknown:
        raise click.UsageError(f"no function {', '.join(sorted(unknown))}; there are: {', '.join(there)}")
    wanted = functions or tuple(there)
    (phrase,) = it.operations.whole_ids([message_id]) if message_id is not None else ("",)
    client = it.operations.account.logs
    with _until_interrupted() as stopped:
        found: Iterable[Line]
        if follow:
            found = followed(client, it.stage, wanted, since, phrase, seconds, stopped)
        else:
            found = merged(client, it.stage, wanted, since, time.time(), phrase)
        for line in found:
            if stopped():
                return
            _print(line, as_json)


@contextmanager
def _until_interrupted() -> Iterator[Callable[[], bool]]:
    """End at Ctrl-C; gives whether it was pressed. Its exception alone could be lost: Python ignores one that comes
    while it clears away what is no longer used, and ``--follow`` would go on."""
    pressed: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: bool(pressed)
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGINT, before)


def _print(line: Line, as_json: bool) -> None:
    if as_json:
        told = {"at": line.at, "function": line.function, "line": dict(line.entry) or line.text.rstrip()}
        echo(json_text(told))
    elif not line.is_metric:
        echo(f"{shown(line.at)} {line.function:<16} {line.told}")
