"""Deliver notifications by HTTP and JSON, as a kind of channel declares it with :class:`Http`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace

import requests

from chalicelib.adapters.provider_http import (
    SHARES,
    TIME_TO_SHORTEN,
    TOTAL_TIMEOUT,
    UNTIL_MENDED,
    HttpAnswer,
    error_of,
    exchange,
    has_wrong_certificate,
    is_wrong_address,
    meaning_of,
    missing_answer_error,
    read_secrets,
    wait_of,
)
from chalicelib.adapters.secrets import Secrets
from chalicelib.errors import ChannelUnavailableError, InvalidRequestError
from chalicelib.logic.channel_kind import ChannelKind, Means, OptionMistake, Request, Sending, options_of
from chalicelib.logic.notification import Notification, Quota
from chalicelib.settings import Channel

_REFERENCE = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
"""It is logged, so it must not be a sentence."""


class HttpNotifier:
    """The notifier of one channel. No library's error, which names the address, leaves it."""

    quota = None

    def __init__(
        self,
        session: requests.Session,
        secrets: Secrets,
        channel: Channel,
        kind: ChannelKind,
        *,
        clock: Callable[[], float] = time.time,
        total_timeout: float = TOTAL_TIMEOUT,
    ) -> None:
        if kind.http is None:
            raise ValueError(f"kind {kind.kind} declares no http")
        self._session = session
        self._secrets = secrets
        self._channel = channel
        self._kind = kind
        self._http = kind.http
        self._clock = clock
        self._total_timeout = total_timeout

    def notify(self, notification: Notification) -> str:
        """Send once; returns the provider's id of the message, raises an :class:`~chalicelib.errors.InvokeError`.

        What the provider refuses for good is cut further and sent again: nothing of a refused message is shown.
        """
        sending, started = self._sending(notification), self._clock()
        refused: Request | None = None
        for share in SHARES:
            request = self._http.request(notification, replace(sending, share=share))
            if refused and (request == refused or self._clock() - started > TIME_TO_SHORTEN):
                break
            answer = self._answer(request)
            means, reason = self._meaning(answer)
            if means is Means.DELIVERED:
                return str(self._http.reference(answer.json))
            if means is not Means.REJECTED:
                break
            refused = request
        if means is Means.OWNER:
            self._secrets.forget()
        raise error_of(means, reason, wait_of(answer, self._http.wait(answer.json), self._clock()))

    def check(self, notification: Notification) -> Quota | None:
        """Check options and secrets, ask the provider if it can be asked, and send nothing; returns None, for no quota.

        Raises :class:`ChannelUnavailableError`, or :class:`InvalidRequestError` for an option.
        """
        sending = self._sending(notification)
        self._http.request(notification, sending)
        if self._http.check is None:
            return None
        answer = self._answer(self._http.check(sending))
        means, reason = self._meaning(answer)
        # An answer to a check has no id of a message, so that nothing is read of a success but its status.
        if not 200 <= answer.status < 300 or means is Means.OWNER:
            self._secrets.forget()
            raise ChannelUnavailableError(reason, retry_after=UNTIL_MENDED)
        return None

    def _sending(self, notification: Notification) -> Sending:
        try:
            options = options_of(self._kind, self._channel, notification.options)
        except OptionMistake as mistake:
            key = f"options.{mistake.option}"
            raise InvalidRequestError(f"{key}: {mistake}", key=key) from None
        return Sending(self._channel, self._read_secrets(), options)

    def _read_secrets(self) -> dict[str, str]:
        needed = self._kind.needed_secrets(self._channel)
        values = read_secrets(self._secrets) if needed else {}
        for secret in needed:
            try:
                secret.check(values[secret.name], False)
            except ValueError as mistake:
                self._secrets.forget()
                raise ChannelUnavailableError(
                    f"the parameter {self._channel.name}/{secret.name} can't be used: {mistake}",
                    retry_after=UNTIL_MENDED,
                ) from None
        return values

    def _answer(self, request: Request) -> HttpAnswer:
        answer = exchange(self._session, request, self._total_timeout)
        if isinstance(answer, HttpAnswer):
            return answer
        error = missing_answer_error(answer, self._kind.provider)
        if has_wrong_certificate(answer) or is_wrong_address(answer):
            self._secrets.forget()
            raise ChannelUnavailableError(error.message, retry_after=UNTIL_MENDED)
        raise error

    def _meaning(self, answer: HttpAnswer) -> tuple[Means, str]:
        """Return what an answer means, and words for a log: the status, and the error's name as it is declared."""
        reason = f"{self._kind.provider} answered {answer.status}"
        name = str(self._http.error(answer.json) or "")
        for known in self._http.answers:
            if known.status == answer.status and name.startswith(known.error):
                means, reason = known.means, f"{reason} ({known.error})" if known.error else reason
                break
        else:
            means = Means.DELIVERED if 200 <= answer.status < 300 else meaning_of(answer.status)
        if means is Means.DELIVERED and not _REFERENCE.fullmatch(str(self._http.reference(answer.json) or "")):
            return Means.UNCERTAIN, f"{reason}, which can't be understood"
        return means, reason
