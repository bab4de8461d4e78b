"""The receiver of docs/channels/webhook.md, taken from the page and run as it stands there."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from urllib3.util import Retry

from chalicelib.adapters.providers.webhook import WebhookNotifier
from chalicelib.errors import ChannelUnavailableError
from chalicelib.logic.notification import Notification
from tests.functional.notifiers import SECRET, Parameters, hook


@pytest.fixture
def receiver(root: Path) -> Iterator[tuple[str, Any]]:
    """Its address, and what it prints."""
    page = (root / "docs/channels/webhook.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        env={"WEBHOOK_SECRET": SECRET, "PORT": str(port), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    url = f"http://127.0.0.1:{port}/"
    with requests.Session() as session:
        session.trust_env = False
        # It is there as soon as it takes connections; 501 is its answer to GET.
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=Retry(connect=12, backoff_factor=0.01)))
        assert session.get(url, timeout=60).status_code == 501
    assert process.stdout is not None
    try:
        yield url, process.stdout
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def notifier(session: requests.Session, url: str, secret: str = SECRET) -> WebhookNotifier:
    return WebhookNotifier(session, Parameters({"url": url, "secret": secret}), hook(), local=True)


def test_the_example_takes_each_message_once_and_only_what_verifies(receiver: tuple[str, Any]) -> None:
    url, printed = receiver
    with requests.Session() as session:
        session.trust_env = False
        it = notifier(session, url)
        it.notify(Notification("id-1", "t", "first"))
        it.notify(Notification("id-1", "t", "first"))
        with pytest.raises(ChannelUnavailableError, match="own answered 401"):
            notifier(session, url, "whsec_" + "b3RoZXIh" * 4).notify(Notification("id-2", "t", "forged"))
        it.notify(Notification("id-3", "t", "second"))
    assert [printed.readline(), printed.readline()] == ["first\n", "second\n"]


def test_the_example_refuses_what_is_not_signed_at_all(receiver: tuple[str, Any]) -> None:
    url, _ = receiver
    for headers in ({}, {"webhook-id": "a", "webhook-timestamp": "1", "webhook-signature": "v1"}):
        assert requests.post(url, data=b"{}", headers=headers, timeout=60).status_code == 401
