"""Endpoints that fail on command, and ``…/_control`` to set how. The stand-ins of all providers share them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ops.local.web import fault_plan
from ops.local.web.fault_plan import Fault, FaultInjector

MAX_BODY = 8 * 1024 * 1024
"""The maximum size of a request in bytes: an attachment may have 5 MiB, and Base64 adds a third."""
HANG_UP = "herald.hang_up"
"""The key in the ASGI scope for the server's function that closes or resets the connection."""

_PROXY_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>\n"


def control(stand_in: FaultInjector) -> Route:
    """Create ``/_control``: GET returns the counts, PUT replaces the planned faults, DELETE resets both."""

    async def endpoint(request: Request) -> Response:
        if request.method == "PUT":
            try:
                stand_in.control(fault_plan.parse(json.loads(await request.body())))
            except fault_plan.ControlError as error:
                return JSONResponse({"error": str(error), "problems": error.problems}, 400)
            except (ValueError, RecursionError):
                return JSONResponse({"error": 'body: not JSON, expected {"faults": [...]}'}, 400)
        elif request.method == "DELETE":
            stand_in.reset()
        return JSONResponse(stand_in.counts())

    return Route("/_control", endpoint, methods=["GET", "PUT", "DELETE"])


class FaultyEndpoint(ABC):
    """An endpoint of a stand-in. It is plain ASGI, because some faults can't be expressed by a response object."""

    def __init__(self, stand_in: FaultInjector) -> None:
        self._stand_in = stand_in

    @abstractmethod
    async def right_answer(self, request: Request) -> Response:
        """Return the response when no fault is planned."""

    @abstractmethod
    def wrong_answer(self, fault: Fault) -> Response:
        """Return the response of a fault that does not accept the message."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A client that disconnects while sending still counts as a request. It gets no answer.
        with self._stand_in.request(), contextlib.suppress(ClientDisconnect):
            request = Request(scope, receive)
            plan = self._stand_in.plan
            fault = plan.next(await body_of(request) if plan.looks_into else b"")
            if fault is None:
                await (await self.right_answer(request))(scope, receive, send)
                return
            if fault.accepts:
                response = await self.right_answer(request)
            else:
                await body_of(request)  # read the body, so that the next event is a disconnect
            if fault.do not in fault_plan.ACCEPTING:
                response = RedirectResponse("/", 302) if fault.do == "redirect" else self.wrong_answer(fault)
            self._stand_in.count_fault(fault.kind)
            if fault.do in ("refuse", "reset"):
                await _hang_up(scope, receive, broken=fault.do == "reset")
            elif fault.do == "slow_body":
                await self._slowly(response, fault.seconds, receive, send)
            elif fault.do not in ("stall", "accept_then_stall") or await self._pause(fault.seconds, receive):
                await response(scope, receive, send)

    async def _slowly(self, response: Response, seconds: float, receive: Receive, send: Send) -> None:
        body = bytes(response.body)
        await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        for position in range(len(body)):
            if not await self._pause(seconds / len(body), receive):
                return
            more = position + 1 < len(body)
            await send({"type": "http.response.body", "body": body[position : position + 1], "more_body": more})

    async def _pause(self, seconds: float, receive: Receive) -> bool:
        """Wait until ``seconds`` have passed or the server stops. Return False if the client disconnects meanwhile."""
        gone = asyncio.ensure_future(_disconnect(receive))
        closing = asyncio.ensure_future(self._stand_in.closing.wait())
        try:
            await asyncio.wait((gone, closing), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return not gone.done()
        finally:
            gone.cancel()
            closing.cancel()


def proxy_page(status: int) -> Response:
    """Return the page that a proxy shows when it can't reach its server."""
    return Response(_PROXY_PAGE.format(status), status, media_type="text/html")


async def body_of(request: Request) -> bytes:
    if int(request.headers.get("content-length", "0")) > MAX_BODY:
        raise HTTPException(413)
    body = await request.body()
    if len(body) > MAX_BODY:
        raise HTTPException(413)
    return body


async def _hang_up(scope: Scope, receive: Receive, broken: bool) -> None:
    hang_up = scope.get("extensions", {}).get(HANG_UP)
    if hang_up is None:
        raise RuntimeError(
            "`refuse` and `reset` need ops.local.web.server, which can close a connection without an answer"
        )
    hang_up(broken)
    await _disconnect(receive)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
