"""``get_message``, ``list_messages`` and ``get_message_url``: what programs of the account get to read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chalice.test import Client

from chalicelib.composition import override_container
from chalicelib.errors import FunctionError, InvalidRequestError, NotFoundError, UnavailableError
from chalicelib.logic.delivery_types import Delivery, State
from chalicelib.logic.invoke_contract import MAX_ID
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.spam import NOTHING_FOUND
from chalicelib.logic.stored_messages import (
    LATEST,
    MAX_PAGE,
    Archive,
    ListedMessage,
    Outcome,
    Position,
    StoredMessage,
    Wanted,
)
from chalicelib.settings import Stage
from tests.conftest import Log
from tests.contracts import error_fits, fits
from tests.fakes import NOW, FakeContainer, InMemoryArchive, UnreachableArchive

STORED = StoredMessage(
    ListedMessage(
        "id-1",
        "default",
        NOW,
        MessageState.DELIVERED,
        {"pushover": Delivery(State.DELIVERED, 1, "run", 0, 0, "ref", "", NOW + 2)},
        NOTHING_FOUND,
    ),
    {"name": "MARKER Ünïcode", "message": "MARKER"},
    NOW + 1,
    NOW + 99,
    0,
    (Outcome("pushover", State.DELIVERED, 1, NOW + 2, "", "ref"),),
)
CURSOR = Position(NOW, "id-1").as_cursor()
GET = {"version": 1, "id": "id-1"}
LIST = {"version": 1, "site": "default"}


@pytest.fixture
def archive() -> InMemoryArchive:
    return InMemoryArchive(STORED)


class Functions:
    """The functions, invoked with an archive."""

    def __init__(self, client: Client, stage: Stage, archive: Archive) -> None:
        self._client = client
        self._composition = FakeContainer(stage, archive=archive)

    def invoke(self, function: str, request: object) -> Any:
        with override_container(self._composition):
            answer = self._client.lambda_.invoke(function, request).payload
        if function != "get_message_url":
            fits(function, "answer", answer)
        return answer

    def fails(self, function: str, request: object, means: type[FunctionError]) -> FunctionError:
        with pytest.raises(FunctionError) as caught:
            self.invoke(function, request)
        assert type(caught.value) is means
        error_fits(function, means.__name__, str(caught.value))
        return caught.value


@pytest.fixture
def functions(client: Client, local: Stage, archive: InMemoryArchive) -> Functions:
    return Functions(client, local, archive)


@pytest.fixture
def unreachable(client: Client, local: Stage) -> Functions:
    return Functions(client, local, UnreachableArchive())


def test_a_message_is_answered_whole(functions: Functions, log: Log) -> None:
    assert functions.invoke("get_message", GET) == STORED.as_json()
    line = log.line("Message read")
    assert (line["message_id"], line["correlation_id"]) == ("id-1", "id-1")
    assert "MARKER" not in log.text


def test_a_page_is_answered_with_where_to_go_on(functions: Functions, archive: InMemoryArchive, log: Log) -> None:
    assert functions.invoke("list_messages", LIST) == {"messages": [STORED.listed.as_json()], "cursor": CURSOR}
    assert archive.asked == [Wanted("default", None, 0, LATEST, MAX_PAGE, None)]
    line = log.line("Messages listed")
    assert (line["site"], line["messages"]) == ("default", 1)
    assert line["correlation_id"] == line["function_request_id"]


def test_a_page_is_asked_for_with_all_that_a_request_may_hold(functions: Functions, archive: InMemoryArchive) -> None:
    more = {"state": "waiting", "since": NOW, "until": NOW + 9, "limit": 2.0, "cursor": CURSOR, "correlation_id": "c"}
    functions.invoke("list_messages", LIST | more)
    assert archive.asked == [Wanted("default", MessageState.WAITING, NOW, NOW + 9, 2, Position(NOW, "id-1"))]


def test_the_first_second_of_all_can_be_asked_for(functions: Functions, archive: InMemoryArchive) -> None:
    functions.invoke("list_messages", LIST | {"since": 0, "until": 1})
    assert archive.asked == [Wanted("default", since=0, until=1)]


@pytest.mark.parametrize(("function", "request_"), [("get_message", GET), ("list_messages", LIST)])
def test_the_callers_correlation_id_is_that_of_the_log(
    functions: Functions, log: Log, function: str, request_: dict[str, object]
) -> None:
    functions.invoke(function, request_ | {"correlation_id": "from-the-caller"})
    assert [line["correlation_id"] for line in log.lines] == ["from-the-caller"]


def test_a_message_that_is_not_there_is_an_error_of_the_contract(functions: Functions) -> None:
    error = functions.fails("get_message", GET | {"id": "id-2"}, NotFoundError)
    assert json.loads(str(error)) == {"message": "there is no message of this id"}


@pytest.mark.parametrize(("function", "request_"), [("get_message", GET), ("list_messages", LIST)])
def test_a_table_that_does_not_answer_is_an_error_of_the_contract(
    unreachable: Functions, function: str, request_: dict[str, object]
) -> None:
    error = unreachable.fails(function, request_, UnavailableError)
    assert "ProvisionedThroughputExceededException" in error.message


WRONG: list[tuple[str, object, str]] = [
    ("get_message", [], "request"),
    ("list_messages", "x", "request"),
    *(
        (function, {**request, "version": version}, "version")
        for function, request in (("get_message", GET), ("list_messages", LIST))
        for version in (0, 2, "1", None, True, 1.5, [1])
    ),
    ("get_message", {"id": "id-1"}, "version"),
    ("get_message", {"version": 1}, "id"),
    ("list_messages", {"version": 1}, "site"),
    *(("get_message", GET | {"id": wrong}, "id") for wrong in ("", " ", 7, None, "x" * (MAX_ID + 1))),
    *(("list_messages", LIST | {"site": wrong}, "site") for wrong in ("", "\t", 7, None, ["default"], "x" * 129)),
    *(("list_messages", LIST | {"state": wrong}, "state") for wrong in ("", "accepted", "Waiting", 1, None)),
    *(
        ("list_messages", LIST | {key: wrong}, key)
        for key in ("since", "until")
        for wrong in (-1, 1.5, "1", True, None, LATEST + 1)
    ),
    *(("list_messages", LIST | {"limit": wrong}, "limit") for wrong in (0, 51, -1, 1.5, "5", True, None)),
    *(("list_messages", LIST | {"cursor": wrong}, "cursor") for wrong in ("", "x", 7, None, "x" * 2000)),
    ("list_messages", LIST | {"since": NOW, "until": NOW}, "until"),
    ("list_messages", LIST | {"since": NOW + 1, "cursor": CURSOR}, "cursor"),
    *(
        (function, request | {"correlation_id": wrong}, "correlation_id")
        for function, request in (("get_message", GET), ("list_messages", LIST))
        for wrong in ("", 7, None, "x" * (MAX_ID + 1))
    ),
    ("get_message", GET | {"site": "default"}, "site"),
    ("get_message", GET | {"id": "half \ud83d a character"}, "id"),
    ("list_messages", LIST | {"site": "\udcff"}, "site"),
    ("list_messages", LIST | {"id": "id-1"}, "id"),
]


@pytest.mark.parametrize(("function", "request_", "key"), WRONG, ids=str)
def test_a_request_that_does_not_fit_names_the_key_and_what_is_expected(
    functions: Functions, archive: InMemoryArchive, function: str, request_: object, key: str
) -> None:
    error = functions.fails(function, request_, InvalidRequestError)
    assert isinstance(error, InvalidRequestError)
    assert error.key == key
    assert key in error.message
    assert "expected" in error.message or key == "request"
    assert archive.asked == []


# By HTTP


@pytest.fixture(scope="session")
def sample(root: Path) -> dict[str, Any]:
    """The request of AWS's page: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html"""
    found: dict[str, Any] = json.loads((root / "tests/contract/samples/function-url-request.json").read_text())
    return found


def request(
    sample: dict[str, Any], query: dict[str, str] | None, *, method: str = "GET", path: str = "/"
) -> dict[str, Any]:
    http = {**sample["requestContext"]["http"], "method": method, "path": path}
    changes = {"rawPath": path, "requestContext": {**sample["requestContext"], "http": http}}
    event = {**sample, **changes, "body": None, "isBase64Encoded": False, "queryStringParameters": query}
    if query is None:
        del event["queryStringParameters"]
    return event


def test_a_message_is_answered_by_http(functions: Functions, sample: dict[str, Any], log: Log) -> None:
    answer = functions.invoke("get_message_url", request(sample, {"version": "1", "id": "id-1"}))
    assert answer["statusCode"] == 200
    assert answer["headers"] == {"Content-Type": "application/json", "Cache-Control": "no-store"}
    assert json.loads(answer["body"]) == STORED.as_json()
    assert log.line("Message read")["correlation_id"] == "id-1"
    assert "MARKER" not in log.text


@pytest.mark.parametrize(
    ("query", "more"),
    [
        (None, {}),
        ({}, {}),
        ({"id": "id-1"}, {}),
        ({"version": "2", "id": "id-1"}, {}),
        ({"version": "1.0", "id": "id-1"}, {}),
        ({"version": "1,1", "id": "id-1"}, {}),
        ({"version": "1"}, {}),
        ({"version": "1", "id": ""}, {}),
        ({"version": "1", "id": "id-1", "site": "default"}, {}),
        ({"version": "1", "id": "id-1"}, {"method": "POST"}),
        ({"version": "1", "id": "id-1"}, {"method": "HEAD"}),
        ({"version": "1", "id": "id-1"}, {"path": "/id-1"}),
    ],
    ids=str,
)
def test_a_wrong_request_by_http_is_400(
    functions: Functions,
    archive: InMemoryArchive,
    sample: dict[str, Any],
    query: dict[str, str] | None,
    more: dict[str, str],
) -> None:
    answer = functions.invoke("get_message_url", request(sample, query, **more))
    assert (answer["statusCode"], json.loads(answer["body"])) == (400, {"error": "Bad request."})
    assert archive.asked == []


def test_a_message_that_is_not_there_is_404_by_http(functions: Functions, sample: dict[str, Any]) -> None:
    answer = functions.invoke("get_message_url", request(sample, {"version": "1", "id": "id-2"}))
    assert (answer["statusCode"], json.loads(answer["body"])) == (404, {"error": "Not found."})


def test_a_table_that_does_not_answer_is_503_by_http_and_an_error_in_the_log(
    unreachable: Functions, sample: dict[str, Any], log: Log
) -> None:
    answer = unreachable.invoke("get_message_url", request(sample, {"version": "1", "id": "id-1"}))
    assert (answer["statusCode"], json.loads(answer["body"])) == (503, {"error": "Not available, try again."})
    assert "ProvisionedThroughputExceededException" in log.line("Message not read")["reason"]
