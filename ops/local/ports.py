"""The two ports of the local stack, and the environment variables that change them."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from ops.config.loader import Overrides
from ops.errors import OpsError
from ops.loopback import HOST

AWS_PORT = "HERALD_AWS_PORT"
WEB_PORT = "HERALD_WEB_PORT"
_DEFAULTS = {AWS_PORT: 4566, WEB_PORT: 8080}


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the local AWS and the local web server, on 127.0.0.1."""

    aws: int = _DEFAULTS[AWS_PORT]
    web: int = _DEFAULTS[WEB_PORT]

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> Ports:
        """Read the ports from the environment. Raises :class:`OpsError` for an invalid one."""
        found = {}
        for variable, default in _DEFAULTS.items():
            text = environ.get(variable) or str(default)
            if not text.isascii() or not text.isdigit() or len(text) > 5 or not 1024 <= int(text) <= 65535:
                raise OpsError(f"{variable} is {text!r}; it holds a port from 1024 to 65535")
            found[variable] = int(text)
        if found[AWS_PORT] == found[WEB_PORT]:
            raise OpsError(f"{AWS_PORT} and {WEB_PORT} are both {found[AWS_PORT]}; they must differ")
        return cls(found[AWS_PORT], found[WEB_PORT])

    @classmethod
    def free(cls) -> Ports:
        """Return two that nobody uses now."""
        with socket.socket() as aws, socket.socket() as web:
            aws.bind((HOST, 0))
            web.bind((HOST, 0))
            return cls(aws.getsockname()[1], web.getsockname()[1])

    @property
    def aws_url(self) -> str:
        return f"http://{HOST}:{self.aws}"

    @property
    def web_url(self) -> str:
        return f"http://{HOST}:{self.web}"

    def environ(self) -> dict[str, str]:
        """Return the environment variables that :meth:`of` reads these ports from."""
        return {AWS_PORT: str(self.aws), WEB_PORT: str(self.web)}

    def overrides(self, *, real_pushover: bool = False) -> Overrides:
        """Return the settings of stage ``local`` that depend on these ports."""
        return Overrides(aws=self.aws_url, web=self.web_url, real_pushover=real_pushover)

    def claim(self) -> None:
        """Check that both ports are free. Raises :class:`OpsError` with those in use, and the line to type instead."""
        wanted = {AWS_PORT: self.aws, WEB_PORT: self.web}
        taken = {variable: port for variable, port in wanted.items() if not _is_free(port)}
        if not taken:
            return
        chosen = wanted.copy()
        for variable, port in taken.items():
            others = (*range(port + 1000, 65536, 1000), *range(port - 1000, 1023, -1000))
            chosen[variable] = next(each for each in others if each not in chosen.values() and _is_free(each))
        # A default is left out, unless the environment may have another.
        settings = (f"{name}={port}" for name, port in chosen.items() if name in taken or port != _DEFAULTS[name])
        which = f"port {' and port '.join(map(str, taken.values()))} {'is' if len(taken) == 1 else 'are'}"
        raise OpsError(
            f"{which} in use. Is the local stack running already? To use others: {' '.join(settings)} make run"
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
