"""The routes for ``make run`` itself: a health check, and the API's address."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ops.local.web.settings import ApiAddress

_EXPECTED = 'expected {"api": "http://127.0.0.1:4566/…"} or {"api": null}'


def routes(api: ApiAddress) -> list[Route]:
    """Create ``/_herald/health`` and ``/_herald/api``."""

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok", "api": api.get()})

    async def address(request: Request) -> Response:
        if request.method == "PUT":
            try:
                api.set(_address(await request.body()))
            except ValueError as error:
                return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"api": api.get()})

    return [Route("/health", health), Route("/api", address, methods=["GET", "PUT"])]


def _address(body: bytes) -> str | None:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError(f"not JSON; {_EXPECTED}") from None
    if not isinstance(data, dict) or set(data) != {"api"} or not isinstance(data["api"], str | None):
        raise ValueError(_EXPECTED)
    return data["api"]
