"""Reading messages by the Lambda Invoke API and by the function URL, as a program of the account does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.harness import Harness, marker


def delivered(herald: Harness, word: str, **fields: str) -> str:
    """The id of a message that has reached the phone."""
    message_id = herald.accepted(word, **fields)
    herald.line("on_success", message_id=message_id, action="delivered")
    return message_id


# By the Invoke API


def test_a_delivered_message_is_read_with_all_that_became_of_it(herald: Harness) -> None:
    word = marker()
    message_id = delivered(herald, word, name="Ada", topic="offer")
    found, error = herald.ask("get_message", {"version": 1, "id": message_id})
    assert error == ""
    assert (found["id"], found["site"], found["state"]) == (message_id, "default", "delivered")
    assert list(found["fields"].items()) == [("message", word), ("name", "Ada"), ("topic", "offer")]
    reference = herald.pushes(word)[0]["request"]
    channel = found["channels"]["pushover"]
    assert (channel["state"], channel["attempts"], channel["reference"]) == ("delivered", 1, reference)
    assert [(line["channel"], line["state"], line["reference"]) for line in found["history"]] == [
        ("pushover", "delivered", reference)
    ]
    assert found["received_at"] <= found["stored_at"] <= channel["since"] <= time.time() < found["expires_at"]
    assert (found["due_at"], found["duplicate_of"], found["held"]) == (None, None, None)
    assert herald.line("get_message", message="Message read", message_id=message_id)


@pytest.mark.parametrize(
    ("function", "request_", "error_type", "key"),
    [
        ("get_message", {"version": 1, "id": "alarm#"}, "NotFoundError", None),
        ("list_messages", {"version": 1, "site": "default", "limit": 51}, "InvalidRequestError", "limit"),
    ],
)
def test_an_error_of_the_contract_comes_with_its_class_and_key(
    herald: Harness, function: str, request_: object, error_type: str, key: str | None
) -> None:
    told, found = herald.ask(function, request_)
    assert (found, told.get("key")) == (error_type, key)
    assert told["message"]


# By HTTP


def signed(address: str, query: Mapping[str, str], environ: Mapping[str, str] | None) -> requests.Response:
    request = AWSRequest("GET", address, params=dict(query))
    if environ:
        keys = [environ[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
        SigV4Auth(Credentials(*keys), "lambda", environ["AWS_REGION"]).add_auth(request)
    return requests.get(address, params=query, headers=dict(request.headers), timeout=60)


def grants(herald: Harness, *actions: str) -> list[dict[str, Any]]:
    """What docs/invoke-api.md tells to give to a program that reads by the function URL."""
    arn = herald.account.where.arn("lambda", f"function:{herald.stage.function('get_message_url')}")
    return [{"Effect": "Allow", "Action": list(actions), "Resource": arn}]


def test_a_signed_request_reads_a_message_by_http(herald: Harness) -> None:
    message_id = delivered(herald, marker())
    address = herald.urls["get_message"]
    with herald.program(*grants(herald, "lambda:InvokeFunctionUrl", "lambda:InvokeFunction")) as program:
        answer = signed(address, {"version": "1", "id": message_id}, program)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
        assert answer.json() == herald.ask("get_message", {"version": 1, "id": message_id})[0]
        missing = signed(address, {"version": "1", "id": "no-such-message"}, program)
        assert (missing.status_code, missing.json()) == (404, {"error": "Not found."})
        for query in ({}, {"id": message_id}, {"version": "2", "id": message_id}, {"version": "1"}):
            wrong = signed(address, query, program)
            assert (wrong.status_code, wrong.json()) == (400, {"error": "Bad request."})


def test_who_does_not_sign_or_may_not_reads_nothing_by_http(herald: Harness) -> None:
    message_id = delivered(herald, marker())
    query = {"version": "1", "id": message_id}
    assert signed(herald.urls["get_message"], query, None).status_code == 403
    for actions in (["lambda:InvokeFunctionUrl"], ["lambda:InvokeFunction"]):
        with herald.program(*grants(herald, *actions)) as program:
            assert signed(herald.urls["get_message"], query, program).status_code == 403
