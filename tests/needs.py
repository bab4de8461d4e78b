"""What a test needs of the machine and not every machine has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

NODE_PACKAGES = Path(__file__).parent / "node" / "node_modules"


def chromium() -> str:
    """The path of Chromium; without one the test is skipped."""
    return _program("chromium", "chromium-browser", "google-chrome")


def firefox() -> str:
    """The path of Firefox; without one the test is skipped."""
    return _program("firefox-esr", "firefox")


def webkit() -> tuple[str, str, str]:
    """The paths of WebKitGTK's WebDriver, its small browser, and a display without a screen; else skipped."""
    found = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
    if not found:
        _missing("there is no MiniBrowser of WebKitGTK on this machine")
    return _program("WebKitWebDriver"), str(found[-1]), _program("Xvfb")


def node() -> str:
    """The path of Node.js; without it the test is skipped."""
    return _program("node")


def openssl() -> str:
    """The path of openssl; without it the test is skipped."""
    return _program("openssl")


def npm_package(name: str) -> Path:
    """The folder of a package of ``tests/node/package.json``; where it isn't installed the test is skipped."""
    folder = NODE_PACKAGES / name
    if not folder.is_dir():
        _missing(f"{name} of npm is not installed; `make test` does it where there is npm")
    return folder


def _program(*names: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    _missing(f"there is no {' or '.join(names)} on this machine")


def _missing(reason: str) -> NoReturn:
    """Skip, saying why; where nothing may be skipped, fail."""
    if os.environ.get("HERALD_SKIP_NOTHING"):
        pytest.fail(f"{reason}, and HERALD_SKIP_NOTHING is set")
    pytest.skip(reason)
