"""Runs the inbox on 127.0.0.1 until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
import webbrowser
from collections.abc import Generator
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp

from ops.errors import OpsError
from ops.inbox import guard
from ops.inbox.app import create_app
from ops.inbox.guard import Session
from ops.inbox.views import Shell
from ops.loopback import HOST, listen
from ops.terminal import echo

if TYPE_CHECKING:
    from ops.inbox.mailbox import Mailbox
    from ops.session import Opened

_GRACE = 1
"""Seconds that a page has to be finished once the command is to end."""


class InboxServer(uvicorn.Server):
    """A uvicorn server whose signals are left to :meth:`serve_until_stopped`."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                ws="none",
                lifespan="off",
                loop="asyncio",
                http="h11",
                log_level="error",
                log_config=None,  # What goes wrong goes the way of every text to the terminal.
                access_log=False,  # Addresses hold the token, and ids.
                server_header=False,
                timeout_graceful_shutdown=_GRACE,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn's own handlers raise the signal again at the end: Ctrl-C would be an error.
        yield

    def stop(self) -> None:
        """End; to be called in the event loop. What is cut off by that is no error."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.should_exit = True


def run(it: Opened, port: int, *, browser: bool) -> None:
    """Print the address, open it, and serve until SIGINT or SIGTERM; an :class:`OpsError` where the port is taken."""
    try:
        listener = listen(port)
    except OSError as error:
        raise OpsError(f"port {port} of {HOST} can't be used: {error.strerror}. Choose another with --port") from error
    port = listener.getsockname()[1]
    session = Session(port)
    server = InboxServer(create_app(shell_of(it), session, lambda: connect(it)))

    async def serve() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
        address = f"http://{HOST}:{port}{guard.OPEN}?token={session.token}"
        # Connections are queued already.
        echo(f"The inbox of stage {it.stage.name}: {address}\nThe address opens once. Ctrl-C ends the inbox.")
        if browser:
            # A browser of the terminal would keep us until it ends.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        await server.serve([listener])

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(serve())
    if threading.active_count() > 1:
        # A call of AWS that hangs can't be interrupted, and Python would wait for its thread.
        os._exit(0)


def shell_of(it: Opened) -> Shell:
    """What each page says of its stage."""
    region = "the local stack" if it.config.endpoint else it.config.region or "your AWS account"
    return Shell(it.stage.name, region, {name: site.channels for name, site in it.stage.sites.items()})


def connect(it: Opened) -> Mailbox:
    """The stage's operations, with the credentials that the shell has by now."""
    from ops.aws import account_guard
    from ops.aws.account import account_of
    from ops.operations import Operations

    account = account_of(it.config)
    account_guard.confirm(it.root, it.config, account.where)
    # Made here, one after the other: a session of boto3 is not for several threads, its clients are.
    # https://boto3.amazonaws.com/v1/documentation/api/latest/guide/session.html
    _ = account.dynamodb, account.functions
    return Operations(it.stage, account, sent_to=it.sent_to)
