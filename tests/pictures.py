"""Takes the pictures of README.md and docs/inbox.md, of the pages as they are, while ``make run`` is running:
``.venv/bin/python -m tests.pictures docs/images``.
"""

from __future__ import annotations

import base64
import os
import sys
import time
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from ops.local.ports import Ports
from tests import needs
from tests.mailbox import InMemoryMailbox, one_of_each, running

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
PHONE: ViewportSize = {"width": 390, "height": 640}
BACKGROUND = {"light": "#f6f8fa", "dark": "#161b22"}


def main(folder: Path) -> None:
    # The inbox shows times as the machine's clock does: in the afternoon, so that some messages are of today.
    os.environ["TZ"] = "UTC-15"
    time.tzset()
    with running(InMemoryMailbox(*one_of_each())) as (address, session), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needs.chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(locale="en-GB", viewport={"width": 960, "height": 700})
        page.goto(f"{address}/open?token={session.token}")
        page.wait_for_url(f"{address}/")
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            story(browser, scheme, page).screenshot(path=folder / f"story-{scheme}.png")
        page.emulate_media(color_scheme="light")
        page.screenshot(path=folder / "inbox.png")
        page.set_viewport_size({"width": 640, "height": 900})
        page.goto(f"{address}/message?id=waiting-1")
        page.locator(".way").screenshot(path=folder / "inbox-way.png")
        browser.close()


def story(browser: Browser, scheme: Scheme, inbox: Page) -> Page:
    """One page with three pictures: the form as it is sent, the phone that rings, the inbox."""
    web = Ports.of(os.environ).web_url
    # Sharp on a screen with many points too.
    form = browser.new_page(color_scheme=scheme, viewport=PHONE, device_scale_factor=1.5)
    form.goto(f"{web}/#contact")
    form.get_by_label("Name").fill("Jonas Weber")
    form.get_by_label("Email").fill("jonas@example.com")
    form.get_by_label("Message").fill("Thank you, the chair is like new!")
    form.locator("#contact").scroll_into_view_if_needed()
    pictures = [form.screenshot()]
    phone = browser.new_page(color_scheme=scheme, locale="en-GB", viewport=PHONE, device_scale_factor=1.5)
    phone.goto(f"{web}/phone")
    phone.request.delete(f"{web}/phone/messages.json")
    form.get_by_role("button", name="Send").click()
    phone.locator(".push").wait_for()
    phone.evaluate("Promise.all(document.getAnimations().map(animation => animation.finished))")
    pictures += [phone.screenshot(), inbox.screenshot()]
    sources = [f"data:image/png;base64,{base64.b64encode(picture).decode()}" for picture in pictures]
    page = browser.new_page(viewport={"width": 1280, "height": 460})
    page.set_content(
        f"""<style>
        body {{ margin: 0; height: 100vh; box-sizing: border-box; padding: 24px; background: {BACKGROUND[scheme]};
          display: flex; gap: 24px; align-items: center; justify-content: space-between }}
        img {{ height: 412px; border-radius: 14px; box-shadow: 0 0 0 1px #8884, 0 6px 24px #0005 }}
        </style>{"".join(f'<img src="{source}">' for source in sources)}"""
    )
    return page


if __name__ == "__main__":
    main(Path(sys.argv[1]))
