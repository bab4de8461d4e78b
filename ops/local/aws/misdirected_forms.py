"""Find forms that a page posts to an address of the local AWS where no form is, so that ``make run`` can say so.

On AWS such an address belongs to nobody, or to somebody else; nobody could say anything.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Report = Callable[[str, str], None]
"""Gets the page's origin and the path that it posted to. A page of any site may have chosen both."""

_MARK = "misdirected form: "
_FORM = re.compile(r"/restapis/[^/]+/[^/]+/_user_request_/(contact(/[^/]+(/challenge)?)?|f/[^/]+)|/_aws/.*")
"""Paths that say by themselves what is wrong: those of the API's forms, and function URLs."""
_PAUSE = 0.25
_LONGEST = 100


def print_report(origin: str, path: str) -> None:
    """Print the line that :func:`follow` reads."""
    print(_MARK + json.dumps([origin, path]), flush=True)


class MisdirectedForms:
    """ASGI middleware that reports a page's form, or the preflight of its script, that was refused elsewhere."""

    def __init__(self, inner: ASGIApp, report: Report = print_report) -> None:
        self._inner = inner
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Headers(scope=scope).get("origin", "") if scope["type"] == "http" else ""
        # Programs send no origin.
        if not origin or scope["method"] not in ("POST", "OPTIONS") or _FORM.fullmatch(scope["path"]):
            await self._inner(scope, receive, send)
            return

        async def reporting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                self._report(origin[:_LONGEST], scope["path"][:_LONGEST])
            await send(message)

        await self._inner(scope, receive, reporting)


def follow(log: Path, report: Report, ended: Callable[[], bool]) -> None:
    """Report what the server prints to ``log`` from now on, until ``ended``."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        lines.seek(0, 2)
        begun = ""
        while not ended():
            line = lines.readline()
            if not line:
                time.sleep(_PAUSE)
                continue
            begun += line
            if begun.endswith("\n"):
                if begun.startswith(_MARK):
                    report(*json.loads(begun.removeprefix(_MARK)))
                begun = ""
