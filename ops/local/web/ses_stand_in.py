"""A stand-in for Amazon SES that fails on command. The SES of the local AWS never fails.

A function uses it if its ``AWS_ENDPOINT_URL_SESV2`` is this server. It then sends its mails to ``POST
/v2/email/outbound-emails`` (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html). The stand-in
checks no permissions; only the local AWS does. ``/ses/messages.json`` lists the accepted mails, and ``/ses/_control``
sets how it fails.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any

from botocore.session import Session
from botocore.validate import ParamValidator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ops.local.web.arrived_pushes import KEPT
from ops.local.web.fault_plan import Fault, FaultInjector
from ops.local.web.faulty_endpoint import FaultyEndpoint, control

OUTBOUND = "/v2/email/outbound-emails"

_ERRORS = {400: "MessageRejected", 429: "TooManyRequestsException"}
"""Error codes of SendEmail. Other statuses use the codes that all services share: ⏎
https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html"""

MAX_LINE = 998
"""Octets in a line: https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1. SES documents none, but the next server may
refuse longer lines."""
MAX_RECIPIENTS = 50
"""https://docs.aws.amazon.com/ses/latest/dg/quotas.html, "Message quotas"."""


@cache
def _request() -> Any:
    """Return the shape of a SendEmail request from AWS's own model."""
    return Session().get_service_model("sesv2").operation_model("SendEmail").input_shape


class Ses(FaultInjector):
    """The stand-in: the mails that it accepted, its counts and its planned faults."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        super().__init__()

    def reset(self) -> None:
        """Remove all mails, faults and counts."""
        super().reset()
        self.accepted: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def counts(self) -> dict[str, Any]:
        return super().counts() | {"accepted": len(self.accepted)}

    def take(self, content: bytes) -> Response:
        """Accept a mail, or refuse what AWS's model of SendEmail does not allow. Herald's own client checks nothing."""
        try:
            asked = json.loads(content)
            if ParamValidator().validate(asked, _request()).has_errors():
                return _error(400, "BadRequestException")
            if len(asked["Destination"]["ToAddresses"]) > MAX_RECIPIENTS:
                return _error(400, "MessageRejected")
            simple = asked["Content"]["Simple"]
            # A notification has both parts, an answer to a visitor the first alone.
            parts = [str(simple["Body"][part]["Data"]) for part in ("Text", "Html") if part in simple["Body"]]
            if any(len(line) > MAX_LINE for part in parts for line in part.encode().splitlines()):
                return _error(400, "MessageRejected")
            mail = {
                "from": asked["FromEmailAddress"],
                "to": asked["Destination"]["ToAddresses"],
                "reply_to": asked.get("ReplyToAddresses", []),
                "subject": simple["Subject"]["Data"],
                "text": simple["Body"]["Text"]["Data"],
                "html": simple["Body"].get("Html", {}).get("Data", ""),
                "attachments": [
                    {
                        "name": attachment["FileName"],
                        "type": attachment.get("ContentType", ""),
                        "sha256": hashlib.sha256(base64.b64decode(attachment["RawContent"])).hexdigest(),
                    }
                    for attachment in simple.get("Attachments", [])
                ],
                "headers": {header["Name"]: header["Value"] for header in simple.get("Headers", [])},
            }
        except (ValueError, RecursionError, KeyError, TypeError):
            return _error(400, "BadRequestException")
        mail_id = uuid.uuid4().hex
        self.accepted.append({"id": mail_id, **mail, "received_at": round(self._clock(), 3)})
        return JSONResponse({"MessageId": mail_id})


def _error(status: int, code: str) -> Response:
    """https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization"""
    return JSONResponse({"message": "on command"}, status, {"x-amzn-ErrorType": code})


class _Endpoint(FaultyEndpoint):
    def __init__(self, ses: Ses) -> None:
        super().__init__(ses)
        self._ses = ses

    async def right_answer(self, request: Request) -> Response:
        return self._ses.take(await request.body())

    def wrong_answer(self, fault: Fault) -> Response:
        if fault.do in ("garbage", "not_ok"):
            return Response(b"\x00<!-- not JSON", media_type="application/json")
        status = fault.status or 503
        return _error(status, _ERRORS.get(status, "InternalFailure" if status == 500 else "ServiceUnavailable"))


def endpoint(ses: Ses) -> FaultyEndpoint:
    """Create the endpoint for :data:`OUTBOUND`."""
    return _Endpoint(ses)


def routes(ses: Ses) -> list[Route]:
    """Create the routes below ``/ses``."""

    async def messages(request: Request) -> Response:
        return JSONResponse(list(ses.accepted))

    return [
        Route("/messages.json", messages),
        control(ses),
    ]
