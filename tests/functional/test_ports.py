"""Ports are claimed before anything is started on them."""

from __future__ import annotations

import socket

import pytest

from ops.errors import OpsError
from ops.local.ports import Ports


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


def test_a_port_in_use_is_named_with_its_variable_and_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        for ports, name in ((Ports(taken, free()), "AWS"), (Ports(free(), taken), "WEB")):
            with pytest.raises(OpsError, match=rf"port {taken} is in use.*HERALD_{name}_PORT=\d+ make run"):
                ports.claim()
