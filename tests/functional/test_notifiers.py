"""What every kind's notifier keeps: its contract, what an answer that didn't come means, and what nobody may read.

What is one provider's alone is in ``test_notify_<kind>.py``.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Any

import botocore.exceptions as aws
import pytest
import requests
import urllib3
from requests import exceptions as http
from urllib3.exceptions import LocationParseError, MaxRetryError

from chalicelib.adapters.provider_http import CONNECT_TIMEOUT, READ_TIMEOUT, TOTAL_TIMEOUT
from chalicelib.adapters.providers import kinds
from chalicelib.composition import override_container
from chalicelib.errors import (
    ChannelUnavailableError,
    ChannelUncertainError,
    FunctionError,
    InvalidRequestError,
    SecretsError,
)
from chalicelib.functions import FUNCTIONS
from tests.fakes import FakeContainer, RecordingNotifier
from tests.functional import notifiers
from tests.functional.conftest import Provider
from tests.functional.notifiers import NO_SUCH_NAME, PRIVATE, REQUEST, Rig

KINDS = tuple(kinds())
every = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def rig(kind: str, provider: Provider, session: requests.Session, monkeypatch: pytest.MonkeyPatch) -> Rig:
    found = notifiers.rig(kind, provider.url, session, monkeypatch)
    provider.body = found.accepted
    return found


@every
def test_a_notification_is_sent_once_logged_and_answered_by_contract(rig: Rig, provider: Provider, log: Any) -> None:
    assert rig.invoke() == {"channel": rig.channel, "status": "delivered", "reference": rig.reference}
    assert len(provider.bodies) == 1
    line = log.line("Delivered")
    assert (line["correlation_id"], line["message_id"]) == ("id-1", "id-1")
    assert (line["channel"], line["reference"]) == (rig.channel, rig.reference)


@every
@pytest.mark.parametrize(
    ("request_", "key"),
    [
        (None, "version"),
        ({}, "version"),
        ({**REQUEST, "version": 2}, "version"),
        ({**REQUEST, "to": "x@example.com"}, "to"),
        ({**REQUEST, "id": ""}, "id"),
        ({**REQUEST, "channel": "other"}, "channel"),
        ({**REQUEST, "options": {"to": "x@example.com"}}, "options"),
    ],
)
def test_a_request_that_does_not_fit_the_contract_reaches_nobody(
    kind: str, rig: Rig, provider: Provider, request_: object, key: str
) -> None:
    with override_container(rig.container), pytest.raises(InvalidRequestError) as caught:
        notifiers.client().lambda_.invoke(f"notify_{kind}", request_)
    assert caught.value.key.partition(".")[0] == key
    assert caught.value.message.startswith(key)
    assert provider.bodies == []


@every
def test_of_several_channels_a_request_names_one(kind: str, rig: Rig) -> None:
    one, other = RecordingNotifier("ref-1"), RecordingNotifier("ref-2")
    it = rig.container.stage.channels[rig.channel]
    stage = notifiers.stage_of(*(it._replace(name=name) for name in ("one", "other")))
    container = FakeContainer(stage, providers={"one": one, "other": other})
    answer = notifiers.invoke(kind, container, {**REQUEST, "channel": "other"})
    assert answer == {"channel": "other", "status": "delivered", "reference": "ref-2"}
    error = notifiers.fails(kind, container, InvalidRequestError, REQUEST)
    assert "expected one of: one, other" in error.message
    assert (len(one.delivered), len(other.delivered)) == (0, 1)


# No answer


@every
def test_a_refused_connection_means_that_nothing_was_sent(
    kind: str, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifiers.rig(kind, notifiers.nobody(), session, monkeypatch).fails(ChannelUnavailableError)


@every
@pytest.mark.parametrize("fault", ["hang up", "cut short"])
def test_a_connection_that_ends_before_the_answer_does_is_uncertain_and_nothing_is_sent_again(
    rig: Rig, provider: Provider, kind: str, fault: str
) -> None:
    provider.fault = fault
    if (kind, fault) != ("webhook", "cut short"):  # Any 2xx is a receiver's acceptance, whatever becomes of its body.
        rig.fails(ChannelUncertainError)
        assert len(provider.bodies) == 1


@every
@pytest.mark.parametrize("status", [429, 500, 503])
def test_nothing_is_sent_again_by_the_notifier_itself_even_when_it_is_told_to_come_back(
    rig: Rig, provider: Provider, status: int
) -> None:
    provider.status, provider.headers = status, {"Retry-After": "1"}
    with pytest.raises(FunctionError):
        rig.invoke()
    assert len(provider.bodies) == 1


BROKEN_TLS = MaxRetryError(NO_SUCH_NAME.pool, "", urllib3.exceptions.SSLError(ssl.SSLError("PATHSECRET")))
WITH_REQUESTS: list[tuple[Exception, type[FunctionError]]] = [
    (http.ConnectTimeout("MARKER"), ChannelUnavailableError),
    (http.ConnectionError(NO_SUCH_NAME), ChannelUnavailableError),
    (http.ReadTimeout("MARKER"), ChannelUncertainError),
    (http.ConnectionError("MARKER"), ChannelUncertainError),
    (http.ConnectionError(), ChannelUncertainError),
    (http.SSLError(BROKEN_TLS), ChannelUncertainError),
    (http.ChunkedEncodingError("MARKER"), ChannelUncertainError),
    (http.ContentDecodingError("MARKER"), ChannelUncertainError),
    (http.RequestException("MARKER"), ChannelUncertainError),
]
WITH_EXCHANGE: list[tuple[Exception, type[FunctionError]]] = [
    *WITH_REQUESTS,
    (http.InvalidURL("MARKER"), ChannelUnavailableError),
    (LocationParseError("MARKER"), ChannelUnavailableError),
    (ZeroDivisionError("MARKER"), ChannelUncertainError),
]
BROKEN: dict[str, list[tuple[Exception, type[FunctionError]]]] = {
    "pushover": WITH_REQUESTS,
    "email": [
        (aws.EndpointConnectionError(endpoint_url="https://MARKER"), ChannelUnavailableError),
        (aws.ConnectTimeoutError(endpoint_url="https://MARKER"), ChannelUnavailableError),
        (aws.NoCredentialsError(), ChannelUnavailableError),
        (aws.ReadTimeoutError(endpoint_url="https://MARKER"), ChannelUncertainError),
        (aws.ConnectionClosedError(endpoint_url="https://MARKER"), ChannelUncertainError),
        (aws.SSLError(endpoint_url="https://MARKER", error=OSError()), ChannelUncertainError),
    ],
}


@pytest.mark.parametrize(
    ("kind", "error", "means"),
    [(kind, *case) for kind in KINDS for case in BROKEN.get(kind, WITH_EXCHANGE)],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", type(value).__name__),
)
def test_what_fails_before_the_connection_is_harmless_and_anything_later_uncertain(
    rig: Rig, error: Exception, means: type[FunctionError], capfd: pytest.CaptureFixture[str]
) -> None:
    rig.breaks(error)
    rig.fails(means)
    assert not [secret for secret in PRIVATE if secret in "".join(capfd.readouterr())]


@pytest.mark.parametrize("kind", [name for name, kind in kinds().items() if kind.secrets])
def test_a_secret_that_is_missing_is_named_and_nothing_is_sent(rig: Rig, provider: Provider) -> None:
    assert rig.secrets
    rig.secrets.error = SecretsError(f"not set in Parameter Store: /herald/dev/{rig.channel}/x")
    assert rig.fails(ChannelUnavailableError).message == str(rig.secrets.error)
    assert provider.bodies == []


@every
def test_all_calls_end_before_the_function_does(kind: str, rig: Rig) -> None:
    (spec,) = (spec for spec in FUNCTIONS if spec.name == f"notify_{kind}")
    reading_secrets = 7
    if kind == "email":  # Which calls at most twice, and reads no secret.
        client: Any = rig.container.provider_notifier(rig.channel)
        limits = client._client.meta.config
        assert limits.retries["total_max_attempts"] == 1
        assert 2 * (limits.connect_timeout + limits.read_timeout) + 2 < spec.timeout
        return
    assert rig.session
    adapter = notifiers.RaisingAdapter(http.ReadTimeout())
    rig.session.mount("http://", adapter)
    rig.fails(ChannelUncertainError)
    assert adapter.options[0]["timeout"] == (CONNECT_TIMEOUT, READ_TIMEOUT)
    whole = CONNECT_TIMEOUT + READ_TIMEOUT if kind == "pushover" else TOTAL_TIMEOUT
    assert CONNECT_TIMEOUT + READ_TIMEOUT <= whole < spec.timeout - (0 if kind == "pushover" else reading_secrets)


# The log


@every
@pytest.mark.parametrize("status", [200, 302, 400, 403, 404, 429, 500])
@pytest.mark.parametrize("garbage", [False, True])
def test_no_answer_puts_text_address_or_secret_into_the_log(
    rig: Rig, provider: Provider, log: Any, capfd: pytest.CaptureFixture[str], status: int, garbage: bool
) -> None:
    provider.status = status
    if garbage:
        provider.body = b'{"message": "MARKER owner@example.org"'
    with suppress(FunctionError):
        rig.invoke()
    said = log.text + "".join(capfd.readouterr())
    assert not [secret for secret in PRIVATE if secret in said]
