"""Which calls are repeated: the same as in botocore's standard mode, as often, and after such pauses."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import pytest
from botocore import exceptions
from botocore.retries import standard
from botocore.session import Session

from chalicelib.adapters.aws import retries
from chalicelib.adapters.aws.errors import AwsError, NotSentError, ServiceError, UnansweredError
from chalicelib.adapters.aws.retries import Retries, is_retryable

OPERATIONS = {
    "sns": ["Publish"],
    "ssm": ["GetParameters"],
    "dynamodb": ["PutItem", "GetItem", "UpdateItem", "Query"],
    "lambda": ["Invoke"],
    "sesv2": ["SendEmail"],
}
LISTED = {*retries.TRANSIENT_CODES, *retries.THROTTLING_CODES, *retries.RETRYABLE_CODES}
CODES = sorted({*LISTED, "NotFound", "ConditionalCheckFailedException"})


def test_the_lists_and_numbers_are_botocores() -> None:
    """A release of botocore that changes one fails here."""
    theirs: Any = standard
    transient, throttled = theirs.TransientRetryableChecker, theirs.ThrottledRetryableChecker
    assert list(retries.TRANSIENT_STATUS) == transient._TRANSIENT_STATUS_CODES
    assert list(retries.TRANSIENT_CODES) == transient._TRANSIENT_ERROR_CODES
    assert list(retries.THROTTLING_CODES) == throttled._THROTTLED_ERROR_CODES
    quota = theirs.RetryQuotaChecker
    assert (quota._RETRY_COST, quota._TIMEOUT_RETRY_REQUEST) == (retries.COST, retries.COST_OF_TIMEOUT)
    assert tuple(one.__name__ for one in quota._TIMEOUT_EXCEPTIONS) == retries.TIMED_OUT
    assert theirs.quota.RetryQuota.INITIAL_CAPACITY == retries.QUOTA
    assert theirs.ExponentialBackoff._MAX_BACKOFF == retries.LONGEST_PAUSE
    assert not theirs.NEW_RETRIES_ENABLED, "botocore has another standard mode to come"


@pytest.mark.parametrize("service", OPERATIONS)
def test_every_error_that_a_model_calls_retryable_is(service: str) -> None:
    declared = {
        shape.name
        for operation in OPERATIONS[service]
        for shape in model(service).operation_model(operation).error_shapes
        if shape.metadata.get("retryable") is not None
    }
    assert declared <= {*retries.RETRYABLE_CODES, *retries.THROTTLING_CODES}


@cache
def model(service: str) -> Any:
    return Session().get_service_model(service)


def theirs(attempt: int, status: int, code: str) -> bool:
    class Response:
        status_code = status
        headers: dict[str, str] = {}  # noqa: RUF012

    operation = model("dynamodb").operation_model("UpdateItem")
    context = standard.RetryContext(attempt, operation, {"Error": {"Code": code}}, Response())
    return bool(standard.StandardRetryConditions(3).is_retryable(context))


@pytest.mark.parametrize("status", [301, 400, 403, 404, 413, 429, 500, 501, 502, 503, 504])
def test_a_refusal_is_repeated_where_botocore_repeats_it(status: int) -> None:
    for code in CODES:
        for attempt in (1, 2, 3):
            pause = Retries(3, lambda: 0.5).pause(attempt, ServiceError(code, status))
            assert (pause is not None) == theirs(attempt, status, code), (code, attempt)


@pytest.mark.parametrize("reason", retries.CONNECTION_FAILURES)
def test_a_failure_on_the_way_is_repeated_where_botocore_repeats_it(reason: str) -> None:
    assert is_retryable(UnansweredError(reason))
    assert is_retryable(NotSentError(reason))
    if reason != "ChecksumError":  # botocore has no exception for it.
        kind = getattr(exceptions, reason)
        assert issubclass(kind, (exceptions.ConnectionError, exceptions.HTTPClientError))


def test_an_answer_that_cant_be_understood_is_not_repeated() -> None:
    """botocore does not either: the call was carried out."""
    assert not is_retryable(UnansweredError("ResponseParserError"))
    assert not is_retryable(UnansweredError("ResponseTooLarge"))


def test_pauses_grow_up_to_their_limit_and_are_spread_by_chance() -> None:
    error = ServiceError("Throttling", 400)
    for chance in (0.0, 0.5, 0.999):
        same = partial(float, chance)
        backoff, it = standard.ExponentialBackoff(random=same), Retries(99, same)
        for attempt in range(1, 9):
            context: Any = standard.RetryContext(attempt)
            assert it.pause(attempt, error) == backoff.delay_amount(context)


def spent(it: Retries, error: AwsError) -> int:
    """How many retries there are before the quota is used up."""
    return next(number for number in range(1000) if it.pause(1, error) is None)


def test_a_client_stops_repeating_when_everything_fails_and_begins_again_with_success() -> None:
    refused, late = ServiceError("Throttling", 400), UnansweredError("ReadTimeoutError")
    assert spent(Retries(3), refused) == 100
    assert spent(Retries(3), late) == 50
    it = Retries(3)
    spent(it, refused)
    it.succeeded(None)
    assert it.pause(1, refused) is None, "one success earns a fifth of a retry"
    for _ in range(4):
        it.succeeded(None)
    assert it.pause(1, refused) is not None
    it.succeeded(refused)
    assert it.pause(1, refused) is not None, "a retry that helped costs nothing"


def test_with_one_attempt_nothing_is_repeated() -> None:
    assert Retries(1).pause(1, NotSentError("EndpointConnectionError")) is None
