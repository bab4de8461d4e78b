"""Deliver notifications by HTTP and JSON, as a kind of channel declares it with :class:`HttpApi`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace

import requests

from chalicelib.adapters.provider_http import (
    TOTAL_TIMEOUT,
    WAIT_FOR_OWNER,
    HttpAnswer,
    error_of,
    meaning_of,
    read_secrets,
    send_once,
    send_shortened,
    wait_of,
)
from chalicelib.adapters.secrets import Secrets
from chalicelib.errors import ChannelUnavailableError
from chalicelib.logic.channel_kind import AnswerMeaning, ChannelKind, Request, RequestInputs, options_of
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
        """Send once; returns the provider's id of the message, raises a :class:`~chalicelib.errors.FunctionError`.

        What the provider refuses for good is cut further and sent again: nothing of a refused message is shown.
        """
        inputs = self._request_inputs(notification)
        answer = send_shortened(
            lambda share: self._http.request(notification, replace(inputs, share=share)),
            self._send,
            lambda answer: self._meaning(answer)[0] is AnswerMeaning.REJECTED,
            self._clock,
        )
        meaning, reason = self._meaning(answer)
        if meaning is AnswerMeaning.DELIVERED:
            return str(self._http.reference(answer.json))
        if meaning is AnswerMeaning.OWNER_MUST_ACT:
            self._secrets.forget()
        raise error_of(meaning, reason, wait_of(answer, self._http.wait(answer.json), self._clock()))

    def check(self, notification: Notification) -> Quota | None:
        """Check options and secrets, ask the provider if it can be asked, and send nothing; returns None, for no quota.

        Raises :class:`ChannelUnavailableError`, or :class:`InvalidRequestError` for an option.
        """
        inputs = self._request_inputs(notification)
        self._http.request(notification, inputs)
        if self._http.check is None:
            return None
        answer = self._send(self._http.check(inputs))
        meaning, reason = self._meaning(answer)
        # An answer to a check has no id of a message, so that nothing is read of a success but its status.
        if not 200 <= answer.status < 300 or meaning is AnswerMeaning.OWNER_MUST_ACT:
            self._secrets.forget()
            raise ChannelUnavailableError(reason, retry_after=WAIT_FOR_OWNER)
        return None

    def _request_inputs(self, notification: Notification) -> RequestInputs:
        options = options_of(self._kind, self._channel, notification.options)
        return RequestInputs(self._channel, self._read_secrets(), options)

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
                    retry_after=WAIT_FOR_OWNER,
                ) from None
        return values

    def _send(self, request: Request) -> HttpAnswer:
        return send_once(self._session, request, self._secrets, self._kind.provider, self._total_timeout)

    def _meaning(self, answer: HttpAnswer) -> tuple[AnswerMeaning, str]:
        """Return what an answer means, and words for a log: the status, and the error's name as it is declared."""
        reason = f"{self._kind.provider} answered {answer.status}"
        name = str(self._http.error(answer.json) or "")
        for known in self._http.answers:
            if known.status == answer.status and name.startswith(known.error):
                meaning, reason = known.meaning, f"{reason} ({known.error})" if known.error else reason
                break
        else:
            meaning = AnswerMeaning.DELIVERED if 200 <= answer.status < 300 else meaning_of(answer.status)
        reference = str(self._http.reference(answer.json) or "")
        if meaning is AnswerMeaning.DELIVERED and not _REFERENCE.fullmatch(reference):
            return AnswerMeaning.UNCERTAIN, f"{reason}, which can't be understood"
        return meaning, reason
