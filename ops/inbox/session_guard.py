"""Who may look: one browser that was given a token, and no page of another site.

The page shows what strangers wrote and can ring phones, with its owner's AWS credentials behind it. It stands on the
loopback address, to which any page of the web, and any program of this machine, can send requests. In this order:

1. :class:`~ops.loopback.guard.LoopbackGuard` refuses a foreign ``Host`` (DNS rebinding) and a foreign ``Origin``.
2. The address that the command prints holds a token. It is good for one exchange, for the cookie of a session:
   ``HttpOnly``, and ``SameSite=Strict``, so that no other site's page can have it sent.
3. Nothing else is answered without that cookie, nor to what another page started (``Sec-Fetch-Site``): cookies and
   sites know no ports, so a page of another server on this machine would have the cookie sent.
   https://www.w3.org/TR/fetch-metadata/ · https://datatracker.ietf.org/doc/html/rfc6265#section-8.5
4. What changes something is a POST, whose ``Origin`` must be there and this server's own, with a token of the session
   in its body, which other origins can't read.
   https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html

And each answer has a policy under which nothing runs, nothing is loaded from elsewhere and nothing is kept.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chalicelib.inbox.views import CSRF, HEADERS

OPEN = "/open"
"""Where the token is exchanged for a session."""

_MAX_FORM_BYTES = 4096
"""Bytes of a form: its one field has far fewer."""
_SAFE = ("GET", "HEAD")
_OWN = ("same-origin", "none")
"""What started a request: a page of ours, or the person, by the address bar or a terminal."""

Refusal = Callable[[int, str], Response]
"""Makes the page that says no: the status, and why."""


class Session:
    """The one session that a process has. Made with its token; nothing of it is written anywhere."""

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(32)
        """Of the address that is opened once."""
        self.csrf = secrets.token_urlsafe(32)
        self.name = f"herald_inbox_{port}"
        """The cookie's name: browsers give a cookie to all ports of a host."""
        self._cookie = secrets.token_urlsafe(32)
        self._exchanged = False

    def exchange(self, token: str, response: Response) -> bool:
        """Let the response begin the session, if the token is right and for the first time here."""
        if self._exchanged or not _same(token, self.token):
            return False
        self._exchanged = True
        response.set_cookie(self.name, self._cookie, path="/", httponly=True, samesite="strict")
        return True

    def has(self, request: Request) -> bool:
        return _same(request.cookies.get(self.name, ""), self._cookie)

    def accepts(self, csrf: str) -> bool:
        return _same(csrf, self.csrf)


class SessionGuard:
    """Middleware that lets a request through only to whom it may concern; it reads the form of a POST itself."""

    def __init__(self, app: ASGIApp, session: Session, refusal: Refusal) -> None:
        self._app = app
        self._session = session
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = await self._refused(Request(scope, receive)) or self._app
        await app(scope, receive, send_with_headers)

    async def _refused(self, request: Request) -> Response | None:
        path = request.url.path
        if request.method in _SAFE and path == OPEN:
            return None
        if not self._session.has(request):
            return self._refusal(403, "This browser has no session here. Open the address that the command printed.")
        if request.headers.get("sec-fetch-site", "none") not in _OWN:
            return self._refusal(403, "Another page led here. Type the address, or use the links of this page.")
        if request.method in _SAFE:
            return None
        if request.headers.get("origin", "").lower() != f"http://{request.headers['host'].lower()}":
            return self._refusal(403, "Only a form of this page may do this.")
        body = await _bounded(request)
        if body is None:
            return self._refusal(413, "That is no form of this page.")
        try:
            csrf = parse_qs(body.decode("ascii"), max_num_fields=5).get(CSRF, [""])[0]
        except ValueError:
            csrf = ""
        if not self._session.accepts(csrf):
            return self._refusal(403, "This form is not of this session. Load the page again, and try once more.")
        return None


async def _bounded(request: Request) -> bytes | None:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            return None
    return body


def _same(given: str, right: str) -> bool:
    return secrets.compare_digest(given.encode(errors="replace"), right.encode())
