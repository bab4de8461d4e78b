"""What a visitor of the example site does and sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, Request, Route

from tests import needs
from tests.e2e.harness import Harness, wait_for

Scheme = Literal["light", "dark"]
PHONE = 360
DESKTOP = 1280


class Visitor:
    """Opens pages, each in a browser context of its own."""

    def __init__(self, browser: Browser, herald: Harness, stack: ExitStack) -> None:
        self.site = herald.urls["site"]
        self.action = f"{herald.urls['api']}/contact"
        self.complaints: list[str] = []
        self.sent: list[Request] = []
        """What was posted to the form's address, oldest first."""
        self._answering = tuple(herald.urls[name] for name in ("api", "inbox"))
        self._browser = browser
        self._stack = stack

    def context(
        self, *, script: bool = True, width: int = DESKTOP, scheme: Scheme = "light", locale: str = "en-GB", **more: Any
    ) -> BrowserContext:
        context = self._browser.new_context(
            java_script_enabled=script,
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            locale=locale,
            **more,
        )
        self._stack.callback(context.close)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("request", self._see)
        return context

    def visit(self, **options: Any) -> Page:
        """The example page, open."""
        page = self.context(**options).new_page()
        page.goto(self.site)
        return page

    def show(self, form: str, language: str = "en", context: BrowserContext | None = None) -> Page:
        """The example page with another form in the place of its own, as if it had been written so."""
        page = (context or self.context()).new_page()
        # Between the end of the document and the scripts that wait for it. A document that the test answers itself
        # would come from no address, and Chromium lets such a one reach nothing on this machine. The pages that follow
        # the form stay as they are.
        page.add_init_script(
            f"const [site, language, form] = {json.dumps([self.site, language, form])};"
            "document.addEventListener('readystatechange', () => {"
            " if (document.readyState !== 'interactive' || location.href.split(/[?#]/)[0] !== site) return;"
            " document.documentElement.lang = language; document.querySelector('form').outerHTML = form; })"
        )
        page.goto(self.site)
        return page

    def hold(self, page: Page, url: str) -> list[Route]:
        """Keep every request for this address from its server; they gather in the list."""
        held: list[Route] = []

        def release() -> None:
            for route in held:
                with suppress(Error):  # the test has let it go, or the page has given it up
                    route.abort()

        page.route(url, lambda route: held.append(route))
        self._stack.callback(release)
        return held

    def keys(self) -> list[str]:
        """The Idempotency-Key of everything that was posted."""
        return [request.headers["idempotency-key"] for request in self.sent]

    def _see(self, request: Request) -> None:
        if request.method == "POST" and request.url == self.action:
            self.sent.append(request)

    def _hear(self, message: ConsoleMessage) -> None:
        # Chromium itself reports each answer above 399 and each request without one; of our functions these are meant.
        is_ours = message.location["url"].startswith(self._answering)
        expected = message.text.startswith("Failed to load resource") and is_ours
        if message.type in ("error", "warning") and not expected:
            self.complaints.append(message.text)


def button(page: Page) -> Locator:
    return page.get_by_role("button", name="Send")


def status(page: Page) -> Locator:
    return page.locator("main").get_by_role("status")


def error_of(page: Page, label: str) -> str:
    """What a screen reader says of a field's fault: the texts that describe it and are marked as errors."""
    said: str = page.get_by_label(label).evaluate(
        """field => (field.getAttribute("aria-describedby") || "").split(" ").map(id => document.getElementById(id))
        .filter(each => each && each.className === "error").map(each => each.textContent).join(" ")"""
    )
    return said


def posted(request: Request) -> dict[str, str]:
    """The fields of a request whose body is multipart."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + (request.post_data_buffer or b""))
    return {
        str(part.get_param("name", header="content-disposition")): bytes(part.get_payload(decode=True)).decode()
        for part in message.iter_parts()
    }


def answering(status: int, body: str = "", headers: dict[str, str] | None = None) -> Callable[[Route], None]:
    """A handler that answers in the server's place, as the server does across origins."""

    def answer(route: Route) -> None:
        allowed = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
        route.fulfill(status=status, body=body, headers={**allowed, **(headers or {})})

    return answer


def until(page: Page, look: Callable[[], object]) -> None:
    """Wait for what a handler of the page's events leaves behind: they run while the page is talked to."""

    def talk() -> object:
        page.evaluate("0")
        return look()

    wait_for(talk, "event")


def readable(page: Page, *widths: int) -> None:
    """Check a page as it is: by axe-core in light and in dark, and that nothing is wider than any of the screens."""
    schemes: list[Scheme] = ["light", "dark"]
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == [], scheme
    for width in widths:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with the page as it is. The page's context must bypass the policy."""
    script = needs.npm_package("axe-core") / "axe.min.js"
    page.add_script_tag(content=script.read_text(encoding="utf-8"))
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [f"{each['id']}: {each['help']} ({[node['html'] for node in each['nodes']]})" for each in found]
