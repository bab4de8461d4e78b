"""A real browser before the real local stack. What it complains about in its console fails the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests import needs
from tests.e2e.browser.visitor import Visitor
from tests.e2e.harness import Harness

HERE = Path(__file__).parent
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A page takes a second of both cores' time, a hundred of them more than `make test` may take."""
    for item in items:
        if item.path.is_relative_to(HERE) and not item.get_closest_marker("every_run"):
            item.add_marker(pytest.mark.full)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Of the session, so that it is asked for before the stack is started and skipping takes no time."""
    return needs.chromium()


# Not for the session: until it is closed, Playwright keeps an event loop running in this thread, where later tests
# may want one of their own.
@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visitor(browser: Browser, herald: Harness) -> Iterator[Visitor]:
    """Somebody with a browser. At the end its console must hold no error but those of answers that say no."""
    with ExitStack() as stack:
        visitor = Visitor(browser, herald, stack)
        yield visitor
        assert visitor.complaints == []
