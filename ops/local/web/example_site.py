"""Serve the example site from one directory, and put the API's address into its pages."""

from __future__ import annotations

import html
import mimetypes
from pathlib import Path
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from chalicelib.logic.allowed_origins import origin_of, printable_origin
from ops.local.web.settings import ApiAddress

PLACEHOLDER = "{{ herald_api }}"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)
_STARTING = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="2">
<title>The stack is still starting</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
</head>
<body class="notice">
<main>
<h1>The stack is still starting</h1>
<p>This page needs the address of the API, which is known once the stack is deployed.
It tries again by itself every two seconds.</p>
</main>
</body>
</html>
"""


_THANKS = "thanks.html"
_SENT_ELSEWHERE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Your form works</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
</head>
<body class="notice">
<main>
<h1>Your form works</h1>
<p>Herald has accepted what your page at <a href="{page}/">{page}</a> sent. Look at <a href="/phone">the phone</a>.</p>
<p>This page stands in for your own thanks page. To go to yours, put its address into the form:</p>
<p><code>&lt;input type="hidden" name="_next" value="/thanks/"&gt;</code></p>
</main>
</body>
</html>
"""
"""The page after a form of another site on this machine, which names no page of its own."""


class Site:
    """The handler for the files in ``directory``. Each request reads its file, so that a reload shows an edit.

    While the API's address is unknown, a page that contains :data:`PLACEHOLDER` is answered with 503 and a page that
    reloads itself.
    """

    def __init__(self, directory: Path, api: ApiAddress) -> None:
        self._directory = directory.resolve()
        self._api = api

    async def endpoint(self, request: Request) -> Response:
        file = self._file(str(request.path_params["path"]))
        if file.suffix != ".html":
            media_type, _ = mimetypes.guess_type(file.name)
            return FileResponse(file, media_type=media_type or "application/octet-stream")
        elsewhere = self._sent_elsewhere(request) if file.name == _THANKS else ""
        if elsewhere:
            return _page(_SENT_ELSEWHERE.format(page=html.escape(elsewhere)), _POLICY)
        text = file.read_text(encoding="utf-8")
        if PLACEHOLDER not in text:
            return _page(text, _POLICY)
        address = self._api.get()
        if address is None:
            return _page(_STARTING, _POLICY, 503, {"Retry-After": "2"})
        origin = origin_of(address)
        # Allow the form, and the script that sends it, to post to the API.
        policy = f"{_POLICY} {origin}; connect-src {origin}"
        return _page(text.replace(PLACEHOLDER, html.escape(address, quote=True)), policy)

    def _sent_elsewhere(self, request: Request) -> str:
        """The origin of another site whose form led here, as the browser names it in ``Referer``; empty for ours."""
        page = printable_origin(origin_of(request.headers.get("referer", "")))
        ours = (urlsplit(str(request.base_url)).port, urlsplit(self._api.get() or "").port)
        return page if "://" in page and urlsplit(page).port not in ours else ""

    def _file(self, path: str) -> Path:
        name = "index.html" if not path else f"{path}index.html" if path.endswith("/") else path
        try:
            # resolve() follows links and dots, so nothing outside the directory is served.
            file = (self._directory / name).resolve()
            found = file.is_relative_to(self._directory) and file.is_file()
        except (ValueError, OSError):  # a NUL character, or a name that is too long
            found = False
        if not found:
            raise HTTPException(404, "There is no such page here.")
        return file


def _page(text: str, policy: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    # Under "no-referrer" the browser would send "null" as the form's Origin.
    fixed = {"Content-Security-Policy": policy, "Referrer-Policy": "strict-origin-when-cross-origin"}
    return HTMLResponse(text, status, {**fixed, **(headers or {})})
