"""A site of a person's own, as Hugo or Astro serve it beside ``make run``: its form works at once."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from ops.local.ports import Ports
from tests.e2e.conftest import ROOT
from tests.e2e.harness import marker, wait_for
from tests.e2e.test_commands import fresh_clone, ops, printed, running, shell

READY = "Herald is ready"
PATIENCE = 120.0
PAGE = """<!doctype html><html lang="en"><title>Mine</title><h1>My own site</h1>
<form method="post" action="{api}/contact" data-herald data-success="Thanks a lot">
{next}
<label>Message <textarea name="message" required></textarea></label><button>Send</button></form>
<script src="herald.js" defer></script>"""
NEXT = '<input type="hidden" name="_next" value="/thanks.html">'


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def serve(folder: Path, stack: ExitStack) -> str:
    """Serve a folder on a port of its own, as a static site's generator does; returns the site's origin."""
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://localhost:{server.server_address[1]}"


class Own:
    """``make run`` on a checkout, and two sites that it doesn't know."""

    def __init__(self, urls: dict[str, str], sites: list[str]) -> None:
        self.urls = urls
        self.sites = sites

    def rings(self, word: str) -> None:
        wait_for(lambda: word in requests.get(f"{self.urls['phone']}/messages.json", timeout=60).text, "push")


@pytest.fixture
def own(chromium: str, tmp_path: Path, checkout: Path) -> Iterator[Own]:
    clone = fresh_clone(tmp_path / "herald", checkout)
    shutil.copyfile(ROOT / "herald.toml", clone / "herald.toml")
    with ExitStack() as stack:
        folders = [tmp_path / "hugo", tmp_path / "astro"]
        sites = [serve(folder, stack) for folder in folders]
        environ = shell(Ports.free())
        process, lines = stack.enter_context(running(clone, ["-m", "ops", "run"], environ))
        printed(lines, READY, seconds=PATIENCE)
        urls = json.loads(ops(clone, environ, "urls", "--stage", "local", "--json").stdout)
        for folder in folders:
            for name, field in (("index.html", NEXT), ("plain.html", "")):
                (folder / name).write_text(PAGE.format(api=urls["api"], next=field), encoding="utf-8")
            (folder / "thanks.html").write_text("<!doctype html><title>Mine</title><h1>Mine has it</h1>", "utf-8")
            shutil.copyfile(ROOT / "web" / "site" / "herald.js", folder / "herald.js")
        yield Own(urls, sites)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_a_form_of_ones_own_site_works_without_an_edit_of_the_configuration(own: Own, browser: Browser) -> None:
    hugo, astro = own.sites
    with browser.new_context(java_script_enabled=False) as plain, browser.new_context() as scripted:
        page, word = plain.new_page(), marker()
        write(page, f"{hugo}/plain.html", word)
        expect(page.get_by_role("heading", name="Your form works")).to_be_visible()
        expect(page.get_by_role("link", name=hugo)).to_be_visible()
        own.rings(word)

        page, word = plain.new_page(), marker()
        write(page, hugo, word)
        expect(page.get_by_role("heading", name="Mine has it")).to_be_visible()
        assert page.url == f"{hugo}/thanks.html"
        own.rings(word)

        page, word = scripted.new_page(), marker()
        write(page, astro, word)
        expect(page.get_by_text("Thanks a lot")).to_be_visible()
        own.rings(word)


def write(page: Page, site: str, text: str) -> None:
    page.goto(site)
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Send").click()
