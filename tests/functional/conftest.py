"""The real ``app``, reached as Chalice and Lambda reach it, with fakes or stubbed clients for what lies outside."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from botocore.stub import Stubber
from chalice.test import Client, HTTPResponse, TestHTTPClient

# app.py reads its stage while it is imported.
os.environ["HERALD_STAGE"] = "local"

import app as herald
from chalicelib import composition
from chalicelib.adapters.aws.botocore_client import Sdk
from chalicelib.composition import override_container
from chalicelib.current_stage import stage_named
from chalicelib.settings import Stage
from ops.generate import openapi
from tests.fakes import Context, FakeContainer, Published, RecordingTopic, RefusingTopic
from tests.openapi import Conformance

Stubbed = Callable[[str], tuple[Any, Stubber]]
"""Makes a client of a service, and its Stubber."""
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def aws(aws: Callable[[str], Any]) -> Callable[[str], Any]:
    """The same clients as adapters have them outside Lambda; ``stubbed`` stubs these."""
    return lambda service: Sdk(aws(service))


@pytest.fixture(scope="session")
def module() -> ModuleType:
    """``app.py``, whose attributes are the entry points that Lambda calls."""
    return herald


class DescribedHTTP(TestHTTPClient):
    """Holds every answer that any test gets against the document of the stage that gave it."""

    _conformance: dict[str, Conformance] = {}  # noqa: RUF012

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> HTTPResponse:
        response = super().request(method, path, headers, body)
        stage = composition.get_container().stage
        if repr(stage) not in self._conformance:
            self._conformance[repr(stage)] = Conformance(openapi.document(stage, ""))
        self._conformance[repr(stage)].check(
            method.upper(), path, response.status_code, response.headers, response.body
        )
        return response


class DescribedClient(Client):
    """Chalice's own test client."""

    @property
    def http(self) -> TestHTTPClient:
        if self._http_client is None:
            self._http_client = DescribedHTTP(self._app, self._chalice_config)
        return self._http_client


@pytest.fixture(scope="session")
def client(root: Path) -> Client:
    """Chalice's own test client on the real app; each answer must be as the API's document says."""
    return DescribedClient(herald.app, stage_name="local", project_dir=str(root))


@pytest.fixture(scope="session")
def local() -> Stage:
    return stage_named("local")


@pytest.fixture
def context() -> Context:
    return Context()


@dataclass
class Provider:
    """A provider's HTTP API on the loopback interface: answers as told, keeps what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = b'{"status": 1, "request": "req-1"}'
    headers: dict[str, str] = field(default_factory=dict)
    fault: str = ""
    """For an answer: ``hang up``, ``silent``, ``drip``. In its body: ``endless``, ``body stalls``, ``cut short``."""
    released: threading.Event = field(default_factory=threading.Event)
    """Ends what would last for ever."""
    paths: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    sent: list[dict[str, str]] = field(default_factory=list)
    next: list[bytes] = field(default_factory=list)
    """What is answered before ``body``, once each."""

    @property
    def forms(self) -> list[dict[str, list[str]]]:
        """The bodies that came, as forms."""
        return [parse_qs(each.decode(), keep_blank_values=True, strict_parsing=bool(each)) for each in self.bodies]

    def answers(self, *answers: object, status: int = 200) -> None:
        """Answer with these, one after the other."""
        self.status, self.next = status, [json.dumps(answer).encode() for answer in answers]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these tests reach is on this machine, or nowhere."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as found:
        found.trust_env = False
        yield found


@pytest.fixture
def provider() -> Iterator[Provider]:
    told = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            told.paths.append(self.path)
            told.sent.append(dict(self.headers.items()))
            self.close_connection = True
            with suppress(OSError):  # The client has hung up.
                self.answer()

        def answer(self) -> None:
            if told.fault == "hang up":
                return
            if told.fault == "silent":
                told.released.wait(60)
                return
            if told.fault == "drip":
                # Each byte comes in time; the head of the answer never ends.
                self.wfile.write(b"HTTP/1.0 200 OK\r\n")
                while not told.released.wait(0.01):
                    self.wfile.write(b"x")
                return
            answer = told.next.pop(0) if told.next else told.body
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            if told.fault != "endless":
                self.send_header("Content-Length", str(len(answer) * (2 if told.fault == "cut short" else 1)))
            self.end_headers()
            while told.fault == "endless" and not told.released.is_set():
                self.wfile.write(b"x" * 4096)
            self.wfile.write(answer)
            if told.fault == "body stalls":
                told.released.wait(60)

        do_GET = do_POST

        def log_message(self, *arguments: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    yield told
    told.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def api_event(root: Path) -> Callable[..., dict[str, Any]]:
    """A request as API Gateway hands it to Lambda, made from the sample of AWS's documentation."""
    sample = json.loads((root / "tests/contract/samples/api-gateway-proxy-request.json").read_text())

    def make(
        body: str | None, *, content_type: str = "application/json", base64: bool = False, accept: str = "*/*"
    ) -> dict[str, Any]:
        headers = {**sample["headers"], "Content-Type": content_type, "Accept": accept}
        return {
            **sample,
            "resource": "/contact",
            "path": "/contact",
            "httpMethod": "POST",
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "requestContext": {**sample["requestContext"], "resourcePath": "/contact", "httpMethod": "POST"},
            "body": body,
            "isBase64Encoded": base64,
        }

    return make


class Form:
    """The form's address of a stage, and what was published there."""

    def __init__(self, client: Client, stage: Stage, event: Callable[..., dict[str, Any]], topic: Any) -> None:
        self.stage, self.topic = stage, topic
        self.client, self.event = client, event

    @property
    def published(self) -> list[Published]:
        found: list[Published] = self.topic.published
        return found

    @property
    def message(self) -> dict[str, Any]:
        """The one message that was published."""
        (published,) = self.published
        found: dict[str, Any] = json.loads(published.text)
        return found

    def container(self) -> FakeContainer:
        return FakeContainer(self.stage, topic=self.topic)

    def request(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> HTTPResponse:
        with override_container(self.container()):
            return self.client.http.request(method, path, headers=headers, body=body)

    def post(self, body: bytes, headers: dict[str, str] = JSON, path: str = "/contact") -> HTTPResponse:
        return self.request("POST", path, headers, body)

    def by_gateway(self, body: str | None, **more: Any) -> dict[str, Any]:
        """The answer of the function itself; ``more`` is of the event."""
        with override_container(self.container()):
            answer: dict[str, Any] = herald.app(self.event(body, **more), Context())
        return answer


@pytest.fixture
def form(client: Client, local: Stage, api_event: Callable[..., dict[str, Any]]) -> Form:
    return Form(client, local, api_event, RecordingTopic())


@pytest.fixture
def refusing_form(client: Client, local: Stage, api_event: Callable[..., dict[str, Any]]) -> Form:
    """One whose topic takes nothing."""
    return Form(client, local, api_event, RefusingTopic())
