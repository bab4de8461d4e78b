"""``tests/mutants.py`` on a small project: what becomes of each change, and that nothing is said where tests fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.history import ROOT
from tests.mutants import NOTICED, SURVIVED, UNREACHED
from tests.mutation import name_of

pytestmark = pytest.mark.full

MODULE = """
def known(number):
    return number + 1


def hardly(number):
    return number > 1


def unknown(number):
    return number + 1


def ends(number):
    while number > 0:
        number -= 1
    return number
"""
TESTS = """
from small.sums import ends, hardly, known


def test_known():
    assert known(1) == 2


def test_hardly():
    assert hardly(3)


def test_ends():
    assert ends(2) == 0
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "sums.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "tests_of_it").mkdir()
    (tmp_path / "tests_of_it" / "test_sums.py").write_text(TESTS, encoding="utf-8")
    settings = '[tool.mutmut]\nsource_paths = ["small"]\nalso_copy = ["tests_of_it"]\n'
    (tmp_path / "pyproject.toml").write_text(f'{settings}[tool.pytest.ini_options]\npythonpath = ["."]\n', "utf-8")
    return tmp_path


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HERALD_MUTANT_PATIENCE": "3"}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def tried(project: Path) -> subprocess.CompletedProcess[str]:
    made = python(project, "-m", "tests.mutants")
    assert made.returncode == 0, made.stderr
    words = ("-m", "pytest", "-p", "tests.mutants", "-p", "no:randomly", "--capture=no", "--tb=native")
    return python(project / "mutants", *words, "tests_of_it")


def codes(project: Path) -> dict[str, set[int | None]]:
    told = json.loads((project / "mutants" / "small" / "sums.py.meta").read_text(encoding="utf-8"))
    found: dict[str, set[int | None]] = {}
    for mutant, code in told["exit_code_by_key"].items():
        found.setdefault(name_of(mutant), set()).add(code)
    return found


def test_each_change_is_noticed_unnoticed_or_unreached_and_an_endless_one_is_noticed(project: Path) -> None:
    ran = tried(project)
    assert ran.returncode == 0, ran.stderr
    assert codes(project) == {
        "known": {NOTICED},
        "hardly": {SURVIVED},
        "unknown": {UNREACHED},
        "ends": {NOTICED, SURVIVED},
    }


def test_where_a_test_fails_without_a_change_it_is_named_and_nothing_is_said(project: Path) -> None:
    path = project / "tests_of_it" / "test_sums.py"
    path.write_text(TESTS.replace("== 2", "== 3"), encoding="utf-8")
    ran = tried(project)
    assert ran.returncode != 0
    assert "test_known fails without any change" in ran.stderr
    assert set.union(*codes(project).values()) == {None}
