"""The errors that Herald raises, in one tree, classified by what the caller should do.

::

    HeraldError
    ├── SubmissionError            show it to the visitor; nothing was published, but perhaps at 500 and 503
    ├── PublishError               the topic did not confirm a message, which it may have; the visitor may try again
    ├── SecretsError               a secret is missing or could not be read
    ├── CaptchaError               a captcha's token could not be verified; counts nothing
    ├── FilesError                 a form's files could not be kept; the visitor may try again, or Lambda does
    ├── AutoreplyError             a visitor was not answered, or may not have been; it is not repeated
    ├── StoreError                 the message table failed; Lambda retries
    ├── RetryError                 no run of ``destined`` was queued; the next scheduled retry does it
    ├── DeliveryIncompleteError    a channel still has to deliver; Lambda retries
    ├── EventFailedError           a test event asked to fail
    ├── CanaryError                a channel could not have delivered; Lambda retries
    ├── AlarmError                 the last alarm reached nobody; Lambda retries, and keeps the event
    └── FunctionError              what Herald's functions raise to their callers: part of their contract
        ├── InvalidRequestError    the caller's mistake: don't retry
        ├── NotFoundError          there is no such message
        ├── UnavailableError       nothing could be read: retry after a pause
        └── NotifierError          an error of a notifier
            ├── ChannelRejectedError      the provider refused: don't retry
            ├── ChannelUnavailableError   nothing was delivered: retry after a pause
            └── ChannelUncertainError     the provider may have accepted: the channel's setting decides

No error message may quote what a visitor typed: error messages reach logs and the bus.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple


class HeraldError(Exception):
    """Base of all errors of Herald."""


class Problem(NamedTuple):
    """One mistake in a submission. ``code`` is the key of its text in ``texts/``.

    A code in capitals is one that Formspree's client library understands: https://github.com/formspree/formspree-js
    """

    code: str
    field: str
    limit: int = 0
    """The number in its text, such as how many characters are allowed."""


class SubmissionError(HeraldError):
    """A submission that can't be accepted.

    Parameters
    ----------
    status:
        HTTP status of the answer: 400, 403, 404, 405, 413, 415 or 422; 500 or 503 where the visitor made no mistake.
    code:
        What happened: a key of ``texts/``.
    problems:
        The mistakes, field by field.
    limit:
        The number in its text.
    pairs:
        The fields that could be read, so that the answer can keep what was typed.
    """

    def __init__(
        self, status: int, code: str, *problems: Problem, limit: int = 0, pairs: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.problems = problems
        self.limit = limit
        self.pairs = list(pairs)


class PublishError(HeraldError):
    """The topic did not confirm a message, and may have it. ``reason`` is an error code or class name, safe to log."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the topic did not accept the message: {reason}")
        self.reason = reason


class SecretsError(HeraldError):
    """A secret is missing in Parameter Store, or could not be read; the message names it."""


class CaptchaError(HeraldError):
    """A captcha's token could not be verified; the message says why, and holds nothing of the visitor's."""


class FilesError(HeraldError):
    """The bucket of files did not answer. ``reason`` is an error code or class name, safe to log."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the bucket of files did not answer: {reason}")
        self.reason = reason


class AutoreplyError(HeraldError):
    """A visitor's answer was not sent, or may not have been. ``reason`` is an error code, safe to log."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the answer was not sent: {reason}")
        self.reason = reason


class StoreError(HeraldError):
    """The message table could not be read or written. ``reason`` is an error code, safe to log."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the message table did not answer: {reason}")
        self.reason = reason


class RetryError(HeraldError):
    """Lambda did not queue a run of ``destined``. ``reason`` is an error code, safe to log."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"destined was not run: {reason}")
        self.reason = reason


class DeliveryIncompleteError(HeraldError):
    """At least one channel still has to deliver; raised so that Lambda retries the message."""


class EventFailedError(HeraldError):
    """A test event asked for a failure."""


class CanaryError(HeraldError):
    """A canary found a channel that could not have delivered; the error's message names it and why."""


class AlarmError(HeraldError):
    """The last alarm reached nobody, and it is too early for another; raised so that CloudWatch's alarms sound."""

    def __init__(self) -> None:
        super().__init__("no channel took the last alarm, and it is too early for another")


class FunctionError(HeraldError):
    """What one of Herald's functions raises to its caller, and part of its contract (docs/contracts).

    Lambda gives a caller two strings. ``errorType`` is the class name here. ``errorMessage`` is a JSON object with
    ``message`` for people and, for programs, ``key`` (the wrong part of the request) or ``retry_after`` (seconds).
    """

    def __init__(self, message: str, *, key: str = "", retry_after: int | None = None) -> None:
        detail: dict[str, str | int] = {"message": message}
        if key:
            detail["key"] = key
        if retry_after is not None:
            detail["retry_after"] = retry_after
        super().__init__(json.dumps(detail, ensure_ascii=False))
        self.message = message
        self.key = key
        self.retry_after = retry_after


class InvalidRequestError(FunctionError):
    """The request does not match the contract; ``key`` names the wrong part."""


class NotFoundError(FunctionError):
    """There is no such message: it was never received, is not stored yet, or was deleted."""


class UnavailableError(FunctionError):
    """Nothing could be read now, and a later attempt may succeed."""


class NotifierError(FunctionError):
    """A notifier did not deliver, or may not have."""


class ChannelRejectedError(NotifierError):
    """The provider refused for good; sending the same again doesn't help."""


class ChannelUnavailableError(NotifierError):
    """Nothing was delivered, and a later attempt may succeed.

    ``retry_after`` is the least seconds to wait, as the provider or the notifier says; None for no wish.
    """


class ChannelUncertainError(NotifierError):
    """The provider may have delivered, but its answer was lost."""
