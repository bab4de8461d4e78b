"""What the tests of notifiers share: each one's function as Lambda runs it, before a provider that answers as told."""

from __future__ import annotations

import importlib.util
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
import requests
from chalice.test import Client
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NameResolutionError

from chalicelib.adapters.http_notifier import HttpNotifier
from chalicelib.adapters.providers import kind_of, kinds
from chalicelib.adapters.providers.pushover import PushoverNotifier
from chalicelib.adapters.providers.webhook import WebhookNotifier
from chalicelib.composition import Container, override_container
from chalicelib.errors import FunctionError, SecretsError
from chalicelib.logic.channel_kind import AnswerMeaning
from chalicelib.logic.webhook_request import webhook_id
from chalicelib.settings import Channel, Stage
from tests.contracts import error_fits, fits
from tests.declared import HTTP, declared_channel, http_of, secrets_of
from tests.fakes import LIMITS, NOW, FakeContainer, channel, mail_channel, site
from tests.history import ROOT

TOKEN, USER = "t" * 30, "u" * 30
SECRET = "whsec_" + "c2VjcmV0" * 4
PATH = "/hook/PATHSECRET"
REQUEST = {
    "version": 1,
    "id": "id-1",
    "title": "MARKER-title",
    "message": "MARKER-message 🚀 & <b>",
    "timestamp": NOW,
    "reply_to": "MARKER@example.com",
    "fields": [{"name": "name", "value": "MARKER-name"}],
}
PRIVATE = (
    *(TOKEN, USER, SECRET, "PATHSECRET", "MARKER", "127.0.0.1", "owner@example.org"),
    *(secret.example for kind in kinds().values() for secret in kind.secrets),
)
"""What neither a log nor an error may hold: secrets, addresses, what a visitor wrote."""
NO_SUCH_NAME = MaxRetryError(
    HTTPConnectionPool("PATHSECRET.invalid"),
    PATH,
    NameResolutionError("PATHSECRET", HTTPConnection("PATHSECRET.invalid"), socket.gaierror()),
)
"""As requests raises it for a name that does not resolve."""


def hook(name: str = "own", **options: Any) -> Channel:
    """A channel of kind ``webhook``."""
    usual: dict[str, Any] = {
        "format": "standard",
        "signed": options.get("format", "standard") == "standard",
        "headers": (),
        "template": "",
        "longest": 0,
    }
    return Channel(name, "webhook", True, 5, "", usual | options)


def stage_of(*channels: Channel) -> Stage:
    """A stage whose one site is served by these channels."""
    named = {each.name: each for each in channels}
    return Stage("local", {"default": site("default", *named)}, named, LIMITS)


@cache
def client() -> Client:
    """Chalice's test client of ``app.py`` as a stage with each kind of channel has it: it asks while imported."""
    spec = importlib.util.spec_from_file_location("app_of_all_kinds", ROOT / "app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    with override_container(FakeContainer(stage_of(channel(), mail_channel(), hook(), *map(declared_channel, HTTP)))):
        spec.loader.exec_module(module)
    return Client(module.app, stage_name="local", project_dir=str(ROOT))


def invoke(kind: str, container: Container, request: object) -> Any:
    """What the function of this kind answers: as the contract says."""
    with override_container(container):
        answer = client().lambda_.invoke(f"notify_{kind}", request).payload
    fits("notify", "answer", answer)
    return answer


def fails(kind: str, container: Container, error: type[FunctionError], request: object) -> FunctionError:
    """The error with which it fails: as the contract says, and with nothing private in it."""
    with pytest.raises(FunctionError) as caught:
        invoke(kind, container, request)
    assert type(caught.value) is error
    if kind not in ("pushover", "email"):  # A traceback would show the cause, which holds the address.
        assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, SecretsError)
        assert caught.value.__context__ is caught.value.__cause__ or caught.value.__suppress_context__
    for secret in PRIVATE:
        assert secret not in str(caught.value), "an error's text reaches logs and the bus"
    error_fits("notify", type(caught.value).__name__, str(caught.value))
    return caught.value


@dataclass
class Parameters:
    """Readable secrets that count how often they were forgotten."""

    values: dict[str, str]
    error: SecretsError | None = None
    forgotten: int = 0

    def read(self) -> dict[str, str]:
        if self.error:
            raise self.error
        return self.values

    def forget(self) -> None:
        self.forgotten += 1


class RaisingAdapter(requests.adapters.BaseAdapter):
    """A transport that fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.options: list[dict[str, Any]] = []

    def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
        self.options.append(options)
        raise self.error

    def close(self) -> None:
        """Nothing to close."""


@dataclass
class Rig:
    """One kind's notifier with its provider, as the tests of all kinds see it."""

    kind: str
    channel: str
    container: Container
    accepted: bytes
    """How the provider says yes."""
    reference: str
    secrets: Parameters | None = None
    session: requests.Session | None = None
    request: Mapping[str, object] = field(default_factory=lambda: REQUEST)

    def invoke(self, **changed: object) -> Any:
        return invoke(self.kind, self.container, {**self.request, **changed})

    def fails(self, error: type[FunctionError], request: object = None) -> FunctionError:
        return fails(self.kind, self.container, error, self.request if request is None else request)

    def breaks(self, error: Exception) -> None:
        """Let every call end in this error, as the library raises it."""
        if self.session is not None:
            self.session.mount("http://", RaisingAdapter(error))
            return

        def broken(**_: Any) -> None:
            raise error

        notifier: Any = self.container.provider_notifier(self.channel)
        notifier._client.meta.events.register("before-send.sesv2.SendEmail", broken)


def pushover(url: str, session: requests.Session) -> Rig:
    it, secrets = channel()._replace(url=url), Parameters({"token": TOKEN, "user": USER})
    notifier = PushoverNotifier(session, secrets, it, clock=lambda: float(NOW))
    container = FakeContainer(stage_of(it), providers={it.name: notifier})
    return Rig("pushover", it.name, container, b'{"status": 1, "request": "req-1"}', "req-1", secrets, session)


def webhook(url: str, session: requests.Session) -> Rig:
    it, secrets = hook(), Parameters({"url": url + PATH, "secret": SECRET})
    notifier = WebhookNotifier(session, secrets, it, local=True, clock=lambda: float(NOW))
    container = FakeContainer(stage_of(it), providers={it.name: notifier})
    return Rig("webhook", it.name, container, b"", webhook_id("id-1", it.name), secrets, session)


def declared(kind: str, url: str, session: requests.Session) -> Rig:
    """Of a kind that is asked by HTTP as it declares."""
    it = declared_channel(kind, url)
    secrets = Parameters(secrets_of(it))
    notifier = HttpNotifier(session, secrets, it, kind_of(kind), clock=lambda: float(NOW))
    container = FakeContainer(stage_of(it), providers={it.name: notifier})
    http = http_of(kind)
    accepted = next(answer.body for answer in http.answers if answer.meaning is AnswerMeaning.DELIVERED)
    reference = str(http.reference(json.loads(accepted)))
    return Rig(kind, it.name, container, accepted.encode(), reference, secrets, session)


def email(url: str, environ: pytest.MonkeyPatch) -> Rig:
    """With the client of the composition itself, led to the provider in the place of SES."""
    for name, value in {
        "AWS_ENDPOINT_URL_SESV2": url,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        environ.setenv(name, value)
    it = mail_channel()
    return Rig("email", it.name, FakeContainer(stage_of(it), providers={}), b'{"MessageId": "ses-1"}', "ses-1")


def rig(kind: str, url: str, session: requests.Session, environ: pytest.MonkeyPatch) -> Rig:
    """The notifier of a kind, with its provider at this address."""
    match kind:
        case "pushover":
            return pushover(url, session)
        case "webhook":
            return webhook(url, session)
        case "email":
            return email(url, environ)
        case _:
            return declared(kind, url, session)


def nobody() -> str:
    """An address at which nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}"
