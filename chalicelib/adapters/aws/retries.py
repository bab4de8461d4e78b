"""Which failed calls are repeated, how often and after which pause: the standard mode of AWS's SDKs.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html; the lists and numbers are botocore's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import random

from chalicelib.adapters.aws.errors import AwsError, ServiceError

TRANSIENT_STATUS = (500, 502, 503, 504)
TRANSIENT = ("RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete")
THROTTLED = (
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
DECLARED = ("ReplicatedWriteConflictException",)
"""Errors that the services' own models call retryable."""
TIMED_OUT = ("ConnectTimeoutError", "ReadTimeoutError")
ON_THE_WAY = (*TIMED_OUT, "ConnectionClosedError", "EndpointConnectionError", "SSLError", "ChecksumError")
LONGEST_PAUSE = 20.0
"""Seconds."""
QUOTA = 500
"""What a client may spend on retries before successes earn it back, so that many can't make a bad hour worse."""
COST, COST_OF_TIMEOUT = 5, 10


class Retries:
    """Decides for one client, whose calls may come from several threads."""

    def __init__(self, attempts: int, chance: Callable[[], float] = random) -> None:
        self._attempts = attempts
        self._chance = chance
        self._quota = QUOTA
        self._lock = threading.Lock()

    def pause(self, attempt: int, error: AwsError) -> float | None:
        """Seconds to wait before the next attempt; None where there is none. ``attempt`` is the one that failed."""
        if attempt >= self._attempts or not worth_another(error):
            return None
        cost = cost_of(error)
        with self._lock:
            if cost > self._quota:
                return None
            self._quota -= cost
        return self._chance() * min(2.0 ** (attempt - 1), LONGEST_PAUSE)

    def told(self, attempt: int) -> str:
        """Which attempt it is, as SDKs tell a service."""
        return f"attempt={attempt}; max={self._attempts}"

    def succeeded(self, last: AwsError | None) -> None:
        """Give back what the last retry of a call cost that has succeeded now, or a little for a call without one."""
        if self._quota < QUOTA:
            with self._lock:
                self._quota = min(QUOTA, self._quota + (cost_of(last) if last else 1))


def worth_another(error: AwsError) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, ServiceError):
        return error.status in TRANSIENT_STATUS or error.code in (*TRANSIENT, *THROTTLED, *DECLARED)
    return error.reason in ON_THE_WAY


def cost_of(error: AwsError) -> int:
    """What a retry takes from the quota."""
    return COST_OF_TIMEOUT if error.reason in TIMED_OUT else COST
