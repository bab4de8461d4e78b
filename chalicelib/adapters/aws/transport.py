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
"""Bytes of an answer: more than any of the services sends. Lambda's largest has 6 MB."""
AMAZON = str(Path(__file__).with_name("amazon.pem"))
"""The authorities of AWS's own endpoints. They are tried first, as it takes a tenth of a cold start to read all that a
system trusts; whatever they don't vouch for is left to those."""
IDLE_SECONDS = 30.0
"""Seconds after which an idle connection isn't used any more. Between two requests Lambda freezes a function, for
minutes maybe, and a connection may be forgotten on the way without a word: a request on it would wait for nothing."""


class Answer(NamedTuple):
    """What a service answered; the names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connections:
    """Sends requests to one endpoint, from several threads at once if they like.

    ``connect`` and ``read`` are in seconds; ``read`` is how long nothing may come, not how long an answer may take.
    """

    def __init__(self, endpoint: Endpoint, connect: float, read: float) -> None:
        self._endpoint = endpoint
        self._connect = connect
        self._read = read
        self._amazons = _trusting(AMAZON) if endpoint.secure and not endpoint.ca_bundle else None
        self._context = self._amazons or (_trusting(endpoint.ca_bundle) if endpoint.secure else None)
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []

    def exchange(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send one request and read its answer, whatever its status. Follows no redirect and uses no proxy.

        Raises :class:`NotSentError` or :class:`UnansweredError`, with the names that botocore has for these failures.
        """
        connection = self._waiting() or self._new()
        kept = False
        try:
            connection.request(method, target, body or None, dict(headers))
            response = connection.getresponse()
            answer = response.read(MAX_ANSWER_BYTES + 1)
            if len(answer) > MAX_ANSWER_BYTES:
                raise UnansweredError("ResponseTooLarge")
            if response.length:  # It broke off, which a limited read doesn't tell.
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
        """Close what is idle."""
        while self._idle:
            self._idle.pop()[0].close()

    def _waiting(self) -> http.client.HTTPConnection | None:
        """A connection from before that still stands."""
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
            if context is not self._amazons:
                raise NotSentError("SSLError") from error
            if self._context is self._amazons:
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
    """What verifies certificates and names, by the authorities in a file or else by those that the system trusts.

    Clients share it, as reading many takes long.
    """
    try:
        return ssl.create_default_context(cafile=authorities or None)
    except OSError as error:
        raise NotSentError("SSLError") from error


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    """Whether the other side has closed an idle connection: then there is something to read, namely its end."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
