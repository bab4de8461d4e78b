"""``./herald``: installs what is missing and becomes the program, wherever it is called from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import os, sys
print(os.getpid(), sys.argv[1:], os.getcwd(), sep="|", flush=True)
sys.exit(int(sys.argv[1]))
"""
MAKEFILE = """\
.PHONY: run-packages setup
setup: run-packages
	@echo "Installing what checks need, too …"
run-packages: .venv/bin/python
.venv/bin/python:
	@echo "Installing into .venv …"
	@mkdir -p .venv/bin
	@ln -sf "$(PYTHON)" .venv/bin/python
"""


@pytest.fixture
def checkout(tmp_path: Path, root: Path) -> Path:
    """A checkout, in a folder with a space, whose program says how it was called and ends with the given status."""
    folder = tmp_path / "my herald"
    (folder / "ops").mkdir(parents=True)
    shutil.copy(root / "herald", folder)
    (folder / "ops" / "__main__.py").write_text(PROGRAM, encoding="utf-8")
    (folder / "Makefile").write_text(MAKEFILE, encoding="utf-8")
    return folder


def start(launcher: Path | str, *words: str, cwd: Path, python: str = sys.executable) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [launcher, *words],
        cwd=cwd,
        # A make around it must not change what ours does.
        env={"PATH": os.environ["PATH"], "PYTHON": python, "MAKEFLAGS": "n"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_installs_once_and_says_so_beside_what_the_command_prints(checkout: Path) -> None:
    with start(checkout / "herald", "0", cwd=checkout) as first:
        printed, said = first.communicate(timeout=60)
    assert said == "Installing into .venv …\n"
    assert printed.count("\n") == 1, "scripts read standard output"
    with start(checkout / "herald", "0", cwd=checkout) as again:
        assert again.communicate(timeout=60)[1] == ""


def test_it_becomes_the_program_so_that_signals_words_and_status_are_its_own(checkout: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    (elsewhere / "direct").symlink_to(checkout / "herald")
    (elsewhere / "link").symlink_to("direct")
    for launcher, cwd in ((checkout / "herald", checkout), (elsewhere / "link", elsewhere), ("./link", elsewhere)):
        with start(launcher, "7", "a b", "", "*", cwd=cwd) as process:
            printed, _ = process.communicate(timeout=60)
        assert printed == f"{process.pid}|{['7', 'a b', '', '*']}|{cwd}\n"
        assert process.returncode == 7


def test_checks_get_their_own_packages_too(checkout: Path) -> None:
    with start(checkout / "herald", "check", cwd=checkout) as process:
        assert "Installing what checks need, too" in process.communicate(timeout=60)[1]


def test_a_python_that_is_too_old_or_missing_is_named_with_what_to_do(checkout: Path, root: Path) -> None:
    shutil.copy(root / "Makefile", checkout)
    old = checkout / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    for python in (str(old), "/nowhere/python3"):
        with start(checkout / "herald", "0", cwd=checkout, python=python) as process:
            printed, said = process.communicate(timeout=60)
        assert process.returncode != 0
        assert printed == ""
        assert f"Herald needs Python 3.11 or newer; {python} is" in said
        assert "PYTHON=python3.12" in said


def test_modules_are_those_of_the_checkout_whatever_the_folder(root: Path, tmp_path: Path) -> None:
    (tmp_path / "ops.py").write_text("raise RuntimeError('the wrong module')\n", encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, root / "ops" / "__main__.py", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("Herald ")
