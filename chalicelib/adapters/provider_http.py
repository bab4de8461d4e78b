"""What providers reached over HTTP have in common: connections, time limits, and the meaning of a missing answer."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import ceil
from ssl import SSLCertVerificationError
from typing import Any

import requests
from urllib3.exceptions import LocationParseError, NewConnectionError

from chalicelib.adapters.secrets import Secrets
from chalicelib.errors import ChannelRejectedError, ChannelUnavailableError, ChannelUncertainError, SecretsError
from chalicelib.logic.channel_kind import AnswerMeaning, Request

CONNECT_TIMEOUT = 3.05
READ_TIMEOUT = 10.0
TOTAL_TIMEOUT = 14.0
"""Seconds for the whole request, name resolution included. requests' read time-out limits only each wait for data."""
LIMIT_SHARES = (1, 0.5, 0.1)
"""Of a limit, one after the other where a provider refuses the body: its limit may have changed, or be its own."""
TIME_TO_SEND_AGAIN = 3
"""Seconds since the first attempt within which another is begun; later it might outlast the function."""
MAX_ANSWER = 16 * 1024
"""Bytes of an answer that are read; an error's name is within them."""
DEFAULT_WAIT = 60
"""Seconds to wait after a 429 that names no wait."""
MAX_WAIT = 24 * 60 * 60
"""Longest wait in seconds that a provider may ask for, so that its mistake can't hold a message for ever."""
WAIT_FOR_OWNER = 60 * 60
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


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer; its body's first :data:`MAX_ANSWER` bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def json(self) -> Mapping[str, Any]:
        """The body's JSON object; empty if it is none."""
        return json_object(self.body)


def exchange(
    session: requests.Session, request: Request, total_timeout: float = TOTAL_TIMEOUT
) -> HttpAnswer | Exception | None:
    """Send once and return the answer. After ``total_timeout`` seconds a status without a body counts too.

    Returns what ended the exchange where there was no answer, or None if time ran out. The error names the address,
    which may be a secret: pass it to :func:`missing_answer_error`, and never on.
    """
    answers: list[HttpAnswer] = []
    errors: list[Exception] = []
    headers = {
        "User-Agent": "Herald",
        **request.headers,
        # A compressed answer could be of any size once it is decompressed.
        "Accept-Encoding": "identity",
        **({"Content-Type": "application/json"} if request.body is not None else {}),
    }

    def send() -> None:
        try:
            with session.request(
                "GET" if request.body is None else "POST",
                request.url,
                data=request.body,
                headers=headers,
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                allow_redirects=False,
                stream=True,
            ) as response:
                answers.append(HttpAnswer(response.status_code, response.headers))
                answers.append(HttpAnswer(response.status_code, response.headers, _start_of(response)))
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(total_timeout)
    return answers[-1] if answers else errors[0] if errors else None


def send_once(
    session: requests.Session, request: Request, secrets: Secrets, provider: str, total_timeout: float
) -> HttpAnswer:
    """Send once and return the answer.

    Without one it raises :class:`ChannelUnavailableError` or :class:`ChannelUncertainError`, neither of which names the
    address. What the owner must mend has the secrets read anew the next time.
    """
    answer = exchange(session, request, total_timeout)
    if isinstance(answer, HttpAnswer):
        return answer
    error = missing_answer_error(answer, provider)
    if is_wrong_address(answer):
        error = ChannelUnavailableError(f"the address of {provider} can't be used", retry_after=WAIT_FOR_OWNER)
    elif has_wrong_certificate(answer):
        error = ChannelUnavailableError(error.message, retry_after=WAIT_FOR_OWNER)
    if error.retry_after:
        secrets.forget()
    raise error


def send_shortened(
    make_request: Callable[[float], Request],
    send: Callable[[Request], HttpAnswer],
    is_refused: Callable[[HttpAnswer], bool],
    clock: Callable[[], float],
) -> HttpAnswer:
    """Send a request made for the whole of a limit; while its body is refused, send one made for less.

    Nothing of a refused message is shown, so none is shown twice.
    """
    started, refused = clock(), None
    for share in LIMIT_SHARES:
        request = make_request(share)
        if refused and (request == refused or clock() - started > TIME_TO_SEND_AGAIN):
            break
        answer = send(request)
        if not is_refused(answer):
            break
        refused = request
    return answer


def _start_of(response: requests.Response) -> bytes:
    read = b""
    for part in response.iter_content(MAX_ANSWER):
        read += part
        if len(read) >= MAX_ANSWER:
            break
    return read[:MAX_ANSWER]


_MESSAGE_REFUSED = (413, 422)
_TRY_LATER = (408, 409, 425, 429)
_OUTCOME_UNKNOWN = (502, 504, 520, 524)
"""From a proxy, which doesn't know whether the provider accepted. The last two are Cloudflare's, Discord's proxy:
https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/"""


def meaning_of(status: int) -> AnswerMeaning:
    """Return what an answer means of which only the status is known. docs/channels/webhook.md has the table."""
    if status in _MESSAGE_REFUSED:
        return AnswerMeaning.REJECTED
    if status in _TRY_LATER:
        return AnswerMeaning.TRY_LATER
    if 300 <= status < 500:
        # Another 4xx may be mended too, and waiting loses nothing. A redirect is never followed.
        return AnswerMeaning.OWNER_MUST_ACT
    return (
        AnswerMeaning.TRY_LATER if 500 <= status < 600 and status not in _OUTCOME_UNKNOWN else AnswerMeaning.UNCERTAIN
    )


def error_of(
    meaning: AnswerMeaning, reason: str, wait: int | None = None
) -> ChannelRejectedError | ChannelUnavailableError | ChannelUncertainError:
    """Return the error for an answer that is no acceptance; ``wait`` is the provider's own, in seconds."""
    match meaning:
        case AnswerMeaning.REJECTED:
            return ChannelRejectedError(reason)
        case AnswerMeaning.TRY_LATER:
            return ChannelUnavailableError(reason, retry_after=wait)
        case AnswerMeaning.OWNER_MUST_ACT:
            return ChannelUnavailableError(reason, retry_after=WAIT_FOR_OWNER)
        case _:
            return ChannelUncertainError(reason)


def wait_of(answer: HttpAnswer, named: object, now: float) -> int | None:
    """Read the seconds to wait: those that its JSON ``named``, else ``Retry-After`` (RFC 9110, 10.2.3)."""
    wait = answer.headers.get("Retry-After") if named is None else named
    try:
        seconds = float(str(wait))
    except ValueError:
        try:
            seconds = parsedate_to_datetime(str(wait)).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            seconds = 0
    if not seconds > 0:
        return DEFAULT_WAIT if answer.status == 429 else None
    return ceil(min(seconds, MAX_WAIT))


def is_wrong_address(error: Exception | None) -> bool:
    """Whether a request's address could not be used, so that nothing was sent."""
    return isinstance(error, requests.exceptions.InvalidURL | LocationParseError)


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
