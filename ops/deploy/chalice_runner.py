"""Run Chalice in a process of its own, which ends with this one, and report its failures in a few lines."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from ops.aws import eventual_consistency
from ops.errors import OpsError, short_traceback

PROGRAM = Path(__file__).with_name("patched_chalice.py")
_TIMEOUT = 900
"""Seconds that a command of Chalice may take."""
_BUSY = (
    *("NoSuchEntity", "EntityAlreadyExists", "ConcurrentModification", "ConcurrentModificationException"),
    *("ResourceNotFoundException", "ResourceConflictException", "NotFoundException", "NotFound"),
    *("Throttling", "ThrottlingException", "TooManyRequestsException"),
)
"""What AWS calls errors that end by themselves: something new isn't known everywhere yet, or an answer was lost."""


def run(root: Path, environ: Mapping[str, str], stage: str, *command: str) -> None:
    """Run a command of Chalice on a project; raises :class:`OpsError` with the reason when it fails.

    Ctrl-C lets Chalice record what it has made until then.
    """
    with tempfile.TemporaryFile("w+") as output:
        status = _run_to_end(root, environ, [*command, "--stage", stage], output)
        output.seek(0)
        text = output.read()
    if status:
        reason = short_traceback(text, root)
        raise OpsError(f"chalice {command[-1]} --stage {stage} failed:\n{reason}\n{advice(text)}".rstrip())


def package(root: Path, environ: Mapping[str, str]) -> str:
    """Make the deployment zip of a project; returns its file name below ``.chalice/deployments``."""
    packed = subprocess.run(
        [sys.executable, str(PROGRAM), "--package"],
        cwd=root,
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=600,
    )
    if packed.returncode:
        raise OpsError(f"the code can't be packed:\n{packed.stdout}{packed.stderr}")
    return packed.stdout.strip()


def advice(output: str) -> str:
    """What to do about an error that passes by itself or that the owner's own settings cause; empty for any other.

    Lambda keeps some concurrency of an account unreserved, and a new account has no more than that:
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    """
    if re.search(rf"\((?:{'|'.join(_BUSY)})\)", output):
        return "AWS is still busy with what was made or changed a moment ago. Run the same command again.\n"
    if "UnreservedConcurrentExecution" not in output:
        return ""
    return (
        "This account can't reserve so much concurrency. Take `reserved` out of [delivery] and\n"
        "`inbox_reserved` out of the stage in herald.toml, or ask AWS for more: Service Quotas, AWS Lambda,\n"
        "Concurrent executions.\n"
    )


def _run_to_end(root: Path, environ: Mapping[str, str], arguments: list[str], output: IO[str]) -> int:
    """Run the program and return its exit status.

    Its standard input stays open for as long as this process lives. It has a session of its own, so Ctrl-C reaches
    this process alone, which then interrupts it and waits.
    """
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "--until-stdin-closes", *arguments],
        cwd=root,
        env={**environ, "AWS_RETRY_MODE": "standard", "AWS_MAX_ATTEMPTS": str(eventual_consistency.ATTEMPTS)},
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        return process.wait(_TIMEOUT)
    except BaseException as error:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise OpsError(f"chalice {' '.join(arguments)} did not end within {_TIMEOUT // 60} minutes") from None
        raise
    finally:
        if process.stdin:
            process.stdin.close()
