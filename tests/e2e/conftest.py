"""One local stack for the whole directory, deployed to once, on ports of its own."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.local.ports import Ports
from ops.local.stack import LocalStack, Pushover
from tests.e2e.harness import Harness

ROOT = Path(__file__).parents[2]


def free_ports() -> Ports:
    """Two ports of 127.0.0.1 that nobody listens on."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return Ports(one.getsockname()[1], two.getsockname()[1])


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """The local stack with the stand-in for Pushover, whatever credentials the shell holds."""
    name = f"test-e2e-{os.getpid()}"
    environ = dict(os.environ) | {"HERALD_LOCAL_RETRY_SECONDS": "1,1"}
    stack = LocalStack(ROOT, free_ports(), Pushover.of({}), environ, name)
    try:
        with stack:
            yield stack
    finally:
        shutil.rmtree(stack.work, ignore_errors=True)


@pytest.fixture(scope="session")
def deployed(stack: LocalStack) -> Harness:
    """Stage ``local``, deployed."""
    return Harness(stack, stack.deploy(print))


@pytest.fixture
def herald(deployed: Harness) -> Iterator[Harness]:
    """The deployed stage, with a phone that is empty and a provider that works."""
    deployed.clear()
    yield deployed
    deployed.clear()
