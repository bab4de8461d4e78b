"""Ask the inbox in the pocket as a phone's browser does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from chalicelib.inbox.views import CSRF
from chalicelib.logic.inbox_links import LINK_LIFE, Link, link_token
from tests.e2e.harness import PATIENCE, Harness


class Pocket:
    """A browser with a session, once it has opened a link."""

    def __init__(self, herald: Harness, channel: str, session: requests.Session) -> None:
        name = herald.stage.spam_key_parameter
        self._key = herald.account.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        self._stage, self._channel, self._address = herald.stage.name, channel, herald.urls["inbox"]
        self._session = session
        self._csrf = ""
        session.headers["Sec-Fetch-Site"] = "same-origin"

    def link(self, message_id: str, path: str = "open") -> str:
        """Return a new link to a message, or where a fresh one is asked for."""
        # As that of a message that comes now: later than the end of the sessions that another test has ended.
        link = Link(self._channel, message_id, int(time.time()) + LINK_LIFE + 1, str(time.time_ns()))
        return f"{path}?token={link_token(link, self._stage, self._key)}"

    def gets(self, path: str) -> requests.Response:
        answer = self._session.get(self._address + path, timeout=PATIENCE)
        csrf = re.search(rf'name="{CSRF}" value="([^"]*)"', answer.text)
        self._csrf = csrf[1] if csrf else self._csrf
        return answer

    def posts(self, path: str) -> requests.Response:
        return self._session.post(self._address + path, {CSRF: self._csrf}, timeout=PATIENCE, allow_redirects=False)

    def opens(self, link: str) -> requests.Response:
        """Press a link's button and keep the session; return the page that follows."""
        answer = self.posts(link)
        assert answer.status_code == 303, answer.text
        # The local AWS has no TLS, and a cookie of this kind needs it.
        self._session.headers["Cookie"] = answer.headers["Set-Cookie"].partition(";")[0]
        return self.gets(answer.headers["Location"])


@contextmanager
def pocket(herald: Harness, channel: str) -> Iterator[Pocket]:
    """Yield a browser that has no session yet."""
    with requests.Session() as session:
        yield Pocket(herald, channel, session)
