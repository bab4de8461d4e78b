"""Packages: the locks fit the requirements, and uv asks the registries that pip would."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from ops import packages

FILES = (packages.ZIP, packages.RUN, packages.DEV, packages.UV)


@pytest.fixture
def project(root: Path, tmp_path: Path) -> Path:
    (tmp_path / "locks").mkdir()
    for name in FILES:
        shutil.copy(root / name, tmp_path / name)
        shutil.copy(root / "locks" / name, tmp_path / "locks" / name)
    return tmp_path


def changed(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    other = re.sub(old, new, text, count=1, flags=re.MULTILINE)
    assert other != text
    file.write_text(other, encoding="utf-8")


def test_the_locks_of_the_project_fit_and_name_no_registry(root: Path, project: Path) -> None:
    assert list(packages.mistakes(project)) == []
    assert [name for name in FILES if "://" in (root / "locks" / name).read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("requirements.txt", "^requests==.*", "requests==1.0", "locks/requirements.txt: requests==1.0 is in only one"),
        ("requirements.txt", "^requests==.*\n", "", "locks/requirements.txt: requests==.* is in only one"),
        ("requirements-dev.txt", r"\Z", "Some.Thing[more]==1.0  # why\n", r"some-thing\[more\]==1.0 is in only one"),
        ("locks/requirements.txt", "^idna==.*?( .)", r"idna==1.0\1", "idna==1.0 is not in locks/requirements-dev.txt"),
        ("locks/requirements-run.txt", r"^(idna==\S+)( .\n +--hash=\S+)+", r"\1", "idna==.* has no hash"),
    ],
    ids=["another version", "one less", "one more", "locks that differ", "no hash"],
)
def test_a_lock_that_does_not_fit_is_named_with_what_to_do(
    project: Path, file: str, old: str, new: str, said: str
) -> None:
    changed(project / file, old, new)
    found = list(packages.mistakes(project))
    assert any(re.search(said, mistake) for mistake in found), found
    assert all(mistake.endswith("run: make lock") for mistake in found)


def test_uv_is_told_what_pip_is_told_of_registries(tmp_path: Path) -> None:
    """By pip's own files and variables, as pip itself reads them; the machine's own add to them (often a ``cert``)."""
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        "[global]\nindex-url = https://a.example/simple\nclient-cert = /a/client.pem\nretries = 3\n"
        "[install]\nindex-url = https://b.example/simple\nextra-index-url =\n  https://c.example\n  https://d.example\n"
        "find-links = /e\n  /f\n[download]\nindex-url = https://g.example\n"
    )
    program = "from ops import packages; import json, sys\n"
    program += "print(json.dumps(packages.pip_settings([sys.executable, '-m', 'pip'])))"
    env = {"PIP_CONFIG_FILE": str(configuration), "PIP_TRUSTED_HOST": "h.example", "HOME": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, timeout=60, check=True)
    told = packages.for_uv(json.loads(ran.stdout), {"PATH": "/bin", "HOME": str(tmp_path)})
    expected = {
        "UV_DEFAULT_INDEX": "https://b.example/simple",
        "UV_INDEX": "https://c.example https://d.example",
        "UV_FIND_LINKS": "/e,/f",
        "UV_INSECURE_HOST": "h.example",
        "SSL_CLIENT_CERT": "/a/client.pem",
        "PATH": "/bin",
    }
    assert {name: told[name] for name in expected} == expected


def test_what_uv_was_told_itself_comes_first() -> None:
    own = {"UV_INDEX_URL": "https://own.example"}
    assert packages.for_uv({"index-url": "https://pip.example"}, own) == own


def imported(module: ast.AST) -> Iterator[str]:
    """The packages that a module imports when it runs, wherever in it."""
    for node in ast.iter_child_nodes(module):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
        yield from imported(node)


def test_what_running_needs_is_installed_without_what_tests_need(root: Path) -> None:
    """On a machine that has both, nobody would notice what is missing on another."""
    locked = packages.read_lock((root / "locks" / packages.RUN).read_text(encoding="utf-8"))
    there = {each.partition("==")[0] for each in locked}
    of_module = packages_distributions()
    # The one command that needs what tests need.
    files = [root / "app.py", *((root / "ops").rglob("*.py"))]
    files.remove(root / "ops/generate/check.py")
    missing = {
        (str(file.relative_to(root)), name)
        for file in files
        for name in imported(ast.parse(file.read_text(encoding="utf-8")))
        if name in of_module and not {re.sub(r"[-_.]+", "-", each).lower() for each in of_module[name]} & there
    }
    assert missing == set()
