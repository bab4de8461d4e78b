"""The HTTP side of the stand-in: ``/pushover/1/…`` as Pushover has it, and ``/pushover/_control`` to make it fail."""

from __future__ import annotations

import json
from typing import Any, cast

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ops.local.web.fault_plan import Fault
from ops.local.web.faulty_endpoint import FaultyEndpoint, body_of, control, proxy_page
from ops.local.web.pushover.stand_in import Answer, StandIn

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Unreadable(Exception):
    """The body does not match its content type."""


def routes(stand_in: StandIn) -> list[Route]:
    """Create the routes below ``/pushover``."""

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


async def parameters_of(request: Request) -> dict[str, Any]:
    """Return the parameters of an urlencoded, multipart or JSON request. A file becomes its name, type and size.

    Any other content type has no parameters, so that Pushover's answer to a missing token follows.
    """
    body = await body_of(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return _json_object(body)
    if media_type not in _FORMS:
        return {}
    try:
        async with request.form() as form:
            return {name: _described(value) for name, value in form.items()}
    except HTTPException as error:  # raised by Starlette for a malformed multipart body
        raise Unreadable(str(error.detail)) from None


def _described(value: str | UploadFile) -> str | dict[str, Any]:
    if isinstance(value, str):
        return value
    return {"filename": value.filename, "content_type": value.content_type, "bytes": value.size}


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
        # Refuse what can't be serialized again for display: half of a surrogate pair, NaN.
        json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise Unreadable("the body is not valid JSON") from None
    if not isinstance(data, dict):
        raise Unreadable("the body is not a JSON object")
    return data


def _response(answer: Answer) -> Response:
    return JSONResponse(cast("Any", answer.body), answer.status_code, dict(answer.headers))


def _unreadable(error: Unreadable) -> Response:
    return JSONResponse({"errors": [str(error)], "status": 0}, 400)
