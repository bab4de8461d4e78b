"""Connections to providers outside AWS, by ``requests``."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import requests

IDLE = 30
"""Seconds after which an idle connection isn't used any more. Between two requests Lambda freezes a function, for
minutes; the provider closes its end meanwhile, and a request on such a connection would have an unknown outcome."""

# Its debug lines and warnings hold the path of a request, which may be a secret or have the token in it.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class Session(requests.Session):
    """Asks neither a proxy nor a .netrc of the environment, and no connection that has been idle for long."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.trust_env = False
        self._clock = clock
        self._used = clock()

    def request(self, *arguments: Any, **more: Any) -> requests.Response:
        if not 0 <= self._clock() - self._used < IDLE:
            self.close()  # Its connections; it can be used again.
        try:
            return super().request(*arguments, **more)
        finally:
            self._used = self._clock()


def caused_by(error: Exception, kind: type[Exception]) -> bool:
    """Whether this is what ended all attempts to connect: requests wraps urllib3's error, and that the reason."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, kind) or any(isinstance(each, kind) for each in getattr(reason, "args", ()))
