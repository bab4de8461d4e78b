"""Webhooks: a signed request to a receiver of the owner's own, or to Slack, Discord, Teams or ntfy.

2xx is delivered; an error in this very message is final; an error that the owner can mend (the address, the secret, a
deleted webhook) makes it wait. docs/channels/webhook.md has the table.

The address is a secret: no library's error, which would name it, leaves this module.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import ceil

import requests
from standardwebhooks import Webhook
from urllib3.exceptions import LocationParseError

from chalicelib.adapters.providers.http import (
    CONNECT_TIMEOUT,
    READ_TIMEOUT,
    UNTIL_MENDED,
    has_wrong_certificate,
    json_object,
    missing_answer_error,
    read_secrets,
)
from chalicelib.adapters.secrets import Secrets
from chalicelib.errors import ChannelRejectedError, ChannelUnavailableError, ChannelUncertainError
from chalicelib.logic import webhook_bodies
from chalicelib.logic.notification import Notification, Quota
from chalicelib.settings import Channel

TOTAL_TIMEOUT = 14.0
"""Seconds for the whole request, name resolution included. requests' read time-out limits only each wait for data."""
MAX_ANSWER = 16 * 1024
"""Bytes of an answer that are read; an error's name is within them."""
DEFAULT_WAIT = 60
"""Seconds to wait after a 429 that names no wait."""
MAX_WAIT = 24 * 60 * 60
"""Longest wait in seconds that a receiver may ask for, so that its mistake can't hold a message for ever."""
SHARES = (1, 0.5, 0.1)
"""Of a format's limit, one after the other where a service refuses the body: its limit may have changed."""
TIME_TO_SHORTEN = 3
"""Seconds since the first attempt within which another is begun."""

_THIS_MESSAGE = (413, 422)
_THIS_BODY = ("invalid_payload", "no_text", "50035", "50006")
"""Error names of Slack and Discord for a body that they never accept. After another 400, such as for a wrong
signature, the message waits, as the owner may mend it."""
_LATER = (408, 409, 425)
_UNKNOWN = (502, 504, 520, 524)
"""From a proxy, which doesn't know whether the receiver accepted. The last two are Cloudflare's, Discord's proxy:
https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/"""

_WORD = re.compile(r"[A-Za-z_]{1,64}")
_REFERENCE = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def json(self) -> Mapping[str, object]:
        """The body's JSON object; empty if it is none."""
        return json_object(self.body)


def secrets_of(channel: Channel) -> tuple[str, ...]:
    """Return the secrets that a channel needs: its address, and a signing secret where it signs."""
    return ("url", "secret") if channel.options["signed"] else ("url",)


class WebhookNotifier:
    """Delivers notifications to one channel's webhook.

    ``channel.options``: ``format``, ``signed``, ``headers`` (each ``Name: value``), ``priority`` (0 for none),
    ``template`` (JSON, empty for none) and ``longest`` (characters of ``{message}``, 0 for all).
    """

    quota = None

    def __init__(
        self,
        session: requests.Session,
        secrets: Secrets,
        channel: Channel,
        *,
        local: bool = False,
        clock: Callable[[], float] = time.time,
        total_timeout: float = TOTAL_TIMEOUT,
    ) -> None:
        options = channel.options
        self._session = session
        self._secrets = secrets
        self._channel = channel.name
        self._local = local
        self._clock = clock
        self._total_timeout = total_timeout
        self._format = str(options["format"])
        self._signed = bool(options["signed"])
        self._priority = int(str(options["priority"])) or None
        self._longest = int(str(options["longest"]))
        self._template = json.loads(str(options["template"])) if options["template"] else None
        fixed = options["headers"]
        self._headers = dict(each.split(": ", 1) for each in fixed) if isinstance(fixed, tuple) else {}

    def notify(self, notification: Notification) -> str:
        """Send once; returns the service's own id of the message or, without one, the ``webhook-id``.

        Raises an :class:`~chalicelib.errors.InvokeError`.
        """
        started = self._clock()
        now = int(started)
        priority = webhook_bodies.priority_of(notification, self._format, self._priority)
        signers, address, topic = self._configured()
        identity = webhook_bodies.webhook_id(notification.id, self._channel)
        refused = b""
        for share in SHARES:
            body = webhook_bodies.encoded(self._body(notification, now, topic, priority, share))
            # What is too long by a measure that isn't ours is cut further: nothing of a refused body is shown.
            if refused and (body == refused or self._clock() - started > TIME_TO_SHORTEN):
                break
            answer = self._answer(address, body, self._headers_of(identity, body, signers, now))
            if 200 <= answer.status < 300:
                return _reference(self._format, answer) or identity
            if not self._is_of_this_body(answer):
                break
            refused = body
        raise self._error_of(answer)

    def check(self, notification: Notification) -> Quota | None:
        """Check the secrets, the address and the body, and send nothing; returns None, as no receiver names a quota."""
        priority = webhook_bodies.priority_of(notification, self._format, self._priority)
        _, _, topic = self._configured()
        webhook_bodies.encoded(self._body(notification, int(self._clock()), topic, priority, 1))
        return None

    def _headers_of(self, identity: str, body: bytes, signers: list[Webhook], now: int) -> dict[str, str]:
        headers = {
            "User-Agent": "Herald",
            **self._headers,
            "Content-Type": "application/json",
            # A compressed answer could be of any size once it is decompressed.
            "Accept-Encoding": "identity",
            "webhook-id": identity,
        }
        if signers:
            at = datetime.fromtimestamp(now, UTC)
            headers["webhook-timestamp"] = str(now)
            headers["webhook-signature"] = " ".join(
                signer.sign(msg_id=identity, timestamp=at, data=body.decode()) for signer in signers
            )
        return headers

    def _configured(self) -> tuple[list[Webhook], str, str]:
        """Return the signers, the address and ntfy's topic; raises :class:`ChannelUnavailableError`."""
        values = read_secrets(self._secrets)
        name = "url"
        try:
            address, topic = webhook_bodies.target(
                self._format, webhook_bodies.checked_address(values["url"], local=self._local)
            )
            name = "secret"
            signers = (
                [Webhook(each) for each in webhook_bodies.signing_secrets(values["secret"])] if self._signed else []
            )
        except webhook_bodies.WebhookMistake as mistake:
            self._secrets.forget()
            raise ChannelUnavailableError(
                f"the parameter {self._channel}/{name} can't be used: {mistake}", retry_after=UNTIL_MENDED
            ) from None
        return signers, address, topic

    def _body(self, notification: Notification, now: int, topic: str, priority: int | None, share: float) -> object:
        match self._format:
            case "slack":
                return webhook_bodies.slack(notification, share)
            case "discord":
                return webhook_bodies.discord(notification, share)
            case "teams":
                return webhook_bodies.teams(notification, share)
            case "ntfy":
                return webhook_bodies.ntfy(notification, topic, priority, share)
            case "template":
                return webhook_bodies.filled(self._template, notification, self._channel, now, self._longest)
            case _:
                return webhook_bodies.standard(notification, now)

    def _answer(self, address: str, body: bytes, headers: Mapping[str, str]) -> _Answer:
        """Post and return the answer. After :data:`TOTAL_TIMEOUT` seconds a status without a body counts too."""
        answers: list[_Answer] = []
        errors: list[Exception] = []

        def exchange() -> None:
            try:
                with self._session.post(
                    address,
                    data=body,
                    headers=headers,
                    timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    answers.append(_Answer(response.status_code, response.headers))
                    answers.append(_Answer(response.status_code, response.headers, _start_of(response)))
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=exchange, daemon=True)
        thread.start()
        thread.join(self._total_timeout)
        if answers:
            return answers[-1]
        raise self._failure(errors[0] if errors else None)

    def _failure(self, error: Exception | None) -> ChannelUnavailableError | ChannelUncertainError:
        """Return the error for a request without an answer. A wrong address waits for the owner to mend it."""
        if has_wrong_certificate(error):
            self._secrets.forget()
            return ChannelUnavailableError(missing_answer_error(error, self._channel).message, retry_after=UNTIL_MENDED)
        if isinstance(error, requests.exceptions.InvalidURL | LocationParseError):
            self._secrets.forget()
            return ChannelUnavailableError(f"the parameter {self._channel}/url is no address", retry_after=UNTIL_MENDED)
        return missing_answer_error(error, self._channel)

    def _is_of_this_body(self, answer: _Answer) -> bool:
        """Whether this very message was refused. A body that is the owner's own is the owner's to mend."""
        of_body = answer.status in _THIS_MESSAGE or (answer.status == 400 and _word(answer) in _THIS_BODY)
        return of_body and self._format != "template"

    def _error_of(self, answer: _Answer) -> ChannelRejectedError | ChannelUnavailableError | ChannelUncertainError:
        status, word = answer.status, _word(answer)
        reason = f"{self._channel} answered {status}{f' ({word})' if word else ''}"
        if 300 <= status < 400:
            self._secrets.forget()
            return ChannelUnavailableError(f"{reason}: a redirect is never followed", retry_after=UNTIL_MENDED)
        if self._is_of_this_body(answer):
            return ChannelRejectedError(reason)
        if status == 429:
            return ChannelUnavailableError(reason, retry_after=self._wait(answer) or DEFAULT_WAIT)
        if status in _LATER:
            return ChannelUnavailableError(reason, retry_after=self._wait(answer))
        if status in _UNKNOWN:
            return ChannelUncertainError(reason)
        if 500 <= status < 600:
            return ChannelUnavailableError(reason, retry_after=self._wait(answer))
        if 400 <= status < 500:
            # Any other may be mended too: waiting loses nothing.
            self._secrets.forget()
            return ChannelUnavailableError(reason, retry_after=UNTIL_MENDED)
        return ChannelUncertainError(f"{reason}, which can't be understood")

    def _wait(self, answer: _Answer) -> int | None:
        """Read the wait in seconds from Discord's ``retry_after`` or from ``Retry-After`` (RFC 9110, 10.2.3)."""
        wait = answer.json.get("retry_after", answer.headers.get("Retry-After"))
        try:
            seconds = float(str(wait))
        except ValueError:
            try:
                seconds = parsedate_to_datetime(str(wait)).timestamp() - self._clock()
            except (ValueError, TypeError, OverflowError):
                return None
        if not seconds > 0:
            return None
        return ceil(min(seconds, MAX_WAIT))


def _start_of(response: requests.Response) -> bytes:
    read = b""
    for part in response.iter_content(MAX_ANSWER):
        read += part
        if len(read) >= MAX_ANSWER:
            break
    return read[:MAX_ANSWER]


def _reference(kind: str, answer: _Answer) -> str:
    """Return the service's own id of the message: Discord's and ntfy's ``id``, Power Automate's run id."""
    if kind == "teams":
        reference: object = answer.headers.get("x-ms-workflow-run-id")
    else:
        reference = answer.json.get("id") if kind in ("discord", "ntfy") else None
    return str(reference) if reference and _REFERENCE.fullmatch(str(reference)) else ""


def _word(answer: _Answer) -> str:
    """Return a service's name of an error if it is one word or number: a sentence may quote the message.

    Slack answers the bare word; Discord and ntfy ``{"code": 10015}``; Power Automate ``{"error": {"code": "…"}}``.
    """
    bare = answer.body[:65].decode("ascii", "replace").strip()
    if _WORD.fullmatch(bare):
        return bare
    inner = answer.json.get("error")
    code = answer.json.get("code") or (inner.get("code") if isinstance(inner, dict) else None)
    if isinstance(code, int) and not isinstance(code, bool) and 0 < code < 1_000_000:
        return str(code)
    return code if isinstance(code, str) and _WORD.fullmatch(code) else ""
