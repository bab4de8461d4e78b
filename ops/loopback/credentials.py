"""The root keys of the local AWS: new at each start, in a file that only the person who started it can read.

The file has the format that every AWS tool reads, so ``AWS_SHARED_CREDENTIALS_FILE`` may name it:
https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
"""

from __future__ import annotations

import configparser
import contextlib
import os
import secrets
import socket
from pathlib import Path
from urllib.parse import urlsplit

from ops.errors import OpsError
from ops.loopback import HOST

ACCESS_KEY = "test"
"""The root's access key id, which is not secret."""
_CHECKOUT = Path(__file__).resolve().parents[2]


def file_name(port: int) -> str:
    """The credentials file of the local AWS on this port, below a checkout."""
    return f".herald/aws-{port}/credentials"


def file_of(port: int) -> Path:
    """The same file of this checkout, which the server writes and every command reads."""
    return _CHECKOUT / file_name(port)


def create(port: int) -> str:
    """Write a file with a new secret that nobody else can read, in place of an existing one; returns the secret."""
    secret, path = secrets.token_hex(20), file_of(port)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {secret}\n")
    return secret


def remove(port: int) -> None:
    """Delete the file and its folder."""
    file_of(port).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        file_of(port).parent.rmdir()


def port_of(endpoint: str) -> int:
    """The port in the local AWS's address."""
    return urlsplit(endpoint).port or 80


def missing(endpoint: str) -> tuple[str, str]:
    """What is wrong where no local AWS answers at this address, and what to do."""
    return (
        f"no local stack at {urlsplit(endpoint).netloc}",
        "Start it: make run. If it has another port, set HERALD_AWS_PORT",
    )


def foreign(endpoint: str, why: str) -> str:
    """The message where something else answers at this address."""
    return (
        f"what answers at {urlsplit(endpoint).netloc} is not the local stack of this checkout ({why}). Choose another"
        " port with HERALD_AWS_PORT, then start it: make run"
    )


def keys(endpoint: str) -> dict[str, str]:
    """The root's keys as environment variables; raises :class:`OpsError` where no local stack of this checkout runs."""
    parser, port = configparser.ConfigParser(), port_of(endpoint)
    try:
        parser.read_string(file_of(port).read_text(encoding="ascii"))
        return {name.upper(): parser["default"][name] for name in ("aws_access_key_id", "aws_secret_access_key")}
    except (OSError, ValueError, KeyError, configparser.Error):
        with socket.socket() as probe:
            probe.settimeout(5)
            is_taken = probe.connect_ex((HOST, port)) == 0
        raise OpsError(
            foreign(endpoint, "it left no keys here") if is_taken else ". ".join(missing(endpoint))
        ) from None
