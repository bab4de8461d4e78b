"""Herald's own client of AWS beside botocore's, on the wire: the same requests, the same answers, the same errors."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import botocore
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.session import Session

from chalicelib.adapters.aws import own_client, retries, transport
from chalicelib.adapters.aws.botocore_client import Sdk
from chalicelib.adapters.aws.environment import endpoint
from chalicelib.adapters.aws.errors import AwsError, NotSentError, ServiceError, UnansweredError
from chalicelib.adapters.aws.retries import Retries
from chalicelib.adapters.aws.transport import Connections
from tests import needs

LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "herald-dev",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
}
PATIENCE = 60.0
"""Seconds after which a test hangs: a bound, not a measure."""


@dataclass
class Request:
    """What arrived."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class Say:
    """What the server does with one request."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    last: bool = False
    """Close the connection afterwards, without having said so."""
    hang_up: bool = False
    hang: bool = False
    cut_short: bool = False


class Service:
    """An AWS service on the loopback interface, which does as it is told, request by request."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._context = context
        self.script: list[Say] = []
        self.got: list[Request] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        scheme = "https" if context else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listening.getsockname()[1]}"

    def close(self) -> None:
        self._over.set()
        for one in (self._listening, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._talk, args=(connection, self.connections))
            self._threads.append(thread)
            thread.start()

    def _talk(self, connection: socket.socket, number: int) -> None:
        connection.settimeout(PATIENCE)
        try:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            self._open.append(connection)
            with connection, connection.makefile("rb") as stream:
                while self._answer(connection, stream, number):
                    pass
        except OSError:
            connection.close()

    def _answer(self, connection: socket.socket, stream: Any, number: int) -> bool:
        line = stream.readline().decode("latin-1").strip()
        if not line.endswith("HTTP/1.1"):
            return False
        headers = {}
        while text := stream.readline().decode().strip():
            name, _, value = text.partition(": ")
            headers[name.lower()] = value
        body = stream.read(int(headers.get("content-length", 0)))
        self.got.append(Request(line, headers, body, number))
        say = self.script.pop(0) if self.script else Say()
        if say.hang:
            self._over.wait(PATIENCE)
        if say.hang or say.hang_up:
            return False
        length = len(say.body) * (2 if say.cut_short else 1)
        told = {"Content-Length": str(length), **say.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        connection.sendall(f"HTTP/1.1 {say.status} OK\r\n{head}\r\n".encode() + say.body)
        return not (say.last or say.cut_short)


@pytest.fixture
def service() -> Iterator[Service]:
    it = Service()
    yield it
    it.close()


def wait_for(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def ours(name: str, url: str, *, read: float = 5, attempts: int = 1, slept: list[float] | None = None) -> Any:
    """Herald's own client, whose pauses are noted and take no time."""
    kind, prefix, service_id, signing_name = own_client._SERVICES[name]
    found = endpoint(LAMBDA | {"AWS_ENDPOINT_URL": url}, prefix, service_id, signing_name)
    assert found is not None
    pauses: list[float] = [] if slept is None else slept
    sockets = Connections(found, 2, read)
    OPEN.append(sockets.close)
    return kind(own_client.Caller(found, sockets, Retries(attempts), sleep=pauses.append))


OPEN: list[Callable[[], None]] = []
"""What closes each client of a test."""


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    transport._trusting.cache_clear()
    yield
    while OPEN:
        OPEN.pop()()


@cache
def session() -> Session:
    return Session()


def theirs(name: str, url: str, *, read: float = 5) -> Any:
    """botocore's client, as adapters have it."""
    config = Config(connect_timeout=2, read_timeout=read, retries={"mode": "standard", "total_max_attempts": 1})
    client = session().create_client(
        name,
        region_name="eu-central-1",
        aws_access_key_id="ASIAEXAMPLE",
        aws_secret_access_key="secret",
        aws_session_token="token",
        endpoint_url=url,
        config=config,
    )
    OPEN.append(client.close)
    return Sdk(client)


ATTRIBUTES = {
    "site": {"DataType": "String", "StringValue": "default"},
    "kind": {"DataType": "String", "StringValue": "contact"},
}
PUBLISH = {
    "TopicArn": "arn:aws:sns:eu-central-1:1:t",
    "Message": 'Ünï\ncode + & = % "\U0001f600"',
    "MessageAttributes": ATTRIBUTES,
}
KEY = {"TableName": "t", "Key": {"id": {"S": "Ü"}}}
UPDATE = {
    **KEY,
    "UpdateExpression": "SET a = :a",
    "ConditionExpression": "attribute_exists(id)",
    "ExpressionAttributeNames": {"#a": "a"},
    "ExpressionAttributeValues": {":a": {"M": {"n": {"N": "1"}, "l": {"L": [{"S": "x"}]}, "s": {"SS": ["a"]}}}},
    "ReturnValues": "ALL_NEW",
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}
QUERY = {
    "TableName": "t",
    "IndexName": "due",
    "KeyConditionExpression": "due = :due",
    "ExpressionAttributeValues": {":due": {"S": "yes"}},
    "Limit": 7,
}
MAIL: dict[str, Any] = {
    "FromEmailAddress": "Ü <herald@example.com>",
    "Destination": {"ToAddresses": ["owner@example.org"]},
    "ReplyToAddresses": ["ada@example.com"],
    "ConfigurationSetName": "set",
    "Content": {"Simple": {"Subject": {"Data": "Ü", "Charset": "UTF-8"}, "Body": {"Text": {"Data": "x"}}}},
}
ARN = "arn:aws:lambda:eu-central-1:123456789012:function:herald-dev-notify_pushover:$LATEST"
PUBLISHED = b"""<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>
<MessageId>567910cd-659e-55d4-8ccb-5aaf14679dc0</MessageId></PublishResult>
<ResponseMetadata><RequestId>d74b8436-ae13-5ab4-a9ff-ce54dfea72a0</RequestId></ResponseMetadata></PublishResponse>"""
"""https://docs.aws.amazon.com/sns/latest/api/API_Publish.html#API_Publish_Examples"""
ITEM = {"id": {"S": "Ü"}, "n": {"N": "1"}, "m": {"M": {"l": {"L": [{"S": "x"}]}}}}

ATTACHMENT = {
    "FileName": "a.jpg",
    "ContentType": "image/jpeg",
    "ContentDisposition": "ATTACHMENT",
    "ContentTransferEncoding": "BASE64",
    "RawContent": bytes(range(256)),
}
INVOKE: dict[str, Any] = {"FunctionName": "f", "Payload": b"{}"}
OBJECT = {"Bucket": "b", "Key": "files/default/1", "ExpectedBucketOwner": "123456789012"}
PUT = OBJECT | {"Body": b"\x00", "ContentType": "application/octet-stream", "Metadata": {"name": "%C3%BC.jpg"}}
FOUND = {"Items": [ITEM], "Count": 1, "ScannedCount": 1, "LastEvaluatedKey": ITEM}
PARAMETERS = b'{"Parameters": [{"Name": "/b", "Value": "v"}], "InvalidParameters": ["/a"]}'
VERIFIED = b'{"VerifiedForSendingStatus": true}'
SUPPRESSED = b'{"SuppressedDestination": {"EmailAddress": "a@example.com", "Reason": "BOUNCE"}}'
UNHANDLED = {"X-Amz-Function-Error": "Unhandled"}
WITH_FILE = {**MAIL, "Content": {"Simple": {**MAIL["Content"]["Simple"], "Attachments": [ATTACHMENT]}}}
METADATA = {"x-amz-meta-name": "%C3%BC.jpg", "Last-Modified": "Sun, 29 Nov 2026 07:00:00 GMT"}
COPIED = b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"

CALLS: list[tuple[str, str, dict[str, Any], Say]] = [
    ("sns", "publish", PUBLISH, Say(body=PUBLISHED)),
    ("ssm", "get_parameters", {"Names": ["/a/ü", "/b"], "WithDecryption": True}, Say(body=PARAMETERS)),
    ("dynamodb", "put_item", {"TableName": "t", "Item": ITEM}, Say()),
    ("dynamodb", "get_item", KEY | {"ConsistentRead": True}, Say(body=json.dumps({"Item": ITEM}).encode())),
    ("dynamodb", "update_item", UPDATE, Say(body=json.dumps({"Attributes": ITEM}).encode())),
    ("dynamodb", "query", QUERY, Say(body=json.dumps(FOUND).encode())),
    ("lambda", "invoke", {"FunctionName": "f_1-2", "Payload": "{Ü}".encode()}, Say(body=b'{"a": 1}')),
    ("lambda", "invoke", INVOKE | {"FunctionName": ARN}, Say(200, b'{"errorType": "X"}', UNHANDLED)),
    ("lambda", "invoke", {"FunctionName": "a/../b", "Payload": b"{}"}, Say()),
    ("lambda", "invoke", INVOKE | {"InvocationType": "Event"}, Say(status=202, body=b"")),
    ("sesv2", "send_email", MAIL, Say(body=b'{"MessageId": "m"}')),
    ("sesv2", "get_email_identity", {"EmailIdentity": "a+b/c@exämple.com"}, Say(body=VERIFIED)),
    ("sesv2", "send_email", WITH_FILE, Say(body=b'{"MessageId": "m"}')),
    ("s3", "put_object", PUT, Say(body=b"", headers={"ETag": '"e"'})),
    ("s3", "put_object", PUT | {"Key": "a b/\u00fc+%&.jpg", "Body": b""}, Say(body=b"", headers={"ETag": '"e"'})),
    ("s3", "get_object", OBJECT | {"Range": "bytes=0-99"}, Say(206, b"\x00\xff", METADATA)),
    ("s3", "copy_object", OBJECT | {"CopySource": "b/new/default/1"}, Say(body=COPIED)),
    ("sesv2", "get_suppressed_destination", {"EmailAddress": "a+b/c@example.com"}, Say(body=SUPPRESSED)),
    ("sesv2", "get_account", {}, Say(body=b'{"SendingEnabled": true, "SendQuota": {"Max24HourSend": 200.0}}')),
]
IDS = [f"{name}.{operation}-{number}" for number, (name, operation, _, _) in enumerate(CALLS)]


def parsed(request: Request) -> object:
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(request.body.decode(), keep_blank_values=True, strict_parsing=True)
    return json.loads(request.body) if request.body.startswith(b'{"') else request.body


def assert_signed(request: Request, url: str, name: str) -> None:
    """As the service itself checks it: by the headers that the signature names, with the same secret."""
    names = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    path = request.line.split()[1]
    again = AWSRequest(request.line.split()[0], url + path, {one: request.headers[one] for one in names}, request.body)
    again.context["timestamp"] = request.headers["x-amz-date"]
    kind = S3SigV4Auth if name == "s3" else SigV4Auth
    auth = kind(Credentials("ASIAEXAMPLE", "secret", "token"), name, "eu-central-1")
    signature = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
    assert request.headers["authorization"].endswith(f"Signature={signature}")
    assert {"host", "x-amz-date", "x-amz-security-token"} <= set(names)


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what only botocore tells, its payload read."""
    left_out = ("ResponseMetadata", "ETag", "CopyObjectResult", "ChecksumCRC32")
    found = {name: value for name, value in answer.items() if name not in left_out}
    for name in ("Payload", "Body"):
        if name in found:
            found[name] = found[name].read()
    # Of S3's answers Herald reads these alone.
    kept = ("Body", "Metadata", "LastModified")
    return {name: value for name, value in found.items() if "Body" not in found or name in kept}


@pytest.mark.parametrize(("name", "operation", "request_", "say"), CALLS, ids=IDS)
def test_a_call_is_sent_as_botocore_sends_it_and_its_answer_read_as_botocore_reads_it(
    service: Service, name: str, operation: str, request_: dict[str, Any], say: Say
) -> None:
    service.script = [say, say]
    mine = getattr(ours(name, service.url), operation)(**request_)
    others = getattr(theirs(name, service.url), operation)(**request_)
    one, other = service.got
    assert one.line == other.line
    assert parsed(one) == parsed(other)
    same = ("content-type", "x-amz-target", "host", "x-amz-security-token", "content-length", "accept-encoding")
    for header in same:
        if header != "content-length" or one.body == other.body:
            assert one.headers.get(header) == other.headers.get(header), header
    kind = ("x-amz-invocation-type", "RequestResponse")
    assert one.headers.get(*kind) == other.headers.get(*kind)
    signing_name = own_client._SERVICES[name][3]
    for request in (one, other):
        assert_signed(request, service.url, signing_name)
    assert plain(mine) == plain(others)


def in_xml(code: str) -> bytes:
    """https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html"""
    return f"""<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>
<Code>{code}</Code><Message>Topic &lt;t&gt; does not exist</Message></Error><RequestId>9dd01905</RequestId>
</ErrorResponse>""".encode()


def of_s3(code: str) -> bytes:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>No</Message><Resource>/b/k</Resource><RequestId>4442587FB7D0A2F9</RequestId></Error>
""".encode()


def coded(code: str) -> dict[str, str]:
    return {"x-amzn-ErrorType": code}


TOO_MANY = "TooManyRequestsException:http://internal.amazon.com/coral/x/"
CONDITION = {
    "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
    "message": "The conditional request failed",
    "Item": ITEM,
}
HTML = b"<html><body>Service Unavailable</body></html>"
REFUSALS: list[tuple[str, str, dict[str, Any], Say]] = [
    ("sns", "publish", PUBLISH, Say(404, in_xml("NotFound"))),
    ("sns", "publish", PUBLISH, Say(503, HTML)),
    ("sns", "publish", PUBLISH, Say(500, b"")),
    ("ssm", "get_parameters", {"Names": ["a"]}, Say(400, b'{"__type": "ThrottlingException", "Message": "Rate"}')),
    ("ssm", "get_parameters", {"Names": ["a"]}, Say(400, b'{"__type": "a#InvalidKeyId:http://x", "message": "k"}')),
    ("ssm", "get_parameters", {"Names": ["a"]}, Say(413, b"")),
    ("dynamodb", "put_item", {"TableName": "t", "Item": ITEM}, Say(400, json.dumps(CONDITION).encode())),
    ("dynamodb", "update_item", UPDATE, Say(400, b'{"__type": "x#ResourceNotFoundException", "message": "t"}')),
    ("dynamodb", "query", QUERY, Say(503, b"")),
    ("dynamodb", "query", QUERY, Say(502, HTML)),
    ("lambda", "invoke", INVOKE, Say(429, b'{"Type": "User", "message": "Rate Exceeded."}', coded(TOO_MANY))),
    ("lambda", "invoke", INVOKE, Say(403, b'{"Message": "not authorized"}', coded("AccessDeniedException"))),
    ("lambda", "invoke", INVOKE, Say(502, HTML)),
    ("sesv2", "send_email", MAIL, Say(400, b'{"message": "Email is not verified."}', coded("MessageRejected"))),
    ("s3", "put_object", PUT, Say(403, of_s3("AccessDenied"))),
    ("s3", "get_object", OBJECT | {"Range": "bytes=0-9"}, Say(404, of_s3("NoSuchKey"))),
    ("s3", "get_object", OBJECT | {"Range": "bytes=0-9"}, Say(416, of_s3("InvalidRange"))),
    ("s3", "copy_object", OBJECT | {"CopySource": "b/x"}, Say(404, of_s3("NoSuchKey"))),
    ("s3", "copy_object", OBJECT | {"CopySource": "b/x"}, Say(200, of_s3("InternalError"))),
    ("sesv2", "send_email", MAIL, Say(400, b'{"code": "BadRequestException", "message": "no"}')),
    ("sesv2", "send_email", MAIL, Say(301, b"", {"Location": "https://elsewhere.example/"})),
]


@pytest.mark.parametrize(("name", "operation", "request_", "say"), REFUSALS, ids=lambda value: str(value)[:30])
def test_a_refusal_is_the_error_that_botocore_makes_of_it(
    service: Service, name: str, operation: str, request_: dict[str, Any], say: Say
) -> None:
    service.script = [say, say]
    with pytest.raises(ServiceError) as mine:
        getattr(ours(name, service.url), operation)(**request_)
    with pytest.raises(ServiceError) as others:
        getattr(theirs(name, service.url), operation)(**request_)
    one, other = mine.value, others.value
    assert (one.reason, one.code, one.status) == (other.reason, other.code, other.status)
    if say.body != HTML:
        assert one.message == other.message or not say.body
    assert one.fields.get("Item") == other.fields.get("Item")
    assert str(one) == one.code, "the service's words may quote a visitor's"
    assert len(service.got) == 2, "no redirect is followed"


BROKEN = [(Say(hang_up=True), PATIENCE, "ConnectionClosedError"), (Say(hang=True), 0.05, "ReadTimeoutError")]


@pytest.mark.parametrize(("say", "read", "reason"), BROKEN)
def test_a_call_without_an_answer_is_named_as_botocore_names_it(
    service: Service, say: Say, read: float, reason: str
) -> None:
    for make in (ours, theirs):
        service.script = [say]
        with pytest.raises(UnansweredError) as caught:
            make("lambda", service.url, read=read).invoke(**INVOKE)
        assert caught.value.reason == reason


@pytest.mark.parametrize("headers", [{}, {"Transfer-Encoding": "chunked"}])
@pytest.mark.parametrize("make", [ours, theirs])
def test_an_answer_that_breaks_off_is_no_answer(
    service: Service, make: Callable[..., Any], headers: dict[str, str]
) -> None:
    service.script = [Say(body=b'8\r\n{"a": 1}\r\n', headers=headers, cut_short=True)]
    with pytest.raises(UnansweredError):
        make("lambda", service.url).invoke(**INVOKE)


@pytest.mark.parametrize("make", [ours, theirs])
@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://nowhere.invalid"])
def test_where_nobody_answers_nothing_was_sent(make: Callable[..., Any], url: str) -> None:
    with pytest.raises(NotSentError) as caught:
        make("lambda", url).invoke(**INVOKE)
    assert caught.value.reason == "EndpointConnectionError"


def test_an_answer_that_is_no_json_or_names_no_message_is_no_answer(service: Service) -> None:
    service.script = [Say(body=b"<html>"), Say(body=b"[]"), Say(body=b"<PublishResponse/>")]
    asked = ("ssm", "get_parameters", {"Names": ["a"]})
    for name, operation, request in (asked, asked, ("sns", "publish", PUBLISH)):
        with pytest.raises(UnansweredError, match="ResponseParserError"):
            getattr(ours(name, service.url, attempts=3), operation)(**request)
    assert len(service.got) == 3, "what was carried out is not repeated"


def test_an_answer_without_end_is_not_read_to_its_end(service: Service) -> None:
    service.script = [Say(body=b"x" * (transport.MAX_ANSWER_BYTES + 2))]
    with pytest.raises(UnansweredError, match="ResponseTooLarge"):
        ours("sesv2", service.url).send_email(**MAIL)


# Repeating


def test_a_call_is_repeated_with_pauses_until_it_succeeds_and_signed_anew(service: Service) -> None:
    slept: list[float] = []
    client = ours("sns", service.url, read=2, attempts=4, slept=slept)
    service.script = [Say(500, in_xml("InternalFailure")), Say(hang_up=True), Say(hang=True), Say(body=PUBLISHED)]
    assert client.publish(**PUBLISH)["MessageId"] == "567910cd-659e-55d4-8ccb-5aaf14679dc0"
    assert len(slept) == 3
    assert [0 <= pause <= most for pause, most in zip(slept, (1, 2, 4), strict=True)] == [True] * 3
    assert len({one.body for one in service.got}) == 1
    assert len({one.headers["amz-sdk-invocation-id"] for one in service.got}) == 1
    assert [one.headers["amz-sdk-request"] for one in service.got] == [f"attempt={n}; max=4" for n in (1, 2, 3, 4)]
    for one in service.got:
        assert_signed(one, service.url, "sns")
    spent = retries.QUOTA - client._caller._retries._quota
    assert spent == retries.COST + retries.COST, "the last retry, which helped, costs nothing"


def test_a_call_that_keeps_failing_ends_with_its_last_error(service: Service) -> None:
    client = ours("dynamodb", service.url, attempts=2)
    service.script = [Say(503), Say(400, b'{"__type": "x#ThrottlingException"}')]
    with pytest.raises(ServiceError, match="ThrottlingException"):
        client.query(**QUERY)
    assert len(service.got) == 2


def test_what_the_service_refused_for_good_is_not_repeated(service: Service) -> None:
    service.script = [Say(404, in_xml("NotFound"))]
    with pytest.raises(ServiceError, match="NotFound"):
        ours("sns", service.url, attempts=3).publish(**PUBLISH)
    assert len(service.got) == 1


def test_a_table_s_answer_that_was_damaged_on_its_way_is_asked_for_again(service: Service) -> None:
    """DynamoDB tells the checksum of each answer; botocore checks it too."""
    body = json.dumps({"Item": ITEM}).encode()
    right = {"x-amz-crc32": str(zlib.crc32(body))}
    service.script = [Say(body=body.replace(b"1", b"2"), headers=right), Say(body=body, headers=right)]
    assert ours("dynamodb", service.url, attempts=2).get_item(**KEY) == {"Item": ITEM}
    assert len(service.got) == 2


# Connections


def test_a_connection_is_kept_for_the_next_call(service: Service) -> None:
    client = ours("dynamodb", service.url)
    for _ in range(3):
        client.query(**QUERY)
    assert service.connections == 1
    (waiting, _) = client._caller._connections._idle[0]
    assert waiting.sock.gettimeout() == 5, "the time to connect is over"


def test_a_connection_that_the_service_has_closed_is_replaced_before_anything_is_sent_on_it(service: Service) -> None:
    """So that even a call that may not be repeated succeeds."""
    client = ours("lambda", service.url, attempts=1)
    service.script = [Say(last=True)]
    client.invoke(**INVOKE)
    caller: Connections = client._caller._connections
    (waiting, _) = caller._idle[0]
    wait_for(lambda: transport._has_ended(waiting))
    client.invoke(**INVOKE)
    assert [one.connection for one in service.got] == [1, 2]


@pytest.mark.parametrize("since", [transport.IDLE_SECONDS + 1, -3600])
def test_a_connection_that_was_idle_for_long_is_not_used_any_more(service: Service, since: float) -> None:
    """A frozen function wakes up to a connection that the network may have forgotten."""
    client = ours("lambda", service.url)
    client.invoke(**INVOKE)
    caller: Connections = client._caller._connections
    caller._idle[0] = (caller._idle[0][0], time.time() - since)
    client.invoke(**INVOKE)
    assert service.connections == 2


def test_a_service_that_asks_for_it_gets_a_new_connection(service: Service) -> None:
    client = ours("dynamodb", service.url)
    service.script = [Say(headers={"Connection": "close"}, last=True)]
    client.query(**QUERY)
    client.query(**QUERY)
    assert service.connections == 2


def test_threads_share_a_client_and_no_connection_at_the_same_time(service: Service) -> None:
    client = ours("lambda", service.url)
    service.script = [Say(body=str(number).encode()) for number in range(24)]
    found: list[bytes] = []

    def call() -> None:
        for _ in range(6):
            found.append(client.invoke(**INVOKE)["Payload"].read())

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(map(int, found)) == list(range(24))
    assert service.connections <= 4


# What Lambda wants to see


def test_a_call_tells_lambda_which_request_it_belongs_to(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """By this header Lambda stops functions that run each other in a circle; botocore sends it too."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "herald-dev")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=1;Sampled=0;Lineage=a:1 b")
    for make in (ours, theirs):
        make("dynamodb", service.url).query(**QUERY)
    one, other = (request.headers["x-amzn-trace-id"] for request in service.got)
    assert one == other == "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=1;Sampled=0;Lineage=a:1%20b"


def test_an_operation_that_is_not_ours_is_no_method() -> None:
    client = ours("dynamodb", "http://127.0.0.1:9")
    with pytest.raises(AttributeError, match="CreateTable"):
        client.create_table(TableName="t")


CLIENTS = """
from chalicelib.adapters.aws import client
print([type(client(service)).__name__ for service in ("sns", "dynamodb", "lambda", "ssm")])
"""


def clients(root: Path, **more: str) -> tuple[list[dict[str, Any]], str]:
    """What a fresh process writes while it makes four clients, as its structured lines and the last line."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", CLIENTS],
        cwd=root,
        env={"HERALD_STAGE": "dev", "PATH": "", **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    *lines, last = ran.stdout.splitlines()
    return [json.loads(line) for line in lines], last


OURS, THEIRS = "['Sns', 'Json', 'Lambda', 'Json']", "['Sdk', 'Sdk', 'Sdk', 'Sdk']"
REGION = {"AWS_DEFAULT_REGION": "eu-central-1"}


@pytest.mark.parametrize(
    ("environ", "made"),
    [
        (LAMBDA, OURS),
        (LAMBDA | {"HERALD_AWS_CLIENT": "own"}, OURS),
        (REGION, THEIRS),
        (LAMBDA | {"HERALD_AWS_CLIENT": "botocore", "HTTPS_PROXY": "x"}, THEIRS),
    ],
    ids=["in lambda", "chosen there", "outside", "botocore chosen"],
)
def test_the_client_is_ours_in_lambda_alone_or_the_one_that_is_chosen_and_nothing_is_said(
    root: Path, environ: dict[str, str], made: str
) -> None:
    assert clients(root, **environ) == ([], made)


@pytest.mark.parametrize(
    ("environ", "variables"),
    [
        (LAMBDA | {"HTTPS_PROXY": "http://proxy.example:3128"}, ["HTTPS_PROXY"]),
        (REGION | {"HERALD_AWS_CLIENT": "own"}, ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]),
    ],
)
def test_where_ours_cannot_answer_one_warning_and_one_metric_name_the_variables(
    root: Path, environ: dict[str, str], variables: list[str]
) -> None:
    (warning, metric), last = clients(root, **environ)
    assert last == THEIRS
    assert (warning["level"], warning["code"], warning["variables"]) == ("WARNING", "AWS_CLIENT_FALLBACK", variables)
    assert ", ".join(variables) in warning["message"]
    assert (metric["AwsClientFallback"], metric["variables"]) == ([1.0], ", ".join(variables))


# TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a certificate of it for 127.0.0.1, and one for another name."""
    folder = tmp_path_factory.mktemp("tls")

    def made(*more: str) -> None:
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        command = [needs.openssl(), "req", "-x509", *new, *more]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)

    ca = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    made("-subj", "/CN=Test", "-keyout", "ca.key", "-out", "ca.pem", *ca)
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE")
    for name, subject in (("right", "IP:127.0.0.1"), ("wrong", "DNS:elsewhere.example")):
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        made("-subj", f"/CN={name}", *files, *signed, "-addext", f"subjectAltName={subject}")
    return folder


def over_tls(certificates: Path, name: str) -> Service:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    service = Service(context)
    OPEN.append(service.close)
    return service


def with_bundle(url: str, bundle: Path | None) -> Any:
    environ = LAMBDA | {"AWS_ENDPOINT_URL": url} | ({"AWS_CA_BUNDLE": str(bundle)} if bundle else {})
    client = own_client.client("dynamodb", environ, 2, 5, 1)
    OPEN.append(client._caller._connections.close)
    return client


def test_a_certificate_of_a_trusted_authority_is_taken_and_the_connection_kept(certificates: Path) -> None:
    service = over_tls(certificates, "right")
    client = with_bundle(service.url, certificates / "ca.pem")
    for _ in range(3):
        assert client.query(**QUERY) == {}
    assert service.connections == 1


@pytest.mark.parametrize(("name", "bundle"), [("right", None), ("wrong", "ca.pem"), ("right", "wrong.pem")])
def test_any_other_certificate_is_refused_before_anything_is_sent(
    certificates: Path, name: str, bundle: str | None
) -> None:
    service = over_tls(certificates, name)
    with pytest.raises(NotSentError, match="SSLError"):
        with_bundle(service.url, certificates / bundle if bundle else None).query(**QUERY)
    assert service.got == []


@pytest.mark.parametrize("name", ["right", "wrong"])
def test_an_authority_that_the_system_trusts_is_trusted_too(
    certificates: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """AWS's own authorities are tried first, and are all that is tried for AWS's own endpoints."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))
    service = over_tls(certificates, name)
    client = with_bundle(service.url, None)
    if name == "right":
        for _ in range(2):
            assert client.query(**QUERY) == {}
    else:
        with pytest.raises(NotSentError, match="SSLError"):
            client.query(**QUERY)
    assert service.connections == 2
    assert len({one.connection for one in service.got}) == (name == "right")


def test_the_authorities_of_aws_are_those_that_botocore_has_of_them() -> None:
    """A release of botocore that knows another fails here."""
    theirs = Path(botocore.__file__).with_name("cacert.pem").read_text(encoding="utf-8")
    found = re.findall(
        r'# Label: "(?:Amazon|Starfield Services).*?(-----BEGIN.*?END CERTIFICATE-----)', theirs, re.DOTALL
    )
    mine = re.findall(r"-----BEGIN.*?END CERTIFICATE-----", Path(transport.AMAZON_AUTHORITIES).read_text(), re.DOTALL)
    assert mine == found
    assert len(mine) == 5


def test_what_speaks_no_tls_is_sent_nothing(certificates: Path, service: Service) -> None:
    with pytest.raises(NotSentError, match="SSLError"):
        with_bundle(service.url.replace("http:", "https:"), certificates / "ca.pem").query(**QUERY)


def test_a_bundle_that_cant_be_read_is_an_error_of_ours(certificates: Path) -> None:
    with pytest.raises(AwsError, match="SSLError"):
        with_bundle("https://127.0.0.1:9", certificates / "missing.pem")


def test_an_old_version_of_tls_is_refused(certificates: Path) -> None:
    context = transport._trusting(str(certificates / "ca.pem"))
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
