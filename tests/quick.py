"""Run the tests nearest to the changes, and print what was left out: ``make test-quick``.

Changes are the files that differ since this branch left ``main``. For a changed module, the distance of a test file is
the shortest chain of imports between them. For any other file, a test that mentions its name is near. Left out are
tests that need a stack or a browser, and those that don't fit into the time.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from pathlib import Path

import grimp
import pytest

from tests.history import ROOT, files_of_tests, git

PACKAGES = ("chalicelib", "ops", "tests")
QUICK = ("unit", "contract", "functional", "infrastructure")
"""The kinds of tests that need no stack, the quickest first."""
FILES = 40
"""The maximum number of test files: more take too long to import."""
SECONDS = 10.0
"""No test starts after this many seconds. The whole may take 20, and a test may take some of them."""
FAR = 3
"""The maximum number of imports between a test and a changed module. Beyond it the test is about something else."""
EVERYTHING = ("conftest.py", "pyproject.toml", "tests/conftest.py")
"""Files that concern every test, so that no test is nearest to them."""


def changed() -> list[str]:
    """Return the files that differ from where this branch left ``main``, or on ``main`` from the last commit."""
    base = git("merge-base", "HEAD", "main") or ["HEAD"]
    return sorted({*git("diff", "--name-only", base[0]), *git("ls-files", "-o", "--exclude-standard")})


def distances(files: Iterable[str], importers: Mapping[str, set[str]], tests: Mapping[str, str]) -> dict[str, int]:
    """Return the distance of each near test file from the nearest changed file. Others are missing.

    ``importers`` has the importing modules of each module, ``tests`` the text of each test file.
    """
    found: dict[str, int] = {}
    for file in files:
        if file in EVERYTHING:
            continue
        if file.endswith(".py") and (file.startswith(PACKAGES) or file in tests):
            reached = _reached(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."), importers)
            near = {f"{module.replace('.', '/')}.py": steps for module, steps in reached.items()}
        else:
            near = {test: 1 for test, text in tests.items() if Path(file).name in text}
        for test, steps in near.items():
            if test in tests:
                found[test] = min(steps, found.get(test, steps))
    return found


def _reached(module: str, importers: Mapping[str, set[str]]) -> dict[str, int]:
    """Return the modules that import this one within ``FAR`` steps, each with its number of steps."""
    steps, queue = {module: 0}, deque([module])
    while queue:
        at = queue.popleft()
        for importer in importers.get(at, ()) if steps[at] < FAR else ():
            if importer not in steps:
                steps[importer] = steps[at] + 1
                queue.append(importer)
    return steps


class Deadline:
    """Starts no further test once the time is over."""

    def __init__(self, at: float) -> None:
        self._at = at
        self.late: Counter[str] = Counter()
        """How many tests there was no time for, by file."""
        self.full: Counter[str] = Counter()
        """How many are for `make test-full` alone."""

    def pytest_collection_finish(self) -> None:
        """Leave time for some tests where even importing them took most of it, as on a busy machine."""
        self._at = max(self._at, time.monotonic() + SECONDS / 3)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.full.update(item.nodeid.partition("::")[0] for item in items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        if time.monotonic() < self._at:
            return None
        self.late[item.nodeid.partition("::")[0]] += 1
        return True

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Run the nearest files first: they were named in this order."""
        order = {str(ROOT / file): number for number, file in enumerate(config.args)}
        items.sort(key=lambda item: order.get(str(item.path), len(order)))


def main() -> int:
    began = time.monotonic()
    files = changed()
    graph = grimp.build_graph(*PACKAGES, cache_dir=str(ROOT / ".herald" / "import-linter"))
    importers = {module: set(graph.find_modules_that_directly_import(module)) for module in graph.modules}
    tests = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files_of_tests()}
    near = distances(files, importers, tests)
    kinds = {test: test.split("/")[1] for test in near}
    chosen = [test for test in near if kinds[test] in QUICK]
    chosen = sorted(chosen, key=lambda test: (near[test], QUICK.index(kinds[test]), test))[:FILES]
    _say(f"{len(files)} files changed; the nearest of {len(tests)} test files are: {' '.join(chosen)}")
    if not git("rev-parse", "HEAD"):
        _say("git tells nothing of this folder: run make test.")
        return 1
    if not chosen:
        _say(left_out(files, near, chosen, Counter(), Counter()))
        return 0
    deadline = Deadline(began + SECONDS)
    code = pytest.main(["-m", "not full", "-q", "--no-header", *chosen], plugins=[deadline])
    _say(left_out(files, near, chosen, deadline.late, deadline.full))
    return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else int(code)


def left_out(
    files: list[str], near: Mapping[str, int], chosen: list[str], late: Counter[str], full: Counter[str]
) -> str:
    """Say what was left out, and which command runs it."""
    stacks = sorted(test for test in near if test.split("/")[1] not in QUICK)
    further = len(near) - len(stacks) - len(chosen)
    everything = [file for file in files if file in EVERYTHING]
    reasons = [
        f"what is further away than {FAR} imports",
        f"{further} test files that are further away than these" if further else "",
        f"{' '.join(stacks)} (need a stack)" if stacks else "",
        f"{late.total()} tests of {' '.join(late)} (no time)" if late else "",
        f"{full.total()} tests of {' '.join(full)} (only `make test-full` runs them)" if full else "",
        f"all that {' '.join(everything)} concerns" if everything else "",
    ]
    return f"Left out: {'; '.join(filter(None, reasons))}. `make test` runs the rest."


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
