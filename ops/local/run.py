"""``make run``: start the local stack, deploy to it, show messages, deploy again after a change, stop at Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType

from ops.errors import OpsError
from ops.local import message_steps
from ops.local.aws import misdirected_forms
from ops.local.ports import AWS_PORT, WEB_PORT, Ports
from ops.local.source_changes import Changes
from ops.local.stack import Interrupted, LocalStack, Pushover
from ops.terminal import echo, one_line

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
    echo("Starting an AWS on this machine, and deploying Herald to it, in the steps of the real one …")
    changes, deploying = Changes(root), threading.Event()

    def show_step(line: str) -> None:
        # The page may be right already, and the code that refuses it the old.
        late = deploying.is_set() and "Refused: " in line
        echo(f"{line}; what you saved last is still being deployed" if late else line)

    with suppress(Interrupted), stack:
        steps = (stack.account, stack.config().stage, time.time(), show_step, stop.is_set)
        found = stack.deploy(_indented)
        echo(_welcome(found, ports, real_pushover=pushover.real))
        follower = threading.Thread(target=message_steps.follow, args=steps, daemon=True)
        follower.start()
        reading = (stack.aws_log, lambda page, path: echo(_misdirected(page, path, found)), stop.is_set)
        threading.Thread(target=misdirected_forms.follow, args=reading, daemon=True).start()
        if watch:
            redeploying = (stack, changes, stop, deploying, found)
            watcher = threading.Thread(target=_redeploy_on_change, args=redeploying, daemon=True)
            watcher.start()
        while not stop.wait(0.5):
            gone = stack.ended()
            if gone:
                raise OpsError(gone)
        follower.join(2)
        echo("\nEnding …")
    return 0


def _welcome(addresses: Mapping[str, str], ports: Ports, *, real_pushover: bool) -> str:
    """Say what to open first, and what to do next."""
    phone = "your own, by Pushover: you gave its keys" if real_pushover else addresses["phone"]
    shown = "the example site" if real_pushover else "the example site, and beside it the page that plays your phone"
    export = f"export {AWS_PORT}={ports.aws} {WEB_PORT}={ports.web}; " if ports != Ports() else ""
    return f"""
{READY}. Open {shown}, and send the form:

  site    {addresses["site"]}
  phone   {phone}

Your own page works too, at any port of localhost. Its form's action is this whole address:

{_forms(addresses)}

In another terminal, in this folder, see what became of each message:

  {export}./herald inbox --stage local

What you save in this folder is deployed by itself. Ctrl-C ends everything. The steps of each message:
"""


def _forms(addresses: Mapping[str, str]) -> str:
    """Name the address of each site's form, a line each."""
    forms = {name: address for name, address in addresses.items() if name.split()[0] == "form"}
    width = max(map(len, (*forms, "phone")))
    return "\n".join(f"  {name:<{width}}   {address}" for name, address in forms.items())


def _misdirected(page: str, path: str, addresses: Mapping[str, str]) -> str:
    return one_line(f"A page at {page} posted to {path}, where no form is: its action must be {addresses['form']}")


def _redeploy_on_change(
    stack: LocalStack, changes: Changes, stop: threading.Event, deploying: threading.Event, addresses: dict[str, str]
) -> None:
    """Deploy after each change until ``stop``. ``addresses`` are those that were printed, and are kept current."""
    while names := changes.wait(stop):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        echo(f"\nChanged: {', '.join(names[:_NAMED])}{more}. Deploying …")
        deploying.set()
        steps: list[str] = []
        try:
            found = stack.deploy(steps.append)
            echo(f"{READY}\n" + (f"\n{_forms(found)}\n" if _forms(found) != _forms(addresses) else ""))
            # The thread that names the right address of a form reads them meanwhile, so none is gone for a moment.
            for gone in addresses.keys() - found.keys():
                del addresses[gone]
            addresses.update(found)
        except (OpsError, OSError) as error:
            if not stop.is_set():
                for line in steps:
                    _indented(line)
                echo(f"Not deployed: {error}\nMend it and save again.\n", err=True)
        finally:
            deploying.clear()


def _indented(line: str) -> None:
    echo(f"  {line}")
