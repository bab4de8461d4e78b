"""Run the inbox on 127.0.0.1 until Ctrl-C, with the stage's operations behind it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import webbrowser
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from chalicelib.inbox.views import Shell
from ops.errors import OpsError
from ops.inbox import session_guard
from ops.inbox.app import create_app
from ops.inbox.session_guard import Session
from ops.loopback import HOST, listen
from ops.loopback.server import LoopbackServer
from ops.terminal import echo

if TYPE_CHECKING:
    from ops.inbox.mailbox import Mailbox
    from ops.opened_stage import Opened


def run(it: Opened, port: int, *, browser: bool) -> None:
    """Print the address, open it, and serve until Ctrl-C or SIGTERM. Raises :class:`OpsError` for a port in use."""
    try:
        listener = listen(port)
    except OSError as error:
        raise OpsError(f"port {port} of {HOST} can't be used: {error.strerror}. Choose another with --port") from error
    port = listener.getsockname()[1]
    session = Session(port)
    server = inbox_server(create_app(shell_of(it), session, lambda: connect(it)))

    def ready() -> None:
        address = f"http://{HOST}:{port}{session_guard.OPEN}?token={session.token}"
        echo(f"The inbox of stage {it.stage.name}: {address}\nThe address opens once. Ctrl-C ends the inbox.")
        if browser:
            # In a thread: a browser in the terminal would block the server until it ends.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(server.serve_until_stopped(listener, ready))
    if threading.active_count() > 1:
        # A call of AWS that hangs can't be interrupted, and Python would wait for its thread.
        os._exit(0)


def inbox_server(app: ASGIApp) -> LoopbackServer:
    """A server for the pages. Requests that are cut off when it ends are not logged as errors."""
    logger = logging.getLogger("uvicorn.error")
    return LoopbackServer(app, log_level="error", on_stop=lambda: logger.setLevel(logging.CRITICAL))


def shell_of(it: Opened) -> Shell:
    """What every page says about its stage."""
    region = "the local stack" if it.config.endpoint else it.config.region or "your AWS account"
    channels = {name: tuple(it.stage.channels_serving(name)) for name in it.stage.site_names}
    return Shell(it.stage.name, region, channels)


def connect(it: Opened) -> Mailbox:
    """Connect to the stage with the credentials that the shell has now."""
    from ops.aws import account_guard
    from ops.aws.account import account_of
    from ops.operations import Operations

    account = account_of(it.config)
    account_guard.confirm(it.root, it.config, account.where)
    # Clients are made here, one after the other: boto3's clients may be shared by threads, its sessions not.
    # https://boto3.amazonaws.com/v1/documentation/api/latest/guide/session.html
    _ = account.dynamodb, account.functions
    return Operations(it.stage, account, sent_to=it.sent_to)
