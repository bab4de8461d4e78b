"""The errors of a call of AWS. Adapters turn them into those of ``chalicelib.errors``.

::

    AwsError
    ├── ServiceError       the service refused
    ├── NotSentError       the request was not sent: no connection, no credentials
    └── UnansweredError    the request may have been carried out: no answer, or an unreadable one
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class AwsError(Exception):
    """A call that failed.

    ``reason`` is safe to log: an error code of AWS, or botocore's name for the failure. It never holds the service's
    message, which may quote the request and with it what a visitor typed.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ServiceError(AwsError):
    """The service refused.

    Parameters
    ----------
    code:
        One of the codes under "Errors" in AWS's documentation of the operation.
    status:
        The answer's HTTP status.
    message:
        The service's message. It may quote the request: never log it.
    fields:
        The error's other fields, such as ``Item`` of a failed condition.
    """

    def __init__(self, code: str, status: int, message: str = "", fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.message = message
        self.fields: Mapping[str, Any] = fields or {}


class NotSentError(AwsError):
    """The request was certainly not sent."""


class UnansweredError(AwsError):
    """Whether the request was carried out is not known."""
