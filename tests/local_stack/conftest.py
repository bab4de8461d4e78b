"""One local AWS for all tests of this directory.

``HERALD_LOCAL_WITHOUT`` names extensions to start it without: each extension's tests must fail then.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_stack.local_aws import ROOT, LocalAws, free_port, start, stop


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory under .herald/ for all that is written, gone afterwards."""
    directory = ROOT / ".herald" / f"test-local-stack-{os.getpid()}"
    directory.mkdir(parents=True)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def access_log(scratch: Path) -> Path:
    """Where the local AWS writes down what IAM was asked."""
    path = scratch / "access.jsonl"
    path.touch()
    return path


@pytest.fixture(scope="session")
def person(scratch: Path) -> Path:
    """The home of somebody with AWS profiles."""
    folder = scratch / "person" / ".aws"
    folder.mkdir(parents=True)
    for name in ("config", "credentials"):
        (folder / name).write_text("[default]\naws_access_key_id = AKIAPERSON\naws_secret_access_key = theirs\n")
    return folder.parent


@pytest.fixture(scope="session")
def aws(scratch: Path, access_log: Path, person: Path) -> Iterator[LocalAws]:
    """A local AWS whose retries take a moment."""
    port, without = free_port(), os.environ.get("HERALD_LOCAL_WITHOUT", "")
    environ = {"HERALD_LOCAL_RETRY_SECONDS": "0.05,0.1", "HERALD_LOCAL_ACCESS_LOG": str(access_log)}
    environ |= {"HOME": str(person), "AWS_CONFIG_FILE": str(person / ".aws" / "config")}
    process = start(port, scratch / "session", "--without", without, **environ)
    yield LocalAws(port)
    stop(process)
