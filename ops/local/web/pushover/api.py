"""The stand-in's HTTP: ``/pushover/1/…`` as Pushover speaks it, ``/pushover/_control`` to make it fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any, Protocol, cast

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ops.local.web.pushover import faults
from ops.local.web.pushover.faults import Control, Fault, FaultPlan
from ops.local.web.pushover.stand_in import Answer, StandIn

MAX_BODY = 8 * 1024 * 1024
"""Bytes of a request: an attachment may have 5 MiB, and Base64 adds a third."""
HANG_UP = "herald.hang_up"
"""The key of the ASGI scope under which the server gives a function that closes the connection, or breaks it off."""

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_PROXY_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>\n"


class Unreadable(Exception):
    """The body is not what its content type says."""


def routes(stand_in: StandIn) -> list[Route]:
    """The routes below ``/pushover``."""

    async def validate(request: Request) -> Response:
        try:
            return _response(stand_in.validate(await parameters_of(request)))
        except Unreadable as error:
            return _unreadable(error)

    async def limits(request: Request) -> Response:
        return _response(stand_in.quota(dict(request.query_params)))

    async def receipt(request: Request) -> Response:
        return _response(stand_in.receipt(str(request.path_params["receipt"]), dict(request.query_params)))

    return [
        Route("/1/messages.json", MessagesEndpoint(stand_in), methods=["POST"]),
        Route("/1/users/validate.json", validate, methods=["POST"]),
        Route("/1/apps/limits.json", limits),
        Route("/1/receipts/{receipt}.json", receipt),
        control(stand_in),
    ]


class Faulty(Protocol):
    """A stand-in that fails on command, and counts."""

    plan: FaultPlan
    closing: asyncio.Event

    def control(self, control: Control) -> None:
        """Replace the faults to come."""

    def reset(self) -> None:
        """Forget faults and counts."""

    def counts(self) -> dict[str, Any]:
        """What there was so far, as JSON."""

    def request(self) -> AbstractContextManager[None]:
        """Count one request for as long as it is in progress."""

    def count_fault(self, kind: str) -> None:
        """Count one fault."""


def control(stand_in: Faulty) -> Route:
    """``/_control``: GET tells what was counted, PUT the faults to come, DELETE forgets both."""

    async def endpoint(request: Request) -> Response:
        if request.method == "PUT":
            try:
                stand_in.control(faults.parse(json.loads(await request.body())))
            except faults.ControlError as error:
                return JSONResponse({"error": str(error), "problems": error.problems}, 400)
            except (ValueError, RecursionError):
                return JSONResponse({"error": 'body: not JSON, expected {"faults": [...]}'}, 400)
        elif request.method == "DELETE":
            stand_in.reset()
        return JSONResponse(stand_in.counts())

    return Route("/_control", endpoint, methods=["GET", "PUT", "DELETE"])


class FaultyEndpoint(ABC):
    """An endpoint of a stand-in. Spoken in plain ASGI, because its faults reach below a response object."""

    def __init__(self, stand_in: Faulty) -> None:
        self._stand_in = stand_in

    @abstractmethod
    async def right_answer(self, request: Request) -> Response:
        """What the request is answered when nothing is to go wrong."""

    @abstractmethod
    def wrong_answer(self, fault: Fault) -> Response:
        """What it is answered by a fault that does not accept."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A client that goes away while it still sends has made a request, and gets no answer.
        with self._stand_in.request(), contextlib.suppress(ClientDisconnect):
            request = Request(scope, receive)
            fault = self._stand_in.plan.next()
            if fault is None:
                await (await self.right_answer(request))(scope, receive, send)
                return
            if fault.accepts:
                response = await self.right_answer(request)
            else:
                await _body(request)  # read, so that a disconnect can be told from the rest of the body
            if fault.do not in faults.ACCEPTING:
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
        """Wait, though no longer than the server lives; False when the client has gone meanwhile."""
        gone = asyncio.ensure_future(_disconnect(receive))
        closing = asyncio.ensure_future(self._stand_in.closing.wait())
        try:
            await asyncio.wait((gone, closing), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return not gone.done()
        finally:
            gone.cancel()
            closing.cancel()


class MessagesEndpoint(FaultyEndpoint):
    """``POST /1/messages.json``."""

    def __init__(self, stand_in: StandIn) -> None:
        super().__init__(stand_in)
        self._pushover = stand_in

    async def right_answer(self, request: Request) -> Response:
        try:
            return _response(self._pushover.take(await parameters_of(request)))
        except Unreadable as error:
            return _unreadable(error)

    def wrong_answer(self, fault: Fault) -> Response:
        if fault.do == "status" and fault.status < 500:
            return _response(self._pushover.refusal(fault.status, fault.reset_in))
        if fault.do == "no_device":
            return _response(self._pushover.without_device())
        if fault.do == "not_ok":
            return _response(Answer(200, self._pushover.refusal(400, None).body, self._pushover.limits()))
        if fault.do == "garbage":
            return Response(b"\x00<!-- not JSON", media_type="application/json")
        status = fault.status or 503
        return proxy_page(status)


def proxy_page(status: int) -> Response:
    """What a proxy answers for a server that it doesn't reach."""
    return Response(_PROXY_PAGE.format(status), status, media_type="text/html")


async def parameters_of(request: Request) -> dict[str, Any]:
    """The parameters of an urlencoded, multipart or JSON request, as received; of a file name, type, size.

    Any other content type carries no parameters, so that the answer is the one to a missing token.
    """
    body = await _body(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return _json_object(body)
    if media_type not in _FORMS:
        return {}
    try:
        async with request.form() as form:
            return {name: _described(value) for name, value in form.items()}
    except HTTPException as error:  # what Starlette makes of a multipart body that it can't read
        raise Unreadable(str(error.detail)) from None


def _described(value: str | UploadFile) -> str | dict[str, Any]:
    if isinstance(value, str):
        return value
    return {"filename": value.filename, "content_type": value.content_type, "bytes": value.size}


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
        # What can't be written again (half a surrogate pair, NaN) couldn't be shown either.
        json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise Unreadable("the body is not valid JSON") from None
    if not isinstance(data, dict):
        raise Unreadable("the body is not a JSON object")
    return data


async def _body(request: Request) -> bytes:
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


def _response(answer: Answer) -> Response:
    return JSONResponse(cast("Any", answer.body), answer.status_code, dict(answer.headers))


def _unreadable(error: Unreadable) -> Response:
    return JSONResponse({"errors": [str(error)], "status": 0}, 400)
