"""Ctrl-C where Python loses it, in what clears away an object that is no longer used; and while packages are
installed, modules loaded or the local stack's servers started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ops import packages

ROOT = Path(__file__).parents[2]
LOST = """
import signal
# A shell starts background jobs with SIGINT ignored; whoever runs the tests may be one.
signal.signal(signal.SIGINT, signal.default_int_handler)
from ops.cli.diagnostics import _until_interrupted

class Unused:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

with _until_interrupted() as stopped:
    Unused()
    print("goes on, stopped:", stopped())
with _until_interrupted() as stopped:
    print("anew, stopped:", stopped())
    signal.raise_signal(signal.SIGINT)
    print("never printed")
print("restored:", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


def test_an_interrupt_that_python_loses_is_known_and_any_other_ends_it_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOST], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["goes on, stopped: True", "anew, stopped: False", "restored: True"]


@pytest.mark.parametrize("program", [["ops/__main__.py"], ["-m", "ops"]], ids=" ".join)
@pytest.mark.parametrize(("trap", "status"), [("-", -signal.SIGINT), ("''", 7)], ids=["in sight", "in the background"])
def test_an_interrupt_while_modules_are_loaded_ends_it_without_a_word_where_it_is_not_ignored(
    tmp_path: Path, program: list[str], trap: str, status: int
) -> None:
    (tmp_path / "click.py").write_text("print('loading', flush=True)\ninput()\nraise SystemExit(7)\n")
    with subprocess.Popen(
        ["/bin/sh", "-c", f'trap {trap} INT; exec "$@"', "sh", sys.executable, *program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={"PYTHONPATH": str(tmp_path)},
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        said = process.communicate("go on\n", timeout=60)
    assert (process.returncode, *said) == (status, "", "")


def test_an_interrupt_while_packages_are_installed_ends_it_without_a_traceback(tmp_path: Path) -> None:
    for folder in (tmp_path / "ops", tmp_path / packages.LOCKS):
        folder.mkdir()
    program = shutil.copy(ROOT / "ops/packages.py", tmp_path / "ops")
    os.mkfifo(lock := tmp_path / packages.LOCKS / packages.RUN)  # So that it waits there.
    run = ["/bin/sh", "-c", 'trap - INT; exec "$@"', "sh", sys.executable, program, "install", "run"]
    # Opening the pipe waits until it is read.
    with subprocess.Popen(run, stderr=subprocess.PIPE, text=True) as process, lock.open("w"):
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (130, "")


def test_an_interrupt_ends_the_start_of_the_local_stack_while_a_server_hangs(tmp_path: Path) -> None:
    """Its servers are those of the folder: the first presses Ctrl-C, and never answers."""
    servers = tmp_path / "ops/local"
    servers.mkdir(parents=True)
    for folder in (servers.parent, servers):
        (folder / "__init__.py").touch()
    hangs = "import sys\nsys.stdin.read()\n"
    presses = "import os, signal\nos.kill(os.getppid(), signal.SIGINT)\n"
    for name, text in {"deployment": hangs, "aws": presses + hangs, "web": hangs}.items():
        (servers / f"{name}.py").write_text(text, encoding="utf-8")
    program = """
import sys
from pathlib import Path
from ops.local.ports import Ports
from ops.local.run import run
sys.exit(run(Path(sys.argv[1]), Ports.free(), watch=False))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
