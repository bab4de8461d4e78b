"""Extend MiniStack and serve it in this process, until the last worker process has ended."""

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
    event_source,
    function_state,
    function_url,
    iam_role,
    log_permission,
    mapping_template,
    misdirected_forms,
    missing_object,
    parameter_batch,
    pin,
    proxy_response,
    python_runtime,
    resource_policy,
    rest_api_compression,
    rest_api_import,
    rule_targets,
    saved_query,
    sent_mail,
    signed_requests,
    sns_integration,
    sns_limits,
    sns_record,
    trace_permission,
    worker_process,
)
from ops.local.aws.ministack_modules import app

# In the order of installation. Permission checks come before deliveries.
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
    event_source,
    sns_limits,
    sns_record,
    rule_targets,
    resource_policy,
    dead_letters,
    event_size,
    missing_object,
    rest_api_compression,
    rest_api_import,
    proxy_response,
    mapping_template,
    sns_integration,
    saved_query,
)
EXTENDS = (
    "ministack.app:AUTH",
    "ministack.app:app",
    "ministack.app:_handle_lifespan",
)


def extending_modules() -> tuple[ModuleType, ...]:
    """Return all modules of this package that replace or call parts of MiniStack."""
    return (sys.modules[__name__], iam_role, *EXTENSIONS)


def extended_parts() -> list[str]:
    """Return all parts of MiniStack (``"module:attribute.path"``) that this package replaces or calls, sorted."""
    return sorted({part for module in extending_modules() for part in module.EXTENDS})


def name_of(extension: ModuleType) -> str:
    """Return the extension's name in messages and on the command line."""
    return extension.__name__.rsplit(".", 1)[-1]


def install(without: frozenset[str] = frozenset()) -> None:
    """Verify that MiniStack is the pinned one, then extend it.

    ``without`` names extensions to leave out, because the test of an extension must fail without it. Raises ValueError
    for an unknown name and :class:`~ops.local.aws.pin.MovedPart` for another MiniStack.
    """
    unknown = without - {name_of(extension) for extension in EXTENSIONS}
    if unknown:
        raise ValueError(f"no such extension: {', '.join(sorted(unknown))}")
    pin.check(extended_parts())
    for extension in EXTENSIONS:
        if name_of(extension) not in without:
            extension.install()


async def run(listener: socket.socket, until_stdin_closes: bool) -> None:
    """Serve on the socket until SIGTERM or SIGINT. Print a line on standard output when ready.

    ``until_stdin_closes`` also stops the server when standard input ends.
    """
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
        # End the workers first: requests that wait for a function would delay the shutdown.
        await asyncio.to_thread(worker_process.close)

    host, port = listener.getsockname()
    config.bind = [f"fd://{listener.detach()}"]  # Hypercorn closes the descriptor.
    # The socket already listens, so the kernel queues connections until Hypercorn accepts them.
    print(f"local AWS is ready at http://{host}:{port}", flush=True)
    application: Any = misdirected_forms.MisdirectedForms(signed_requests.guarded(app.app))
    try:
        await serve(application, config, shutdown_trigger=stop)
    finally:
        worker_process.close()


def _wait_for_stdin(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    with contextlib.suppress(RuntimeError):  # already stopped
        loop.call_soon_threadsafe(stopping.set)
