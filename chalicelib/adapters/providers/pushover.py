"""Pushover's message API: https://pushover.net/api

========================================= ==========================================================================
answer                                    meaning
========================================= ==========================================================================
200 with ``status`` 1                     delivered; unavailable if the account has no device
429 of Pushover with no messages left     unavailable until ``X-Limit-App-Reset``
any other 429                             unavailable for a moment: too many requests at once
4xx that names the token or the user      unavailable, tried hourly: the owner must correct it
any other 4xx of Pushover                 rejected: the same request fails again
4xx of a proxy                            unavailable: it says nothing about the message
502, 504, an answer that can't be read    uncertain: Pushover may have accepted
no answer to a request that was sent      uncertain
any other 5xx, no connection              unavailable
========================================= ==========================================================================

Pushover blocks who sends "many failed requests that result in 4xx responses within a few minutes":
https://pushover.net/api#friendly
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import requests

from chalicelib.adapters.provider_http import (
    CONNECT_TIMEOUT,
    READ_TIMEOUT,
    TIME_TO_SEND_AGAIN,
    WAIT_FOR_OWNER,
    json_object,
    missing_answer_error,
    read_secrets,
)
from chalicelib.adapters.secrets import Secrets
from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
)
from chalicelib.logic import pushover_parameters
from chalicelib.logic.channel_kind import AttachmentLimits, ChannelKind, Secret, Tools, matching
from chalicelib.logic.notification import Notification, Quota
from chalicelib.logic.pushover_parameters import (
    make_parameters,
    make_reply,
    make_texts,
    parse_quota,
    read_quota,
    seconds_until_reset,
)
from chalicelib.settings import Channel, Rings

SECRETS = ("token", "user")
MIN_PAUSE = 5
"""Seconds that Pushover requires between attempts."""
THROTTLED_PAUSE = 30
"""Seconds to wait after too many requests at once."""
NO_DEVICES = "no active devices"
"""``info`` of a 200 with ``status`` 1 where the account has no enabled device, so that nothing was delivered. It is not
documented; seen in https://github.com/influxdata/kapacitor/issues/1483 and
https://github.com/openhab/openhab1-addons/issues/5201."""
CHECK_TIMEOUT = (2.0, 4.0)
"""Seconds to connect and to answer. A check makes two calls within the function's time-out."""


class PushoverNotifier:
    """Delivers notifications by Pushover; ``on_quota`` is called with the quota of each answer that has one."""

    def __init__(
        self,
        session: requests.Session,
        secrets: Secrets,
        channel: Channel,
        clock: Callable[[], float] = time.time,
        on_quota: Callable[[Quota], None] = lambda quota: None,
    ) -> None:
        self._session = session
        self._secrets = secrets
        self._api = f"{channel.url}/1"
        self._options = channel.options
        self._clock = clock
        self._on_quota = on_quota
        self.quota: Quota | None = None
        """What the last delivery's answer says that Pushover still takes."""

    def notify(self, notification: Notification) -> str:
        """Send; where Pushover refuses that with an image, send once more without it.

        Raises a :class:`~chalicelib.errors.FunctionError`.
        Returns the receipt of a message of priority 2 (https://pushover.net/api/receipts), else Pushover's request id.
        """
        form, started = self._make_form(notification), self._clock()
        for image in notification.attached[:1]:
            # https://pushover.net/api#attachments: the image, and never its visitor's name for it.
            try:
                return self._send(form, {"attachment": ("image", image.content, image.media_type)})
            except ChannelRejectedError as error:
                # Perhaps because of the image. Without it, it is another request, for which there must be time.
                if self._clock() - started > TIME_TO_SEND_AGAIN:
                    raise ChannelUnavailableError("Pushover refused the image, too late to send without it") from error
        return self._send(form)

    def _send(self, form: Mapping[str, str | int], files: Mapping[str, tuple[str, bytes, str]] | None = None) -> str:
        try:
            response = self._session.post(
                f"{self._api}/messages.json",
                data=form,
                files=files,
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                allow_redirects=False,
            )
        except requests.exceptions.RequestException as error:
            raise missing_answer_error(error, "Pushover") from error
        self.quota = read_quota(response.headers)
        if self.quota is not None:
            self._on_quota(self.quota)
        return self._read_reference(response)

    def check(self, notification: Notification) -> Quota | None:
        """Check options, secrets, devices and quota, and send nothing: https://pushover.net/api#validate

        Returns the quota. Raises :class:`ChannelUnavailableError`, or :class:`InvalidRequestError` for an option.
        """
        form = self._make_form(notification)
        response = self._call(self._session.post, "users/validate.json", data={name: form[name] for name in SECRETS})
        answer = json_object(response.content)
        if 400 <= response.status_code < 500 and response.status_code != 429:
            self._secrets.forget()
            raise ChannelUnavailableError(
                f"Pushover would not deliver: {_error_texts(response, answer)}", retry_after=WAIT_FOR_OWNER
            )
        if response.status_code != 200 or answer.get("status") != 1:
            raise ChannelUnavailableError(f"Pushover could not check the secrets: status {response.status_code}")
        limits = json_object(self._call(self._session.get, "apps/limits.json", params={"token": form["token"]}).content)
        quota = parse_quota(*(limits.get(name) for name in ("limit", "remaining", "reset")))
        if quota is not None:
            self._on_quota(quota)
            if not quota.remaining:
                raise self._quota_used_up(quota.reset)
        return quota

    def _call(
        self, method: Callable[..., requests.Response], path: str, **more: Mapping[str, str | int]
    ) -> requests.Response:
        try:
            return method(f"{self._api}/{path}", timeout=CHECK_TIMEOUT, allow_redirects=False, **more)
        except requests.exceptions.RequestException:
            # Without a cause, as it names the address and with it the token.
            raise ChannelUnavailableError("Pushover could not be asked") from None

    def _make_form(self, notification: Notification) -> dict[str, str | int]:
        """Return the form to post, secrets included; raises :class:`InvalidRequestError` for an option."""
        form = make_texts(notification) | make_parameters(self._options, notification.options)
        if "url" not in form:
            form |= make_reply(notification)
        if notification.timestamp is not None:
            form["timestamp"] = notification.timestamp
        return form | read_secrets(self._secrets)

    def _quota_used_up(self, reset: object) -> ChannelUnavailableError:
        return ChannelUnavailableError(
            "over Pushover's quota", retry_after=seconds_until_reset(reset, self._clock(), MIN_PAUSE)
        )

    def _read_reference(self, response: requests.Response) -> str:
        answer = json_object(response.content)
        if response.status_code == 429:
            raise self._throttled(response, answer)
        if 400 <= response.status_code < 500:
            raise self._client_error(response, answer)
        if response.status_code in (502, 504):
            # From a proxy, which doesn't know whether Pushover accepted.
            raise ChannelUncertainError(f"Pushover answered {response.status_code}")
        if response.status_code >= 500:
            raise ChannelUnavailableError(f"Pushover answered {response.status_code}")
        if response.status_code != 200 or answer.get("status") != 1 or not answer.get("request"):
            raise ChannelUncertainError("Pushover's answer can't be understood")
        if NO_DEVICES in str(answer.get("info", "")):
            raise ChannelUnavailableError(
                "Pushover has no active device of this user to deliver to", retry_after=WAIT_FOR_OWNER
            )
        return str(answer.get("receipt") or answer["request"])

    def _throttled(self, response: requests.Response, answer: Mapping[str, object]) -> ChannelUnavailableError:
        """Tell a used-up quota from too many requests at once, which Pushover's proxy answers."""
        remaining = response.headers.get("X-Limit-App-Remaining")
        if remaining == "0" or (remaining is None and _is_from_pushover(answer)):
            return self._quota_used_up(response.headers.get("X-Limit-App-Reset"))
        return ChannelUnavailableError("too many requests at once for Pushover", retry_after=THROTTLED_PAUSE)

    def _client_error(
        self, response: requests.Response, answer: Mapping[str, object]
    ) -> ChannelRejectedError | ChannelUnavailableError:
        """Return the error for a 4xx. Its body has a wrong parameter as a key: https://pushover.net/api#response"""
        self._secrets.forget()
        wrong = [name for name in SECRETS if name in answer]
        if wrong:
            return ChannelUnavailableError(
                f"Pushover refused the secret {' and '.join(wrong)}: {_error_texts(response, answer)}",
                retry_after=WAIT_FOR_OWNER,
            )
        if not _is_from_pushover(answer):
            # From a proxy or a firewall, so it says nothing about the message.
            return ChannelUnavailableError(
                f"a proxy in front of Pushover answered {response.status_code}", retry_after=WAIT_FOR_OWNER
            )
        return ChannelRejectedError(f"Pushover refused the message: {_error_texts(response, answer)}")


def _is_from_pushover(answer: Mapping[str, object]) -> bool:
    """Whether Pushover itself refused: https://pushover.net/api#response"""
    return answer.get("status") == 0 and isinstance(answer.get("errors"), list)


def _error_texts(response: requests.Response, answer: Mapping[str, object]) -> str:
    """Return Pushover's error messages, which name parameters and never quote a message."""
    errors = answer.get("errors")
    if not isinstance(errors, list):
        return f"status {response.status_code}"
    return "; ".join(str(error)[:200] for error in errors[:3])


def _make_notifier(tools: Tools) -> PushoverNotifier:
    return PushoverNotifier(tools.session(), tools.secrets(), tools.channel, on_quota=tools.report_quota)


_KEY = matching(r"[A-Za-z0-9]{30}", "30 letters and digits")
"""The form of the token and of the user or group key: https://pushover.net/api#registration and #identifiers"""

KIND = ChannelKind(
    kind="pushover",
    provider="Pushover",
    reaches="your phone, by [Pushover](https://pushover.net)",
    leaves_copies_with="Pushover, and your devices",
    make_notifier=_make_notifier,
    inbox_link_by_default=True,
    address="https://api.pushover.net",
    options=pushover_parameters.OPTIONS,
    secrets=(
        Secret("token", "the API token of [your application](https://pushover.net/apps/build)", _KEY, example="a" * 30),
        Secret("user", "your user key, or that of a [group](https://pushover.net/groups)", _KEY, example="u" * 30),
    ),
    # https://pushover.net/api#attachments: one image of 5,242,880 bytes at most
    attachment_limits=AttachmentLimits(("image",), 1, 5_242_880),
    limits=pushover_parameters.LIMITS,
    # Notifications at most; a month of these is a third of the 10,000 messages that are free: https://pushover.net/api#limits
    rings=Rings(hour=30, day=120),
    shortest_pause=MIN_PAUSE,
    # https://pushover.net/api#priority
    priorities={
        "low": {"priority": -1},
        "normal": {"priority": 0},
        "high": {"priority": 1},
        "emergency": {"priority": 2},
    },
    link_option="link",
    mistakes=lambda values: pushover_parameters.find_misplaced(
        {name: value for name, value in values.items() if value is not None}
    ),
)
