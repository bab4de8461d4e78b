"""The client of Herald's functions, as a program of one's own uses it: with botocore, and nothing of Herald."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
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
from chalicelib.adapters.herald_client import CallError, FunctionError, Herald, NotRunError, UnknownOutcomeError
from chalicelib.functions import FUNCTIONS
from tests.contracts import validator
from tests.functional.conftest import Provider, Stubbed
from tests.functional.test_adapters import Broken, break_at, set_aws_environment

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:herald-dev-"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:herald-dev-messages"
MESSAGE = {"id": "id-1", "state": "delivered"}


@pytest.fixture
def raw(stubbed: Stubbed) -> Stubbed:
    """botocore's own clients, as a program outside of Herald has them."""

    def make(service: str) -> tuple[Any, Stubber]:
        client, stub = stubbed(service)
        return client._client, stub

    return make


class Program:
    """A program with the client, whose account answers as told."""

    def __init__(self, raw: Stubbed, **more: str) -> None:
        self.functions, self._lambda = raw("lambda")
        self.directory, self._ssm = raw("ssm")
        self.topic, self._sns = raw("sns")
        self.herald = Herald("dev", functions=self.functions, directory=self.directory, topic=self.topic, **more)

    def finds(self, name: str) -> None:
        self._finds(f"/herald/dev/functions/{name}", ARN + name)

    def finds_topic(self) -> None:
        self._finds("/herald/dev/resources/topic", TOPIC)

    def _finds(self, name: str, value: str) -> None:
        self._ssm.add_response("get_parameter", {"Parameter": {"Name": name, "Value": value}}, {"Name": name})

    def publishes(self, message_id: str) -> None:
        self._sns.add_response("publish", {"MessageId": message_id})

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
def program(raw: Stubbed) -> Program:
    return Program(raw)


@pytest.fixture
def reading(program: Program) -> Program:
    """A program that is about to read a message, whose function it finds."""
    program.finds("get_message")
    return program


def test_a_notification_is_sent_by_the_function_that_the_directory_names(program: Program) -> None:
    program.finds("notify_pushover")
    request = {"id": "id-1", "title": "Übung", "message": "m", "options": {"priority": 1}}
    answer = {"channel": "pushover", "status": "delivered", "reference": "ref", "new": 1}
    program.answers("notify_pushover", request, answer)
    told = program.herald.notify_now("pushover", id="id-1", title="Übung", message="m", options={"priority": 1})
    assert told == answer


def test_what_is_published_is_accepted_and_is_looked_up_by_the_id_that_comes_back(program: Program) -> None:
    published: list[dict[str, Any]] = []
    program.topic.meta.events.register(
        "provide-client-params.sns.Publish", lambda params, **_: published.append(params)
    )
    program.finds_topic()
    for number in range(2):
        program.publishes(f"sns-{number}")
    more = {"priority": "high", "link": "https://x", "channels": ["phone"]}
    assert program.herald.notify("Übung", "m", key="k", **more) == "sns-0"
    assert program.herald.notify("Without a key", "m") == "sns-1"
    whole, least = published
    assert whole["TopicArn"] == TOPIC
    attributes = {name: value["StringValue"] for name, value in whole["MessageAttributes"].items()}
    assert attributes == {"kind": "notification", "site": "notifications"}
    validator("notification", "request").validate(json.loads(whole["Message"]))
    assert json.loads(whole["Message"])["key"] == "k"
    assert len(json.loads(least["Message"])["key"]) == 36, "the client repeats by itself what may have been published"


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [("AuthorizationError", 403, NotRunError), ("InternalError", 500, UnknownOutcomeError)],
)
def test_what_sns_refused_was_not_published_and_after_its_own_error_it_may_have_been(
    program: Program, code: str, status: int, error: type[Exception]
) -> None:
    program.finds_topic()
    program._sns.add_client_error("publish", code, "MARKER", status)
    with pytest.raises(error, match=code) as caught:
        program.herald.notify("t", "m")
    assert "MARKER" not in str(caught.value)


def test_a_topic_that_the_directory_hides_is_named(program: Program) -> None:
    program.finds_nothing("AccessDeniedException")
    with pytest.raises(NotRunError, match=r"/herald/dev/resources/topic could not be read: AccessDenied"):
        program.herald.notify("t", "m")


def test_a_check_asks_the_same_function_and_rings_nobody(program: Program) -> None:
    program.finds("notify_pushover")
    request = {"id": "check", "title": "Check", "message": "Check", "check": True, "channel": "phone"}
    answer = {"channel": "phone", "checked": True, "quota": {"limit": 10, "remaining": 7, "reset": None}}
    program.answers("notify_pushover", request, answer)
    told = program.herald.check("pushover", channel="phone")
    assert told == answer


def test_a_function_is_looked_up_once(reading: Program) -> None:
    for message_id in ("id-1", "id-2"):
        reading.answers("get_message", {"id": message_id}, {"id": message_id})
        assert reading.herald.get_message(message_id) == {"id": message_id}


def test_a_resource_is_found_by_its_name_in_the_directory(program: Program) -> None:
    program.finds_topic()
    assert program.herald.resource("topic") == TOPIC
    program.finds_nothing()
    with pytest.raises(NotRunError, match="/herald/dev/resources/bus could not be read: ParameterNotFound"):
        program.herald.resource("bus")


def test_a_function_that_moved_is_looked_up_again_by_who_tries_again(program: Program) -> None:
    program.finds("get_message")
    program.refuses("ResourceNotFoundException", 404)
    with pytest.raises(NotRunError):
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


def test_the_correlation_id_goes_with_every_request_that_reads(raw: Stubbed) -> None:
    program = Program(raw, correlation_id="order-17")
    program.finds("get_message")
    program.answers("get_message", {"id": "id-1", "correlation_id": "order-17"}, MESSAGE)
    program.herald.get_message("id-1")
    program.finds("list_messages")
    request = {"site": "default", "correlation_id": "order-17"}
    program.answers("list_messages", request, {"messages": [], "cursor": None})
    program.herald.list_messages("default")


CLASSES = {cls.__name__: cls for cls in FunctionError.__subclasses__()}


def leaves(cls: type[errors.FunctionError]) -> list[type[errors.FunctionError]]:
    below = cls.__subclasses__()
    return [leaf for each in below for leaf in leaves(each)] if below else [cls]


def test_the_errors_of_the_contract_are_those_that_functions_raise() -> None:
    assert {cls.__name__ for cls in leaves(errors.FunctionError)} == set(CLASSES)


@pytest.mark.parametrize("there", leaves(errors.FunctionError), ids=lambda cls: cls.__name__)
@pytest.mark.parametrize(("key", "retry_after"), [("", None), ("id", None), ("", 0), ("é", 3600)])
def test_an_error_comes_back_as_it_was_raised(
    reading: Program, there: type[errors.FunctionError], key: str, retry_after: int | None
) -> None:
    raised = there("what “went” wrong", key=key, retry_after=retry_after)
    payload = {"errorType": there.__name__, "errorMessage": str(raised), "requestId": "r", "stackTrace": []}
    reading.answers("get_message", {"id": "id-1"}, payload, failed=True)
    with pytest.raises(FunctionError) as caught:
        reading.herald.get_message("id-1")
    assert type(caught.value) is CLASSES[there.__name__]
    assert (caught.value.message, caught.value.key, caught.value.retry_after) == ("what “went” wrong", key, retry_after)


WAITS = ['"soon"', "[5]", "NaN", "Infinity"]


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    "error_message",
    ["plain words", "[]", "{}", *(f'{{"message": "m", "retry_after": {wait}}}' for wait in WAITS)],
)
def test_an_error_message_of_another_shape_keeps_its_class(reading: Program, cls: str, error_message: str) -> None:
    payload = {"errorType": cls, "errorMessage": error_message}
    reading.answers("get_message", {"id": "id-1"}, payload, failed=True)
    with pytest.raises(CLASSES[cls]) as caught:
        reading.herald.get_message("id-1")
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
def test_what_is_not_of_the_contract_has_an_unknown_outcome(reading: Program, payload: bytes, failed: bool) -> None:
    reading.answers("get_message", {"id": "id-1"}, payload, failed=failed)
    with pytest.raises(UnknownOutcomeError) as caught:
        reading.herald.get_message("id-1")
    assert "MARKER" not in str(caught.value)


@pytest.mark.parametrize("code", ["AccessDeniedException", "TooManyRequestsException", "ResourceNotFoundException"])
def test_what_lambda_refused_has_not_run(reading: Program, code: str) -> None:
    reading.refuses(code)
    with pytest.raises(NotRunError) as caught:
        reading.herald.get_message("id-1")
    assert caught.value.reason == code
    assert "MARKER" not in str(caught.value)


def test_an_internal_error_of_lambda_may_have_run_the_function(reading: Program) -> None:
    reading.refuses("ServiceException", 500)
    with pytest.raises(UnknownOutcomeError, match="ServiceException"):
        reading.herald.get_message("id-1")


@pytest.mark.parametrize(
    ("error", "means"),
    [
        (EndpointConnectionError(endpoint_url="https://MARKER"), NotRunError),
        (ConnectTimeoutError(endpoint_url="https://MARKER"), NotRunError),
        (NoCredentialsError(), NotRunError),
        (ReadTimeoutError(endpoint_url="https://MARKER"), UnknownOutcomeError),
        (ConnectionClosedError(endpoint_url="https://MARKER"), UnknownOutcomeError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_a_call_that_never_left_has_not_run_and_one_without_an_answer_may_have(
    reading: Program, error: Exception, means: type[CallError]
) -> None:
    break_at(reading.functions, "lambda.Invoke", error)
    reading._lambda.deactivate()
    with pytest.raises(means) as caught:
        reading.herald.get_message("id-1")
    assert type(error).__name__ in str(caught.value)
    assert "MARKER" not in str(caught.value)


def test_an_answer_that_breaks_off_may_have_run(reading: Program) -> None:
    body = StreamingBody(cast("IO[bytes]", Broken()), 10)
    reading._lambda.add_response("invoke", {"StatusCode": 200, "Payload": body})
    with pytest.raises(UnknownOutcomeError):
        reading.herald.get_message("id-1")


@pytest.mark.parametrize("code", ["ParameterNotFound", "AccessDeniedException", "InternalServerError"])
def test_a_function_that_the_directory_lacks_or_hides_has_not_run(program: Program, code: str) -> None:
    program.finds_nothing(code)
    with pytest.raises(NotRunError) as caught:
        program.herald.get_message("id-1")
    assert caught.value.reason == code
    assert "/herald/dev/functions/get_message" in str(caught.value)
    assert "MARKER" not in str(caught.value)


def test_a_mistake_of_the_programs_own_is_not_disguised(reading: Program) -> None:
    with pytest.raises(TypeError):
        reading.herald.call("get_message", {"id": object()})


def test_no_call_is_repeated_when_the_connection_breaks(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore repeats such a call up to four times by default, and each may ring."""
    provider.fault = "hang up"
    set_aws_environment(monkeypatch, provider.url)
    with pytest.raises(UnknownOutcomeError):
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
    shutil.copy(root / "chalicelib/adapters/herald_client.py", tmp_path)
    command = [sys.executable, "-W", "error", "-c", COPIED]
    ran = subprocess.run(
        command, cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.splitlines() == ["[]", "[]"]
