"""What providers reached by HTTP have in common: connections, time limits, and what it means that no answer came."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from ssl import SSLCertVerificationError
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from chalicelib.adapters.secrets import Secrets
from chalicelib.errors import ChannelUnavailableError, ChannelUncertainError, SecretsError

CONNECT_TIMEOUT = 3.05
READ_TIMEOUT = 10.0
UNTIL_MENDED = 60 * 60
"""Seconds before a provider is asked again about something that only the owner can mend."""
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


def no_answer(error: Exception | None, provider: str) -> ChannelUnavailableError | ChannelUncertainError:
    """What it means that a request had no answer, by the error that ended it; None where time ran out.

    Only what failed before the request was sent is certainly not delivered.
    """
    if error is None or isinstance(error, requests.exceptions.ReadTimeout):
        return ChannelUncertainError(f"{provider} did not answer in time")
    if isinstance(error, requests.exceptions.ConnectTimeout) or _caused_by(error, NewConnectionError):
        return ChannelUnavailableError(f"{provider} could not be reached")
    if has_wrong_certificate(error):
        return ChannelUnavailableError(f"the certificate of {provider} is not valid for its address")
    return ChannelUncertainError(f"the connection to {provider} broke")


def has_wrong_certificate(error: Exception | None) -> bool:
    """Whether a request ended because the server's certificate could not be verified: nothing was sent."""
    return error is not None and _caused_by(error, SSLCertVerificationError)


def read_secrets(secrets: Secrets) -> dict[str, str]:
    """A channel's secrets; raises :class:`ChannelUnavailableError`: once the owner has set them, a later attempt
    delivers."""
    try:
        return secrets.read()
    except SecretsError as error:
        raise ChannelUnavailableError(str(error)) from error


def json_object(body: bytes) -> Mapping[str, object]:
    """The JSON object of an answer; empty where it is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _caused_by(error: Exception, kind: type[Exception]) -> bool:
    """Whether this is what ended all attempts to connect: requests wraps urllib3's error, and that the reason."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, kind) or any(isinstance(cause, kind) for cause in getattr(reason, "args", ()))
