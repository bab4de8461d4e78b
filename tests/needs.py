"""Find what a test needs and not every machine has: programs, packages of npm, Git's history."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from tests.history import ROOT
from tests.rehearsal import REHEARSING

NODE_PACKAGES = Path(__file__).parent / "node" / "node_modules"


def chromium() -> str:
    """Return the path of Chromium's headless shell, else of Chromium. Skip the test if both are missing.

    Chromium itself starts a process for the toolbar of each context: three times the work.
    """
    return _program("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def firefox() -> str:
    """Return the path of Firefox. Skip the test if it is missing."""
    return _program("firefox-esr", "firefox")


def webkit() -> tuple[str, str, str]:
    """Return the paths of WebKitGTK's WebDriver, of its small browser and of a virtual display, or skip the test."""
    found = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
    if not found:
        _missing("there is no MiniBrowser of WebKitGTK on this machine")
    return _program("WebKitWebDriver"), str(found[-1]), _program("Xvfb")


def node() -> str:
    """Return the path of Node.js. Skip the test if it is missing."""
    return _program("node")


def jq() -> str:
    """Return the path of jq. Skip the test if it is missing."""
    return _program("jq")


def openssl() -> str:
    """Return the path of openssl. Skip the test if it is missing."""
    return _program("openssl")


def npm_package(name: str) -> Path:
    """Return the folder of a package of ``tests/node/package.json``. Skip the test if it is not installed."""
    folder = NODE_PACKAGES / name
    if not folder.is_dir():
        _missing(f"{name} of npm is not installed; `make test` does it where there is npm")
    return folder


def rehearsal() -> None:
    """Skip the test, which has no part that is short enough for other runs."""
    if not REHEARSING:
        pytest.skip("it runs in a rehearsal alone: make rehearse")


def commit(name: str) -> bytes:
    """Return the files of a commit, as a tar archive. Skip the test if Git doesn't have it."""
    command = ["git", "archive", name]
    try:
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60).stdout
    except (OSError, subprocess.CalledProcessError):
        _missing(f"there is no Git with the commit {name} here; in a shallow clone: git fetch --unshallow")


def _program(*names: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    _missing(f"there is no {' or '.join(names)} on this machine")


def _missing(reason: str) -> NoReturn:
    """Skip with this reason, or fail where skipping is not allowed."""
    if os.environ.get("HERALD_SKIP_NOTHING"):
        pytest.fail(f"{reason}, and HERALD_SKIP_NOTHING is set")
    pytest.skip(reason)
