"""``notify_pushover``: a pure function of the Invoke API, in front of a Pushover that answers as documented.

https://pushover.net/api: 200 with ``status`` 1 is a success; 4xx must not be repeated; 429 is over quota until
``X-Limit-App-Reset``; 5xx may be repeated, not sooner than five seconds later.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import requests
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import EndpointConnectionError, HTTPClientError, ReadTimeoutError

from chalicelib.adapters.providers.pushover import PushoverNotifier
from chalicelib.adapters.secrets import ParameterSecrets
from chalicelib.composition import report_quota
from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    FunctionError,
)
from chalicelib.settings import Options, Stage
from tests.fakes import NOW, FakeContainer, channel
from tests.functional import notifiers
from tests.functional.conftest import Provider
from tests.functional.notifiers import TOKEN, USER
from tests.functional.test_metrics import values

PATH = "/herald/local/pushover"
REQUEST = {"version": 1, "id": "id-1", "title": "MARKER-title", "message": "MARKER-message", "timestamp": NOW}
SENT = {"token": TOKEN, "user": USER, "title": "MARKER-title", "message": "MARKER-message", "timestamp": str(NOW)}
"""The form that this request becomes."""


class Pushover:
    """``notify_pushover`` with a Parameter Store that answers, in JSON, as AWS documents it:
    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html"""

    def __init__(self, local: Stage, aws: Callable[[str], Any], url: str, session: requests.Session) -> None:
        self.values = {"token": TOKEN, "user": USER}
        self.invalid: list[str] | None = []
        self.reads = 0
        self.asked: Any = None
        self.broken: Exception | None = None
        self.refused = ""
        self.now = float(NOW)
        self.ssm = aws("ssm")
        self.ssm.meta.events.register("before-parameter-build.ssm.GetParameters", self._ask)
        self.ssm.meta.events.register("before-send.ssm.GetParameters", self._answer)
        secrets = ParameterSecrets(self.ssm, PATH, ("token", "user"), clock=lambda: self.now)
        self.channel = channel()._replace(url=url)
        self._session, self._secrets, self._local = session, secrets, local
        self.set_options({})

    def set_options(self, options: Options) -> None:
        """As ``herald.toml`` says of the channel."""
        it = self.channel._replace(options=options)
        saw = partial(report_quota, self._local, it)
        notifier = PushoverNotifier(self._session, self._secrets, it, clock=lambda: self.now, on_quota=saw)
        self.composition = FakeContainer(self._local, providers={"pushover": notifier})

    def _ask(self, params: Any, **_: Any) -> None:
        self.asked = params

    def _answer(self, **_: Any) -> AWSResponse:
        self.reads += 1
        if self.broken:
            raise self.broken
        if self.refused:
            return http(400, {"__type": self.refused, "message": "MARKER"})
        answer: dict[str, Any] = {
            "Parameters": [
                {"Name": f"{PATH}/{name}", "Type": "SecureString", "Value": value, "Version": 1}
                for name, value in reversed(self.values.items())
            ]
        }
        return http(200, answer | ({} if self.invalid is None else {"InvalidParameters": self.invalid}))

    def invoke(self, request: object = REQUEST) -> Any:
        return notifiers.invoke("pushover", self.composition, request)

    def fails(self, error: type[FunctionError], request: object = REQUEST) -> FunctionError:
        return notifiers.fails("pushover", self.composition, error, request)


def http(status: int, body: object) -> AWSResponse:
    return AWSResponse("https://ssm", status, HTTPHeaders(), _Raw(json.dumps(body).encode()))


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.getvalue()


@pytest.fixture
def pushover(local: Stage, aws: Callable[[str], Any], provider: Provider, session: requests.Session) -> Pushover:
    return Pushover(local, aws, provider.url, session)


# Delivered


def test_a_notification_is_sent_once_as_documented_and_answered_by_the_contract(
    pushover: Pushover, provider: Provider
) -> None:
    assert pushover.invoke() == {"channel": "pushover", "status": "delivered", "reference": "req-1"}
    assert provider.paths == ["/1/messages.json"]
    assert provider.forms == [{name: [value] for name, value in SENT.items()}]
    assert provider.sent[0]["Content-Type"] == "application/x-www-form-urlencoded"
    pushover.invoke({name: value for name, value in REQUEST.items() if name != "timestamp"})
    assert provider.forms[1].keys() == SENT.keys() - {"timestamp"}


@pytest.mark.parametrize(
    ("name", "text", "arrives"),
    [
        *(("message", text, text) for text in ("Юлия & Co = 100% + ‘x’", "山田\n太郎 🚀", "a=b&priority=2&user=x")),
        ("message", "🚀" * 1025, "🚀" * 1008 + "…\n\n… Cut to fit."),
        ("title", "я" * 250, "я" * 250),
        ("title", "я" * 251, "я" * 249 + "…"),
        ("title", "half \ud83d pair", "half pair"),
    ],
)
def test_any_text_arrives_as_far_as_pushover_takes_it_and_sets_nothing_else(
    pushover: Pushover, provider: Provider, name: str, text: str, arrives: str
) -> None:
    pushover.invoke({**REQUEST, name: text})
    assert provider.forms[0][name] == [arrives]
    assert provider.forms[0].keys() == SENT.keys()


# Options


def test_a_channels_options_are_sent_with_every_message(pushover: Pushover, provider: Provider) -> None:
    pushover.set_options({"priority": 1, "sound": "siren", "link": "https://x/", "link_title": "X", "quota_alert": 5})
    pushover.invoke()
    sent = {name: values[0] for name, values in provider.forms[0].items()}
    assert sent == SENT | {"priority": "1", "sound": "siren", "url": "https://x/", "url_title": "X"}


def test_html_is_never_sent_whatever_a_channel_holds(pushover: Pushover, provider: Provider) -> None:
    pushover.set_options({"html": 1, "monospace": True})
    pushover.invoke({**REQUEST, "message": "<b>MARKER</b>"})
    assert "html" not in provider.forms[0]
    assert provider.forms[0]["monospace"] == ["1"]


@pytest.mark.parametrize(
    ("receipt", "kept"), [(b'"KAWXTswy4cekx6vZ"', "KAWXTswy4cekx6vZ"), (b"null", "r"), (b'""', "r")]
)
def test_of_an_emergency_the_receipt_is_kept_or_without_one_the_request(
    pushover: Pushover, provider: Provider, receipt: bytes, kept: str
) -> None:
    provider.body = b'{"receipt": %s, "info": "something new", "status": 1, "request": "r"}' % receipt
    assert pushover.invoke({**REQUEST, "options": {"priority": 2}})["reference"] == kept
    assert (provider.forms[0]["retry"], provider.forms[0]["expire"]) == (["120"], ["3600"])


# The quota


def quota(remaining: int, reset: object = NOW + 60) -> dict[str, str]:
    limits = {"Limit": 10_000, "Remaining": remaining, "Reset": reset}
    return {f"X-Limit-App-{name}": str(value) for name, value in limits.items() if value is not None}


@pytest.mark.parametrize("status", [200, 400, 429, 500])
def test_every_answer_with_a_quota_is_a_metric(
    pushover: Pushover, provider: Provider, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    provider.status, provider.headers = status, quota(7496)
    with contextlib.suppress(FunctionError):
        pushover.invoke()
    assert values(capsys.readouterr().out) == [("QuotaRemaining", 7496, {"stage": "local", "channel": "pushover"})]


@pytest.mark.parametrize(
    ("options", "remaining", "warned"),
    [({}, 1000, False), ({}, 999, True), ({"quota_alert": 50}, 4999, True), ({"quota_alert": 0}, 0, False)],
)
def test_a_warning_is_logged_before_the_quota_is_used_up(
    pushover: Pushover, provider: Provider, log: Any, options: Options, remaining: int, warned: bool
) -> None:
    pushover.set_options(options)
    provider.headers = quota(remaining)
    pushover.invoke()
    lines = [line for line in log.lines if line.get("code") == "QUOTA_LOW"]
    assert len(lines) == warned
    for line in lines:
        assert (line["level"], line["channel"]) == ("WARNING", "pushover")
        assert (line["remaining"], line["limit"], line["reset"]) == (remaining, 10_000, NOW + 60)


# What Pushover's answers mean


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 418, 499])
def test_a_4xx_is_refused_for_good_in_pushovers_own_words(pushover: Pushover, provider: Provider, status: int) -> None:
    provider.status = status
    provider.body = b'{"sound": "invalid", "errors": ["sound is invalid", "b"], "status": 0, "request": "r"}'
    error = pushover.fails(ChannelRejectedError)
    assert error.message == "Pushover refused the message: sound is invalid; b"
    assert len(provider.forms) == 1


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"token": "invalid", "errors": ["application token is invalid"], "status": 0}', "token"),
        (b'{"user": "invalid", "errors": ["any other words"], "status": 0}', "user"),
        (b'{"user": "invalid", "token": "invalid", "sound": "invalid", "status": 0}', "token and user"),
    ],
)
def test_a_4xx_that_names_a_secret_waits_an_hour_for_who_can_mend_it(
    pushover: Pushover, provider: Provider, status: int, body: bytes, named: str
) -> None:
    provider.status, provider.body = status, body
    error = pushover.fails(ChannelUnavailableError)
    assert error.retry_after == 3600
    assert error.message.startswith(f"Pushover refused the secret {named}: ")


@pytest.mark.parametrize(
    "body",
    [
        b'{"errors": ["application token is invalid"], "status": 0}',
        b'{"errors": ["user key is invalid"], "message": "token", "status": 0}',
    ],
)
def test_words_alone_name_no_secret(pushover: Pushover, provider: Provider, body: bytes) -> None:
    provider.status, provider.body = 400, body
    pushover.fails(ChannelRejectedError)


def test_a_link_of_the_requests_own_stands_where_the_one_to_reply_by_would(
    pushover: Pushover, provider: Provider
) -> None:
    request = {**REQUEST, "reply_to": "ada@example.com"}
    pushover.invoke(request)
    pushover.invoke({**request, "options": {"link": "https://a.example/"}})
    replied, own = provider.forms
    assert replied["url"][0].startswith("mailto:")
    assert (own["url"], "url_title" in own) == (["https://a.example/"], False)


def test_a_message_of_which_no_device_hears_is_not_delivered(pushover: Pushover, provider: Provider) -> None:
    provider.body = b'{"info": "no active devices to send to", "status": 1, "request": "r"}'
    error = pushover.fails(ChannelUnavailableError)
    assert (error.message, error.retry_after) == ("Pushover has no active device of this user to deliver to", 3600)


@pytest.mark.parametrize("status", [400, 403, 404, 408, 413, 421, 425])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"errors": []}', b'{"status": 0}', b"\xff\xfe"])
def test_what_a_proxy_or_a_firewall_refuses_is_no_verdict_on_the_message(
    pushover: Pushover, provider: Provider, status: int, body: bytes
) -> None:
    provider.status, provider.body = status, body
    error = pushover.fails(ChannelUnavailableError)
    assert (error.message, error.retry_after) == (f"a proxy in front of Pushover answered {status}", 3600)


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (b"<html>429 Too Many Requests nginx</html>", None),
        (b"", None),
        (b'{"token": "invalid", "status": 0, "errors": ["slow down"]}', "9000"),
    ],
)
def test_too_many_requests_at_once_are_not_the_months_quota(
    pushover: Pushover, provider: Provider, body: bytes, left: str | None
) -> None:
    provider.status, provider.body = 429, body
    provider.headers = {"X-Limit-App-Remaining": left, "X-Limit-App-Reset": str(NOW + 9_999)} if left else {}
    error = pushover.fails(ChannelUnavailableError)
    assert (error.message, error.retry_after) == ("too many requests at once for Pushover", 30)


@pytest.mark.parametrize(
    ("reset", "wait"),
    [(NOW + 3600, 3600), (NOW + 2, 5), (NOW - 100, 5), ("soon", 3600), ("", 3600), (None, 3600), (NOW * 1000, 3600)],
)
def test_over_quota_waits_until_pushovers_reset(
    pushover: Pushover, provider: Provider, reset: object, wait: int
) -> None:
    provider.status, provider.body = 429, b'{"token": "invalid", "status": 0, "errors": ["limit reached"]}'
    provider.headers = quota(0, reset)
    assert pushover.fails(ChannelUnavailableError).retry_after == wait


@pytest.mark.parametrize(
    ("status", "means"),
    [
        *((status, ChannelUnavailableError) for status in (500, 501, 503, 505, 599)),
        *((status, ChannelUncertainError) for status in (502, 504)),
    ],
)
def test_a_5xx_is_tried_again_later_and_not_at_once_but_a_proxys_is_uncertain(
    pushover: Pushover, provider: Provider, status: int, means: type[FunctionError]
) -> None:
    provider.status, provider.body = status, b'{"status": 1, "request": "r"}'
    assert pushover.fails(means).message == f"Pushover answered {status}"
    assert len(provider.forms) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"status": 0, "errors": ["x"], "request": "r"}'),
        (200, b'{"status": 1}'),
        (200, b'{"status": "1", "request": "r"}'),
        *((200, body) for body in (b'{"request": "r"}', b"", b"<html>captive portal</html>", b"[1]", b"\xff\xfe\x00")),
        *((status, b'{"status": 1, "request": "r"}') for status in (201, 202)),
        (204, b""),
    ],
)
def test_an_answer_that_is_neither_yes_nor_no_is_uncertain(
    pushover: Pushover, provider: Provider, status: int, body: bytes
) -> None:
    provider.status, provider.body = status, body
    assert pushover.fails(ChannelUncertainError).message == "Pushover's answer can't be understood"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_with_the_token(pushover: Pushover, provider: Provider, status: int) -> None:
    provider.status, provider.headers = status, {"Location": f"{provider.url}/elsewhere"}
    pushover.fails(ChannelUncertainError)
    assert provider.paths == ["/1/messages.json"]


def test_a_broken_connection_is_one_to_pushover(pushover: Pushover, provider: Provider) -> None:
    provider.fault = "hang up"
    assert pushover.fails(ChannelUncertainError).message == "the connection to Pushover broke"


# Secrets


def test_secrets_are_asked_for_together_and_decrypted(pushover: Pushover) -> None:
    pushover.invoke()
    assert pushover.asked == {"Names": [f"{PATH}/token", f"{PATH}/user"], "WithDecryption": True}


def test_secrets_are_read_once_and_anew_after_a_while(pushover: Pushover, provider: Provider) -> None:
    pushover.invoke()
    pushover.values["token"] = "n" * 30
    pushover.now += 299
    pushover.invoke()
    assert pushover.reads == 1
    pushover.now += 2
    pushover.invoke()
    assert [form["token"][0][0] for form in provider.forms] == ["t", "t", "n"]


def test_secrets_that_pushover_refused_are_read_anew_next_time(pushover: Pushover, provider: Provider) -> None:
    provider.status, provider.body = 400, b'{"token": "invalid", "errors": ["x"], "status": 0}'
    pushover.fails(ChannelUnavailableError)
    provider.status, provider.body = 200, b'{"status": 1, "request": "r"}'
    pushover.values["token"] = "n" * 30
    pushover.invoke()
    assert provider.forms[1]["token"] == ["n" * 30]


def test_an_answer_that_lists_no_invalid_parameters_is_complete(pushover: Pushover) -> None:
    """The service's own model gives ``InvalidParameters`` at least one item: an empty list may be left out."""
    pushover.invalid = None
    assert pushover.invoke()["status"] == "delivered"


def test_a_secret_that_is_not_set_is_named_and_nothing_is_sent_until_it_is(
    pushover: Pushover, provider: Provider
) -> None:
    del pushover.values["token"]
    pushover.invalid = [f"{PATH}/token"]
    for _ in range(2):
        assert f"{PATH}/token" in pushover.fails(ChannelUnavailableError).message
    assert provider.forms == []
    pushover.values["token"], pushover.invalid = TOKEN, []
    pushover.invoke()
    assert len(provider.forms) == 1


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "InternalServerError"])
def test_secrets_that_cant_be_read_are_tried_again_later(pushover: Pushover, provider: Provider, code: str) -> None:
    pushover.refused = code
    assert code in pushover.fails(ChannelUnavailableError).message
    assert provider.forms == []


def test_secrets_that_cant_be_read_again_are_kept_half_a_minute_longer_each_time(
    pushover: Pushover, provider: Provider
) -> None:
    pushover.invoke()
    pushover.values["token"] = "n" * 30
    pushover.now += 301
    pushover.refused = "ThrottlingException"
    reads = []
    for wait in (0, 29, 2, 29, 2):
        pushover.now += wait
        assert pushover.invoke()["status"] == "delivered"
        reads.append(pushover.reads)
    assert reads == [2, 2, 3, 3, 4], "and Parameter Store is not asked for each message"
    pushover.refused = ""
    pushover.now += 31
    pushover.invoke()
    assert [form["token"][0][0] for form in provider.forms] == ["t"] * 6 + ["n"]


def test_a_secret_that_pushover_refused_is_not_kept_when_it_cant_be_read_again(
    pushover: Pushover, provider: Provider
) -> None:
    pushover.invoke()
    provider.status, provider.body = 400, b'{"token": "invalid", "errors": ["x"], "status": 0}'
    pushover.fails(ChannelUnavailableError)
    pushover.refused = "ThrottlingException"
    assert "ThrottlingException" in pushover.fails(ChannelUnavailableError).message
    assert len(provider.forms) == 2


def test_a_secret_that_was_deleted_is_not_kept(pushover: Pushover, provider: Provider) -> None:
    pushover.invoke()
    del pushover.values["token"]
    pushover.invalid = [f"{PATH}/token"]
    pushover.now += 301
    assert f"{PATH}/token" in pushover.fails(ChannelUnavailableError).message
    assert len(provider.forms) == 1


@pytest.mark.parametrize("error", [EndpointConnectionError, ReadTimeoutError])
def test_where_parameter_store_cant_be_reached_secrets_are_kept_or_tried_again_later(
    pushover: Pushover, provider: Provider, error: type[HTTPClientError]
) -> None:
    pushover.broken = error(endpoint_url="https://MARKER")
    pushover.fails(ChannelUnavailableError)
    assert provider.forms == []
    pushover.broken = None
    pushover.invoke()
    pushover.now += 301
    pushover.broken = error(endpoint_url="https://MARKER")
    assert pushover.invoke()["status"] == "delivered"
