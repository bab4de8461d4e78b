"""Three browsers, as far as a visitor of a form needs one: open an address, and run a function on the page."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, Protocol

import requests
from playwright.sync_api import Error, Page, sync_playwright

from ops.loopback import HOST
from tests import needs
from tests.e2e.harness import PATIENCE, wait_for

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
LEFT = ("context was destroyed", "no such frame", "was discarded", "has been closed", "navigat", "unloaded")
"""What drivers say when the page is left while a function runs on it."""


class Window(Protocol):
    """One window of a browser."""

    def open(self, url: str) -> None:
        """Open an address, and wait until the page and its scripts are loaded."""

    def run(self, function: str, *arguments: Any) -> Any:
        """What a function of JavaScript returns on the page; None when the page is left meanwhile."""


class ChromiumWindow:
    """Driven by Playwright."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def open(self, url: str) -> None:
        self._page.goto(url)

    def run(self, function: str, *arguments: Any) -> Any:
        try:
            return self._page.evaluate(f"(given) => ({function})(...given)", list(arguments))
        except Error as error:
            return _left(error.message)


class FirefoxWindow:
    """Driven over WebDriver BiDi by ``tests/node/firefox.mjs``, a process that takes and gives lines of JSON."""

    def __init__(self, to: IO[str], back: IO[str]) -> None:
        self._to, self._back = to, back

    def open(self, url: str) -> None:
        self._ask(open=url)

    def run(self, function: str, *arguments: Any) -> Any:
        return self._ask(run=function, given=arguments)

    def _ask(self, **command: Any) -> Any:
        print(json.dumps(command), file=self._to, flush=True)
        answer = json.loads(self._back.readline())
        return _left(answer["error"]) if "error" in answer else answer.get("value")


class WebKitWindow:
    """Driven by WebDriver: https://www.w3.org/TR/webdriver2/"""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        self._ask("url", url=url)

    def run(self, function: str, *arguments: Any) -> Any:
        return self._ask("execute/sync", script=f"return ({function})(...arguments)", args=arguments)

    def _ask(self, command: str, **body: Any) -> Any:
        value = requests.post(f"{self._session}/{command}", json=body, timeout=PATIENCE).json()["value"]
        return _left(f"{value['error']}: {value['message']}") if isinstance(value, dict) and "error" in value else value


def _left(error: str) -> None:
    """Raises what does not come of leaving a page."""
    if not any(words in error for words in LEFT):
        raise AssertionError(error)


@contextmanager
def chromium() -> Iterator[dict[bool, Window]]:
    """Two windows: one with JavaScript, one without."""
    program = needs.chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        contexts = {script: browser.new_context(java_script_enabled=script, locale="en-GB") for script in (True, False)}
        yield {script: ChromiumWindow(context.new_page()) for script, context in contexts.items()}
        browser.close()


@contextmanager
def firefox() -> Iterator[Window]:
    """A window of Firefox."""
    needs.npm_package("puppeteer-core")
    command = [needs.node(), str(needs.NODE_PACKAGES.parent / "firefox.mjs"), needs.firefox()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield FirefoxWindow(process.stdin, process.stdout)


@contextmanager
def webkit() -> Iterator[Window]:
    """A window of WebKitGTK, on a display of its own."""
    driver, browser, display = needs.webkit()
    with ExitStack() as stack:
        screen = subprocess.Popen(
            [display, "-displayfd", "1", "-nolisten", "tcp"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        stack.callback(_end, screen)
        assert screen.stdout
        environment = {**os.environ, "DISPLAY": f":{screen.stdout.readline().strip()}"}
        with socket.create_server((HOST, 0)) as free:
            port = free.getsockname()[1]
        process = subprocess.Popen([driver, f"--host={HOST}", f"--port={port}"], env=environment)
        stack.callback(_end, process)
        server = f"http://{HOST}:{port}"

        def ready() -> bool:
            try:
                return requests.get(f"{server}/status", timeout=PATIENCE).ok
            except requests.ConnectionError:
                return False

        wait_for(ready, "WebDriver")
        options = {"webkitgtk:browserOptions": {"binary": browser, "args": ["--automation"]}}
        answer = requests.post(
            f"{server}/session", json={"capabilities": {"alwaysMatch": options}}, timeout=PATIENCE
        ).json()
        session = f"{server}/session/{answer['value']['sessionId']}"
        yield WebKitWindow(session)
        requests.delete(session, timeout=PATIENCE)


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    process.communicate()
