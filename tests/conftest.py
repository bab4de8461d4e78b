"""What the tests of every kind share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.session import Session
from botocore.stub import Stubber

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@cache
def _session() -> Session:
    return Session()


@pytest.fixture
def aws() -> Callable[[str], Any]:
    """Makes a client of one service that looks nothing up: no profile, no metadata service, no second attempt."""

    def client(service: str) -> BaseClient:
        return _session().create_client(
            service,
            region_name="eu-central-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            endpoint_url="http://127.0.0.1:9",
            config=Config(retries={"total_max_attempts": 1}),
        )

    return client


@pytest.fixture
def stubbed(aws: Callable[[str], Any]) -> Iterator[Callable[[str], tuple[Any, Stubber]]]:
    """Makes a client with its Stubber; at the end every answer that was laid out must have been fetched."""
    stubbers: list[Stubber] = []

    def make(service: str) -> tuple[Any, Stubber]:
        client = aws(service)
        stubber = Stubber(client)
        stubber.activate()
        stubbers.append(stubber)
        return client, stubber

    yield make
    for stubber in stubbers:
        stubber.assert_no_pending_responses()


class Printed:
    """What was printed, which in Lambda is the log."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""
        self.err = ""

    @property
    def text(self) -> str:
        out, err = self._capsys.readouterr()
        self._text += out
        self.err += err
        return self._text

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of the log, without those that are metrics."""
        return [line for line in map(json.loads, self.text.splitlines()) if "_aws" not in line]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """What ``on_success`` and ``on_failure`` write, who have no logger."""
    return Printed(capsys)
