"""``notify_webhook``: a pure function of the Invoke API, in front of receivers that answer as they like.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, and docs/channels/webhook.md
"""

from __future__ import annotations

import json
import logging
import ssl
import time
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import urllib3
from standardwebhooks import Webhook
from urllib3.exceptions import MaxRetryError

from chalicelib.adapters.provider_http import TOTAL_TIMEOUT
from chalicelib.adapters.providers.webhook import WebhookNotifier
from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    FunctionError,
)
from chalicelib.logic.webhook_request import webhook_id
from chalicelib.settings import Channel
from tests.fakes import NOW, FakeContainer
from tests.functional import notifiers
from tests.functional.conftest import Provider
from tests.functional.notifiers import NO_SUCH_NAME, PATH, SECRET, Parameters, RaisingAdapter
from tests.functional.notifiers import hook as channel

REQUEST = notifiers.REQUEST | {"channel": "own"}

OLD_SECRET = "whsec_" + "b2xkb2xk" * 4


class Hooked:
    """``notify_webhook`` on a stage with one webhook channel, or more."""

    def __init__(self, session: requests.Session, url: str) -> None:
        self.session = session
        self.parameters = Parameters({"url": url, "secret": SECRET})
        self.now = float(NOW)
        self.whole = TOTAL_TIMEOUT

    def container(self, *channels: Channel) -> FakeContainer:
        stage = notifiers.stage_of(*(channels or (channel(),)))
        providers = {
            name: WebhookNotifier(
                self.session, self.parameters, each, local=True, clock=lambda: self.now, total_timeout=self.whole
            )
            for name, each in stage.channels.items()
        }
        return FakeContainer(stage, providers=providers)

    def invoke(self, request: object = REQUEST, *channels: Channel) -> Any:
        return notifiers.invoke("webhook", self.container(*channels), request)

    def fails(self, error: type[FunctionError], request: object = REQUEST, *channels: Channel) -> FunctionError:
        return notifiers.fails("webhook", self.container(*channels), error, request)


@pytest.fixture
def hooked(session: requests.Session, provider: Provider) -> Hooked:
    return Hooked(session, provider.url + PATH)


def verified(provider: Provider, index: int = 0, secret: str = SECRET) -> Any:
    """What a receiver reads that verifies as the library does. Its clock is set to the message's."""
    headers = {name.lower(): value for name, value in provider.sent[index].items()}
    return AtThatTime(secret).verify(provider.bodies[index], headers)


class AtThatTime(Webhook):
    """The library's own verification, save that every timestamp is recent: these tests happen at a fixed time."""

    def _Webhook__verify_timestamp(self, text: str) -> Any:
        return datetime.fromtimestamp(int(text), UTC)


# Delivered


def test_a_notification_is_sent_once_signed_as_the_librarys_receiver_verifies(
    hooked: Hooked, provider: Provider
) -> None:
    answer = hooked.invoke()
    assert answer == {"channel": "own", "status": "delivered", "reference": webhook_id("id-1", "own")}
    assert provider.paths == [PATH]
    assert verified(provider) == {
        "type": "message.received",
        "timestamp": "2026-01-01T00:00:00Z",
        "data": {
            "id": "id-1",
            "title": "MARKER-title",
            "message": "MARKER-message 🚀 & <b>\n\nName: MARKER-name",
            "reply_to": "MARKER@example.com",
            "site": None,
            "fields": [{"name": "name", "value": "MARKER-name"}],
        },
    }
    headers = provider.sent[0]
    assert headers["webhook-id"] == webhook_id("id-1", "own")
    assert headers["webhook-timestamp"] == str(NOW)
    assert headers["Content-Type"] == "application/json"
    assert headers["Accept-Encoding"] == "identity"


def test_a_repetition_has_the_same_id_a_new_time_and_a_signature_of_its_own(hooked: Hooked, provider: Provider) -> None:
    hooked.invoke()
    hooked.now += 100
    hooked.invoke()
    first, second = provider.sent
    assert first["webhook-id"] == second["webhook-id"]
    assert (first["webhook-timestamp"], second["webhook-timestamp"]) == (str(NOW), str(NOW + 100))
    assert verified(provider, 0) == verified(provider, 1)
    assert first["webhook-signature"] != second["webhook-signature"]


def test_while_a_secret_changes_both_verify(hooked: Hooked, provider: Provider) -> None:
    hooked.parameters.values["secret"] = f"{SECRET} {OLD_SECRET}"
    hooked.invoke()
    assert verified(provider, secret=SECRET) == verified(provider, secret=OLD_SECRET)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_delivered(hooked: Hooked, provider: Provider, status: int) -> None:
    provider.status = status
    assert hooked.invoke()["status"] == "delivered"


@pytest.mark.parametrize("fault", ["cut short", "body stalls", "endless"])
def test_a_2xx_counts_whatever_becomes_of_its_body(hooked: Hooked, provider: Provider, fault: str) -> None:
    provider.fault, provider.body, hooked.whole = fault, b'{"id": "x"', 2
    assert hooked.invoke()["status"] == "delivered"


@pytest.mark.parametrize(("kind", "key"), [("slack", "text"), ("discord", "content"), ("teams", "attachments")])
def test_each_format_is_sent_unsigned_in_its_services_form(
    hooked: Hooked, provider: Provider, kind: str, key: str
) -> None:
    hooked.invoke(REQUEST, channel(format=kind))
    assert key in json.loads(provider.bodies[0])
    assert "webhook-signature" not in provider.sent[0]
    assert provider.paths == [f"{PATH}?wait=true" if kind == "discord" else PATH]


def test_a_template_is_filled_in_and_signed_if_so_wished(hooked: Hooked, provider: Provider) -> None:
    template = json.dumps({"text": "{title}", "from": ["{fields.name}"]})
    hooked.invoke(REQUEST, channel(format="template", template=template, signed=False))
    hooked.invoke(REQUEST, channel(format="template", template=template, signed=True))
    assert json.loads(provider.bodies[0]) == {"text": "MARKER-title", "from": ["MARKER-name"]}
    assert "webhook-signature" not in provider.sent[0]
    assert verified(provider, 1) == json.loads(provider.bodies[0])


def test_a_template_has_the_message_cut_and_the_time(hooked: Hooked, provider: Provider) -> None:
    template = json.dumps({"text": "{message}", "at": "{time}"})
    request = {key: value for key, value in REQUEST.items() if key != "timestamp"} | {"message": "x" * 99}
    hooked.invoke(request, channel(format="template", template=template, longest=40))
    sent = json.loads(provider.bodies[0])
    assert 20 < len(sent["text"]) <= 40
    assert sent["at"] == f"{datetime.fromtimestamp(NOW, UTC):%Y-%m-%dT%H:%M:%SZ}"


def test_fixed_headers_are_sent(hooked: Hooked, provider: Provider) -> None:
    hooked.invoke(REQUEST, channel(headers=("X-Tag: a: b", "User-Agent: mine")))
    assert provider.sent[0]["X-Tag"] == "a: b"
    assert provider.sent[0]["User-Agent"] == "mine"


@pytest.mark.parametrize(
    ("kind", "body", "headers", "reference"),
    [
        ("discord", b'{"id": "1234567890"}', {}, "1234567890"),
        ("teams", b"", {"x-ms-workflow-run-id": "0858"}, "0858"),
        *(("discord", body, {}, "") for body in (b"{}", b"[1]", b"<html>", b'{"id": {"a": 1}}')),
        ("discord", b'{"id": "MARKER with spaces"}', {}, ""),
        ("discord", b'{"id": "abc"' + b" " * (16 * 1024 - 13) + b"}", {}, "abc"),
        pytest.param("discord", b'{"id": "abc"' + b" " * 16 * 1024 + b"}", {}, "", id="longer than what is read"),
        ("slack", b"ok", {}, ""),
        ("standard", b'{"id": "theirs"}', {}, ""),
    ],
)
def test_the_reference_is_the_services_id_of_it_or_the_webhook_id(
    hooked: Hooked, provider: Provider, kind: str, body: bytes, headers: dict[str, str], reference: str
) -> None:
    provider.body, provider.headers = body, headers
    found = hooked.invoke(REQUEST, channel(format=kind))["reference"]
    assert found == (reference or webhook_id("id-1", "own"))


# What answers mean


@pytest.mark.parametrize("status", [413, 422])
def test_what_is_wrong_with_the_very_message_is_refused_for_good(
    hooked: Hooked, provider: Provider, status: int
) -> None:
    provider.status = status
    assert hooked.fails(ChannelRejectedError).message == f"own answered {status}"
    assert len(provider.bodies) == 1


@pytest.mark.parametrize("kind", ["slack", "discord", "teams"])
def test_what_a_service_finds_too_long_is_cut_further_before_it_is_refused_for_good(
    hooked: Hooked, provider: Provider, kind: str
) -> None:
    """Its limit may be another by now, or counted in another way."""
    provider.status = 413
    hooked.parameters.values["url"] += "/topic"
    own = channel(format=kind)
    hooked.fails(ChannelRejectedError, {**REQUEST, "message": "x" * 60_000}, own)
    sizes = [len(body) for body in provider.bodies]
    assert len(sizes) == 3
    assert sizes[0] > 1.5 * sizes[1] > 3 * sizes[2]
    provider.bodies.clear()
    hooked.fails(ChannelRejectedError, REQUEST, own)
    assert len(provider.bodies) == 1, "what is short is not sent again"


@pytest.mark.parametrize("body", [b"invalid_payload", b"no_text", b'{"code": 50035}', b'{"code": 50006}'])
def test_a_body_that_slack_or_discord_will_never_take_is_refused_for_good(
    hooked: Hooked, provider: Provider, body: bytes
) -> None:
    provider.status, provider.body = 400, body
    hooked.fails(ChannelRejectedError)


@pytest.mark.parametrize("body", [b"", b"bad signature", b'{"code": 220001}', b'{"error": {"code": "Disabled"}}'])
def test_any_other_400_waits_as_the_owner_may_mend_it(hooked: Hooked, provider: Provider, body: bytes) -> None:
    """Such as a signature that doesn't fit: frameworks answer 400."""
    provider.status, provider.body = 400, body
    error = hooked.fails(ChannelUnavailableError)
    assert error.retry_after == 3600
    assert "redirect" not in error.message


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_body_of_the_owners_own_is_the_owners_to_mend(hooked: Hooked, provider: Provider, status: int) -> None:
    provider.status = status
    it = channel(format="template", template='{"a": "{title}"}')
    assert hooked.fails(ChannelUnavailableError, REQUEST, it).retry_after == 3600


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 407, 410, 415, 418, 451, 499])
def test_what_its_owner_can_mend_waits_for_long_and_reads_the_address_anew(
    hooked: Hooked, provider: Provider, status: int
) -> None:
    provider.status = status
    error = hooked.fails(ChannelUnavailableError)
    assert (error.message, error.retry_after) == (f"own answered {status}", 3600)
    assert hooked.parameters.forgotten == 1


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 304])
def test_a_redirect_is_not_followed_and_waits(hooked: Hooked, provider: Provider, status: int) -> None:
    provider.status, provider.headers = status, {"Location": f"{provider.url}/elsewhere"}
    error = hooked.fails(ChannelUnavailableError)
    assert error.message == f"own answered {status}: a redirect is never followed"
    assert error.retry_after == 3600
    assert provider.paths == [PATH]


@pytest.mark.parametrize(
    ("status", "means"),
    [
        *((status, ChannelUnavailableError) for status in (408, 409, 425, 500, 501, 503, 521, 522, 599)),
        *((status, ChannelUncertainError) for status in (502, 504, 520, 524, 600, 999)),
    ],
)
def test_a_failure_of_the_moment_is_tried_again_and_a_proxys_is_uncertain(
    hooked: Hooked, provider: Provider, status: int, means: type[FunctionError]
) -> None:
    provider.status = status
    error = hooked.fails(means)
    assert error.retry_after is None
    unknown = ", which can't be understood" if status >= 600 else ""
    assert error.message == f"own answered {status}{unknown}"
    assert len(provider.bodies) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("told", "body", "wait"),
    [
        ("30", b"", 30),
        ("0.3", b"", 1),
        ("Thu, 01 Jan 2026 00:02:00 GMT", b"", 120),
        ("", b'{"message": "x", "retry_after": 1.337, "global": false}', 2),
        ("99", b'{"retry_after": 5}', 5),
        ("99999999999", b"", 86_400),
        ("inf", b"", 86_400),
        *((told, b"", None) for told in ("", "0", "-1", "nan", "soon", "Thu, 01 Jan 2025 00:00:00 GMT")),
        *(("", body, None) for body in (b'{"retry_after": true}', b"[1]")),
    ],
)
def test_a_receivers_own_wait_counts_within_a_day(
    hooked: Hooked, provider: Provider, status: int, told: str, body: bytes, wait: int | None
) -> None:
    provider.status, provider.body = status, body
    provider.headers = {"Retry-After": told} if told else {}
    found = hooked.fails(ChannelUnavailableError).retry_after
    assert found == (wait or (60 if status == 429 else None))


NO_WORD = (
    *(b"MARKER wrote this", b'{"code": "MARKER wrote this"}', b'{"code": 1000000}', b'{"error": {"code": 0}}'),
    *(b'{"code": true}', b"[" * 10_000, b"\xff\xfe", b"x" * 65),
)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"no_service", "own answered 410 (no_service)"),
        (b"invalid_payload\n", "own answered 410 (invalid_payload)"),
        (b'{"message": "Unknown Webhook MARKER", "code": 10015}', "own answered 410 (10015)"),
        (b'{"code":40301,"http":403,"error":"forbidden"}', "own answered 410 (40301)"),
        (b'{"error": {"code": "WorkflowNotFound", "message": "MARKER"}}', "own answered 410 (WorkflowNotFound)"),
        (b'{"code": 999999}', "own answered 410 (999999)"),
        (b'{"code": 1}', "own answered 410 (1)"),
        *((body, "own answered 410") for body in NO_WORD),
    ],
)
def test_a_services_word_for_an_error_is_told_and_no_sentence_of_it(
    hooked: Hooked, provider: Provider, body: bytes, said: str
) -> None:
    provider.status, provider.body = 410, body
    assert hooked.fails(ChannelUnavailableError).message == said


# The connection


@pytest.mark.parametrize("fault", ["silent", "drip"])
def test_the_whole_has_a_bound_even_where_each_byte_comes_in_time(
    hooked: Hooked, provider: Provider, fault: str
) -> None:
    provider.fault, hooked.whole = fault, 0.3
    before = time.monotonic()
    assert hooked.fails(ChannelUncertainError).message == "own did not answer in time"
    assert time.monotonic() - before < 30
    assert len(provider.bodies) == 1


def test_a_certificate_that_is_not_valid_waits_for_the_owner(hooked: Hooked, session: requests.Session) -> None:
    # In the very wrapping in which requests hands it on, as it was seen with a self-signed certificate.
    told = urllib3.exceptions.SSLError(ssl.SSLCertVerificationError(1, "PATHSECRET: self-signed certificate"))
    session.mount("http://", RaisingAdapter(requests.exceptions.SSLError(MaxRetryError(NO_SUCH_NAME.pool, PATH, told))))
    error = hooked.fails(ChannelUnavailableError)
    assert error.message == "the certificate of own is not valid for its address"
    assert (error.retry_after, hooked.parameters.forgotten) == (3600, 1)


# What the parameters hold


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", "http://PATHSECRET.example.com/"),
        ("url", "https://user:PATHSECRET@example.com/"),
        ("secret", "PATHSECRET"),
    ],
)
def test_a_parameter_that_cant_be_used_is_named_waits_and_is_read_anew(
    hooked: Hooked, provider: Provider, name: str, value: str
) -> None:
    hooked.parameters.values[name] = value
    error = hooked.fails(ChannelUnavailableError)
    assert error.message.startswith(f"the parameter own/{name} can't be used: expected ")
    assert (error.retry_after, hooked.parameters.forgotten) == (3600, 1)
    assert provider.bodies == []


# The log


def test_even_a_log_of_everything_names_no_address(hooked: Hooked, provider: Provider, log: Any) -> None:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    try:
        hooked.invoke()
    finally:
        root.setLevel(before)
    assert "PATHSECRET" not in log.text


def test_an_answer_with_a_line_that_is_no_header_shows_nobody_the_address(
    hooked: Hooked, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.headers = {"X-Broken\r\nno header": "x"}
    hooked.invoke()
    assert "127.0.0.1" not in caplog.text
