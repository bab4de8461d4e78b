"""What AWS does soon after something was made is waited out, as far as a call may be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse, HTTPHeaders
from botocore.exceptions import ConnectionClosedError
from botocore.session import Session
from botocore.stub import Stubber

from ops.aws import eventual_consistency, rest_api
from ops.errors import OpsError

TAGS = {"app": "herald", "stage": "dev"}
MADE = {"id": "abc123", "name": "herald", "tags": TAGS}


def client(service: str) -> Any:
    repeating = eventual_consistency.repeat_for_what_is_new(Session())
    return boto3.Session("key", "secret", None, "eu-central-1", repeating).client(service)  # type: ignore[call-overload]


def pauses(service: str, operation: str, code: str, attempts: int) -> list[object]:
    """What the handlers of a client say to an error: seconds to wait, or nothing."""
    made = client(service)
    error = {"Error": {"Code": code}, "ResponseMetadata": {}}
    answers = made.meta.events.emit(
        f"needs-retry.{made.meta.service_model.service_id.hyphenize()}.{operation}",
        response=(AWSResponse("https://example.com", 404, HTTPHeaders(), None), error),
        **{"attempts": attempts, "caught_exception": None, "endpoint": None, "request_dict": {"context": {}}},
        operation=made.meta.service_model.operation_model(operation),
    )
    return [answer for _, answer in answers if answer is not None]


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("iam", "PutRolePolicy", "NoSuchEntity"),
        ("lambda", "AddPermission", "ResourceNotFoundException"),
        ("apigateway", "PutRestApi", "NotFoundException"),
        ("sns", "SetSubscriptionAttributes", "NotFound"),
    ],
)
def test_a_call_for_something_new_is_repeated_for_some_seconds(service: str, operation: str, code: str) -> None:
    assert pauses(service, operation, code, 1) == [2]
    assert pauses(service, operation, code, 8) == []
    assert pauses(service, operation, "AccessDenied", 1) == []


def test_a_look_that_may_rightly_find_nothing_is_not_repeated() -> None:
    assert pauses("iam", "GetRole", "NoSuchEntity", 1) == []


def test_something_new_is_looked_for_again_and_not_for_ever() -> None:
    slept: list[float] = []
    finds: Iterator[str | None] = iter([None, None, "it"])
    assert eventual_consistency.until_found(lambda: next(finds), slept.append) == "it"
    assert slept == [2, 2]
    assert eventual_consistency.until_found(lambda: None, slept.append) is None
    assert len(slept) < 12


def test_an_api_whose_creation_was_not_answered_is_found_instead_of_made_twice() -> None:
    apis = client("apigateway")
    sent: list[str] = []

    def lose(request: Any, **_: object) -> None:
        sent.append(request.method)
        raise ConnectionClosedError(endpoint_url=request.url)

    apis.meta.events.register("before-send.api-gateway.CreateRestApi", lose)
    with pytest.raises(ConnectionClosedError):
        apis.create_rest_api(name="herald")
    assert sent == ["POST"]
    with Stubber(apis) as stub:
        stub.add_client_error("create_rest_api", "TooManyRequestsException")
        with pytest.raises(apis.exceptions.TooManyRequestsException):
            rest_api.create(apis, TAGS)


def test_several_apis_of_one_stage_are_named() -> None:
    apis = client("apigateway")
    with Stubber(apis) as stub:
        stub.add_response("get_rest_apis", {"items": [MADE, {**MADE, "id": "def456"}]})
        with pytest.raises(OpsError, match="abc123, def456"):
            rest_api.of_stage(apis, TAGS)
