"""Call the AWS operations that Herald needs, without an SDK.

Each method has botocore's name, keyword arguments and result. Requests are not validated here: the adapters' tests
compare every request with botocore's models.
"""

from __future__ import annotations

import base64
import io
import json
import os
import time
import uuid
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from chalicelib.adapters.aws.environment import Endpoint, endpoint
from chalicelib.adapters.aws.errors import AwsError, ServiceError, UnansweredError
from chalicelib.adapters.aws.retries import Retries
from chalicelib.adapters.aws.sigv4 import signed
from chalicelib.adapters.aws.transport import Answer, Connections

USER_AGENT = "herald"


def client(service: str, environ: Mapping[str, str], connect: float, read: float, attempts: int) -> Any:
    """Make a client of a service; raises :class:`~chalicelib.adapters.aws.environment.UnsupportedEnvironment`."""
    if service not in _SERVICES:
        raise ValueError(f"Herald's own client knows no {service}; add it to {__name__}")
    make_client, prefix, service_id, signing_name = _SERVICES[service]
    address = endpoint(environ, prefix, service_id, signing_name)
    return make_client(Caller(address, Connections(address, connect, read), Retries(attempts)))


class Caller:
    """Signs and sends requests, and retries those that a retry can mend."""

    def __init__(
        self,
        endpoint: Endpoint,
        connections: Connections,
        retries: Retries,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint = endpoint
        self._connections = connections
        self._retries = retries
        self._clock = clock
        self._sleep = sleep

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        make_error: Callable[[Answer], ServiceError],
    ) -> Answer:
        """Send a request and return the response; raises an :class:`AwsError`.

        ``make_error`` makes the error from a response with a status of 300 or above.
        """
        attempt, failure = 1, None
        invocation = str(uuid.uuid4())
        while True:
            try:
                about = {"amz-sdk-invocation-id": invocation, "amz-sdk-request": self._retries.header(attempt)}
                answer = self._attempt(method, path, {**headers, **about}, body)
                if answer.status >= 300:
                    raise make_error(answer)
            except AwsError as error:
                pause = self._retries.pause(attempt, error)
                if pause is None:
                    raise
                attempt, failure = attempt + 1, error
                self._sleep(pause)
            else:
                self._retries.succeeded(failure)
                return answer

    def _attempt(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        endpoint = self._endpoint
        complete = signed(
            method,
            path,
            {"Host": endpoint.authority, **headers},
            body,
            endpoint.credentials,
            endpoint.region,
            endpoint.signing_name,
            self._clock(),
        )
        complete["User-Agent"] = USER_AGENT
        # Lambda recognises recursive loops by it:
        # https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
        if trace := os.environ.get("_X_AMZN_TRACE_ID"):
            complete["X-Amzn-Trace-Id"] = quote(trace, safe="-=;:+&[]{}\"',")
        answer = self._connections.exchange(method, path, complete, body)
        checksum = answer.headers.get("x-amz-crc32")
        if checksum and int(checksum) != zlib.crc32(answer.body):
            raise UnansweredError("ChecksumError")
        return answer


class Sns:
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html, by the query protocol."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def publish(
        self, *, TopicArn: str, Message: str, MessageAttributes: Mapping[str, Mapping[str, str]]
    ) -> dict[str, Any]:
        form = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": TopicArn, "Message": Message}
        for number, (name, attribute) in enumerate(MessageAttributes.items(), 1):
            entry = f"MessageAttributes.entry.{number}"
            form[f"{entry}.Name"] = name
            form |= {f"{entry}.Value.{key}": value for key, value in attribute.items()}
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        answer = self._caller.send("POST", "/", headers, urlencode(form).encode(), error_from_xml)
        _, start, rest = answer.body.partition(b"<MessageId>")
        message_id, end, _ = rest.partition(b"</MessageId>")
        if not (start and end):
            raise UnansweredError("ResponseParserError")
        return {"MessageId": message_id.decode()}


class Json:
    """A service whose requests and responses are JSON objects without bytes or times.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations.html
    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
    """

    def __init__(self, caller: Caller, target: str, version: str, *operations: str) -> None:
        self._caller = caller
        self._target = target
        self._version = version
        self._operations = operations

    def __getattr__(self, method: str) -> Callable[..., dict[str, Any]]:
        """``put_item`` for ``PutItem``."""
        operation = method.title().replace("_", "")
        if operation not in self._operations:
            raise AttributeError(f"{self._target} has no {operation} here; add it to {__name__}")
        return partial(self._call, operation)

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        headers = {
            "X-Amz-Target": f"{self._target}.{operation}",
            "Content-Type": f"application/x-amz-json-{self._version}",
        }
        answer = self._caller.send("POST", "/", headers, json.dumps(request).encode(), _error_from_json)
        return _object(answer.body)


class Lambda:
    """https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html"""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def invoke(self, *, FunctionName: str, Payload: bytes, InvocationType: str = "RequestResponse") -> dict[str, Any]:
        path = f"/2015-03-31/functions/{quote(FunctionName, safe='')}/invocations"
        headers = {"X-Amz-Invocation-Type": InvocationType}
        answer = self._caller.send("POST", path, headers, Payload, _error_from_json)
        result: dict[str, Any] = {"StatusCode": answer.status, "Payload": io.BytesIO(answer.body)}
        if failed := answer.headers.get("x-amz-function-error"):
            result["FunctionError"] = failed
        return result


class SesV2:
    """https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Operations.html"""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def send_email(self, **request: Any) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        body = json.dumps(request, default=_base64).encode()
        return _object(self._caller.send("POST", "/v2/email/outbound-emails", headers, body, _error_from_json).body)

    def get_email_identity(self, *, EmailIdentity: str) -> dict[str, Any]:
        return self._get(f"/v2/email/identities/{quote(EmailIdentity, safe='')}")

    def get_account(self) -> dict[str, Any]:
        return self._get("/v2/email/account")

    def get_suppressed_destination(self, *, EmailAddress: str) -> dict[str, Any]:
        return self._get(f"/v2/email/suppression/addresses/{quote(EmailAddress, safe='')}")

    def _get(self, path: str) -> dict[str, Any]:
        return _object(self._caller.send("GET", path, {}, b"", _error_from_json).body)


def _dynamodb(caller: Caller) -> Json:
    return Json(
        caller, "DynamoDB_20120810", "1.0", "PutItem", "GetItem", "BatchGetItem", "UpdateItem", "DeleteItem", "Query"
    )


def _ssm(caller: Caller) -> Json:
    return Json(caller, "AmazonSSM", "1.1", "GetParameters")


def _s3(caller: Caller) -> Any:
    # Few stages take files.
    from chalicelib.adapters.aws.own_s3 import S3

    return S3(caller, error_from_xml)


_SERVICES: Mapping[str, tuple[Callable[[Caller], Any], str, str, str]] = {
    "sns": (Sns, "sns", "SNS", "sns"),
    "ssm": (_ssm, "ssm", "SSM", "ssm"),
    "dynamodb": (_dynamodb, "dynamodb", "DYNAMODB", "dynamodb"),
    "lambda": (Lambda, "lambda", "LAMBDA", "lambda"),
    "sesv2": (SesV2, "email", "SESV2", "ses"),
    "s3": (_s3, "s3", "S3", "s3"),
}
"""For each service: its client's class, the first part of its endpoints, its id, and its name in signatures."""


def _base64(content: object) -> str:
    """Bytes within JSON: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#shape-serialization"""
    if not isinstance(content, bytes):
        raise TypeError(f"JSON can't hold a {type(content).__name__}")
    return base64.b64encode(content).decode()


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body or b"{}")
    except ValueError as error:
        raise UnansweredError("ResponseParserError") from error
    if not isinstance(content, dict):
        raise UnansweredError("ResponseParserError")
    return content


def _error_from_json(answer: Answer) -> ServiceError:
    """https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html#operation-error-serialization"""
    try:
        fields = json.loads(answer.body or b"{}")
    except ValueError:
        fields = {}
    if not isinstance(fields, dict):
        fields = {}
    code = answer.headers.get("x-amzn-errortype") or fields.pop("__type", None) or fields.pop("code", None)
    message = fields.pop("message", None) or fields.pop("Message", None) or ""
    # Such as "aws.protocoltests#FooError:http://…".
    word = str(code or answer.status).partition(":")[0].rpartition("#")[2]
    return ServiceError(word, answer.status, str(message), fields)


def error_from_xml(answer: Answer) -> ServiceError:
    """https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#operation-error-serialization"""
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(answer.body)  # noqa: S314 - it comes from AWS, over TLS
    except ElementTree.ParseError:
        return ServiceError(str(answer.status), answer.status)
    fields = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
    return ServiceError(fields.get("Code") or str(answer.status), answer.status, fields.get("Message", ""))
