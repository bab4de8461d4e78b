"""A stand-in for webhook receivers: ``/webhooks/<channel>`` takes webhooks, ``/webhooks/messages.json`` lists them.

It verifies signatures with the library, recognises repetitions by their id, and answers as the service whose body
format it gets. ``/webhooks/_control`` sets how it fails.
"""

from __future__ import annotations

import json
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from chalicelib.logic.webhook_request import EVENT
from ops.local.web.arrived_pushes import KEPT
from ops.local.web.fault_plan import Fault, FaultInjector
from ops.local.web.faulty_endpoint import FaultyEndpoint, control, proxy_page
from ops.local.web.settings import LOCAL_WEBHOOK_SECRET


class Receivers(FaultInjector):
    """All receivers together: the webhooks that they accepted, their counts and their planned faults."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        super().__init__()

    def reset(self) -> None:
        """Remove all webhooks, faults and counts."""
        super().reset()
        self.received: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.lost: deque[dict[str, Any]] = deque(maxlen=KEPT)
        """Webhooks that were accepted but never shown."""
        self._ids: set[tuple[str, str]] = set()

    def take(self, channel: str, headers: dict[str, str], content: bytes) -> Response:
        """Accept a webhook, or refuse it."""
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            return PlainTextResponse("invalid_payload", 400)
        if not isinstance(body, dict):
            return PlainTextResponse("invalid_payload", 400)
        verified: bool | None = None
        if "webhook-signature" in headers or body.get("type") == EVENT:
            try:
                Webhook(LOCAL_WEBHOOK_SECRET).verify(content, headers, json_parse=False)
                verified = True
            except (WebhookVerificationError, ValueError):
                return JSONResponse({"error": "the signature does not verify"}, 401)
        answer, shows = _answer(body)
        identity = headers.get("webhook-id", "")
        if not shows:
            self.lost.append({"channel": channel, "id": identity, "bytes": len(content)})
        elif answer.status_code < 300:
            self.received.append(
                {
                    "channel": channel,
                    "id": identity,
                    "verified": verified,
                    "repeated": (channel, identity) in self._ids,
                    "headers": headers,
                    "body": body,
                    "received_at": round(self._clock(), 3),
                }
            )
            self._ids.add((channel, identity))
        return answer


def _answer(body: dict[str, Any]) -> tuple[Response, bool]:
    """Return the answer of the service that uses this body format, and whether the service then shows the message.

    The limits come from each service's documentation; docs/channels/limits.md links the pages.
    """
    if "content" in body:
        if len(str(body["content"]).encode("utf-16-le")) > 2 * 2000:
            return JSONResponse({"message": "Invalid Form Body", "code": 50035}, 400), True
        return JSONResponse({"id": str(uuid.uuid4().int % 10**18)}), True
    if "attachments" in body:
        # A workflow answers before it tries to post. It then posts the card as a string inside its own JSON.
        posted = [json.dumps(json.dumps(attachment)) for attachment in body["attachments"]]
        shows = sum(map(len, posted)) <= 28 * 1024
        return Response(status_code=202, headers={"x-ms-workflow-run-id": uuid.uuid4().hex}), shows
    if "unfurl_links" in body and len(str(body.get("text", "")).encode("utf-16-le")) > 2 * 40_000:
        return PlainTextResponse("msg_too_long", 400), True
    return PlainTextResponse("ok"), True


class ReceiverEndpoint(FaultyEndpoint):
    """``POST /webhooks/<channel>``."""

    def __init__(self, receivers: Receivers) -> None:
        super().__init__(receivers)
        self._receivers = receivers

    async def right_answer(self, request: Request) -> Response:
        channel = str(request.path_params["channel"])
        return self._receivers.take(channel, dict(request.headers), await request.body())

    def wrong_answer(self, fault: Fault) -> Response:
        if fault.do == "status" and fault.status < 500:
            wait = {} if fault.reset_in is None else {"Retry-After": str(int(fault.reset_in))}
            return PlainTextResponse("on_command", fault.status, wait)
        if fault.do in ("garbage", "not_ok"):
            return Response(b"\x00<!-- not JSON")
        return proxy_page(fault.status or 503)


def routes(receivers: Receivers) -> list[Route]:
    """Create the routes below ``/webhooks``."""

    async def messages(request: Request) -> Response:
        return JSONResponse(list(receivers.received))

    async def lost(request: Request) -> Response:
        return JSONResponse(list(receivers.lost))

    endpoint = ReceiverEndpoint(receivers)
    return [
        Route("/messages.json", messages),
        Route("/lost.json", lost),
        control(receivers),
        Route("/{channel}", endpoint, methods=["POST"]),
    ]
