"""Allow programs and pages of this machine to use a server on the loopback address, and no page of the web.

Any web page can make a browser send requests to 127.0.0.1. These checks prevent that:

- a ``Host`` other than 127.0.0.1 or localhost is refused (RFC 9110, 7.2), so a name that its owner points
  at 127.0.0.1 (DNS rebinding) reaches nothing;
- a request with an ``Origin`` other than this server's own is refused: browsers send one with whatever a page of
  another origin may read or change, programs don't (https://fetch.spec.whatwg.org/#origin-header);
- a request that browsers mark as started by a page of another origin is refused, such as one for an image, a frame
  or a script; but a link to a page of this server may be followed, which only shows it to the person
  (``Sec-Fetch-*``, https://www.w3.org/TR/fetch-metadata/);
- a WebSocket is refused, as browsers don't restrict it to an origin;
- no answer allows other origins to read it.

``open_to_pages`` selects requests that other origins may make by design, such as those to the form's API: only their
``Host`` is checked, and they have CORS rules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.IGNORECASE)
_CORS = b"access-control-"

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

FOREIGN_HOST = "This server answers to 127.0.0.1 and localhost only.\n"


class LoopbackGuard:
    """Middleware that answers 400 to a foreign Host, and 403 to pages of other origins."""

    def __init__(
        self, app: ASGIApp, open_to_pages: Callable[[Scope], bool] = lambda scope: False, *, links: bool = True
    ) -> None:
        """``links`` says whether links on pages of other origins may be followed."""
        self._app = app
        self._open_to_pages = open_to_pages
        self._links = links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not names_this_machine(headers.getlist("host")):
            await PlainTextResponse(FOREIGN_HOST, 400)(scope, receive, send)
            return
        if self._open_to_pages(scope):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                # ASGI requires names in lower case, and MiniStack's are not.
                named = [(name.lower(), value) for name, value in message["headers"]]
                message["headers"] = [each for each in named if not each[0].startswith(_CORS)]
                answered = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    answered.setdefault(name, value)
            await send(message)

        app = self._app
        if _of_another_origin(headers) and not (self._links and _follows_a_link(scope["method"], headers)):
            app = PlainTextResponse("Another site's page may not do this.\n", 403)
        await app(scope, receive, send_with_headers)


def names_this_machine(hosts: Sequence[str]) -> bool:
    """Whether there is one ``Host``, and it names this machine."""
    return len(hosts) == 1 and _HOST.fullmatch(hosts[0]) is not None


def _of_another_origin(headers: Headers) -> bool:
    own = f"http://{headers['host'].lower()}"
    if any(origin.lower() != own for origin in headers.getlist("origin")):
        return True
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def _follows_a_link(method: str, headers: Headers) -> bool:
    return (
        method in ("GET", "HEAD")
        and "origin" not in headers
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
