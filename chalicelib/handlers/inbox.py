"""``inbox``: the owner's inbox, opened by the link in a notification, at a function URL that everybody may ask.

::

    GET  open?token=…    a page with one button, so that no preview of the link uses it up
    POST open?token=…    the link becomes a session, once
    POST fresh?token=…   a fresh link, to the channel of the old one
    GET  ./  message     what the channel's sites got
    GET  file            an image that came with a message, to be shown on its page
    POST replay  release  spam  answered  unanswered  erase  end

Nothing is read from the table before a signature was verified. Who has a session is answered, unless another page
started the request (``Sec-Fetch-Site``, else ``Origin``); what changes something needs the session's own token too.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from chalicelib import composition
from chalicelib.errors import FilesError, FunctionError, InvalidRequestError, RetryError, SecretsError, StoreError
from chalicelib.inbox import views
from chalicelib.inbox.filters import Filter, FilterError
from chalicelib.inbox.views import CSRF, Counts, Shell
from chalicelib.inbox.words import Trouble
from chalicelib.logic import inbox_links, message_pages, replay
from chalicelib.logic.inbox_links import LINK_LIFE, Link
from chalicelib.logic.inbox_sessions import SESSION_LIFE, Session, read_session, session_token
from chalicelib.logic.inbox_tokens import InvalidTokenError, hashed
from chalicelib.logic.invoke_contract import MAX_ID
from chalicelib.logic.notification import Notification
from chalicelib.logic.recorded_timeline import trace_of_table
from chalicelib.logic.retry_due import DueMessage
from chalicelib.logic.stored_messages import Marked, OwnerMark, StoredMessage
from chalicelib.logs import logger

COOKIE = "__Host-herald-inbox"
"""https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes"""
MAX_FORM_BYTES = 4096
_HEADERS = {
    **views.HEADERS,
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Robots-Tag": "noindex",
}
_SPENT = "This link was used, was ended, or is older than a week. Have a fresh one sent to where you got it."
_UNKNOWN = "This is no link of this inbox. Open the one in a notification."


class Refusal(Exception):
    """A request that is answered by a page that says why not."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the function URL.

    https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-request-payload
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    host: str
    body: bytes

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Request:
        """Read an event; raises ``ValueError`` for more parameters than any of our addresses has."""
        http, body = event["requestContext"]["http"], event.get("body") or ""
        return cls(
            http["method"],
            event["rawPath"].rstrip("/").rpartition("/")[2],
            dict(parse_qsl(event.get("rawQueryString", ""), keep_blank_values=True, max_num_fields=20)),
            event["headers"],
            dict(pair.partition("=")[::2] for pair in event.get("cookies", ())),
            event["requestContext"]["domainName"],
            base64.b64decode(body) if event.get("isBase64Encoded") else body.encode(),
        )

    @property
    def changes(self) -> bool:
        return self.method not in ("GET", "HEAD")

    @property
    def is_of_our_page(self) -> bool:
        """Whether one of our pages, or for a GET the person, started it: https://www.w3.org/TR/fetch-metadata/"""
        if site := self.headers.get("sec-fetch-site"):
            return site == "same-origin" or (site == "none" and not self.changes)
        return not self.changes or self.headers.get("origin") == f"https://{self.host}"

    def field(self, name: str) -> str:
        """A field of its form; empty without one."""
        if len(self.body) > MAX_FORM_BYTES:
            return ""
        try:
            return parse_qs(self.body.decode("ascii", errors="replace"), max_num_fields=5).get(name, [""])[0]
        except ValueError:
            return ""


def prepare(function: str) -> None:
    """Make the clients of the first page, while the function starts (``handlers.preload``)."""
    container = composition.get_container()
    _ = container.inbox_parameters, container.inbox_sessions, container.archive


def answer(event: dict[str, Any], context: Any) -> dict[str, object]:
    """Answer one request with a page, or an image on it."""
    inbox = _Inbox(composition.get_container(), context.invoked_function_arn)
    try:
        try:
            request = Request.of(event)
        except ValueError:
            raise Refusal(HTTPStatus.BAD_REQUEST, "There is no such page.") from None
        if request.method not in ("GET", "HEAD", "POST"):
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Only pages and their forms are answered.")
        return inbox.answer(request)
    except Refusal as refusal:
        return _page(views.refused(inbox.shell, str(refusal)), refusal.status)
    except (FilterError, InvalidRequestError) as error:
        return _page(views.lacking(inbox.shell, "That can't be shown", str(error)), HTTPStatus.BAD_REQUEST)
    except (StoreError, SecretsError, FilesError) as error:
        logger.error("The inbox could not be shown", extra={"reason": str(error)})
        trouble = Trouble("Not available at the moment", "Try again in a minute.", type(error).__name__)
        return _page(views.troubled(inbox.shell, trouble, "./"), HTTPStatus.SERVICE_UNAVAILABLE)


class _Inbox:
    def __init__(self, container: composition.Container, function_arn: str) -> None:
        self._container = container
        self._function_arn = function_arn
        self._stage = container.stage
        self.shell = Shell(self._stage.name, "times in UTC", {})

    def answer(self, request: Request) -> dict[str, object]:
        match request.path, request.changes:
            case "open", False:
                return self._ask(request)
            case "open", True:
                return self._exchange(request)
            case "fresh", True:
                return self._send_fresh(request)
        session = self._session(request)
        channel = session.channel
        names = [name for name in self._stage.site_names if channel in self._stage.channels_serving(name)]
        self.shell = Shell(
            self._stage.name,
            f"channel {channel}, times in UTC",
            {name: tuple(self._stage.channels_serving(name)) for name in names},
            session.csrf,
        )
        match request.path, request.changes:
            case "", False:
                return self._list(request)
            case "message", False:
                return self._message(request, session)
            case "file", False:
                return self._file(request)
            case "replay", True:
                return self._try_again(request, channel, held=False)
            case "release", True:
                return self._try_again(request, channel, held=True)
            case path, True if path in views.MARKS:
                return self._mark(request, channel, views.MARKS[path])
            case "erase", True:
                return self._erase(request, channel)
            case "end", True:
                self._container.inbox_sessions.end(channel, [hashed(session.id)])
                gone = views.ended(self.shell, "Signed out", "The next notification has a link to open it again.")
                return _page(gone, cookie=_cookie("", 0))
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such page.")

    # Links

    def _link(self, request: Request) -> tuple[str, Link]:
        if request.changes and not request.is_of_our_page:
            raise Refusal(HTTPStatus.FORBIDDEN, "Only a form of this page may do this.")
        token = request.query.get("token", "")
        try:
            link = inbox_links.read_link(token, self._stage.name, self._key)
        except InvalidTokenError:
            raise Refusal(HTTPStatus.FORBIDDEN, _UNKNOWN) from None
        if link.channel not in self._stage.inbox_channels:
            raise Refusal(HTTPStatus.FORBIDDEN, _UNKNOWN)
        return token, link

    def _ask(self, request: Request) -> dict[str, object]:
        """The page that a person presses a button on. The table is not asked: previews may open it as often as
        they like."""
        token, link = self._link(request)
        if link.ends_at <= self._container.now():
            return _page(views.spent_link(self.shell, _SPENT, f"fresh?token={token}"), HTTPStatus.GONE)
        return _page(views.link(self.shell, f"open?token={token}"))

    def _exchange(self, request: Request) -> dict[str, object]:
        token, link = self._link(request)
        now, sessions = self._container.now(), self._container.inbox_sessions
        target = f"message{Filter().query(id=link.message_id)}" if link.message_id else "./"
        if link.ends_at <= now or not sessions.use(token, link):
            if self._has_session(request, link.channel):
                return _redirect(target)
            return _page(views.spent_link(self.shell, _SPENT, f"fresh?token={token}"), HTTPStatus.GONE)
        session = Session(link.channel, secrets.token_urlsafe(32), now + SESSION_LIFE)
        sessions.open(session, now)
        logger.info("An inbox was opened", extra={"channel": link.channel, "message_id": link.message_id})
        cookie = _cookie(session_token(session, self._stage.name, self._key), SESSION_LIFE)
        return _redirect(target, cookie)

    def _has_session(self, request: Request, channel: str) -> bool:
        """Whether the browser has an open session of the channel, so that a spent link is no loss."""
        try:
            session = self._read_session(request)
        except InvalidTokenError:
            return False
        return session.channel == channel and self._container.inbox_sessions.has(session)

    def _read_session(self, request: Request) -> Session:
        """Read the cookie; raises :class:`InvalidTokenError`. The session may have been ended since."""
        return read_session(request.cookies.get(COOKIE, ""), self._stage.name, self._key, self._container.now())

    def _send_fresh(self, request: Request) -> dict[str, object]:
        """Send a fresh link to the old one's channel. Whoever asks learns nothing but that."""
        _, link = self._link(request)
        now = self._container.now()
        if not self._container.inbox_sessions.may_send_link(link.channel, now):
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "Three links were sent within this hour. Try the newest one.")
        fresh = Link(link.channel, link.message_id, now + LINK_LIFE, secrets.token_urlsafe(9))
        parameters = self._container.inbox_parameters.read()
        notification = Notification(
            id=f"fresh-{fresh.nonce}",
            title="Herald: a fresh link to your inbox",
            message="Somebody with an older link to your inbox asked for a fresh one. Was it not you? Do nothing.",
            channel=link.channel,
            inbox=inbox_links.link_address(fresh, self._stage.name, parameters),
        )
        try:
            self._container.notifiers[link.channel].notify(notification)
        except FunctionError as error:
            logger.error("A fresh link was not sent", extra={"channel": link.channel, "reason": error.message})
            trouble = Trouble("The link could not be sent", "Try again in some minutes.", type(error).__name__)
            return _page(views.troubled(self.shell, trouble, "./"), HTTPStatus.SERVICE_UNAVAILABLE)
        return _page(views.ended(self.shell, "Sent", "A fresh link is on its way to where you got the old one."))

    # Pages

    def _session(self, request: Request) -> Session:
        if not request.cookies.get(COOKIE):
            raise Refusal(HTTPStatus.FORBIDDEN, _UNKNOWN)
        if not request.is_of_our_page:
            raise Refusal(HTTPStatus.FORBIDDEN, "Another page led here. Open the link in a notification.")
        try:
            session = self._read_session(request)
        except InvalidTokenError:
            raise Refusal(HTTPStatus.FORBIDDEN, _UNKNOWN) from None
        if request.changes and not secrets.compare_digest(request.field(CSRF).encode(), session.csrf.encode()):
            raise Refusal(HTTPStatus.FORBIDDEN, "This form is not of this session. Load the page again.")
        if session.channel not in self._stage.inbox_channels or not self._container.inbox_sessions.has(session):
            raise Refusal(HTTPStatus.FORBIDDEN, "This session has ended. Open the link in a newer notification.")
        return session

    def _list(self, request: Request) -> dict[str, object]:
        shown = Filter.of(request.query, self.shell.sites)
        archive = self._container.archive
        page = message_pages.page(archive, self.shell.sites, shown.selection())
        fields = archive.fields_of([message.id for message in page.messages])
        counts = Counts({}, is_whole=False)
        notice = _NOTICES.get(request.query.get("done", ""), "")
        return _page(views.mailbox(self.shell, shown, page, fields, counts, self._container.now(), notice))

    def _message(self, request: Request, session: Session) -> dict[str, object]:
        message, shown = self._asked_for(request), Filter.of({}, self.shell.sites)
        trace, notice = trace_of_table(message.listed.id, message), _NOTICES.get(request.query.get("done", ""), "")
        now = self._container.now()
        return _page(views.message(self.shell, trace, shown, session.csrf, now, logs=True, notice=notice))

    def _file(self, request: Request) -> dict[str, object]:
        message = self._asked_for(request)
        # Loaded here alone: few messages have files.
        from chalicelib.inbox import previews
        from chalicelib.logic.message_files import KEPT_PREFIX, key_of

        number = previews.numbered(request.query.get("number", ""))

        def read() -> bytes | None:
            key = key_of(KEPT_PREFIX, message.listed.site, message.listed.id, number)
            stored = self._container.file_bucket(self._function_arn).read(key)
            return stored.content if stored else None

        found = previews.preview(message, number, read)
        if found is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "There is no such preview.")
        return {
            "statusCode": int(HTTPStatus.OK),
            "headers": {**_HEADERS, **previews.HEADERS, "Content-Type": found[0]},
            "body": base64.b64encode(found[1]).decode(),
            "isBase64Encoded": True,
        }

    def _asked_for(self, request: Request) -> StoredMessage:
        """The requested message. One of a site that the session's channel doesn't serve is as if it weren't there."""
        message_id = request.query.get("id", "")
        message = self._container.archive.get(message_id) if 0 < len(message_id) <= MAX_ID else None
        if message is None or message.listed.site not in self.shell.sites:
            raise Refusal(HTTPStatus.NOT_FOUND, "There is no message of this id: it was erased, or its time was over.")
        return message

    def _try_again(self, request: Request, by: str, *, held: bool) -> dict[str, object]:
        message = self._asked_for(request).listed
        channels = self._stage.channels_serving(message.site)
        try:
            replayed = replay.apply_replay(
                message.id, held, channels, self._container.replays, self._container.now(), by
            )
        except LookupError:
            raise Refusal(HTTPStatus.CONFLICT, "It changed a moment ago. Look at it again.") from None
        is_delivered = set(replayed.left.values()) == {replay.SkipReason.DELIVERED}
        done = OwnerMark.NOT_SPAM if held and is_delivered else "nothing"
        if replayed.channels:
            done = "asked"
            try:
                self._container.destined.run(DueMessage(message.id, message.site))
            except RetryError:
                done = "later"
        return _redirect(f"message{Filter().query(id=message.id, done=done)}")

    def _mark(self, request: Request, by: str, mark: OwnerMark) -> dict[str, object]:
        message = self._asked_for(request).listed
        if not self._container.marks.mark(message.id, Marked(mark, self._container.now(), by)):
            raise Refusal(HTTPStatus.CONFLICT, "It changed a moment ago. Look at it again.")
        return _redirect(f"message{Filter().query(id=message.id, done=mark)}")

    def _erase(self, request: Request, by: str) -> dict[str, object]:
        message = self._asked_for(request)
        listed = message.listed
        # Files first, and the record last: an erasure that was interrupted can be repeated.
        if message.files and self._stage.takes_files:
            files = self._container.file_bucket(self._function_arn)
            files.delete(listed.site, listed.id, len(message.files))
        self._container.marks.erase(message)
        logger.info("A message was erased", extra={"message_id": listed.id, "channel": by})
        return _redirect("./?done=erased")

    @property
    def _key(self) -> str:
        return self._container.inbox_parameters.read()["spam/key"]


_NOTICES: dict[str, str] = {
    **views.MARK_NOTICES,
    "erased": f"{views.ERASED} A backup or a dead letter may still hold it.",
    "nothing": "There is nothing left to ring.",
    "asked": "Its channels are being tried. Load the page again in a moment.",
    "later": "Its channels will be tried within 15 minutes.",
}


def _page(text: str, status: HTTPStatus = HTTPStatus.OK, cookie: str = "") -> dict[str, object]:
    # Half a surrogate pair, which a JSON body may hold, becomes "?".
    body = text.encode(errors="replace").decode()
    return {
        "statusCode": int(status),
        "headers": _HEADERS,
        "body": body,
        **({"cookies": [cookie]} if cookie else {}),
    }


def _redirect(to: str, cookie: str = "") -> dict[str, object]:
    return {
        "statusCode": int(HTTPStatus.SEE_OTHER),
        "headers": {**_HEADERS, "Location": to},
        "body": "",
        **({"cookies": [cookie]} if cookie else {}),
    }


def _cookie(value: str, seconds: int) -> str:
    return f"{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Strict"
