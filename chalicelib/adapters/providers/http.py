"""What providers reached over HTTP have in common: connections, time limits, and the meaning of a missing answer."""

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
"""Seconds to wait for something that only the owner can mend."""
MAX_IDLE = 30
"""Seconds after which an idle connection isn't used again. Lambda freezes a function between requests, and the provider
may close the connection meanwhile: a request on it would have an unknown outcome."""

# Its debug lines and warnings hold the path of a request, which may contain a secret.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class Session(requests.Session):
    """Ignores proxies and ``.netrc`` of the environment, and never uses a connection that was idle for long."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.trust_env = False
        self._clock = clock
        self._used = clock()

    def request(self, *arguments: Any, **more: Any) -> requests.Response:
        if not 0 <= self._clock() - self._used < MAX_IDLE:
            self.close()  # Closes its connections; the session itself can still be used.
        try:
            return super().request(*arguments, **more)
        finally:
            self._used = self._clock()


def missing_answer_error(error: Exception | None, provider: str) -> ChannelUnavailableError | ChannelUncertainError:
    """Return the error for a request without an answer. ``error`` is what ended it, or None if time ran out.

    Only a failure before the request was sent means that nothing was delivered.
    """
    if error is None or isinstance(error, requests.exceptions.ReadTimeout):
        return ChannelUncertainError(f"{provider} did not answer in time")
    if isinstance(error, requests.exceptions.ConnectTimeout) or _caused_by(error, NewConnectionError):
        return ChannelUnavailableError(f"{provider} could not be reached")
    if has_wrong_certificate(error):
        return ChannelUnavailableError(f"the certificate of {provider} is not valid for its address")
    return ChannelUncertainError(f"the connection to {provider} broke")


def has_wrong_certificate(error: Exception | None) -> bool:
    """Whether the server's certificate could not be verified, so that nothing was sent."""
    return error is not None and _caused_by(error, SSLCertVerificationError)


def read_secrets(secrets: Secrets) -> dict[str, str]:
    """Return a channel's secrets; raises :class:`ChannelUnavailableError`, as the owner may still set them."""
    try:
        return secrets.read()
    except SecretsError as error:
        raise ChannelUnavailableError(str(error)) from error


def json_object(body: bytes) -> Mapping[str, object]:
    """Return a body's JSON object; empty if it is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _caused_by(error: Exception, kind: type[Exception]) -> bool:
    """Whether this ended the attempts to connect. requests wraps urllib3's error, which wraps the reason."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, kind) or any(isinstance(cause, kind) for cause in getattr(reason, "args", ()))
