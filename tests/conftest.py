"""Fixtures and hooks for tests of every kind."""

from __future__ import annotations

import gc
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.session import Session
from botocore.stub import Stubber
from xdist.scheduler import LoadFileScheduling

from chalicelib.logs import logger
from tests.history import ROOT, files_of_tests

SHARING = ("tests/e2e/browser", "tests/forms")
"""Folders whose tests share a browser, which starts slowly."""
FULL = ("tests/e2e/browser/", "tests/local_stack/")
"""Folders whose tests are ``full`` unless marked ``every_run``: a page in a browser takes a second of both cores' time,
and few changes of Herald concern the local AWS itself."""
pytest_plugins = ["tests.rehearsal"]


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """Give the tests of a file to one process; and so those of all files that share what starts slowly.

    ``make test`` runs few of the tests that need the whole stack, and starts it once for all of them.
    """

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        if self.config.getoption("markexpr") == "not full" and file.startswith("tests/e2e/"):
            return "tests/e2e"
        folder = file.rpartition("/")[0]
        return folder if folder in SHARING else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Import the tests in another order in each process of a run, so that each rewrites the asserts of its share.

    In a fresh clone nothing is rewritten yet, and each process would do it for all files: most of the time until the
    first test. What can't be imported is left to the collection, which reports it.
    """
    given = getattr(session.config, "workerinput", None)
    if given and session.config.args == session.config.getini("testpaths"):
        files = files_of_tests()
        first = len(files) * int(given["workerid"].removeprefix("gw")) // given["workercount"]
        for file in files[first:] + files[:first]:
            with suppress(Exception, pytest.skip.Exception):
                import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(FULL) and not item.get_closest_marker("every_run"):
            item.add_marker(pytest.mark.full)


def pytest_sessionstart() -> None:
    """mutmut starts many sessions in one process, where the logger would hold the closed output of the first."""
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stdout)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Make Hypothesis use the run's random seed too, and keep the collector of garbage from what lives until the end.

    To look at thousands of collected tests again and again would take a tenth of a run.
    """
    gc.collect()
    gc.freeze()
    if core := sys.modules.get("hypothesis.core"):
        vars(core)["global_force_seed"] = session.config.getoption("randomly_seed", None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the command that repeats the failed tests in the same order."""
    failed = [*terminalreporter.stats.get("failed", []), *terminalreporter.stats.get("error", [])]
    files = sorted({report.nodeid.partition("::")[0] for report in failed})
    seed = config.getoption("randomly_seed", None)
    if files and isinstance(seed, int):
        terminalreporter.section("to repeat it")
        terminalreporter.line(f".venv/bin/python -m pytest --randomly-seed={seed} {' '.join(files)}")


@pytest.fixture(scope="session")
def root() -> Path:
    """The path of the checkout."""
    return ROOT


@cache
def _session() -> Session:
    return Session()


@pytest.fixture
def aws() -> Callable[[str], Any]:
    """Create a client of one AWS service that needs no configuration: no profile, no metadata service, no retries."""

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
    """Create a client and its Stubber. At the end of the test no stubbed answer may be left."""
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


class Log:
    """The lines that the functions log, in their real format."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    def line(self, message: str) -> dict[str, Any]:
        found = [line for line in self.lines if line["message"] == message]
        assert len(found) == 1, f"{message!r} stands {len(found)} times in {self.lines}"
        return found[0]


@pytest.fixture
def log() -> Iterator[Log]:
    """Capture the log by a second handler, beside the one for standard output. It has the lines of libraries too."""
    found = Log()
    ours, others = logging.StreamHandler(found.stream), logging.StreamHandler(found.stream)
    for handler in (ours, others):
        handler.setFormatter(logger.registered_formatter)
    # Herald's lines also reach the root logger. Without this filter they would be captured twice.
    others.addFilter(lambda record: record.name != logger.name)
    logging.getLogger(logger.name).addHandler(ours)
    logging.getLogger().addHandler(others)
    logger.set_correlation_id(None)
    yield found
    logging.getLogger(logger.name).removeHandler(ours)
    logging.getLogger().removeHandler(others)
