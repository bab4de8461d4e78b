"""Takes the pictures of docs/channels/README.md: an ordinary message and a monstrous one in every channel, as the
stand-ins were sent them: ``.venv/bin/python -m tests.channel_pictures docs/images``.
"""

from __future__ import annotations

import base64
import re
import sys
from dataclasses import replace
from html import escape, unescape
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page, sync_playwright
from starlette.testclient import TestClient

from chalicelib.adapters.providers.email import SesNotifier
from chalicelib.logic import pushover_parameters, webhook_request
from chalicelib.logic.channel_kind import encoded
from chalicelib.logic.notification import Notification, from_contact
from ops.local.web.app import create_app
from ops.local.web.ses_stand_in import OUTBOUND
from ops.local.web.settings import LOCAL_TOKEN, LOCAL_USER, WebSettings
from tests import needs
from tests.declared import declared_channel, request_of
from tests.fakes import channel, mail_channel, message, site

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WIDTHS = {"desktop": 1200, "phone": 390}
KEPT = (300, 360)
"""Characters of a long text's beginning and end that a picture shows."""

ORDINARY = {
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "source": "https://www.example.com/contact",
    "phone": "0170 1234567",
    "message": "Hello,\n\ndo you deliver rocking chairs to Bonn, and what would two of them cost?\n\nAda",
}
MONSTROUS = {
    "name": "Herald: not delivered <b>@everyone</b> " + "x" * 150,
    "email": "юля@bücher.example",
    "Email ": "boss@example.com",
    "Rесеіvеd": "2020-01-01 00:00 UTC",
    "note\u202e": "[click](https://evil.example) <!channel> **bold**",
    "message": "Please transfer the money today.\n\n"
    "Email: boss@example.com\nЅіtе : www.bank.example\n… Cut to fit. In full: nowhere\n"
    + '"quotes" <script>alert(1)</script> {{DATE()}} Grüße שלום\n'
    * 900,
} | {f"field {number}": "v" * 200 for number in range(10)}


def notification(fields: dict[str, str]) -> Notification:
    form = replace(message("0b9f1c2e-6a51-4c3e-9d1f-0f8b5f3f5b62"), fields=fields)
    return from_contact(form, site(), channel(), "dev")


class StandIns:
    """The local web server, in this process."""

    def __init__(self) -> None:
        self._http = TestClient(create_app(WebSettings()), base_url="http://127.0.0.1")

    def send_email(self, **request: Any) -> Any:
        return self._http.post(OUTBOUND, json=request).raise_for_status().json()

    def shown(self, it: Notification) -> dict[str, str]:
        """What each channel's reader sees, as HTML, by the channel."""
        form = {**pushover_parameters.make_texts(it), "token": LOCAL_TOKEN, "user": LOCAL_USER}
        self._http.post("/pushover/1/messages.json", data=form).raise_for_status()
        SesNotifier(self, mail_channel()).notify(it)  # type: ignore[arg-type]
        bodies = {
            "Slack": webhook_request.slack(it),
            "Discord": webhook_request.discord(it),
            "Teams": webhook_request.teams(it),
        }
        for name, body in bodies.items():
            self._http.post(f"/webhooks/{name}", content=encoded(body)).raise_for_status()
        ntfy = request_of(it, declared_channel("ntfy", "/providers/ntfy"))
        self._http.post(ntfy.url, content=ntfy.body).raise_for_status()
        if lost := self._http.get("/webhooks/lost.json").json():
            raise RuntimeError(f"accepted and never shown: {lost}")
        push = self._http.get("/phone/messages.json").json()[-1]
        mail = self._http.get("/ses/messages.json").json()[-1]
        hooks = {one["channel"]: one["body"] for one in self._http.get("/webhooks/messages.json").json()}
        taken = self._http.get("/providers/ntfy/messages.json").json()[-1]["body"]
        return {
            "Pushover": _panel(push["title"], push["message"]),
            "E-mail": f'<iframe srcdoc="{escape(mail["html"])}"></iframe><i>whole: {len(mail["html"]):,} bytes</i>',
            "Slack": _panel(*unescape(hooks["Slack"]["text"]).split("\n", 1)),
            "Discord": _panel(*re.sub(r"\\(.)", r"\1", hooks["Discord"]["content"]).split("\n", 1)),
            "Teams": _panel(*_lines(hooks["Teams"])),
            "ntfy": _panel(taken["title"], taken["message"]),
        }


def _lines(card: dict[str, Any]) -> tuple[str, str]:
    (attachment,) = card["attachments"]
    title, *lines = (run["text"] for block in attachment["content"]["body"] for run in block["inlines"])
    return title, "\n".join(lines)


def _panel(title: str, text: str) -> str:
    begin, end = KEPT
    if len(text) > begin + end:
        left_out = f"<i>{len(text) - begin - end:,} characters that the picture leaves out</i>"
        shown = f"{escape(text[:begin])}\n\n{left_out}\n\n{escape(text[-end:])}"
    else:
        shown = escape(text)
    return f'<b>{escape(title.strip("*"))}</b><p dir="auto">{shown}</p>'


STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; padding: 16px; font: 14px/1.45 system-ui, sans-serif; background: Canvas; color: CanvasText;
  display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(min(340px, 100%), 1fr)); }
section { border: 1px solid #8886; border-radius: 10px; padding: 12px 14px; overflow: hidden; min-width: 0; }
h2 { font-size: 12px; letter-spacing: .04em; text-transform: uppercase; margin: 0 0 8px; opacity: .7; }
p { white-space: pre-wrap; overflow-wrap: anywhere; margin: 6px 0 0; }
b { overflow-wrap: anywhere; }
i { opacity: .7; }
iframe { border: 0; width: 100%; }
"""


FIT_MAIL = """
const mail = document.querySelector("iframe");
mail.style.height = Math.min(mail.contentDocument.documentElement.scrollHeight, 620) + "px";
"""


def take(page: Page, path: Path) -> None:
    """A picture of the whole page as WebP, a third of a PNG's size."""
    size = page.evaluate("({width: innerWidth, height: document.documentElement.scrollHeight})")
    page.set_viewport_size(size)
    answer = page.context.new_cdp_session(page).send("Page.captureScreenshot", {"format": "webp", "quality": 70})
    path.write_bytes(base64.b64decode(answer["data"]))


def main(folder: Path, widths: tuple[str, ...] = ("desktop",)) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needs.chromium(), args=["--no-sandbox", "--disable-gpu"])
        for name, fields in (("ordinary", ORDINARY), ("monstrous", MONSTROUS)):
            panels = StandIns().shown(notification(fields))
            sections = "".join(f"<section><h2>{title}</h2>{panel}</section>" for title, panel in panels.items())
            for width in widths:
                for scheme in SCHEMES:
                    viewport = {"width": WIDTHS[width], "height": 400}
                    page = browser.new_page(color_scheme=scheme, viewport=viewport)  # type: ignore[arg-type]
                    page.set_content(f"<!doctype html><style>{STYLE}</style>{sections}")
                    page.wait_for_load_state("networkidle")
                    page.evaluate(FIT_MAIL)
                    suffix = "" if width == "desktop" else f"-{width}"
                    take(page, folder / f"channels-{name}-{scheme}{suffix}.webp")
                    page.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), tuple(sys.argv[2:]) or ("desktop",))
