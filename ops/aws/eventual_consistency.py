"""Repeat calls that AWS refuses soon after something was made: it throttles, and what is new is not known everywhere.

Each call may be repeated: it changes nothing where it fails like this.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from botocore.session import Session

ATTEMPTS = 11
"""Of a call that AWS throttles. The pauses between them, each up to twice as long as the one before and at most 20 s,
add up to about a minute: DeleteRestApi is taken once in 30 s.
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""

_NEW = {
    "iam.PutRolePolicy": "NoSuchEntity",
    "iam.PutRolePermissionsBoundary": "NoSuchEntity",
    "lambda.AddPermission": "ResourceNotFoundException",
    "lambda.PutFunctionConcurrency": "ResourceNotFoundException",
    "api-gateway.PutRestApi": "NotFoundException",
    "sns.SetSubscriptionAttributes": "NotFound",
}
"""Calls that are made for something that exists, and the error of a server of AWS that hasn't heard of it:
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html (eventual consistency)"""
_PAUSE, _TRIES = 2, 8
"""Seconds between two looks for something new, and how many."""

Found = TypeVar("Found")


def repeat_for_what_is_new(session: Session) -> Session:
    """Let the clients of a session repeat calls for something new; returns the session."""
    for call, code in _NEW.items():

        def pause(
            response: tuple[Any, dict[str, Any]] | None, attempts: int, code: str = code, **_: object
        ) -> int | None:
            if response and response[1].get("Error", {}).get("Code") == code and attempts < _TRIES:
                return _PAUSE
            return None  # The SDK decides.

        session.register(f"needs-retry.{call}", pause)  # type: ignore[arg-type]  # what it returns is used
    session.register("needs-retry.api-gateway.CreateRestApi", _never_twice)  # type: ignore[arg-type]
    return session


def _never_twice(caught_exception: Exception | None, **_: object) -> None:
    """Don't let the SDK repeat a creation: APIs have no name of their own, so a second call may make a second one."""
    if caught_exception:
        raise caught_exception


def until_found(look: Callable[[], Found | None], sleep: Callable[[float], None] = time.sleep) -> Found | None:
    """What ``look`` finds, after some seconds if not at once; None where it finds nothing."""
    for attempt in range(_TRIES):
        if attempt:
            sleep(_PAUSE)
        if found := look():
            return found
    return None
