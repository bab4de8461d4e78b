"""``POST /contact``: what a visitor's browser or program is told, and what is published."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from botocore.stub import Stubber
from chalice.test import Client

from chalicelib.adapters.topic import SnsTopic
from chalicelib.composition import Topic, using
from chalicelib.settings import Site, Stage
from tests.fakes import FUNCTION_ARN, NOW, FakeComposition, Published, RecordingTopic, RefusingTopic

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
GOOD = {"source": "home", "name": "Юлия", "email": "j@example.com", "message": 'Hi "you"\n🚀'}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
Stubbed = Callable[[str], tuple[Any, Stubber]]


def body_of(**fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


@pytest.fixture
def topic() -> RecordingTopic:
    return RecordingTopic()


def post(
    client: Client,
    local: Stage,
    topic: Topic,
    body: bytes,
    headers: dict[str, str] | None = None,
    path: str = "/contact",
) -> Any:
    with using(FakeComposition(local, topic=topic)):
        return client.http.post(path, headers=JSON if headers is None else headers, body=body)


# Accepted


def test_json_is_accepted_with_the_id_under_which_it_was_published(
    client: Client, local: Stage, topic: RecordingTopic
) -> None:
    response = post(client, local, topic, body_of(**GOOD))
    assert response.status_code == 202
    message_id = response.json_body["id"]
    assert UUID.fullmatch(message_id)
    assert response.json_body == {"id": message_id, "status": "accepted"}
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    text = (
        f'{{"version":1,"id":"{message_id}","site":"default","received_at":{NOW},"fields":'
        '{"source":"home","name":"Юлия","email":"j@example.com","message":"Hi \\"you\\"\\n🚀"}}'
    )
    assert topic.published == [Published(text, "default", "contact", "")]


def test_a_form_is_sent_on_to_the_sites_thanks_page(client: Client, local: Stage, topic: RecordingTopic) -> None:
    response = post(client, local, topic, urlencode(GOOD).encode(), FORM)
    assert response.status_code == 303
    assert response.headers["Location"] == "http://127.0.0.1:8080/thanks.html"
    assert response.body == b""
    assert json.loads(topic.published[0].text)["fields"] == GOOD


def test_nothing_that_is_sent_chooses_where_the_browser_goes_or_which_site_it_is(
    client: Client, local: Stage, topic: RecordingTopic
) -> None:
    fields = {**GOOD, "thanks": "https://evil.example", "redirect": "https://evil.example", "site": "other", "id": "x"}
    headers = {**FORM, "Host": "evil.example", "X-Forwarded-Host": "evil.example", "Referer": "https://evil.example/"}
    response = post(client, local, topic, urlencode(fields).encode(), headers)
    assert response.headers["Location"] == "http://127.0.0.1:8080/thanks.html"
    assert "evil" not in topic.published[0].text
    assert topic.published[0].site == "default"
    assert UUID.fullmatch(json.loads(topic.published[0].text)["id"])


def test_a_form_that_a_program_sends_gets_json(client: Client, local: Stage, topic: RecordingTopic) -> None:
    response = post(client, local, topic, urlencode(GOOD).encode(), {**FORM, "Accept": "application/json"})
    assert response.status_code == 202


@pytest.mark.parametrize("name", ["content-type", "CONTENT-TYPE", "Content-Type"])
@pytest.mark.parametrize("value", ["application/json", "Application/JSON; Charset=UTF-8"])
def test_header_names_and_media_types_are_read_in_any_letter_case(
    client: Client, local: Stage, topic: RecordingTopic, name: str, value: str
) -> None:
    assert post(client, local, topic, body_of(**GOOD), {name: value}).status_code == 202


def test_each_submission_gets_its_own_id(client: Client, local: Stage, topic: RecordingTopic) -> None:
    ids = {post(client, local, topic, body_of(**GOOD)).json_body["id"] for _ in range(5)}
    assert len(ids) == 5


def test_a_site_has_an_address_fields_and_a_page_of_its_own(
    client: Client, local: Stage, topic: RecordingTopic
) -> None:
    blog = Site("blog", "https://blog.example.com/danke", ("pushover",), ("email",), 30)
    stage = replace(local, sites={**local.sites, "blog": blog})
    response = post(client, stage, topic, b"email=a%40example.com", FORM, "/contact/blog")
    assert response.headers["Location"] == "https://blog.example.com/danke"
    assert topic.published[0].site == "blog"
    assert json.loads(topic.published[0].text)["site"] == "blog"
    assert post(client, stage, topic, b"message=Hi", FORM, "/contact/blog").status_code == 422
    assert post(client, stage, topic, b"message=Hi", FORM, "/contact/default").status_code == 303


# As API Gateway and Lambda do it


def test_the_event_of_api_gateway_is_published_to_the_topic_of_the_functions_own_account(
    module: ModuleType, local: Stage, stubbed: Stubbed, api_event: Callable[..., Any], context: Any
) -> None:
    sns, stub = stubbed("sns")
    sent: dict[str, Any] = {}
    sns.meta.events.register("before-parameter-build.sns.Publish", lambda params, **_: sent.update(params))
    stub.add_response("publish", {"MessageId": "m"})
    with using(FakeComposition(local, topic=SnsTopic(sns, local.topic))):
        response = module.app(api_event(json.dumps(GOOD)), context)
    assert response["statusCode"] == 202
    assert json.loads(sent.pop("Message"))["fields"] == GOOD
    assert sent == {
        "TopicArn": "arn:aws:sns:eu-central-1:123456789012:herald-local-messages",
        "MessageAttributes": {
            "site": {"DataType": "String", "StringValue": "default"},
            "kind": {"DataType": "String", "StringValue": "contact"},
        },
    }


def test_a_body_that_the_gateway_encoded_is_read(
    module: ModuleType, local: Stage, topic: RecordingTopic, api_event: Callable[..., Any], context: Any
) -> None:
    event = api_event(base64.b64encode(body_of(**GOOD)).decode(), base64=True)
    with using(FakeComposition(local, topic=topic)):
        assert module.app(event, context)["statusCode"] == 202
    assert json.loads(topic.published[0].text)["fields"] == GOOD
    assert topic.published[0].function_arn == FUNCTION_ARN


def test_a_request_without_any_body_is_refused(
    module: ModuleType, local: Stage, topic: RecordingTopic, api_event: Callable[..., Any], context: Any
) -> None:
    event = api_event("") | {"body": None}
    with using(FakeComposition(local, topic=topic)):
        assert module.app(event, context)["statusCode"] == 400


# Refused


@pytest.mark.parametrize(
    ("headers", "body", "status", "errors"),
    [
        (JSON, b"{", 400, [("body", "malformed")]),
        (JSON, b'{"message": "\xff"}', 400, [("body", "malformed")]),
        (FORM, b"message=%FF", 400, [("body", "malformed")]),
        (
            {"Content-Type": "application/json; charset=undefined"},
            b"{}",
            415,
            [("content-type", "unsupported_charset")],
        ),
        (JSON, b"a" * (64 * 1024 + 1), 413, []),
        ({"Content-Type": "text/plain"}, b"Hi", 415, [("content-type", "unsupported_media_type")]),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"Hi", 415, [("content-type", "unsupported_media_type")]),
        ({}, b"Hi", 415, [("content-type", "unsupported_media_type")]),
        (JSON, b"{}", 422, [("message", "required")]),
        (FORM, b"", 422, [("message", "required")]),
        (JSON, body_of(message="Hi", email="nobody"), 422, [("email", "invalid_email")]),
        (JSON, body_of(message="Hi", name="a\nb"), 422, [("name", "control_character")]),
        (JSON, body_of(message=7), 422, [("message", "not_text")]),
        (JSON, body_of(message="x" * 10_241), 422, [("message", "too_long")]),
    ],
)
def test_a_bad_submission_is_a_problem_document_and_nothing_is_published(
    client: Client,
    local: Stage,
    topic: RecordingTopic,
    headers: dict[str, str],
    body: bytes,
    status: int,
    errors: list[tuple[str, str]],
) -> None:
    response = post(client, local, topic, body, headers)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json_body
    assert problem["status"] == status
    assert problem["title"]
    assert problem["type"] == "about:blank"
    assert [(error["field"], error["code"]) for error in problem.get("errors", [])] == errors
    assert topic.published == []


@pytest.mark.parametrize("lone", ["\\ud800", "\\udc00\\ud800"])
def test_half_a_surrogate_pair_is_the_visitors_mistake_and_no_fault_of_ours(
    client: Client, local: Stage, topic: RecordingTopic, lone: str
) -> None:
    response = post(client, local, topic, f'{{"message": "{lone}"}}'.encode())
    assert response.status_code in (400, 422)
    assert topic.published == []


@pytest.mark.parametrize("path", ["/contact/nowhere", "/contact/Default", "/contact/default%00", "/contact/.."])
def test_an_unknown_site_is_404_whatever_is_sent(
    client: Client, local: Stage, topic: RecordingTopic, path: str
) -> None:
    for headers in (JSON, FORM, {}):
        response = post(client, local, topic, body_of(**GOOD), headers, path)
        assert response.status_code == 404
        assert response.headers["Content-Type"] == "application/problem+json"
        assert b"nowhere" not in response.body
    assert topic.published == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
def test_no_other_method_publishes(client: Client, local: Stage, topic: RecordingTopic, method: str) -> None:
    with using(FakeComposition(local, topic=topic)):
        response = client.http.request(method, "/contact?message=Hi", headers=JSON, body=body_of(**GOOD))
    assert response.status_code >= 400
    assert topic.published == []


# Not accepted by the topic


def refused_by_code(code: str) -> Callable[[Any, Stubber], None]:
    return lambda client, stub: stub.add_client_error("publish", code, "MARKER quotes the request", 400)


def broken_by(error: Exception) -> Callable[[Any, Stubber], None]:
    def arrange(client: Any, stub: Stubber) -> None:
        def fail(**_: Any) -> None:
            raise error

        stub.deactivate()
        client.meta.events.register("before-send.sns.Publish", fail)

    return arrange


@pytest.mark.parametrize(
    ("arrange", "reason"),
    [
        (refused_by_code("Throttled"), "Throttled"),
        (refused_by_code("AuthorizationError"), "AuthorizationError"),
        (refused_by_code("NotFound"), "NotFound"),
        (refused_by_code("InternalError"), "InternalError"),
        (broken_by(EndpointConnectionError(endpoint_url="https://MARKER")), "EndpointConnectionError"),
        (broken_by(ConnectTimeoutError(endpoint_url="https://MARKER")), "ConnectTimeoutError"),
        (broken_by(ReadTimeoutError(endpoint_url="https://MARKER")), "ReadTimeoutError"),
        (broken_by(NoCredentialsError()), "NoCredentialsError"),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_what_sns_did_not_accept_is_503_with_retry_after_and_never_a_success(
    module: ModuleType,
    local: Stage,
    stubbed: Stubbed,
    api_event: Callable[..., Any],
    context: Any,
    log: Any,
    arrange: Callable[[Any, Stubber], None],
    reason: str,
    content_type: str,
) -> None:
    sns, stub = stubbed("sns")
    arrange(sns, stub)
    body = json.dumps(GOOD) if content_type.endswith("json") else urlencode(GOOD)
    with using(FakeComposition(local, topic=SnsTopic(sns, local.topic))):
        response = module.app(api_event(body, content_type=content_type), context)
    assert response["statusCode"] == 503
    assert int(response["headers"]["Retry-After"]) > 0
    assert response["headers"]["Content-Type"] == "application/problem+json"
    assert "Location" not in response["headers"]
    line = log.line("The topic did not accept the message")
    assert (line["level"], line["reason"], line["site"]) == ("ERROR", reason, "default")
    assert "hint" not in line, "that is for a developer's terminal"
    assert "MARKER" not in log.text
    assert "MARKER" not in response["body"]


def test_the_next_submission_is_accepted_once_sns_is_back(
    module: ModuleType, local: Stage, stubbed: Stubbed, api_event: Callable[..., Any], context: Any
) -> None:
    sns, stub = stubbed("sns")
    stub.add_client_error("publish", "Throttled")
    stub.add_response("publish", {"MessageId": "m"})
    with using(FakeComposition(local, topic=SnsTopic(sns, local.topic))):
        statuses = [module.app(api_event(json.dumps(GOOD)), context)["statusCode"] for _ in range(2)]
    assert statuses == [503, 202]


def test_an_unexpected_fault_is_500_and_never_a_success(client: Client, local: Stage) -> None:
    class BrokenTopic:
        def publish(self, text: str, **_: Any) -> None:
            raise ZeroDivisionError

    assert post(client, local, BrokenTopic(), body_of(**GOOD)).status_code == 500


# The log

MARKED = {
    "source": "MARKER-source",
    "name": "MARKER-name",
    "email": "MARKER-email@example.com",
    "message": "MARKER-message",
    "MARKER-unknown": "MARKER-unknown",
}


@pytest.mark.parametrize(
    ("headers", "body", "path"),
    [
        (JSON, body_of(**MARKED), "/contact"),
        (FORM, urlencode(MARKED).encode(), "/contact"),
        (JSON, body_of(**MARKED), "/contact/MARKER-site"),
        (JSON, body_of(**MARKED | {"email": "MARKER"}), "/contact"),
        (JSON, body_of(**MARKED | {"name": "MARKER\nMARKER"}), "/contact"),
        (JSON, body_of(**MARKED | {"message": ["MARKER"]}), "/contact"),
        (JSON, body_of(**MARKED | {"message": "MARKER" * 2000}), "/contact"),
        (JSON, b'{"MARKER": MARKER}', "/contact"),
        (JSON, b'{"message": "MARKER\\ud800"}', "/contact"),
        (FORM, b"message=MARKER%FF", "/contact"),
        ({"Content-Type": "MARKER/MARKER; charset=MARKER"}, b"MARKER", "/contact"),
        ({"Content-Type": "application/json; charset=MARKER"}, b"MARKER", "/contact"),
        (
            {**JSON, "User-Agent": "MARKER", "Referer": "MARKER", "X-Forwarded-For": "MARKER"},
            body_of(**MARKED),
            "/contact",
        ),
    ],
)
@pytest.mark.parametrize("accepting", [True, False])
def test_nothing_that_a_visitor_typed_is_logged_or_answered(
    client: Client,
    local: Stage,
    log: Any,
    capfd: pytest.CaptureFixture[str],
    headers: dict[str, str],
    body: bytes,
    path: str,
    accepting: bool,
) -> None:
    response = post(client, local, RecordingTopic() if accepting else RefusingTopic(), body, headers, path)
    out, err = capfd.readouterr()
    said = log.text + out + err + response.body.decode() + str(response.headers)
    assert log.lines, "each request leaves a line"
    assert "marker" not in said.lower()


def test_the_correlation_id_is_the_messages_id(client: Client, local: Stage, topic: RecordingTopic, log: Any) -> None:
    message_id = post(client, local, topic, body_of(**GOOD)).json_body["id"]
    line = log.line("Accepted")
    assert (line["correlation_id"], line["message_id"], line["site"]) == (message_id, message_id, "default")


def test_a_submission_that_the_topic_refused_is_logged_under_its_own_id(client: Client, local: Stage, log: Any) -> None:
    post(client, local, RefusingTopic(), body_of(**GOOD))
    assert UUID.fullmatch(log.line("The topic did not accept the message")["correlation_id"])


def test_outside_lambda_the_line_tells_a_developer_what_to_do(client: Client, local: Stage, log: Any) -> None:
    post(client, local, RefusingTopic(), body_of(**GOOD))
    assert "make run" in log.line("The topic did not accept the message")["hint"]


def test_a_refused_submission_names_its_fields_and_status(
    client: Client, local: Stage, topic: RecordingTopic, log: Any
) -> None:
    post(client, local, topic, body_of(email="nobody"))
    line = log.line("Refused")
    assert (line["status"], line["problems"]) == (422, ["message: required", "email: invalid_email"])


def test_a_refused_submission_is_not_logged_under_the_id_of_the_message_before_it(
    client: Client, local: Stage, topic: RecordingTopic, log: Any
) -> None:
    """A warm function keeps its logger from one request to the next."""
    message_id = post(client, local, topic, body_of(**GOOD)).json_body["id"]
    post(client, local, topic, b"{}")
    assert log.line("Accepted")["correlation_id"] == message_id
    assert log.line("Refused").get("correlation_id") != message_id
