"""The client of Herald's functions, as a program of one's own uses it: with botocore, and nothing of Herald."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.response import StreamingBody
from botocore.stub import Stubber

from chalicelib import errors
from chalicelib.adapters import herald_client
from chalicelib.adapters.herald_client import Herald
from chalicelib.functions import FUNCTIONS
from tests.contracts import validator
from tests.functional.conftest import Provider
from tests.functional.test_adapters import Broken, break_at

Stub = Callable[[str], tuple[Any, Stubber]]
ARN = "arn:aws:lambda:eu-central-1:123456789012:function:herald-dev-"
MESSAGE = {"id": "id-1", "state": "delivered"}


@pytest.fixture
def raw(stubbed: Stub) -> Stub:
    """botocore's own clients, as a program outside of Herald has them."""

    def make(service: str) -> tuple[Any, Stubber]:
        client, stub = stubbed(service)
        return client._client, stub

    return make


class Program:
    """A program with the client, whose account answers as told."""

    def __init__(self, raw: Stub, **more: str) -> None:
        self.functions, self._lambda = raw("lambda")
        self.directory, self._ssm = raw("ssm")
        self.topic, self._sns = raw("sns")
        self.herald = Herald("dev", functions=self.functions, directory=self.directory, topic=self.topic, **more)

    def finds(self, name: str) -> None:
        parameter = f"/herald/dev/functions/{name}"
        self._ssm.add_response(
            "get_parameter", {"Parameter": {"Name": parameter, "Value": ARN + name}}, {"Name": parameter}
        )

    def finds_resource(self, name: str, value: str) -> None:
        parameter = f"/herald/dev/resources/{name}"
        self._ssm.add_response("get_parameter", {"Parameter": {"Name": parameter, "Value": value}}, {"Name": parameter})

    def publishes(self, answer: dict[str, str]) -> None:
        self._sns.add_response("publish", answer)

    def finds_nothing(self, code: str = "ParameterNotFound") -> None:
        self._ssm.add_client_error("get_parameter", code, "MARKER")

    def answers(self, name: str, request: dict[str, Any], answer: object, *, failed: bool = False) -> None:
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        body = {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(payload), len(payload))}
        expected = json.dumps({"version": 1, **request}, ensure_ascii=False).encode()
        self._lambda.add_response(
            "invoke",
            body | ({"FunctionError": "Unhandled"} if failed else {}),
            {"FunctionName": ARN + name, "Payload": expected},
        )

    def refuses(self, code: str, status: int = 400) -> None:
        self._lambda.add_client_error("invoke", code, "MARKER", status)


@pytest.fixture
def program(raw: Stub) -> Program:
    return Program(raw)


def test_a_notification_is_sent_by_the_function_that_the_directory_names(program: Program) -> None:
    program.finds("notify_pushover")
    request = {"id": "id-1", "title": "Übung", "message": "m", "options": {"priority": 1}}
    answer = {"channel": "pushover", "status": "delivered", "reference": "ref", "new": 1}
    program.answers("notify_pushover", request, answer)
    told = program.herald.notify_now("pushover", id="id-1", title="Übung", message="m", options={"priority": 1})
    assert told == answer


TOPIC = "arn:aws:sns:eu-central-1:123456789012:herald-dev-messages"


def test_what_is_published_is_accepted_and_is_looked_up_by_the_id_that_comes_back(program: Program) -> None:
    published: list[dict[str, Any]] = []
    program.topic.meta.events.register(
        "provide-client-params.sns.Publish", lambda params, **_: published.append(params)
    )
    program.finds_resource("topic", TOPIC)
    for number in range(2):
        program.publishes({"MessageId": f"sns-{number}"})
    assert (
        program.herald.notify("Übung", "m", key="k", priority="high", link="https://x", channels=["phone"]) == "sns-0"
    )
    assert program.herald.notify("Without a key", "m") == "sns-1"
    whole, least = published
    assert whole["TopicArn"] == TOPIC
    assert {name: value["StringValue"] for name, value in whole["MessageAttributes"].items()} == {
        "kind": "notification",
        "site": "notifications",
    }
    validator("notification", "request").validate(json.loads(whole["Message"]))
    assert json.loads(whole["Message"])["key"] == "k"
    assert len(json.loads(least["Message"])["key"]) == 36, "the client repeats by itself what may have been published"


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [("AuthorizationError", 403, herald_client.NotRunError), ("InternalError", 500, herald_client.UnknownOutcomeError)],
)
def test_what_sns_refused_was_not_published_and_after_its_own_error_it_may_have_been(
    program: Program, code: str, status: int, error: type[Exception]
) -> None:
    program.finds_resource("topic", TOPIC)
    program._sns.add_client_error("publish", code, "MARKER", status)
    with pytest.raises(error, match=code) as caught:
        program.herald.notify("t", "m")
    assert "MARKER" not in str(caught.value)


def test_a_topic_that_the_directory_hides_is_named(program: Program) -> None:
    program.finds_nothing("AccessDeniedException")
    with pytest.raises(herald_client.NotRunError, match=r"/herald/dev/resources/topic could not be read: AccessDenied"):
        program.herald.notify("t", "m")


def test_a_check_asks_the_same_function_and_rings_nobody(program: Program) -> None:
    program.finds("notify_pushover")
    request = {"id": "check", "title": "Check", "message": "Check", "check": True, "channel": "phone"}
    answer = {"channel": "phone", "checked": True, "quota": {"limit": 10, "remaining": 7, "reset": None}}
    program.answers("notify_pushover", request, answer)
    told = program.herald.check("pushover", channel="phone")
    assert told == answer


def test_a_function_is_looked_up_once(program: Program) -> None:
    program.finds("get_message")
    for message_id in ("id-1", "id-2"):
        program.answers("get_message", {"id": message_id}, {"id": message_id})
        assert program.herald.get_message(message_id) == {"id": message_id}


def test_a_resource_is_found_by_its_name_in_the_directory(program: Program) -> None:
    program.finds_resource("topic", "arn:aws:sns:eu-central-1:123456789012:herald-dev-messages")
    assert program.herald.resource("topic").endswith(":herald-dev-messages")
    program.finds_nothing()
    with pytest.raises(
        herald_client.NotRunError, match="/herald/dev/resources/bus could not be read: ParameterNotFound"
    ):
        program.herald.resource("bus")


def test_a_function_that_moved_is_looked_up_again_by_who_tries_again(program: Program) -> None:
    program.finds("get_message")
    program.refuses("ResourceNotFoundException", 404)
    with pytest.raises(herald_client.NotRunError):
        program.herald.get_message("id-1")
    program.finds("get_message")
    program.answers("get_message", {"id": "id-1"}, MESSAGE)
    assert program.herald.get_message("id-1") == MESSAGE


def test_messages_are_read_page_by_page(program: Program) -> None:
    program.finds("list_messages")
    more = {"state": "waiting", "limit": 2}
    first = {"messages": [{"id": "1"}, {"id": "2"}], "cursor": "next"}
    program.answers("list_messages", {"site": "default", **more}, first)
    assert program.herald.list_messages("default", **more) == first
    for cursor, page in (
        ({}, first),
        ({"cursor": "next"}, {"messages": [], "cursor": "last"}),
        ({"cursor": "last"}, {"messages": [{"id": "3"}], "cursor": None}),
    ):
        program.answers("list_messages", {"site": "default", **more, **cursor}, page)
    assert [message["id"] for message in program.herald.messages("default", **more)] == ["1", "2", "3"]


def test_the_correlation_id_goes_with_every_request_that_reads(raw: Stub) -> None:
    program = Program(raw, correlation_id="order-17")
    program.finds("get_message")
    program.answers("get_message", {"id": "id-1", "correlation_id": "order-17"}, MESSAGE)
    program.herald.get_message("id-1")
    program.finds("list_messages")
    program.answers(
        "list_messages", {"site": "default", "correlation_id": "order-17"}, {"messages": [], "cursor": None}
    )
    program.herald.list_messages("default")


CLASSES = {cls.__name__: cls for cls in herald_client.FunctionError.__subclasses__()}


def leaves(cls: type[errors.FunctionError]) -> list[type[errors.FunctionError]]:
    below = cls.__subclasses__()
    return [leaf for each in below for leaf in leaves(each)] if below else [cls]


def test_the_errors_of_the_contract_are_those_that_functions_raise() -> None:
    assert {cls.__name__ for cls in leaves(errors.FunctionError)} == set(CLASSES)


@pytest.mark.parametrize("there", leaves(errors.FunctionError), ids=lambda cls: cls.__name__)
@pytest.mark.parametrize(("key", "retry_after"), [("", None), ("id", None), ("", 0), ("é", 3600)])
def test_an_error_comes_back_as_it_was_raised(
    program: Program, there: type[errors.FunctionError], key: str, retry_after: int | None
) -> None:
    raised = there("what “went” wrong", key=key, retry_after=retry_after)
    program.finds("get_message")
    payload = {"errorType": there.__name__, "errorMessage": str(raised), "requestId": "r", "stackTrace": []}
    program.answers("get_message", {"id": "id-1"}, payload, failed=True)
    with pytest.raises(herald_client.FunctionError) as caught:
        program.herald.get_message("id-1")
    assert type(caught.value) is CLASSES[there.__name__]
    assert (caught.value.message, caught.value.key, caught.value.retry_after) == ("what “went” wrong", key, retry_after)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    "error_message",
    [
        "",
        "plain words",
        "{",
        "[]",
        "null",
        "7",
        "{}",
        '{"retry_after": 5}',
        '{"message": "m", "retry_after": "soon"}',
        '{"message": "m", "retry_after": [5]}',
        '{"message": "m", "retry_after": NaN}',
        '{"message": "m", "retry_after": Infinity}',
        '{"message": "m", "retry_after": 1e999}',
    ],
)
def test_an_error_message_of_another_shape_keeps_its_class(program: Program, cls: str, error_message: str) -> None:
    program.finds("get_message")
    payload = {"errorType": cls, "errorMessage": error_message}
    program.answers("get_message", {"id": "id-1"}, payload, failed=True)
    with pytest.raises(CLASSES[cls]) as caught:
        program.herald.get_message("id-1")
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("payload", "failed"),
    [
        (b'{"errorType": "Sandbox.Timedout", "errorMessage": "MARKER"}', True),
        (b'{"errorType": "KeyError", "errorMessage": "MARKER"}', True),
        (b'{"errorType": "FunctionError", "errorMessage": "MARKER"}', True),
        (b'{"errorType": null, "errorMessage": null}', True),
        (b"[]", True),
        (b"", True),
        (b"", False),
        (b"null", False),
        (b"[]", False),
        (b'"MARKER"', False),
        (b"\xffMARKER", False),
    ],
)
def test_what_is_not_of_the_contract_has_an_unknown_outcome(program: Program, payload: bytes, failed: bool) -> None:
    program.finds("get_message")
    program.answers("get_message", {"id": "id-1"}, payload, failed=failed)
    with pytest.raises(herald_client.UnknownOutcomeError) as caught:
        program.herald.get_message("id-1")
    assert "MARKER" not in str(caught.value)


@pytest.mark.parametrize("code", ["AccessDeniedException", "TooManyRequestsException", "ResourceNotFoundException"])
def test_what_lambda_refused_has_not_run(program: Program, code: str) -> None:
    program.finds("get_message")
    program.refuses(code)
    with pytest.raises(herald_client.NotRunError) as caught:
        program.herald.get_message("id-1")
    assert caught.value.reason == code
    assert "MARKER" not in str(caught.value)


def test_an_internal_error_of_lambda_may_have_run_the_function(program: Program) -> None:
    program.finds("get_message")
    program.refuses("ServiceException", 500)
    with pytest.raises(herald_client.UnknownOutcomeError, match="ServiceException"):
        program.herald.get_message("id-1")


@pytest.mark.parametrize(
    ("error", "means"),
    [
        (EndpointConnectionError(endpoint_url="https://MARKER"), herald_client.NotRunError),
        (ConnectTimeoutError(endpoint_url="https://MARKER"), herald_client.NotRunError),
        (NoCredentialsError(), herald_client.NotRunError),
        (ReadTimeoutError(endpoint_url="https://MARKER"), herald_client.UnknownOutcomeError),
        (ConnectionClosedError(endpoint_url="https://MARKER"), herald_client.UnknownOutcomeError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_a_call_that_never_left_has_not_run_and_one_without_an_answer_may_have(
    program: Program, error: Exception, means: type[herald_client.CallError]
) -> None:
    program.finds("get_message")
    break_at(program.functions, "lambda.Invoke", error)
    program._lambda.deactivate()
    with pytest.raises(means) as caught:
        program.herald.get_message("id-1")
    assert type(error).__name__ in str(caught.value)
    assert "MARKER" not in str(caught.value)


def test_an_answer_that_breaks_off_may_have_run(program: Program) -> None:
    program.finds("get_message")
    body = StreamingBody(cast("IO[bytes]", Broken()), 10)
    program._lambda.add_response("invoke", {"StatusCode": 200, "Payload": body})
    with pytest.raises(herald_client.UnknownOutcomeError):
        program.herald.get_message("id-1")


@pytest.mark.parametrize("code", ["ParameterNotFound", "AccessDeniedException", "InternalServerError"])
def test_a_function_that_the_directory_lacks_or_hides_has_not_run(program: Program, code: str) -> None:
    program.finds_nothing(code)
    with pytest.raises(herald_client.NotRunError) as caught:
        program.herald.get_message("id-1")
    assert caught.value.reason == code
    assert "/herald/dev/functions/get_message" in str(caught.value)
    assert "MARKER" not in str(caught.value)


def test_a_mistake_of_the_programs_own_is_not_disguised(program: Program) -> None:
    program.finds("get_message")
    with pytest.raises(TypeError):
        program.herald.call("get_message", {"id": object()})


def test_no_call_is_repeated_when_the_connection_breaks(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore repeats such a call up to four times by default, and each may ring."""
    provider.fault = "hang up"
    for name, value in {
        "AWS_ENDPOINT_URL_LAMBDA": provider.url,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(herald_client.UnknownOutcomeError):
        herald_client.call(herald_client._client("lambda", 5, attempts=1), "herald-dev-get_message", {"version": 1})
    assert len(provider.paths) == 1


def test_the_client_waits_longer_than_any_function_may_run() -> None:
    assert max(spec.timeout for spec in FUNCTIONS if spec.trigger.kind == "invoke") < herald_client.READ_TIMEOUT


COPIED = """
import sys
import herald_client
print(sorted(name.partition(".")[0] for name in sys.modules if name.startswith(("boto", "chalice", "urllib3"))))
herald_client.Herald("dev")
print(sorted(name.partition(".")[0] for name in sys.modules if name.startswith(("boto", "chalice", "urllib3"))))
"""


def test_the_file_can_be_copied_and_loads_nothing_until_it_is_used(root: Path, tmp_path: Path) -> None:
    (tmp_path / "herald_client.py").write_text(
        (root / "chalicelib/adapters/herald_client.py").read_text(encoding="utf-8")
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", COPIED],
        cwd=tmp_path,
        env={"PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout.splitlines() == ["[]", "[]"]
