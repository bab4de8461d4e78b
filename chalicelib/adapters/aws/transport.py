"""HTTP/1.1 to one endpoint, over connections that are kept open between requests."""

from __future__ import annotations

import http.client
import select
import ssl
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from chalicelib.adapters.aws.environment import Endpoint
from chalicelib.adapters.aws.errors import NotSentError, UnansweredError

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Largest answer that is read. The services' own largest is Lambda's, 6 MB."""
AMAZON_AUTHORITIES = str(Path(__file__).with_name("amazon.pem"))
"""The authorities of AWS's endpoints. They are tried before the system's, as reading those takes a tenth of a cold
start."""
IDLE_SECONDS = 30.0
"""Seconds after which an idle connection isn't used again. Lambda freezes a function between requests, and a connection
may break meanwhile without a notice: a request on it would wait for its whole time-out."""


class Answer(NamedTuple):
    """An HTTP response; the names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connections:
    """Sends requests to one endpoint; safe to use from several threads.

    ``connect`` and ``read`` are time limits in seconds; ``read`` limits each wait for data, not the whole response.
    """

    def __init__(self, endpoint: Endpoint, connect: float, read: float) -> None:
        self._endpoint = endpoint
        self._connect = connect
        self._read = read
        self._amazon_context = _trusting(AMAZON_AUTHORITIES) if endpoint.secure and not endpoint.ca_bundle else None
        self._context = self._amazon_context or (_trusting(endpoint.ca_bundle) if endpoint.secure else None)
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []

    def exchange(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send one request and return its response, whatever its status. No redirect is followed, no proxy used.

        Raises :class:`NotSentError` or :class:`UnansweredError`, with botocore's names for the failures.
        """
        connection = self._take_idle() or self._new()
        kept = False
        try:
            connection.request(method, target, body or None, dict(headers))
            response = connection.getresponse()
            answer = response.read(MAX_ANSWER_BYTES + 1)
            if len(answer) > MAX_ANSWER_BYTES:
                raise UnansweredError("ResponseTooLarge")
            if response.length:  # The connection broke; a read with a limit doesn't raise for that.
                raise UnansweredError("ConnectionClosedError")
            kept = not response.will_close
        except TimeoutError as error:
            raise UnansweredError("ReadTimeoutError") from error
        except (OSError, http.client.HTTPException) as error:
            raise UnansweredError("ConnectionClosedError") from error
        finally:
            if kept:
                self._idle.append((connection, time.time()))
            else:
                connection.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, answer)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop()[0].close()

    def _take_idle(self) -> http.client.HTTPConnection | None:
        """Take an idle connection that is still open; None if there is none."""
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:  # Another thread was faster.
                return None
            if 0 <= time.time() - since < IDLE_SECONDS and not _has_ended(connection):
                return connection
            connection.close()
        return None

    def _new(self) -> http.client.HTTPConnection:
        host, port, context = self._endpoint.host, self._endpoint.port, self._context
        connection = (
            http.client.HTTPSConnection(host, port, timeout=self._connect, context=context)
            if context
            else http.client.HTTPConnection(host, port, timeout=self._connect)
        )
        try:
            connection.connect()
            connection.sock.settimeout(self._read)
        except ssl.SSLCertVerificationError as error:
            connection.close()
            if context is not self._amazon_context:
                raise NotSentError("SSLError") from error
            if self._context is self._amazon_context:
                self._context = _trusting("")
            return self._new()
        except TimeoutError as error:
            connection.close()
            raise NotSentError("ConnectTimeoutError") from error
        except ssl.SSLError as error:
            connection.close()
            raise NotSentError("SSLError") from error
        except OSError as error:
            connection.close()
            raise NotSentError("EndpointConnectionError") from error
        return connection


@cache
def _trusting(authorities: str) -> ssl.SSLContext:
    """Make the TLS context that trusts the authorities in a file or, if ``authorities`` is empty, the system's.

    Clients share it, as reading many authorities takes long.
    """
    try:
        return ssl.create_default_context(cafile=authorities or None)
    except OSError as error:
        raise NotSentError("SSLError") from error


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    """Whether the server has closed an idle connection: only then is there something to read."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
