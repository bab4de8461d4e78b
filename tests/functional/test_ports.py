"""Ports are claimed before anything is started on them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from ops.errors import OpsError
from ops.local.ports import Ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_free_ports_are_claimed_in_silence() -> None:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        ports = Ports(one.getsockname()[1], two.getsockname()[1])
    ports.claim()


def test_a_port_in_use_is_named_with_its_variable_and_a_way_out(taken: int) -> None:
    with pytest.raises(OpsError, match=rf"port {taken} is in use.*HERALD_AWS_PORT=\d+ make run"):
        Ports(taken, free()).claim()
    with pytest.raises(OpsError, match=rf"port {taken} is in use.*HERALD_WEB_PORT=\d+ make run"):
        Ports(free(), taken).claim()
