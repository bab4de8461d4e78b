"""The phone page: a lock screen on which pushes arrive, and the same list as JSON for scripts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ops.local.web.arrived_pushes import Inbox

_FILES = ("phone.css", "phone.js")
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
_SIGN_OF_LIFE = 15.0
"""Seconds between comments on an idle stream. They reveal a connection that has died."""


def routes(inbox: Inbox, directory: Path, app_name: str) -> list[Route]:
    """Create the routes below ``/phone``."""

    async def page(request: Request) -> Response:
        return FileResponse(
            directory / "index.html",
            media_type="text/html",
            headers={"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"},
        )

    async def file(request: Request) -> Response:
        name = str(request.path_params["name"])
        if name not in _FILES:
            return Response(status_code=404)
        return FileResponse(directory / name)

    async def messages(request: Request) -> Response:
        if request.method == "DELETE":
            inbox.clear()
            return Response(status_code=204)
        return JSONResponse(inbox.pushes)

    async def events(request: Request) -> Response:
        return StreamingResponse(_events(inbox, app_name), media_type="text/event-stream")

    return [
        Route("/phone", page),
        Route("/phone/", page),
        Route("/phone/messages.json", messages, methods=["GET", "DELETE"]),
        Route("/phone/events", events),
        Route("/phone/{name}", file),
    ]


async def _events(inbox: Inbox, app_name: str) -> AsyncIterator[str]:
    """Send the pushes as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    ``snapshot`` holds all recent messages, on connecting and after clearing; ``push`` holds one new message. A page
    that was disconnected needs no history, as it gets a new snapshot.
    """
    yield f"retry: 1000\nevent: app\ndata: {json.dumps({'name': app_name})}\n\n"
    async for change in inbox.changes(_SIGN_OF_LIFE):
        if change is None:
            yield ": still here\n\n"
            continue
        event, pushes = change
        # json.dumps writes no line break, which would end the event.
        yield f"event: {event}\ndata: {json.dumps(pushes)}\n\n"
