"""Every error that Herald raises on purpose, in one tree, classified by what the caller should do.

::

    HeraldError
    ├── SubmissionError            tell the visitor; nothing was published
    ├── PublishError               nothing was accepted; the visitor may try again
    ├── SecretsError               a secret is missing or could not be read; its reader says what follows
    ├── StoreError                 the message table refused or could not be reached; Lambda tries again
    ├── RetryError                 a message could not be handed to ``destined``; the scheduled retry comes again
    ├── DeliveryIncompleteError    a channel still waits; Lambda tries again
    ├── EventFailedError           a test event asked to fail
    ├── CanaryError                a channel could not have delivered; Lambda tries again
    └── InvokeError                what a function of the Lambda Invoke API answers
        ├── InvalidRequestError    the caller's mistake: never again
        ├── NotFoundError          there is no such message
        ├── UnavailableError       nothing could be read: again, after a pause
        └── NotifierError          what only a notifier answers
            ├── ChannelRejectedError      the provider said no: never again
            ├── ChannelUnavailableError   nothing was delivered: again, after a pause
            └── ChannelUncertainError     the provider may have accepted: the channel's setting decides

No message here may hold anything that a visitor typed: messages reach logs and the bus.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass


class HeraldError(Exception):
    """Base of all errors raised on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a submission. Its words are those of ``texts/``, in the visitor's language.

    Where Formspree's client library has a code for it, ``code`` is that one, in capitals, so that the library
    understands it: https://github.com/formspree/formspree-js
    """

    code: str
    field: str
    limit: int = 0
    """The number that the words need, such as how many characters are allowed."""


class SubmissionError(HeraldError):
    """A submission that can't be accepted.

    Parameters
    ----------
    status:
        HTTP status to answer: 400, 403, 404, 413, 415, 422, or 500 and 503 for what is no mistake of the visitor.
    code:
        What happened, as a key of ``texts/``.
    problems:
        What is wrong, field by field.
    limit:
        The number that the words need.
    pairs:
        What could be read of the form all the same, so that nothing that was typed is lost.
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
    """The topic did not accept a message. ``reason`` is an error code or class name, fit for a log."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the topic did not accept the message: {reason}")
        self.reason = reason


class SecretsError(HeraldError):
    """A secret is missing in Parameter Store, or could not be read; the message names it."""


class StoreError(HeraldError):
    """The message table could not be read or written. ``reason`` is an error code, fit for a log."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the message table did not answer: {reason}")
        self.reason = reason


class RetryError(HeraldError):
    """Lambda did not take a message that is to be tried again. ``reason`` is an error code, fit for a log."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"destined was not run: {reason}")
        self.reason = reason


class DeliveryIncompleteError(HeraldError):
    """At least one channel still has to deliver; raised so that Lambda runs the message again."""


class EventFailedError(HeraldError):
    """A test event asked for a failure."""


class CanaryError(HeraldError):
    """A canary found a channel that could not have delivered; the message says which, in its notifier's words."""


class InvokeError(HeraldError):
    """An error of the Lambda Invoke API: part of its contract (docs/contracts), as a request is.

    Lambda hands a caller two strings, ``errorType`` and ``errorMessage``. ``errorType`` is the class name here;
    ``errorMessage`` is a JSON object with ``message`` for people and, where there is any, data for programs:
    ``key`` (what was wrong in the request) or ``retry_after`` (seconds).
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


class InvalidRequestError(InvokeError):
    """The request does not fit the contract; ``key`` names the part that doesn't."""


class NotFoundError(InvokeError):
    """There is no such message: it never came, is not stored yet, or was deleted."""


class UnavailableError(InvokeError):
    """Nothing could be read now, and a later attempt may succeed."""


class NotifierError(InvokeError):
    """An error of the delivery itself."""


class ChannelRejectedError(NotifierError):
    """The provider refused for good; sending the same again can't help."""


class ChannelUnavailableError(NotifierError):
    """Nothing was delivered, and a later attempt may succeed; ``retry_after`` is the provider's own wait."""


class ChannelUncertainError(NotifierError):
    """The provider may have delivered, but its answer was lost."""
