"""The commands ``send``, ``notify``, ``doctor`` and ``logs``: use and test a stage, and find what is wrong with it."""

from __future__ import annotations

import platform
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
from ops.opened_stage import Opened, opened
from ops.terminal import echo, echo_json, json_text, one_line

if TYPE_CHECKING:
    from ops.operations.logs import Line


@click.command()
@STAGE
@PROJECT
@click.option("--site", default="default", show_default=True, help="The site whose form is sent.")
@click.option("--message", "text", help="The message; the time and a random word by default.")
@click.option("--timeout", type=click.IntRange(1, 3600), default=60, show_default=True, help="Seconds to wait.")
@AS_JSON
def send(stage: str, root: Path, site: str, text: str | None, timeout: int, as_json: bool) -> None:
    """Send a test message through the deployed path, and print each step until the outcome is known.

    It is a message like any other: it notifies you, and stays in the table. The seconds say when this command saw a
    step, not how long the step took.

    JSON: {"id", "state", "seconds", "steps"}, each step as in `trace`, with "seconds". Status 1 unless it was
    delivered, 3 when the time was over before its end was known.
    """
    from ops.operations import test_message

    it = opened(root, stage)
    if site not in it.stage.sites:
        raise click.UsageError(f"{site!r} is no site of stage {stage}; it has: {', '.join(it.stage.sites)}")
    api, where = it.addresses["api"], it.stage.sites[site]
    if text is None:
        # Two messages with the same content notify once, so each test has a text of its own.
        text = f"A test by `./herald send`, {time.strftime('%Y-%m-%d %H:%M:%S')}, {secrets.token_hex(3)}"
    fields = test_message.form(where, text)
    _follow(it, lambda: test_message.post(f"{api}/contact/{site}", where, fields), timeout, as_json)


@click.command()
@STAGE
@PROJECT
@click.argument("message")
@click.option(
    "--title", default=lambda: f"From {platform.node() or 'a terminal'}", help="This machine's name by default."
)
@click.option("--priority", help="low, normal, high or emergency.")
@click.option("--link", help="An address of http or https.")
@click.option("--channel", "channels", multiple=True, help="Instead of those of [notifications]; may be repeated.")
@click.option("--key", help="Your own id of the thing: all notifications with it are one message.")
@click.option("--timeout", type=click.IntRange(1, 3600), default=60, show_default=True, help="Seconds to wait.")
@AS_JSON
def notify(
    stage: str,
    root: Path,
    message: str,
    title: str,
    priority: str | None,
    link: str | None,
    channels: tuple[str, ...],
    key: str | None,
    timeout: int,
    as_json: bool,
) -> None:
    """Publish a notification, as any program may (docs/notify.md), and print each step until the outcome is known.

    JSON and status as of `send`.
    """
    from chalicelib.errors import InvalidRequestError
    from chalicelib.logic.message_kinds import KIND_NOTIFICATION

    it = opened(root, stage)
    options = {"priority": priority, "link": link, "channels": list(channels) or None, "key": key}
    asked = {name: value for name, value in options.items() if value is not None}
    body = {"kind": KIND_NOTIFICATION, "version": 1, "title": title, "message": message, **asked}
    try:
        _follow(it, lambda: it.operations.notify(body), timeout, as_json)
    except InvalidRequestError as error:
        raise click.UsageError(error.message) from None


def _follow(it: Opened, send: Callable[[], str], timeout: int, as_json: bool) -> None:
    """Send something, print its steps until its outcome is known, and exit with the status that says how it ended."""
    from ops.cli.messages import format_step
    from ops.operations import test_message
    from ops.operations.test_message import Sent

    begin = time.monotonic()
    message_id = send()
    if not as_json:
        echo(f"{message_id} was accepted after {time.monotonic() - begin:.1f} s")
    seen: list[Sent] = []

    def on_step(sent: Sent) -> None:
        seen.append(sent)
        if not as_json:
            text = one_line(format_step(sent.step))
            echo(f"{sent.seconds:6.1f} s  {sent.step.kind:<9} {sent.step.source:<12} {text}")

    state = test_message.follow(it.operations, message_id, timeout, on_step)
    if as_json:
        seconds = round(time.monotonic() - begin, 3)
        steps = [sent.as_json() for sent in seen]
        echo_json({"id": message_id, "state": str(state) if state else None, "seconds": seconds, "steps": steps})
    elif state:
        echo(f"{message_id} is {state}")
    if state is None:
        later = f"./herald trace --stage {it.stage.name} {message_id}"
        echo(f"the outcome was not known after {timeout} s. Ask again later: {later}", err=True)
        sys.exit(TOO_LATE)
    if state != "delivered":
        sys.exit(FAILED)


@click.command()
@STAGE
@PROJECT
@AS_JSON
def doctor(stage: str, root: Path, as_json: bool) -> None:
    """Find out what is wrong with a stage, and how to fix it. Changes nothing.

    Checks credentials, generated files, stacks, functions, the subscription, destinations, rules, the schedule of
    retry_due, overdue messages, dead letters, secrets, channels (each notifier asks its provider; no notification is
    sent), SES's sandbox and alarms.

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
    """The generated files that ``./herald render`` would change."""
    from ops.config import loader
    from ops.generate import render

    # From the file alone, without the ports of a running local stack.
    yield from map(str, render.stale(it.root, render.generated(loader.load(it.root))))


@click.command()
@STAGE
@PROJECT
@click.option("--message", "message_id", metavar="ID", help="Only lines that contain this message's id.")
@click.option("--function", "functions", multiple=True, help="Only this function's lines; may be repeated.")
@click.option("--since", type=When(), default="10m", show_default=True, help="A time, or an age such as 2h.")
@click.option("--follow", is_flag=True, help="Continue with new lines until Ctrl-C.")
@click.option("--for", "seconds", type=click.IntRange(1), help="With --follow: end after this many seconds.")
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
    """Show the log lines of all functions in order of time. No line holds anything that a visitor typed.

    JSON: one object a line, {"at", "function", "line"}; "line" is an object where the function wrote one, else text.
    Shows at most 1000 lines of each function; with --follow at most 1000 for each request.
    """
    from chalicelib.functions import functions_of
    from ops.operations.logs import followed, merged

    if seconds and not follow:
        raise click.UsageError("--for needs --follow.")
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
            found = followed(client, it.stage, lambda: wanted, since, phrase, seconds, stopped)
        else:
            found = merged(client, it.stage, wanted, since, time.time(), phrase)
        for line in found:
            if stopped():
                return
            _print(line, as_json)


@contextmanager
def _until_interrupted() -> Iterator[Callable[[], bool]]:
    """End at Ctrl-C; yields a function that tells whether it was pressed.

    The exception alone could be lost: Python ignores one that is raised during garbage collection.
    """
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
        entry = dict(line.entry) or line.text.rstrip()
        echo(json_text({"at": line.at, "function": line.function, "line": entry}))
    elif not line.is_metric:
        echo(f"{shown(line.at)} {line.function:<16} {line.summary}")
