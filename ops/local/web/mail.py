"""A stand-in for Amazon SES that fails on command, where the local AWS's own never does.

Nothing leads here of itself: a function whose ``AWS_ENDPOINT_URL_SESV2`` is this server sends its mails to
``POST /v2/email/outbound-emails`` (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html). Whether
it may is asked by the local AWS alone. ``/ses/messages.json`` shows what came, and ``/ses/_control`` makes it fail, as
with the stand-in for Pushover.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ops.local.web.inbox import KEPT
from ops.local.web.pushover.api import FaultyEndpoint, control
from ops.local.web.pushover.faults import Control, Fault, FaultPlan

OUTBOUND = "/v2/email/outbound-emails"

_ERRORS = {400: "MessageRejected", 429: "TooManyRequestsException"}
"""Of the operation; for the others the codes that all services share:
https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html"""


class Ses:
    """What it was sent, counted and told to get wrong."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.closing = asyncio.Event()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.plan = FaultPlan()
        self.accepted: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._requests = 0
        self._faulted: Counter[str] = Counter()

    def control(self, control: Control) -> None:
        """Replace the faults to come."""
        self.plan = FaultPlan(control.faults, control.seed)

    def counts(self) -> dict[str, Any]:
        return {
            "requests": self._requests,
            "accepted": len(self.accepted),
            "faulted": dict(self._faulted),
            "pending": self.plan.pending(),
        }

    def close(self) -> None:
        """Let every stalled answer end."""
        self.closing.set()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count one request."""
        self._requests += 1
        yield

    def count_fault(self, kind: str) -> None:
        self._faulted[kind] += 1

    def take(self, content: bytes) -> Response:
        """Keep a mail, or refuse what is none."""
        try:
            asked = json.loads(content)
            simple = asked["Content"]["Simple"]
            mail = {
                "from": asked["FromEmailAddress"],
                "to": asked["Destination"]["ToAddresses"],
                "reply_to": asked.get("ReplyToAddresses", []),
                "subject": simple["Subject"]["Data"],
                "text": simple["Body"]["Text"]["Data"],
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
    """What serves :data:`OUTBOUND`."""
    return _Endpoint(ses)


def routes(ses: Ses) -> list[Route]:
    """The routes below ``/ses``."""

    async def messages(request: Request) -> Response:
        return JSONResponse(list(ses.accepted))

    return [
        Route("/messages.json", messages),
        control(ses),
    ]
