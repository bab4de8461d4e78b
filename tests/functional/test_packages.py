"""Packages are installed by their hashes: by uv, or by pip where uv is not to be had."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from ops import packages

pytestmark = pytest.mark.full


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """The lock of one package, whose wheel lies beside it."""
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        archive.writestr("thing.py", "answer = 42\n")
        archive.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        archive.writestr("thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("thing-1.0.dist-info/RECORD", "")
    file = tmp_path / "lock.txt"
    file.write_text(f"thing==1.0 \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    return file


def ran(folder: Path, call: str, **registry: str) -> subprocess.CompletedProcess[str]:
    """A call in a process that is told, as pip is, to look for packages in a folder alone, or in a registry."""
    told = registry or {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", f"from pathlib import Path\nfrom ops.packages import *\n{call}"],
        env={"HOME": str(folder), "PIP_CONFIG_FILE": "/dev/null", **told},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("forged", [False, True], ids=["right", "forged"])
def test_what_goes_into_the_zip_is_held_against_its_hash(lock: Path, tmp_path: Path, forged: bool) -> None:
    if forged:
        lock.write_text(lock.read_text().replace("sha256:", "sha256:0000")[:-5] + "\n")
    target = tmp_path / "target"
    done = ran(tmp_path, f"into_folder(Path({str(target)!r}), Path({str(lock)!r}), '3.12', 'aarch64')")
    assert (done.returncode == 0, (target / "thing.py").exists()) == (not forged, not forged), done.stderr
    if forged:
        assert "NotInstalled" in done.stderr
        assert "pip does it, with the same hashes" in done.stderr
        assert "DO NOT MATCH THE HASHES" in done.stderr, "pip was the last to refuse"


@pytest.mark.parametrize("forged", [False, True], ids=["right", "forged"])
def test_pip_installs_where_uv_is_not_to_be_had_says_so_and_holds_it_against_the_same_hash(
    lock: Path, tmp_path: Path, forged: bool
) -> None:
    if forged:
        lock.write_text(lock.read_text().replace("sha256:", "sha256:0000")[:-5] + "\n")
    uv = tmp_path / "uv.txt"
    uv.write_text(f"uv==1.0 --hash=sha256:{'0' * 64}\n")
    venv.create(tmp_path / "environment", symlinks=True)
    python = tmp_path / "environment/bin/python"
    done = ran(tmp_path, f"into_environment(Path({str(python)!r}), Path({str(lock)!r}), Path({str(uv)!r}))")
    assert (done.returncode == 0) == (not forged), done.stderr
    assert "uv can't install here: pip does it, with the same hashes" in done.stderr
    asked = subprocess.run([python, "-c", "import thing; print(thing.answer)"], capture_output=True, text=True)
    assert asked.stdout == ("" if forged else "42\n")


def test_what_is_fetched_from_every_lock_is_installed_where_nothing_else_can_be_reached(
    lock: Path, tmp_path: Path
) -> None:
    """With Herald's own locks: e2e/test_workflow, in a rehearsal."""
    (tmp_path / packages.LOCKS).mkdir()
    for name in (packages.UV, packages.RUN, packages.ZIP):
        (tmp_path / packages.LOCKS / name).write_text(lock.read_text())
    fetched, target = tmp_path / "fetched", tmp_path / "target"
    done = ran(tmp_path, f"fetch(Path({str(tmp_path)!r}), Path({str(fetched)!r}), 'aarch64')")
    assert done.returncode == 0, done.stderr
    call = f"into_folder(Path({str(target)!r}), Path({str(lock)!r}), '3.12', 'aarch64')"
    done = ran(tmp_path, call, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(fetched))
    assert done.returncode == 0, done.stderr
    assert (target / "thing.py").exists()


def test_without_a_connection_one_error_says_so_and_nothing_else(lock: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        nobody = f"http://127.0.0.1:{bound.getsockname()[1]}/simple"
    call = f"into_environment(Path(sys.executable), Path({str(lock)!r}), Path({str(lock)!r}))"
    done = ran(tmp_path, call, PIP_INDEX_URL=nobody, PIP_RETRIES="1")
    *_, error = done.stderr.splitlines()
    assert "NotInstalled: pip can't reach its registry of packages: " in error
    assert "Connection refused" in error
    assert "pip config list" in error
    for noise in ("Retrying", "No matching distribution", "0x", "uv can't install"):
        assert noise not in done.stderr


def test_what_is_installed_already_is_not_installed_again(root: Path) -> None:
    """Every command asks, so it must be quick: nothing is run."""
    packages.install(root, "dev")
    stamp = root / ".venv/installed"
    before = stamp.stat()
    packages.install(root, "run")
    assert stamp.stat() == before
