"""How a call of AWS fails, by what is known afterwards. Adapters turn these into the errors of ``chalicelib.errors``.

::

    AwsError
    ├── ServiceError       the service answered, and said no
    ├── NotSentError       the service has seen nothing: no connection, no credentials
    └── UnansweredError    the request may have been carried out; no answer, or none that can be understood
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class AwsError(Exception):
    """A call that did not succeed.

    ``reason`` is a word that is fit for a log: an error code of AWS, or the name that botocore has for such a failure.
    The error's own text may quote the request, and with it what a visitor wrote, so it is never part of this one's.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ServiceError(AwsError):
    """The service refused.

    Parameters
    ----------
    code:
        What AWS's documentation of the operation lists under "Errors".
    status:
        The answer's HTTP status.
    message:
        The service's own words. They may quote the request: never log them.
    fields:
        What else the error holds, such as ``Item`` of a failed condition.
    """

    def __init__(self, code: str, status: int, message: str = "", fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.message = message
        self.fields: Mapping[str, Any] = fields or {}


class NotSentError(AwsError):
    """It is certain that the service has seen nothing."""


class UnansweredError(AwsError):
    """What became of the call is not known."""
