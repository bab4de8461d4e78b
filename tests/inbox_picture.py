"""Takes the pictures of docs/inbox.md: ``.venv/bin/python -m tests.inbox_picture docs/images``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests import needs
from tests.mailbox import InMemoryMailbox, one_of_each, running


def main(folder: Path) -> None:
    # The page shows times as the machine's clock does: in the afternoon, so that some messages are of today.
    os.environ["TZ"] = "UTC-15"
    time.tzset()
    with running(InMemoryMailbox(*one_of_each())) as (address, session), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needs.chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(color_scheme="light", locale="en-GB")
        page.goto(f"{address}/open?token={session.token}")
        page.wait_for_url(f"{address}/")
        page.set_viewport_size({"width": 960, "height": 700})
        page.screenshot(path=folder / "inbox.png")
        page.set_viewport_size({"width": 640, "height": 900})
        page.goto(f"{address}/message?id=waiting-1")
        page.locator("summary").click()
        page.locator(".way").screenshot(path=folder / "inbox-way.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
