"""Decide which failed calls are retried, how often and after which pause: the standard mode of AWS's SDKs.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html; the lists and numbers are botocore's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import random

from chalicelib.adapters.aws.errors import AwsError, ServiceError

TRANSIENT_STATUS = (500, 502, 503, 504)
TRANSIENT_CODES = ("RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete")
THROTTLING_CODES = (
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
)
RETRYABLE_CODES = ("ReplicatedWriteConflictException",)
"""Errors that the services' models declare retryable."""
TIMED_OUT = ("ConnectTimeoutError", "ReadTimeoutError")
CONNECTION_FAILURES = (*TIMED_OUT, "ConnectionClosedError", "EndpointConnectionError", "SSLError", "ChecksumError")
LONGEST_PAUSE = 20.0
"""Seconds."""
QUOTA = 500
"""The retry quota of a client. Retries cost some of it and successes return it, so that retries can't flood AWS."""
COST, COST_OF_TIMEOUT = 5, 10


class Retries:
    """Decides for one client, whose calls may come from several threads."""

    def __init__(self, attempts: int, chance: Callable[[], float] = random) -> None:
        self._attempts = attempts
        self._chance = chance
        self._quota = QUOTA
        self._lock = threading.Lock()

    def pause(self, attempt: int, error: AwsError) -> float | None:
        """Return the seconds to wait after the failed ``attempt`` (from 1), or None where no other follows."""
        if attempt >= self._attempts or not is_retryable(error):
            return None
        cost = cost_of(error)
        with self._lock:
            if cost > self._quota:
                return None
            self._quota -= cost
        return self._chance() * min(2.0 ** (attempt - 1), LONGEST_PAUSE)

    def header(self, attempt: int) -> str:
        """Return the value of ``amz-sdk-request``, by which SDKs tell a service the attempt."""
        return f"attempt={attempt}; max={self._attempts}"

    def succeeded(self, last: AwsError | None) -> None:
        """Return to the quota what the last retry of a successful call cost, or 1 for a call without a retry."""
        if self._quota < QUOTA:
            with self._lock:
                self._quota = min(QUOTA, self._quota + (cost_of(last) if last else 1))


def is_retryable(error: AwsError) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, ServiceError):
        return error.status in TRANSIENT_STATUS or error.code in (*TRANSIENT_CODES, *THROTTLING_CODES, *RETRYABLE_CODES)
    return error.reason in CONNECTION_FAILURES


def cost_of(error: AwsError) -> int:
    """Return what a retry costs."""
    return COST_OF_TIMEOUT if error.reason in TIMED_OUT else COST
