"""What another MiniStack has changed (ops/local/aws/pin_report.py), by copies of the installed one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops.cli.main import main

RESET = "def reset():"
"""A function of ``core/lambda_runtime.py`` that ``worker_process`` calls."""


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    spec = find_spec("ministack")
    assert spec is not None
    assert spec.origin is not None
    shutil.copytree(Path(spec.origin).parent, tmp_path / "ministack", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def compare(*options: str) -> Result:
    return CliRunner().invoke(main, ["pin", *options])


def change(candidate: Path, file: str, how: Callable[[str], str]) -> None:
    path = candidate / "ministack" / file
    text = path.read_text(encoding="utf-8")
    assert how(text) != text
    path.write_text(how(text), encoding="utf-8")


@pytest.mark.full
def test_what_is_pinned_has_not_moved() -> None:
    told = compare()
    assert (told.exit_code, told.stdout) == (0, "No part of MiniStack that the local AWS extends has changed.\n")


@pytest.mark.full
def test_a_part_that_moved_or_is_gone_is_named_with_what_to_read_and_nothing_else(candidate: Path) -> None:
    change(candidate, "core/lambda_runtime.py", lambda text: text.replace(RESET, f"{RESET}\n    'Now otherwise.'"))
    change(candidate, "services/sns.py", lambda text: text.replace("def _publish(", "def _publish_now("))
    told = compare("--candidate", str(candidate))
    assert told.exit_code == 1
    heads = [line for line in told.stdout.splitlines() if line.startswith(("moved", "gone"))]
    assert heads == ["moved  ministack.core.lambda_runtime:reset", "gone  ministack.services.sns:_publish"]
    assert "  read ops/local/aws/worker_process.py" in told.stdout
    assert "  | +    'Now otherwise.'" in told.stdout.splitlines()
    assert "2 parts differ" in told.stderr


def test_a_folder_without_ministack_and_one_that_cannot_be_imported_are_told_apart(
    candidate: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    empty = compare("--candidate", str(tmp_path_factory.mktemp("empty")))
    assert empty.exit_code != 0
    assert "holds no package ministack" in empty.stderr
    (candidate / "ministack" / "services" / "sns.py").unlink()
    broken = compare("--candidate", str(candidate))
    assert broken.exit_code != 0
    assert "can't be imported: ModuleNotFoundError: No module named 'ministack.services.sns'" in broken.stderr
