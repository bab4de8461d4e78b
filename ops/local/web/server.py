"""Run the application on 127.0.0.1: ``python -m ops.local.web [--port N] [--api URL] …``."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ops.local.web.app import create_app
from ops.local.web.faulty_endpoint import HANG_UP
from ops.local.web.settings import WebSettings, checked_address
from ops.loopback import HOST, listen
from ops.loopback.server import LoopbackServer
from ops.terminal import echo

PORT = 8080

_LOOK_FOR_PARENT = 0.2
"""Seconds between two checks that the parent process is still running."""
_GRACE = 2
"""Seconds that open requests have to finish at shutdown."""


class Connections:
    """The open connections by client address, so that one can be closed without an answer.

    ASGI has no message for that. uvicorn accepts a protocol class as a setting (`Config(http=…)`), and this one extends
    only methods of :class:`asyncio.Protocol`.
    """

    def __init__(self) -> None:
        self._open: dict[Any, asyncio.Transport] = {}

    def protocol(self) -> type[H11Protocol]:
        connections = self._open

        class Protocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                connections[transport.get_extra_info("peername")] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                connections.pop(self.transport.get_extra_info("peername"), None)
                super().connection_lost(exc)

        return Protocol

    def hang_up(self, client: Any, broken: bool) -> None:
        """Close the client's connection; with ``broken`` by a reset (TCP's RST) instead of a normal end."""
        transport = self._open[tuple(client)]
        if not broken:
            transport.close()
            return
        # A linger time of 0 makes the close a reset: socket(7), SO_LINGER.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


class LocalServer(LoopbackServer):
    """The local web server, which can close a connection without an answer."""

    def __init__(self, app: Starlette) -> None:
        connections = Connections()

        async def with_hang_up(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                extensions = {HANG_UP: lambda broken: connections.hang_up(scope["client"], broken)}
                scope = {**scope, "extensions": {**scope.get("extensions", {}), **extensions}}
            await app(scope, receive, send)

        super().__init__(with_hang_up, http=connections.protocol(), grace=_GRACE, on_stop=app.state.close)

    async def serve_for(self, listener: socket.socket, parent: int | None) -> None:
        """Serve until SIGTERM or SIGINT, or until ``parent``, if given, is no longer the parent process."""
        watch = asyncio.ensure_future(self._watch(parent)) if parent is not None else None
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        await self.serve_until_stopped(listener, lambda: echo(f"Listening on {address}"))
        if watch is not None:
            watch.cancel()

    async def _watch(self, parent: int) -> None:
        # An orphan gets another parent at once (getppid(2)). It is not notified, so it polls.
        while os.getppid() == parent:
            await asyncio.sleep(_LOOK_FOR_PARENT)
        self.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until stopped. Return 0, or 1 if the port is in use.

    Prints one line, ``Listening on http://127.0.0.1:8080``, as soon as it accepts connections.
    """
    options = _parser().parse_args(arguments)
    settings = WebSettings()
    if options.api is not None:
        settings = replace(settings, api=lambda: str(options.api))
    try:
        listener = listen(options.port)
    except OSError as error:
        echo(f"Port {options.port} of {HOST} can't be used: {error.strerror}. Choose another with --port.", err=True)
        return 1
    server = LocalServer(create_app(settings))
    asyncio.run(server.serve_for(listener, options.exit_with_parent))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.local.web",
        description="The local stack's web server: example site, /phone, stand-in for Pushover (/pushover).",
    )
    parser.add_argument("--port", type=_port, default=PORT, help="port on 127.0.0.1, 0 for any (default: %(default)s)")
    parser.add_argument("--api", type=_api, metavar="URL", help="the API's address, if it is known already")
    parser.add_argument(
        "--exit-with-parent",
        type=int,
        nargs="?",
        const=os.getppid(),
        metavar="PID",
        help="end when the process that started this one has ended (PID: its id, if known)",
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; expected a number from 0 to 65535")
    return int(text)


def _api(text: str) -> str:
    try:
        return checked_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
