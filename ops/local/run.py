"""``make run``: start the local stack, deploy to it, show messages, deploy again after a change, stop at Ctrl-C."""

from __future__ import annotations

import os
import shlex
import signal
import threading
import time
from pathlib import Path
from types import FrameType

from ops.errors import OpsError
from ops.local import message_steps
from ops.local.ports import AWS_PORT, WEB_PORT, Ports
from ops.local.source_changes import Changes
from ops.local.stack import LocalStack, Pushover
from ops.terminal import echo

READY = "Herald is ready"
_NAMED = 5
"""The maximum number of changed files that are printed. A `git checkout` may change hundreds."""


def run(root: Path, ports: Ports, *, watch: bool) -> int:
    """Run until Ctrl-C. Return the exit status of the command."""
    pushover = Pushover.of(os.environ)
    # Two stacks of one checkout, on different ports, deploy from different folders.
    name = "local" if ports == Ports() else f"local-{ports.aws}-{ports.web}"
    stack, stop = LocalStack(root, ports, pushover, name=name), threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()
        stack.interrupt()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask_to_stop)
    echo("Starting the local stack …")
    changes = Changes(root)
    with stack:
        steps = (stack.account, stack.config().stage, time.time(), echo, stop.is_set)
        try:
            found = stack.deploy(_indented)
        except OpsError:
            if stop.is_set():
                return 0
            raise
        echo()
        for what in ("site", "phone", "api", "send_event", "aws"):
            if what in found:
                echo(f"  {what:<11} {found[what]}")
        if pushover.real:
            echo("  Notifications go to the real Pushover; the phone page stays empty.")
        if ports != Ports():
            echo(f"  In another shell: export {AWS_PORT}={ports.aws} {WEB_PORT}={ports.web}")
        echo(f"  HTTP loop   {_http_loop(root, ports)}")
        echo(f"\n{READY}. Open the site, send the form, and watch the phone. Ctrl-C ends everything.\n")
        follower = threading.Thread(target=message_steps.follow, args=steps, daemon=True)
        follower.start()
        if watch:
            watcher = threading.Thread(target=_redeploy_on_change, args=(stack, changes, stop), daemon=True)
            watcher.start()
        while not stop.wait(0.5):
            gone = stack.ended()
            if gone:
                raise OpsError(gone)
        follower.join(2)
        echo("\nEnding …")
    return 0


def _http_loop(root: Path, ports: Ports) -> str:
    """Return the command that serves only the API's routes. It works in any folder."""
    variables = "" if ports == Ports() else "".join(f"{name}={value} " for name, value in ports.environ().items())
    return f"cd {shlex.quote(str(root))} && {variables}./herald chalice local --stage local"


def _redeploy_on_change(stack: LocalStack, changes: Changes, stop: threading.Event) -> None:
    while names := changes.wait(stop):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        echo(f"\nChanged: {', '.join(names[:_NAMED])}{more}. Deploying …")
        try:
            stack.deploy(_indented)
            echo(f"{READY}\n")
        except (OpsError, OSError) as error:
            if not stop.is_set():
                echo(f"Not deployed: {error}\nMend it and save again.\n", err=True)


def _indented(line: str) -> None:
    echo(f"  {line}")
