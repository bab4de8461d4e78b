"""MiniStack in this process, extended, from its start to the end of its last worker."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from types import ModuleType
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from ops.local.aws import (
    access_log,
    async_invoke,
    dead_letters,
    event_size,
    function_state,
    function_url,
    iam_role,
    log_permission,
    mapping_template,
    parameter_batch,
    pin,
    proxy_response,
    python_runtime,
    resource_policy,
    rest_api_compression,
    rest_api_import,
    sent_mail,
    signed_requests,
    sns_integration,
    sns_limits,
    sns_record,
    trace_permission,
    worker_process,
)
from ops.local.aws.ministack_modules import app

# In the order of installation: checks of permissions come before deliveries.
EXTENSIONS: tuple[ModuleType, ...] = (
    access_log,
    signed_requests,
    worker_process,
    python_runtime,
    function_state,
    log_permission,
    trace_permission,
    parameter_batch,
    function_url,
    sent_mail,
    async_invoke,
    sns_limits,
    sns_record,
    resource_policy,
    dead_letters,
    event_size,
    rest_api_compression,
    rest_api_import,
    proxy_response,
    mapping_template,
    sns_integration,
)
EXTENDS = (
    "ministack.app:AUTH",
    "ministack.app:app",
    "ministack.app:_handle_lifespan",
)


def extending_modules() -> tuple[ModuleType, ...]:
    """All modules of this package that replace or call parts of MiniStack."""
    return (sys.modules[__name__], iam_role, *EXTENSIONS)


def extended_parts() -> list[str]:
    """All parts of MiniStack that this package replaces or calls."""
    return sorted({part for module in extending_modules() for part in module.EXTENDS})


def name_of(extension: ModuleType) -> str:
    """The extension's name in messages and on the command line."""
    return extension.__name__.rsplit(".", 1)[-1]


def install(without: frozenset[str] = frozenset()) -> None:
    """Check that MiniStack is the one that was extended, then extend it.

    ``without`` names extensions to leave out: a test of one must fail without it.
    """
    unknown = without - {name_of(extension) for extension in EXTENSIONS}
    if unknown:
        raise ValueError(f"no such extension: {', '.join(sorted(unknown))}")
    pin.check(extended_parts())
    for extension in EXTENSIONS:
        if name_of(extension) not in without:
            extension.install()


async def run(listener: socket.socket, until_stdin_closes: bool) -> None:
    """Serve on the socket until SIGTERM or SIGINT; says on standard output when it is ready."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if until_stdin_closes:
        threading.Thread(target=_wait_for_stdin, args=(loop, stopping), daemon=True).start()
    config = Config()
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.loglevel = "WARNING"

    async def stop() -> None:
        await stopping.wait()
        # First of all: whoever waits for a function's answer would hold up the end.
        await asyncio.to_thread(worker_process.close)

    host, port = listener.getsockname()
    config.bind = [f"fd://{listener.detach()}"]  # Hypercorn closes it.
    # Connections are queued already.
    print(f"local AWS is ready at http://{host}:{port}", flush=True)
    application: Any = signed_requests.guarded(app.app)
    try:
        await serve(application, config, shutdown_trigger=stop)
    finally:
        worker_process.close()


def _wait_for_stdin(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    with contextlib.suppress(RuntimeError):  # already stopped
        loop.call_soon_threadsafe(stopping.set)
