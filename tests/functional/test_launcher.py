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
PACKAGES = """\
import os, sys
from pathlib import Path
python = Path(__file__).parents[1] / ".venv/bin/python"
if not python.exists() or sys.argv[2] == "dev":
    print("Installing", *sys.argv[1:])
    python.parent.mkdir(parents=True, exist_ok=True)
    python.unlink(missing_ok=True)
    python.symlink_to(sys.executable)
"""
"""As ops/packages.py, with nothing to install but Python itself."""


@pytest.fixture
def checkout(tmp_path: Path, root: Path) -> Path:
    """A checkout, in a folder with a space, whose program says how it was called and ends with the given status."""
    folder = tmp_path / "my herald"
    (folder / "ops").mkdir(parents=True)
    shutil.copy(root / "herald", folder)
    (folder / "ops" / "__main__.py").write_text(PROGRAM, encoding="utf-8")
    (folder / "ops" / "packages.py").write_text(PACKAGES, encoding="utf-8")
    return folder


def run(launcher: Path | str, *words: str, cwd: Path, **environ: str) -> tuple[int, subprocess.CompletedProcess[str]]:
    """The number of the process, and what became of it."""
    environ = {"PATH": os.environ["PATH"], "PYTHON": sys.executable} | environ
    with subprocess.Popen(
        [launcher, *words], cwd=cwd, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        printed, said = process.communicate(timeout=60)
    return process.pid, subprocess.CompletedProcess(process.args, process.returncode, printed, said)


def launched(checkout: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return run(checkout / "herald", *words, cwd=checkout, **environ)[1]


def test_it_installs_once_and_says_so_beside_what_the_command_prints(checkout: Path) -> None:
    first = launched(checkout, "0")
    assert first.stderr == "Installing install run\n"
    assert first.stdout.count("\n") == 1, "scripts read standard output"
    assert launched(checkout, "0").stderr == ""


def test_it_becomes_the_program_so_that_signals_words_and_status_are_its_own(checkout: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    (elsewhere / "direct").symlink_to(checkout / "herald")
    (elsewhere / "link").symlink_to("direct")
    for launcher, cwd in ((checkout / "herald", checkout), (elsewhere / "link", elsewhere), ("./link", elsewhere)):
        pid, ran = run(launcher, "7", "a b", "", "*", cwd=cwd)
        assert ran.stdout == f"{pid}|{['7', 'a b', '', '*']}|{cwd}\n"
        assert ran.returncode == 7


def test_checks_get_their_own_packages_too(checkout: Path) -> None:
    assert launched(checkout, "check").stderr.startswith("Installing install dev\n")


def test_an_environment_whose_python_is_gone_is_installed_anew(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/nowhere/python3")
    ran = launched(checkout, "0")
    assert (ran.returncode, ran.stderr) == (0, "Installing install run\n")


def test_what_could_not_be_installed_ends_it(checkout: Path) -> None:
    (checkout / "ops" / "packages.py").write_text("import sys\nsys.exit('no network')\n", encoding="utf-8")
    ran = launched(checkout, "0")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "no network\n")


def test_a_python_that_is_too_old_or_missing_is_one_sentence_with_what_to_do(checkout: Path) -> None:
    old = checkout / "python 3.9"
    old.write_text("#!/bin/sh\necho Python 3.9\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    for python in (str(old), "/nowhere/python3"):
        ran = launched(checkout, "0", PYTHON=python)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr == (
            f"Herald needs Python 3.11 or newer; {python} is older or missing. Name another: PYTHON=python3.12"
            f" {checkout}/herald\n"
        )


def test_without_a_choice_a_newer_python_beside_an_old_one_is_found(checkout: Path, tmp_path: Path) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    for tool in ("dirname", "readlink"):
        (path / tool).symlink_to(str(shutil.which(tool)))
    (path / "python3").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (path / "python3").chmod(0o755)
    (path / "python3.12").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    (path / "python3.12").chmod(0o755)
    environ = {"PATH": str(path)}
    ran = subprocess.run([checkout / "herald", "0"], env=environ, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "Installing install run\n")


def test_modules_are_those_of_the_checkout_whatever_the_folder(root: Path, tmp_path: Path) -> None:
    (tmp_path / "ops.py").write_text("raise RuntimeError('the wrong module')\n", encoding="utf-8")
    _, ran = run(sys.executable, str(root / "ops" / "__main__.py"), "--version", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("Herald ")
