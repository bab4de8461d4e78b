"""A web server of this machine alone, which ends in order at Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from asyncio import Protocol
from collections.abc import Callable, Generator

import uvicorn
from starlette.types import ASGIApp


class LoopbackServer(uvicorn.Server):
    """A uvicorn server that handles its signals itself, and logs no request: addresses may hold tokens."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        http: type[Protocol] | str = "h11",
        grace: int = 1,
        log_level: str = "warning",
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        """``grace`` is the seconds that open requests have to end, ``on_stop`` is called before that."""
        super().__init__(
            uvicorn.Config(
                app,
                http=http,
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_level=log_level,
                log_config=None,  # The log goes to the terminal like all other text.
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=grace,
            )
        )
        self._on_stop = on_stop

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn's own handlers raise the signal again at the end, so that Ctrl-C would be an error.
        yield

    def stop(self) -> None:
        """End the server; call it in the event loop."""
        self.should_exit = True
        self._on_stop()

    async def serve_until_stopped(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT. ``ready`` is called once connections are accepted."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop)
        ready()  # The listener queues connections already.
        await self.serve([listener])
