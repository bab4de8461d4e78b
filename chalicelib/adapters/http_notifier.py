"""Deliver notifications by HTTP and JSON, as a kind of channel declares it with :class:`Http`."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests

from chalicelib.adapters.provider_http import (
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
        """Send once; returns the provider's id of the message, raises an :class:`~chalicelib.errors.InvokeError`."""
        answer = self._answer(self._http.request(notification, self._sending(notification)))
        means, reason = self._meaning(answer)
        if means is not Means.DELIVERED:
            if means is Means.OWNER:
                self._secrets.forget()
            raise error_of(means, reason, wait_of(answer, self._http.wait(answer.json), self._clock()))
        return str(self._http.reference(answer.json))

    def check(self, notification: Notification) -> Quota | None:
        """Check options and secrets, ask the provider if it can be asked, and send nothing; returns None, for no quota.

        Raises :class:`ChannelUnavailableError`, or :class:`InvalidRequestError` for an option.
        """
        sending = self._sending(notification)
        self._http.request(notification, sending)
        if self._http.check is None:
            return None
        answer = self._answer(self._http.check(sending))
        if not 200 <= answer.status < 300:
            self._secrets.forget()
            raise ChannelUnavailableError(self._meaning(answer)[1], retry_after=UNTIL_MENDED)
        return None

    def _sending(self, notification: Notification) -> Sending:
        try:
            options = options_of(self._kind, self._channel, notification.options)
        except OptionMistake as mistake:
            key = f"options.{mistake.option}"
            raise InvalidRequestError(f"{key}: {mistake}", key=key) from None
        return Sending(self._channel, read_secrets(self._secrets) if self._kind.secrets else {}, options)

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
        if means is Means.DELIVERED and not self._http.reference(answer.json):
            return Means.UNCERTAIN, f"{reason}, which can't be understood"
        return means, reason
