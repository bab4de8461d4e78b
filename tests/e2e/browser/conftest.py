"""A real browser before the real local stack. What it complains about in its console fails the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests import needs
from tests.e2e.browser.visitor import Visitor
from tests.e2e.harness import Harness

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


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
