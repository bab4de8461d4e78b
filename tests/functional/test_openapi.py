"""The API described by itself: true to its routes, readable by anybody, and held against what the app answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from itertools import cycle
from types import ModuleType
from typing import Any

import pytest
import requests
from chalice.test import Client
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

from chalicelib.composition import override_container
from chalicelib.logic.form_body import JSON, MULTIPART
from chalicelib.settings import Stage
from ops.generate import openapi
from tests import fuzzing
from tests.fakes import FakeContainer, RecordingTopic
from tests.openapi import Conformance, Document, operations, resolved
from tests.rehearsal import amount

API = "http://api.example.com"


@pytest.fixture
def document(local: Stage) -> Document:
    return openapi.document(local, "/api")


class InProcess(HTTPAdapter):
    """Lets requests' session reach the app without a network."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        headers = {name: text.decode() if isinstance(text, bytes) else text for name, text in request.headers.items()}
        body = request.body or b""
        answer = self._client.http.request(
            str(request.method), str(request.path_url), headers, body.encode() if isinstance(body, str) else body
        )
        # The gateway's own default.
        typed: CaseInsensitiveDict[str] = CaseInsensitiveDict({"Content-Type": "application/json"})
        typed.update(answer.headers)
        raw = HTTPResponse(BytesIO(answer.body), dict(typed), answer.status_code, preload_content=False)
        return self.build_response(request, raw)


@pytest.fixture
def session(client: Client) -> requests.Session:
    found = requests.Session()
    found.trust_env = False
    found.mount(API, InProcess(client))
    return found


# The routes


def test_every_route_and_method_of_the_app_is_described_and_no_other(module: ModuleType, document: Document) -> None:
    routes = {(path, method) for path, methods in module.app.routes.items() for method in methods}
    assert {(path, method) for path, method, _ in operations(document)} == routes


def test_the_document_is_that_of_the_running_stage_and_any_page_may_read_it(client: Client, local: Stage) -> None:
    with override_container(FakeContainer(local)):
        response = client.http.get("/openapi.json", headers={"Origin": "https://editor.example.com"})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert response.json_body == openapi.document(local, "")


@pytest.mark.parametrize(
    ("path", "url"),
    [("/api/openapi.json", "/api"), ("/openapi.json", "/"), ("/forms/openapi.json", "/forms"), (None, "/")],
)
def test_addresses_begin_where_the_gateway_says_that_the_api_does(
    module: ModuleType, local: Stage, api_event: Callable[..., Any], context: Any, path: str | None, url: str
) -> None:
    """API Gateway's stage or a custom domain's base path stands before the routes."""
    event = api_event("")
    about = {**event["requestContext"], "resourcePath": "/openapi.json", "httpMethod": "GET"}
    about = {name: value for name, value in about.items() if name != "path"} | ({"path": path} if path else {})
    with override_container(FakeContainer(local)):
        answer = module.app(event | {"requestContext": about, "httpMethod": "GET", "body": None}, context)
    assert answer["statusCode"] == 200
    assert [server["url"] for server in json.loads(answer["body"])["servers"]] == [url]


@pytest.mark.parametrize("path", ["/health", "/openapi.json"])
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "nonsense"])
def test_what_takes_no_body_minds_no_content_type(client: Client, local: Stage, path: str, content_type: str) -> None:
    """Found by schemathesis: Chalice answered 415 in its own words to a GET that named a type."""
    with override_container(FakeContainer(local)):
        assert client.http.get(path, headers={"Content-Type": content_type}).status_code == 200


# Examples


def sent_as(media_type: str, fields: dict[str, Any]) -> requests.PreparedRequest:
    """A request with these fields, as programs and browsers write it."""
    if media_type == JSON:
        return requests.Request("POST", API, json=fields).prepare()
    pairs = [(name, text) for name, found in fields.items() for text in (found if isinstance(found, list) else [found])]
    if media_type == MULTIPART:
        return requests.Request("POST", API, files=[(name, (None, text)) for name, text in pairs]).prepare()
    return requests.Request("POST", API, data=pairs).prepare()


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_every_example_of_a_body_is_accepted_by_every_form(
    client: Client, local: Stage, document: Document, accept: str
) -> None:
    posted = 0
    for path, _, operation in operations(document):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            for name, example in content["examples"].items():
                request = sent_as(media_type, resolved(document, example)["value"])
                assert isinstance(request.body, str | bytes)
                body = request.body.encode() if isinstance(request.body, str) else request.body
                headers = {"Content-Type": request.headers["Content-Type"], "Accept": accept}
                topic = RecordingTopic()
                with override_container(FakeContainer(local, topic=topic)):
                    response = client.http.post(path.replace("{site}", "default"), headers=headers, body=body)
                accepted = 200 if name in ("web3forms", "netlify") or path.startswith("/f/") else 202
                wanted = 303 if accept == "text/html" else accepted
                assert response.status_code == wanted, (path, media_type, name)
                assert len(topic.published) == 1
                posted += 1
    assert posted == 3 * 3 * 5


# What answers are held against


def problem(**more: object) -> bytes:
    """A problem document as the API describes it, or with something else in it."""
    errors = [{"code": "TYPE_EMAIL", "field": "email", "message": "x"}]
    return json.dumps({"type": "about:blank", "title": "x", "status": 422, "errors": errors} | more).encode()


@pytest.mark.parametrize(
    ("path", "status", "headers", "body", "reason"),
    [
        ("/contact", 418, {}, b"", "lacks 418"),
        ("/contact", 422, {"X-New": "1"}, problem(), "does not say"),
        ("/contact", 422, {"Content-Type": "application/xml"}, b"<x/>", "lacks application/xml"),
        ("/contact", 422, {}, problem(status=400), "422 was expected"),
        ("/contact", 422, {}, problem(detail="new"), "detail"),
        ("/contact", 422, {}, problem(errors=[{"code": "not_json", "message": "x"}]), "code"),
        ("/contact", 422, {}, problem(errors=[]), "errors"),
        ("/f/default", 303, {"Location": "https://example.com"}, b"x", "has a body"),
        ("/f/default", 303, {}, b"", "Location is missing"),
        ("/nowhere", 200, {}, b"{}", "is not described"),
    ],
)
def test_an_answer_that_the_document_lacks_is_found(
    document: Document, path: str, status: int, headers: dict[str, str], body: bytes, reason: str
) -> None:
    """Else the whole comparison that the test client makes would prove nothing."""
    given = {"Content-Type": "application/problem+json", **headers}
    Conformance(document).check("POST", "/contact", 422, {"Content-Type": "application/problem+json"}, problem())
    with pytest.raises((AssertionError, ValueError), match=reason):
        Conformance(document).check("POST", path, status, given, body)


# What schemathesis makes of the document, without a network


@pytest.mark.full
@pytest.mark.rehearse(
    "300 cases as described and 600 that break it, answered in each kind in turn",
    "an input that the OpenAPI document allows and the code doesn't foresee",
)
@pytest.mark.parametrize("mode", fuzzing.Mode)
def test_what_is_made_of_the_document_is_answered_as_the_document_says(
    document: Document, local: Stage, session: requests.Session, mode: fuzzing.Mode
) -> None:
    """One form alone: the three have one handler, and the local stack is asked for all of them."""
    statuses: Counter[int] = Counter()
    examples = amount(15, 300) if mode is fuzzing.Mode.POSITIVE else amount(30, 600)
    kinds = cycle(["application/json", "text/html", ""])

    def send(case: Any) -> None:
        accept = next(kinds)
        topic = RecordingTopic()
        with override_container(FakeContainer(local, topic=topic)):
            status = fuzzing.call(case, API, session, accept).status_code
        assert len(topic.published) == (1 if status in (200, 202, 303) else 0)
        if not fuzzing.refused_all_the_same(case.body):
            statuses[status] += 1

    fuzzing.run(fuzzing.described(document)["/contact"]["POST"], mode, examples, send)
    if mode is fuzzing.Mode.POSITIVE:
        assert statuses.keys() <= {200, 202, 303}
    else:
        assert statuses.keys() >= {403, 422}
