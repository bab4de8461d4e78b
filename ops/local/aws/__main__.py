"""Start the local AWS: ``python -m ops.local.aws``."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

from ops.loopback import HOST, credentials, listen

PREFIX = "herald-aws-"
# Variables of the caller that would change how MiniStack works or connect it to a real account: removed at the start.
_FORGOTTEN = ("AWS_", "MINISTACK_", "LAMBDA_", "LOCALSTACK_", "SMTP_", "DOCKER_", "SFTP_", "IOT_")
_FORGOTTEN_NAMES = ("SERVICES", "EDGE_PORT", "PERSIST_STATE", "S3_PERSIST", "USE_SSL", "CLOUDTRAIL_RECORDING")


def environment(port: int, region: str, directory: Path, log_level: str, secret: str) -> dict[str, str]:
    """Return the environment variables that MiniStack reads when it is imported."""
    return {
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": credentials.ACCESS_KEY,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_SECRET_ACCESS_KEY": secret,
        "BIND_HOST": "127.0.0.1",
        # A socket that doesn't exist, so that MiniStack uses no container engine.
        "DOCKER_HOST": f"unix://{directory}/no-docker.sock",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "LOG_LEVEL": log_level,
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": region,
        "S3_DATA_DIR": str(directory / "s3"),
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(directory / "state"),
        "TMPDIR": str(directory),
    }


def sweep(parent: Path) -> None:
    """Remove the temporary directories of servers that were killed."""
    for left in parent.glob(f"{PREFIX}*-*"):
        pid = left.name.removeprefix(PREFIX).split("-")[0]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (PermissionError, ValueError):
            continue


def main() -> None:
    """Parse the command line, then serve until SIGTERM, SIGINT or, if asked for, the end of standard input."""
    parser = argparse.ArgumentParser(prog="python -m ops.local.aws", description="A local AWS on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument("--region", default="us-east-1", help="where requests go that name no region")
    parser.add_argument("--log-level", default="WARNING", type=str.upper)
    parser.add_argument("--until-stdin-closes", action="store_true", help="stop also when standard input ends")
    parser.add_argument(
        "--without", default="", metavar="EXTENSION,…", help="leave extensions out, to see what they are for"
    )
    parser.add_argument("--check", action="store_true", help="check that MiniStack is the pinned one, and exit")
    arguments = parser.parse_args()

    try:
        listener = listen(0 if arguments.check else arguments.port)
    except OSError:
        sys.exit(f"{HOST}:{arguments.port} is in use: choose another with --port")
    parent = Path(tempfile.gettempdir())
    sweep(parent)
    directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent))
    try:
        for name in list(os.environ):
            if name.startswith(_FORGOTTEN) or name in _FORGOTTEN_NAMES:
                del os.environ[name]
        secret = "" if arguments.check else credentials.create(arguments.port)
        os.environ.update(environment(arguments.port, arguments.region, directory, arguments.log_level, secret))
        tempfile.tempdir = str(directory)
        # Imported here because MiniStack reads its environment when it is imported.
        from ops.local.aws import pin, server

        try:
            server.install(frozenset(filter(None, arguments.without.split(","))))
        except (pin.MovedPart, ValueError) as error:
            sys.exit(f"the local AWS can't start: {error}")
        if arguments.check:
            count = len(server.extended_parts())
            sys.stdout.write(f"MiniStack {pin.MINISTACK_VERSION}, {count} parts as they were extended\n")
            return
        asyncio.run(server.run(listener, arguments.until_stdin_closes))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        if not arguments.check:
            credentials.remove(arguments.port)
    # Exit without joining threads: one that still waits would delay the exit, and no thread has anything to save.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
