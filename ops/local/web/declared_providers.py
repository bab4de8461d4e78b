"""Stand-ins for the providers that are asked by HTTP as their kind of channel declares.

``/providers/<kind>/…`` takes requests and gives the answers that the declaration quotes of the provider's
documentation. It measures declared limits by itself, and wants the secrets that every channel of the kind has.
``/providers/<kind>/messages.json`` lists what was accepted, and ``/providers/<kind>/_control`` sets how it fails.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from chalicelib.adapters.providers import kinds
from chalicelib.logic.channel_kind import Answer, AnswerMeaning, ChannelKind
from chalicelib.logic.provider_limits import UTF_8, UTF_16, Limit
from ops.local.web.arrived_pushes import KEPT
from ops.local.web.fault_plan import Fault, FaultInjector
from ops.local.web.faulty_endpoint import FaultyEndpoint, control, proxy_page


class DeclaredProvider(FaultInjector):
    """One provider: what it accepted, its counts and its planned faults."""

    def __init__(self, kind: ChannelKind, answers: tuple[Answer, ...], clock: Callable[[], float]) -> None:
        self._kind = kind
        self._answers = answers
        self._clock = clock
        super().__init__()

    def reset(self) -> None:
        """Remove all messages, faults and counts."""
        super().reset()
        self.received: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def take(self, path: str, headers: dict[str, str], content: bytes) -> Response:
        """Accept a request, or refuse one that lacks a secret or is too long."""
        try:
            body = json.loads(content or b"{}")
        except (ValueError, RecursionError):
            return Response("not JSON", 400)
        sent = "\n".join((path, *headers.values(), *map(str, body.values())))
        if any(secret.needed is None and secret.example not in sent for secret in self._kind.secrets):
            return self.answer(AnswerMeaning.OWNER_MUST_ACT)
        if any(_size(limit, body, content) > limit.maximum for limit in self._kind.limits if limit.maximum):
            return self.answer(AnswerMeaning.REJECTED)
        if content:
            self.received.append(
                {"path": path, "headers": headers, "body": body, "received_at": round(self._clock(), 3)}
            )
        return self.answer(AnswerMeaning.DELIVERED)

    def answer(self, meaning: AnswerMeaning, status: int | None = None) -> Response:
        """Return the first documented answer of this meaning, or of this status."""
        for known in self._answers:
            if known.status == status or (status is None and known.meaning is meaning):
                return Response(known.body, known.status, dict(known.headers), "application/json")
        return proxy_page(status or 400)


def _size(limit: Limit, body: dict[str, Any], content: bytes) -> int:
    """Measure what a limit is of: the key of the body that its part names, else the whole body."""
    named = re.match(r"`(\w+)`", limit.part)
    text = str(body.get(named[1], "")) if named else content.decode(errors="replace")
    match limit.unit:
        case unit if unit == UTF_8:
            return len(text.encode(errors="replace"))
        case unit if unit == UTF_16:
            return len(text.encode("utf-16-le", "replace")) // 2
        case _:
            return len(text)


class _Endpoint(FaultyEndpoint):
    def __init__(self, provider: DeclaredProvider) -> None:
        super().__init__(provider)
        self._provider = provider

    async def right_answer(self, request: Request) -> Response:
        return self._provider.take(request.url.path, dict(request.headers), await request.body())

    def wrong_answer(self, fault: Fault) -> Response:
        if fault.do in ("garbage", "not_ok"):
            return Response(b"\x00<!-- not JSON")
        return self._provider.answer(AnswerMeaning.TRY_LATER, fault.status or 503)


def providers(clock: Callable[[], float]) -> dict[str, DeclaredProvider]:
    """Create a stand-in for each kind that is asked by HTTP."""
    return {name: DeclaredProvider(kind, kind.http.answers, clock) for name, kind in kinds().items() if kind.http}


def routes(all_providers: dict[str, DeclaredProvider]) -> Iterator[Mount]:
    """Create the routes below ``/providers``."""
    for name, provider in all_providers.items():
        yield Mount(f"/{name}", routes=list(_routes(provider)))


def _routes(provider: DeclaredProvider) -> Iterator[Route]:
    async def messages(request: Request) -> Response:
        return JSONResponse(list(provider.received))

    yield Route("/messages.json", messages)
    yield control(provider)
    yield Route("/{path:path}", _Endpoint(provider), methods=["GET", "POST"])
