"""Pushover's message API: https://pushover.net/api

What an answer means: 200 with ``status`` 1 is delivered; 429 is over quota until ``X-Limit-App-Reset``; any other 4xx
must never be repeated; 5xx or no answer may be, not sooner than five seconds later (the channel's ``pause``).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import requests
from urllib3.exceptions import NewConnectionError

from chalicelib.adapters.secrets import Secrets
from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    SecretsError,
)
from chalicelib.logic.notification import Notification, cut
from chalicelib.settings import Channel

SECRETS = ("token", "user")
MAX_TITLE = 250
MAX_MESSAGE = 1024
PAUSE = 5
"""Seconds that Pushover wants between attempts."""
WITHOUT_RESET = 60 * 60
"""Seconds to wait when Pushover is over quota and doesn't say until when."""
CONNECT_TIMEOUT = 3.05
READ_TIMEOUT = 10.0


class PushoverNotifier:
    """Delivers notifications by Pushover."""

    def __init__(
        self,
        session: requests.Session,
        secrets: Secrets,
        channel: Channel,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._session = session
        self._secrets = secrets
        self._endpoint = f"{channel.url}/1/messages.json"
        self._clock = clock

    def notify(self, notification: Notification) -> str:
        """Send once; returns Pushover's request id, raises a :class:`~chalicelib.errors.NotifierError`."""
        try:
            secrets = self._secrets.read()
        except SecretsError as error:
            # Once the owner has set it, a later attempt delivers.
            raise ChannelUnavailableError(str(error)) from error
        form: dict[str, str | int] = {
            **secrets,
            "title": cut(notification.title, MAX_TITLE),
            "message": cut(notification.message, MAX_MESSAGE),
        }
        if notification.timestamp is not None:
            form["timestamp"] = notification.timestamp
        try:
            response = self._session.post(
                self._endpoint, data=form, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT), allow_redirects=False
            )
        except requests.exceptions.ConnectTimeout as error:
            raise ChannelUnavailableError("Pushover could not be reached") from error
        except requests.exceptions.ConnectionError as error:
            # The connection may have broken before or after the request was sent; only a refused one is certain.
            if _never_connected(error):
                raise ChannelUnavailableError("Pushover could not be reached") from error
            raise ChannelUncertainError("the connection to Pushover broke") from error
        except requests.exceptions.RequestException as error:
            raise ChannelUncertainError("Pushover did not answer in time") from error
        return self._reference(response)

    def _reference(self, response: requests.Response) -> str:
        if response.status_code == 429:
            raise ChannelUnavailableError("over Pushover's quota", retry_after=self._until_reset(response))
        if 400 <= response.status_code < 500:
            self._secrets.forget()
            raise ChannelRejectedError(f"Pushover refused the message: {_errors(response)}")
        if response.status_code in (502, 504):
            # A proxy's words, who knows as little as we do whether Pushover accepted.
            raise ChannelUncertainError(f"Pushover answered {response.status_code}")
        if response.status_code >= 500:
            raise ChannelUnavailableError(f"Pushover answered {response.status_code}")
        try:
            answer = response.json()
            if response.status_code == 200 and answer["status"] == 1:
                return str(answer["request"])
        except (ValueError, TypeError, KeyError):
            pass
        raise ChannelUncertainError("Pushover's answer can't be understood")

    def _until_reset(self, response: requests.Response) -> int:
        try:
            return max(PAUSE, int(response.headers["X-Limit-App-Reset"]) - int(self._clock()))
        except (KeyError, ValueError):
            return WITHOUT_RESET


def _errors(response: requests.Response) -> str:
    """Pushover's own words, which name parameters and never quote a message."""
    try:
        return "; ".join(str(error)[:200] for error in response.json()["errors"][:3])
    except (ValueError, TypeError, KeyError):
        return f"status {response.status_code}"


def _never_connected(error: requests.exceptions.ConnectionError) -> bool:
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, NewConnectionError)
