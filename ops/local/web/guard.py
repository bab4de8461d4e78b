"""Who may talk to a server on the loopback address: programs and pages of this machine, no page of the web.

Any web page may make a browser send requests to 127.0.0.1. Two checks stand against that:

- a ``Host`` other than 127.0.0.1 or localhost is refused (RFC 9110, 7.2), so a name that its owner points
  at 127.0.0.1 (DNS rebinding) reaches nothing;
- a request that changes something and carries an ``Origin`` other than this server's own is refused;
  browsers always send one with such requests (https://fetch.spec.whatwg.org/#origin-header), programs don't.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.IGNORECASE)
_SAFE = ("GET", "HEAD", "OPTIONS")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class LoopbackGuard:
    """Middleware that answers 400 to a foreign Host and 403 to a foreign Origin."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = _refusal(scope["method"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_with_headers)


def _refusal(method: str, headers: Headers) -> PlainTextResponse | None:
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        return PlainTextResponse("This server answers to 127.0.0.1 and localhost only.\n", 400)
    if method in _SAFE:
        return None
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"http://{hosts[0].lower()}":
        return PlainTextResponse("Another site's page may not do this.\n", 403)
    return None
