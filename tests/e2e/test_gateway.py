"""What API Gateway answers itself, before any code of ours: in the API's words, and readable for a page's script."""

from __future__ import annotations

import uuid

import pytest
import requests

from tests.e2e.harness import PATIENCE, Harness, marker, wait_for


def origin_of(herald: Harness) -> str:
    return herald.stage.sites["default"].origins[0]


@pytest.mark.parametrize(("method", "path"), [("POST", "/health"), ("POST", "/nothing"), ("POST", "/contact/a/b/c")])
def test_an_address_or_method_that_there_is_not_is_404(herald: Harness, method: str, path: str) -> None:
    """Of its own, API Gateway says 403 "Missing Authentication Token", which is about something else."""
    answer = requests.request(
        method, herald.urls["api"] + path, headers={"Origin": origin_of(herald)}, timeout=PATIENCE
    )
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    title = "There is nothing at this address."
    assert answer.json() == {
        "type": "about:blank",
        "title": title,
        "status": 404,
        "errors": [{"code": "MISSING_AUTHENTICATION_TOKEN", "message": title}],
    }
    assert answer.headers["Access-Control-Allow-Origin"] == "*", "every page of this machine may send to stage local"


def test_who_sends_too_fast_is_told_when_to_come_again_and_nothing_was_taken(herald: Harness) -> None:
    word = marker()

    def post() -> requests.Response:
        return requests.post(
            f"{herald.urls['api']}/contact",
            json={"message": f"{word} {uuid.uuid4()}"},
            headers={"Origin": origin_of(herald)},
            timeout=PATIENCE,
        )

    with herald.throttled(rate=1, burst=1):
        answers = [post() for _ in range(10)]
    refused = [answer for answer in answers if answer.status_code != 202]
    assert refused, "ten in a row are more than one a second"
    for answer in refused:
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["title"] == "Too many requests; please try again."
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After"
    accepted = len(answers) - len(refused)
    wait_for(lambda: len(herald.pushes(word)) >= accepted, f"{accepted} pushes")
    assert len(herald.pushes(word)) == accepted
