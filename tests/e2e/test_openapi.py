"""The document of the running stage, and the stage held against it by schemathesis, through the real gateway."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import requests

from ops.generate import openapi
from ops.templates import gateway_answers
from tests import fuzzing
from tests.e2e.harness import PATIENCE, Harness, marker, wait_for
from tests.fuzzing import Mode
from tests.openapi import Conformance, Document, operations
from tests.rehearsal import amount

EXAMPLES = {Mode.POSITIVE: amount(8, 100), Mode.NEGATIVE: amount(12, 200)}
"""How many cases of the first form are sent: fewer of those that ring."""
SHARE = {"/contact": 1, "/contact/{site}": 2, "/f/{site}": 2}
"""The part of these that the others get, as the same handler stands behind them."""


@pytest.fixture
def document(herald: Harness) -> Document:
    answer = requests.get(f"{herald.urls['api']}{openapi.PATH}", timeout=PATIENCE)
    assert answer.status_code == 200
    found: Document = answer.json()
    return found


def origin_of(herald: Harness) -> str:
    return herald.stage.sites["default"].origins[0]


def test_a_path_or_method_that_is_not_described_is_answered_by_the_gateway_alone(
    herald: Harness, document: Document
) -> None:
    """Of its own, API Gateway says 403 "Missing Authentication Token", which is about something else."""
    described = {(path, method) for path, method, _ in operations(document)}
    asked = [("/nowhere", "GET"), ("/", "GET"), ("/contact/default/more", "POST")]
    asked += [
        (path, method)
        for path in document["paths"]
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
        if (path, method) not in described
    ]
    for path, method in asked:
        url = herald.urls["api"] + path.replace("{site}", "default")
        answer = requests.request(method, url, headers={"Origin": origin_of(herald)}, timeout=PATIENCE)
        assert answer.status_code == 404, (method, path)
        assert method == "HEAD" or answer.json() == gateway_answers.NOTHING_HERE.body()
        assert answer.headers["Content-Type"] == "application/problem+json"
        # Every page of this machine may send to stage local.
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_who_sends_too_fast_is_told_when_to_come_again_and_nothing_was_taken(
    herald: Harness, document: Document
) -> None:
    """By the gateway, in words that deploying gave it."""
    word = marker()

    def post(number: int) -> requests.Response:
        url, headers = f"{herald.urls['api']}/contact", {"Origin": origin_of(herald)}
        return requests.post(url, json={"message": f"{word} {number}"}, headers=headers, timeout=PATIENCE)

    with herald.throttled(rate=1, burst=1):
        answers = list(map(post, range(10)))
    refused = [answer for answer in answers if answer.status_code != 202]
    assert refused, "ten in a row are more than one a second"
    for answer in refused:
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        assert answer.json()["title"] == "Too many requests; please try again."
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After"
    ours = {
        name: value
        for name, value in refused[0].headers.items()
        if name in ("Content-Type", "Retry-After", "Vary") or name.startswith("Access-Control")
    }
    for path, method, _ in operations(document):
        # RFC 9110, 9.3.2: HEAD gets the same without a body.
        Conformance(document).check(method, path, 429, ours, b"" if method == "HEAD" else refused[0].content)
    accepted = len(answers) - len(refused)
    wait_for(lambda: len(herald.pushes(word)) >= accepted, f"{accepted} pushes")
    assert len(herald.pushes(word)) == accepted


@pytest.mark.full
@pytest.mark.rehearse(
    "100 cases as described and 200 that break it", "a gateway that answers otherwise than the function"
)
def test_the_stage_does_what_its_document_says(herald: Harness, document: Document) -> None:
    """Every operation, with data as described and with data that breaks it; and what was accepted is delivered."""
    schema = fuzzing.described(document)
    statuses: Counter[tuple[str, int]] = Counter()
    session = requests.Session()
    before = accepted(herald)
    with herald.throttled(10_000, 10_000), herald.reserved(1, "destined", "on_success"):
        for path, method, operation in operations(document):
            for mode, examples in EXAMPLES.items():

                def send(case: Any, operation: Document = operation) -> None:
                    accept = "application/json" if sum(statuses.values()) % 2 else "text/html"
                    answer = fuzzing.call(case, herald.urls["api"], session, accept)
                    statuses[operation["operationId"], answer.status_code] += 1

                if method == "POST":
                    fuzzing.run(schema[path][method], mode, examples // SHARE[path], send)
                elif "parameters" in operation or mode is Mode.POSITIVE:
                    # What has one parameter or none has few cases.
                    fuzzing.run(schema[path][method], mode, examples // 6, send)
        assert {operation for operation, _ in statuses} == {it["operationId"] for _, _, it in operations(document)}
        assert {status for _, status in statuses} >= {200, 202, 204, 303, 403, 404, 422}

        sent = accepted(herald) - before
        # A key that came twice is one message.
        assert 0 < len(sent) <= sum(count for (name, status), count in statuses.items() if is_acceptance(name, status))
        told = wait_for(lambda: outcomes(herald, sent), "word of every message", 300, pause=0.5)
    assert set(told.values()) == {"on_success"}


def is_acceptance(operation: str, status: int) -> bool:
    return operation.startswith("send") and status in (200, 202, 303)


def accepted(herald: Harness) -> set[str]:
    """The ids of the messages that the form accepted."""
    return {line["message_id"] for line in herald.lines("api_handler") if line["message"] == "Accepted"}


def outcomes(herald: Harness, messages: set[str]) -> dict[str, str]:
    """Which function heard of each of the messages; empty while that is not known of all."""
    found = {
        line["message_id"]: function
        for function in ("on_success", "on_failure")
        for line in herald.lines(function)
        if line.get("message_id") in messages
    }
    return found if found.keys() == messages else {}
