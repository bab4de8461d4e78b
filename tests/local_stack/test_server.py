"""Pin, start, end (ops/local/aws/pin.py, server.py, __main__.py, worker_process.py)."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from ops.local.aws import pin
from tests.local_stack.local_aws import PATIENCE, ROOT, LocalAws, free_port, start, stop, wait_for

PACKAGE = ROOT / "ops" / "local" / "aws"


def run(scratch: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops.local.aws", *options],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch), **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_the_installed_ministack_is_the_pinned_one(scratch: Path) -> None:
    done = run(scratch, "--check")
    assert done.returncode == 0, done.stderr
    assert pin.MINISTACK_VERSION in done.stdout


def test_another_version_is_refused() -> None:
    with pytest.raises(pin.MovedPart, match=r"MiniStack 1\.6\.0 is installed"):
        pin.verify([], "1.6.0", {})


def test_a_part_that_moved_is_named() -> None:
    part = "ops.local.aws.pin:fingerprint"
    pin.verify([part], pin.MINISTACK_VERSION, {part: pin.fingerprint(part)})
    with pytest.raises(pin.MovedPart, match="fingerprint is not the one"):
        pin.verify([part], pin.MINISTACK_VERSION, {part: "0" * 16})
    with pytest.raises(pin.MovedPart, match=r"has no ops\.local\.aws\.pin:gone"):
        pin.verify(["ops.local.aws.pin:gone"], pin.MINISTACK_VERSION, {})


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_each_part_that_is_used_is_pinned(path: Path) -> None:
    """Whatever a module takes from MiniStack's modules, in any form, is in its EXTENDS."""
    tree = ast.parse(path.read_text())
    parts = ast.parse((PACKAGE / "ministack_modules.py").read_text())
    modules = {
        node.target.id: str(node.value.args[0].value)
        for node in parts.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.args[0], ast.Constant)
    }
    used = {
        f"{modules[node.value.id]}:{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
        and node.attr not in ("subprocess", "zipfile", "Worker")
    }
    used |= {
        f"{modules[node.args[0].id]}:{node.args[1].value!s}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "extend"
        and isinstance(node.args[0], ast.Name)
        and isinstance(node.args[1], ast.Constant)
        and node.args[0].id in modules
    }
    pinned = {
        element.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and [target.id for target in node.targets if isinstance(target, ast.Name)] == ["EXTENDS"]
        and isinstance(node.value, ast.Tuple)
        for element in node.value.elts
        if isinstance(element, ast.Constant)
    }
    assert used <= pinned
    assert pinned <= set(json.loads(pin.FINGERPRINTS.read_text()))


@pytest.mark.parametrize(
    ("options", "environment", "says"),
    [
        (["--without", "gravity"], {}, "no such extension: gravity"),
        ([], {"HERALD_LOCAL_RETRY_SECONDS": "soon"}, "HERALD_LOCAL_RETRY_SECONDS is 'soon'"),
    ],
)
def test_an_unknown_extension_and_unreadable_waits_are_refused(
    scratch: Path, options: list[str], environment: dict[str, str], says: str
) -> None:
    done = run(scratch, "--check", *options, **environment)
    assert done.returncode != 0
    assert says in done.stderr


def test_a_port_in_use_is_refused(aws: LocalAws, scratch: Path) -> None:
    done = run(scratch, "--port", aws.endpoint.rsplit(":", 1)[-1])
    assert done.returncode != 0
    assert "is in use" in done.stderr


BUSY = """
import os, time
def handler(event, context):
    with open(event, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)
"""


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def gone(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        # A child that nobody has waited for yet is not alive.
        listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)  # noqa: S607
        state = listed.stdout
        return not state.strip() or state.startswith("Z")
    return True


@pytest.mark.parametrize(
    "how", [*(pytest.param(each, marks=pytest.mark.full) for each in ("SIGTERM", "SIGINT")), "SIGKILL", "stdin"]
)
def test_no_worker_outlives_the_server(scratch: Path, how: str) -> None:
    home = scratch / how
    port = free_port()
    process = start(port, home)
    try:
        aws = LocalAws(port)
        pids: list[str] = []
        for number in range(2):
            note = home / f"pid-{number}"
            aws.invoke_later(aws.function(BUSY, Timeout=900), str(note))
            pids.append(wait_for(partial(text_of, note)))

        if how == "stdin":
            assert process.stdin
            process.stdin.close()
        else:
            process.send_signal(getattr(signal, how))
        process.wait(PATIENCE)
        for pid in pids:
            wait_for(partial(gone, int(pid)))
    finally:
        stop(process)
    left = [path.name for path in home.iterdir() if path.name.startswith("herald-aws-")]
    if how == "SIGKILL":
        # What a killed server leaves behind, the next one removes.
        assert left
        stop(start(free_port(), home))
        left = [path.name for path in home.iterdir() if path.name.startswith("herald-aws-")]
    assert left == []
    if how != "SIGKILL":
        assert process.returncode == 0
