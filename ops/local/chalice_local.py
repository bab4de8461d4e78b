"""``./herald chalice local``: Chalice's local server, limited to requests whose ``Host`` is this machine.

Chalice's own server ignores ``Host``. A website could then point a name of its own at 127.0.0.1 and read answers (DNS
rebinding). This server refuses other hosts.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalice.cli.factory import CLIFactory
from chalice.local import ChaliceRequestHandler, LocalDevServer

from ops.deploy.project_copy import mirror
from ops.errors import OpsError
from ops.local.source_changes import Changes
from ops.loopback import HOST, listen
from ops.loopback.guard import FOREIGN_HOST, names_this_machine


def run(root: Path, stage: str, port: int, environ: Mapping[str, str]) -> None:
    """Serve a stage until Ctrl-C, and restart after each change. ``environ`` holds the stage's AWS credentials.

    It serves what a deployment would deploy: a copy rendered from ``herald.toml`` for the ports in use.
    """
    try:
        listen(port).close()
    except OSError as error:
        raise OpsError(f"port {port} of {HOST} can't be used: {error.strerror}. Choose another with --port") from error
    os.environ.clear()
    os.environ.update(environ)
    # The server's process imports its modules from the current folder.
    os.chdir(root)
    copy = root.resolve() / ".herald" / f"chalice-local-{port}"
    changes, never = Changes(root), threading.Event()
    while True:
        server = subprocess.Popen([sys.executable, "-m", __name__, stage, str(port), str(copy)])
        try:
            changes.wait(never)
        except KeyboardInterrupt:
            return
        finally:
            server.terminate()
            server.wait(10)


class GuardedHandler(ChaliceRequestHandler):
    """Answer 400 to a request whose ``Host`` is not this machine."""

    def _generic_handle(self) -> None:
        if names_this_machine(self.headers.get_all("host", [])):
            super()._generic_handle()
            return
        self.close_connection = True
        self._send_http_response(400, {"Content-Type": "text/plain"}, FOREIGN_HOST)

    # Chalice sets these names to its own method, so overriding that method alone has no effect.
    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = _generic_handle


def end_with(parent: int) -> None:
    """End this process once its parent has ended. It polls, as nothing notifies an orphan (getppid(2))."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def prepare(copy: Path) -> None:
    """Copy the project of the current folder, render the copy for the ports in use, and make it the current folder.

    The manifest is read from the copy too. Raises :class:`OpsError` for a mistake in ``herald.toml``.
    """
    copy.mkdir(parents=True, exist_ok=True)
    mirror(Path.cwd(), copy)
    sys.path.insert(0, str(copy))
    from ops.config import loader
    from ops.generate import render
    from ops.local.ports import Ports

    render.write(copy, render.configured(loader.load(copy, Ports.of(os.environ).overrides())))
    os.chdir(copy)


def serve(stage: str, port: int) -> None:
    """Serve the project of the current folder until the parent process ends."""
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    # Loading the app sets the stage's configured variables, with the addresses that it was rendered for. Those of this
    # process replace them.
    environ = dict(os.environ) | {"AWS_CHALICE_CLI_MODE": "true"}
    factory: Any = CLIFactory(str(Path.cwd()), environ=os.environ)
    config = factory.create_config_obj(chalice_stage_name=stage)
    app = config.chalice_app
    os.environ.clear()
    os.environ.update(environ | {"HERALD_STAGE": stage})
    LocalDevServer(app, config, HOST, port, handler_cls=GuardedHandler).serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        try:
            prepare(Path(sys.argv[3]))
        except OpsError as error:
            sys.exit(f"Not served: {error}\nMend it and save again.")
        serve(sys.argv[1], int(sys.argv[2]))
