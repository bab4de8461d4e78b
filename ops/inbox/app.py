"""The map of the inbox: every route, and what answers it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TypeVar

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from chalicelib.errors import InvalidRequestError
from chalicelib.inbox import previews, views, words
from chalicelib.inbox.filters import Filter, FilterError
from chalicelib.inbox.views import Counts, Shell
from chalicelib.inbox.words import Trouble
from chalicelib.logic.delivery_types import State
from chalicelib.logic.invoke_contract import MAX_ID
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.stored_messages import MAX_PAGE, OwnerMark
from ops.inbox import session_guard, troubles
from ops.inbox.mailbox import Mailbox
from ops.inbox.session_guard import Session, SessionGuard
from ops.loopback.guard import LoopbackGuard
from ops.operations import Replayed

_PATIENCE = 10.0
"""Seconds that a replay is waited for, so that the page shows its outcome; it goes on without us."""
_LOOK_AGAIN = 0.5
_MAX_COUNTED = 200
"""Messages of which the states are counted: four queries for each site."""
_NO_MESSAGE = (
    "No message has this id: it was erased, has expired, or was never stored. "
    "To see what the logs say of it: ./herald trace --stage {stage} <id>"
)

Answer = TypeVar("Answer")


class TroubleError(Exception):
    """What AWS answered, in words."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.title)
        self.trouble = trouble


class Inbox:
    """The pages of one stage."""

    def __init__(
        self, shell: Shell, session: Session, connect: Callable[[], Mailbox], clock: Callable[[], float]
    ) -> None:
        self.shell = shell
        self.session = session
        self._connect = connect
        self._connected: Mailbox | None = None
        self._connecting = Lock()
        self._notices: dict[str, str] = {}
        self._clock = clock

    async def list(self, request: Request) -> Response:
        shown = self._filter(request)

        def look(mailbox: Mailbox) -> str:
            counts = _counts(mailbox, shown)
            listing = mailbox.page(shown.selection())
            fields = mailbox.fields_of([message.id for message in listing.messages])
            notice = self._notices.pop("", "")
            return views.mailbox(self.shell, shown, listing, fields, counts, self._now(), notice)

        return _page(await self._asked(look))

    async def message(self, request: Request) -> Response:
        message_id, back, logs = self._id(request), self._filter(request), request.query_params.get("logs") == "yes"
        trace = await self._asked(lambda mailbox: mailbox.trace(message_id, logs=logs))
        if trace.message is None:
            raise HTTPException(404, _NO_MESSAGE.format(stage=self.shell.stage))
        notice = self._notices.pop(message_id, "")
        csrf = self.session.csrf
        return _page(views.message(self.shell, trace, back, csrf, self._now(), logs=logs, notice=notice))

    async def file(self, request: Request) -> Response:
        """The preview of a file; the page that shows it has its address."""
        message_id, number = self._id(request), previews.numbered(request.query_params.get("number", ""))

        def look(mailbox: Mailbox) -> tuple[str, bytes] | None:
            message = mailbox.trace(message_id, logs=False).message
            return previews.preview(message, number, lambda: mailbox.file(message, number)) if message else None

        found = await self._asked(look)
        if found is None:
            raise HTTPException(404, "There is no such preview.")
        return Response(found[1], media_type=found[0], headers=previews.HEADERS)

    async def replay(self, request: Request) -> Response:
        return await self._change(request, lambda mailbox, message_id: mailbox.replay(message_id))

    async def release(self, request: Request) -> Response:
        return await self._change(request, lambda mailbox, message_id: mailbox.release(message_id))

    async def mark(self, mark: OwnerMark, request: Request) -> Response:
        message_id, back = self._id(request), self._filter(request)
        await self._asked(lambda mailbox: mailbox.mark(message_id, mark))
        self._notices[message_id] = views.MARK_NOTICES[mark]
        return RedirectResponse(f"/message{back.query(id=message_id)}", 303)

    async def erase(self, request: Request) -> Response:
        message_id, back = self._id(request), self._filter(request)
        erased = await self._asked(lambda mailbox: mailbox.erase_all([message_id]))
        copies = [copy.where for each in erased for copy in each.copies]
        left = f" Copies may remain: {words.listed(copies)}." if copies else ""
        self._notices[""] = f"{views.ERASED}{left}"
        return RedirectResponse(f"/{back.query()}", 303)

    async def _change(self, request: Request, change: Callable[[Mailbox, str], Replayed]) -> Response:
        message_id, back = self._id(request), self._filter(request)

        def carry_out(mailbox: Mailbox) -> None:
            done = change(mailbox, message_id)
            # First of all: it is done, also if AWS does not answer from now on.
            self._notices[message_id] = words.replayed(done)
            if done.asked:
                self._wait(mailbox, done)

        await self._asked(carry_out)
        # 303: the page that follows can be loaded again, and nothing is done twice.
        return RedirectResponse(f"/message{back.query(id=message_id)}", 303)

    def _wait(self, mailbox: Mailbox, done: Replayed) -> None:
        """Until each channel that is tried has ended that, or patience has."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            found = mailbox.trace(done.id, logs=False).message
            states = [found.listed.channels[name].state for name in done.channels] if found else []
            if not {State.PENDING, State.SENDING} & set(states):
                return
            time.sleep(_LOOK_AGAIN)

    async def open(self, request: Request) -> Response:
        response = _page(views.opened(self.shell))
        if request.method == "GET" and self.session.exchange(request.query_params.get("token", ""), response):
            return response
        return self.refusal(
            403,
            "This address opens the inbox once, and was used before or is not complete. For a new one stop the command"
            " with Ctrl-C and start it again. If it was not you who used it, do that now.",
        )

    def refusal(self, status: int, reason: str) -> Response:
        return _page(views.refused(self.shell, reason), status)

    async def lacking(self, request: Request, error: Exception) -> Response:
        """An address that there is not, or a way of asking that it doesn't know."""
        status = error.status_code if isinstance(error, HTTPException) else 400
        reason = error.detail if isinstance(error, HTTPException) else str(error)
        titles = {404: "Page not found", 405: "Wrong method"}
        return _page(views.lacking(self.shell, titles.get(status, "That can't be shown"), reason), status)

    async def stale(self, request: Request, error: Exception) -> Response:
        reason = "This page of the list is not known any more. Start again with the newest."
        return _page(views.lacking(self.shell, "That can't be shown", reason), 400)

    async def troubled(self, request: Request, error: Exception) -> Response:
        """AWS did not answer, or refused."""
        assert isinstance(error, TroubleError)  # noqa: S101 - it is registered for these
        # After a POST the message's own page is what can be loaded again.
        path = request.url.path.removeprefix("/") or "./"
        if request.method not in ("GET", "HEAD"):
            path = "message"
        again = f"{path}?{request.url.query}" if request.url.query else path
        return _page(views.troubled(self.shell, error.trouble, again), 503)

    def _filter(self, request: Request) -> Filter:
        return Filter.of(request.query_params, self.shell.sites)

    def _id(self, request: Request) -> str:
        message_id = request.query_params.get("id", "")
        if not 0 < len(message_id) <= MAX_ID:
            raise HTTPException(404, "No message has this id.")
        return message_id

    async def _asked(self, ask: Callable[[Mailbox], Answer]) -> Answer:
        """What the mailbox answers. After an error it is made anew: by then its owner may have signed in."""

        def run() -> Answer:
            try:
                with self._connecting:
                    mailbox = self._connected = self._connected or self._connect()
                return ask(mailbox)
            except InvalidRequestError:
                raise
            except Exception as error:
                self._connected = None
                if found := troubles.trouble(error):
                    raise TroubleError(found) from error
                raise

        # Nobody waits for a call of AWS that hangs when the command is to end.
        return await anyio.to_thread.run_sync(run, abandon_on_cancel=True)

    def _now(self) -> int:
        return int(self._clock())


def create_app(
    shell: Shell, session: Session, connect: Callable[[], Mailbox], clock: Callable[[], float] = time.time
) -> Starlette:
    """The ASGI application. ``connect`` makes the mailbox when a page first needs it; it may raise what AWS answers."""
    inbox = Inbox(shell, session, connect, clock)
    return Starlette(
        routes=[
            Route(session_guard.OPEN, inbox.open),
            Route("/", inbox.list),
            Route("/message", inbox.message),
            Route("/file", inbox.file),
            Route("/replay", inbox.replay, methods=["POST"]),
            Route("/release", inbox.release, methods=["POST"]),
            *(Route(f"/{path}", partial(inbox.mark, mark), methods=["POST"]) for path, mark in views.MARKS.items()),
            Route("/erase", inbox.erase, methods=["POST"]),
        ],
        middleware=[
            Middleware(LoopbackGuard),
            Middleware(SessionGuard, session=session, refusal=inbox.refusal),
        ],
        exception_handlers={
            HTTPException: inbox.lacking,
            FilterError: inbox.lacking,
            InvalidRequestError: inbox.stale,
            TroubleError: inbox.troubled,
        },
    )


def _counts(mailbox: Mailbox, shown: Filter) -> Counts:
    """How many of the same messages are in each state."""
    selection, states = replace(shown.having(None).selection(), limit=MAX_PAGE), Counter[MessageState]()
    for _ in range(_MAX_COUNTED // MAX_PAGE):
        listing = mailbox.page(selection)
        states.update(message.state for message in listing.messages)
        if not listing.cursor:
            return Counts(states, is_whole=True)
        selection = replace(selection, cursor=listing.cursor)
    return Counts(states, is_whole=False)


def _page(text: str, status: int = 200) -> Response:
    # Half a surrogate pair, which a JSON body may hold, becomes "?".
    return Response(text.encode(errors="replace"), status, media_type="text/html")
