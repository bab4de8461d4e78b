"""A static site and Herald behind one loopback port, as two origins: ``localhost`` and ``127.0.0.1``."""

from __future__ import annotations

import json
import mimetypes
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler
from itertools import count
from pathlib import Path

from chalice.test import Client

# app.py reads its stage while it is imported.
os.environ["HERALD_STAGE"] = "local"

import app as herald
from chalicelib.composition import override_container
from tests import fakes
from tests.e2e import pages
from tests.e2e.pages import Reply
from tests.forms.catalogue import LARGEST, LONGEST
from tests.needs import NODE_PACKAGES

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = """
import * as React from "react";
import { createRoot } from "react-dom/client";
import * as formspree from "@formspree/react";
import * as core from "@formspree/core";
Object.assign(window, { React, createRoot, formspree, core });
"""
"""What npm has for bundlers alone, as one script for a page."""
THANKS = "The workshop has your message."
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A site</title><link rel="icon" href="data:,">
<style>[hidden], .hidden {{ display: none }}</style>
<script>window.alert = (text) => document.querySelector("output").append(text)</script>
<body>{body}<output></output>"""


class Site:
    """Serves one page after the other, and answers forms with the real app."""

    def __init__(self, port: int) -> None:
        self.url = f"http://localhost:{port}"
        self.api = f"http://127.0.0.1:{port}"
        self.topic = fakes.RecordingTopic()
        self.body = ""
        self._visits = count()

    def show(self, html: str, address: str = "/contact", herald_js: bool = False) -> str:
        """Put a form on the page; returns the page's address."""
        self.topic.published.clear()
        body = html.replace("{action}", self.api + address).replace("{api}", self.api)
        if herald_js:
            body = body.replace("<form", "<form data-herald", 1) + '<script src="/herald.js" defer></script>'
        self.body = body
        return self.address()

    def address(self) -> str:
        """Of the page; never the same, as a browser fills in again what stood there before."""
        return f"{self.url}/?{next(self._visits)}"

    def received(self) -> list[dict[str, str]]:
        """The fields of each message that was published."""
        return [json.loads(message.text)["fields"] for message in self.topic.published]

    def file(self, path: str) -> tuple[int, str, bytes]:
        """Status, media type and bytes of what the site serves below an address."""
        if path in ("/", "/thanks"):
            body = self.body if path == "/" else f"<h1>{THANKS}</h1>"
            page = body if body.startswith("<!doctype") else PAGE.format(body=body)
            return 200, "text/html; charset=utf-8", page.encode()
        if path == "/libraries.js":
            return 200, "text/javascript", libraries()
        package = path.removeprefix("/npm/")
        file = ROOT / "web/site" / path[1:] if package == path else NODE_PACKAGES / package
        if not file.is_file():
            return 404, "text/plain", b"There is no such file."
        return 200, mimetypes.guess_type(path)[0] or "application/octet-stream", file.read_bytes()


@cache
def libraries() -> bytes:
    command = ["node", "node_modules/esbuild/bin/esbuild", "--bundle", "--minify"]
    command.append('--define:process.env.NODE_ENV="production"')
    folder = NODE_PACKAGES.parent
    return subprocess.run(command, cwd=folder, input=LIBRARIES.encode(), capture_output=True, check=True).stdout


@contextmanager
def serving() -> Iterator[Site]:
    """The site, until the block ends."""
    client = Client(herald.app, stage_name="local", project_dir=str(ROOT))
    one_at_a_time = threading.Lock()

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        if request.command == "GET" and request.headers["Host"].startswith("localhost"):
            status, media_type, content = site.file(request.path.partition("?")[0])
            return status, [("Content-Type", media_type)], content
        with one_at_a_time:
            given = client.http.request(request.command, request.path, dict(request.headers.items()), body)
        headers = [(name, value) for name, value in given.headers.items() if name.lower() != "content-length"]
        return given.status_code, headers, given.body

    with pages.serving(answer) as port:
        site = Site(port)
        owner = fakes.site(thanks=f"{site.url}/thanks", origins=(site.url,), longest={"message": LONGEST})
        anything = owner._replace(name="anything", required=())
        limits = fakes.LIMITS._replace(field_bytes=LARGEST)
        stage = fakes.stage("local", limits=limits)._replace(sites={"default": owner, "anything": anything})
        with override_container(fakes.FakeContainer(stage, topic=site.topic)):
            yield site
