"""What is longer by nature: a part of it in every run, the whole by ``make rehearse``, which writes docs/rehearsal.md.

A test that has a whole is marked ``rehearse`` with what that is and what it would catch, and asks :func:`amount` how
much to do.
"""

from __future__ import annotations

import ast
import os
import platform
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime

import pytest

from tests.history import ROOT, files_of_tests, git

REHEARSING = bool(os.environ.get("HERALD_REHEARSE"))
TESTS = ROOT / "tests"
RESULT = ROOT / "docs" / "rehearsal.md"
MUTATION = "## Mutation"
"""The heading of the page's second part, which ``tests/mutation.py`` writes."""


def amount(part: int, whole: int) -> int:
    """How many to do: a part, and in a rehearsal the whole."""
    return whole if REHEARSING else part


def rehearsed() -> dict[str, tuple[str, str]]:
    """What the marker of each test says that its whole does, and what that would catch; by the test's id."""
    found = {}
    for path in files_of_tests():
        text = path.read_text(encoding="utf-8")
        module = ast.parse(text if "mark.rehearse(" in text else "")
        for function in (node for node in module.body if isinstance(node, ast.FunctionDef)):
            for each in function.decorator_list:
                if isinstance(each, ast.Call) and ast.unparse(each.func) == "pytest.mark.rehearse":
                    does, catches = map(ast.literal_eval, each.args)
                    found[f"{path.relative_to(TESTS).as_posix()}::{function.name}"] = (does, catches)
    return found


class Recorder:
    """Collects what became of each rehearsed test, and writes it down."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._rehearsed = rehearsed()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.partition("[")[0].removeprefix("tests/")
        if name not in self._rehearsed:
            return
        self._seconds[name] += report.duration
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[name][report.outcome] += 1

    def pytest_sessionfinish(self) -> None:
        if self._outcomes:
            RESULT.write_text(self.page(), encoding="utf-8")

    def page(self) -> str:
        """The page with what was rehearsed now, the rows of what wasn't, and what never was."""
        commit = "".join(git("rev-parse", "--short", "HEAD")) or "unknown"
        seed = self._config.getoption("randomly_seed", None) or "–"
        before, heading, mutation = RESULT.read_text(encoding="utf-8").partition(MUTATION)
        kept = dict(re.findall(r"^\| `([^`]+)` \|.*?(\|[^|]*\|[^|]*\|[^|]*\|)$", before, re.MULTILINE))
        rows = []
        for name, (does, catches) in sorted(self._rehearsed.items()):
            result = kept.get(name, "| | not yet run | |")
            if outcomes := self._outcomes.get(name):
                words = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
                when = f"{datetime.now(UTC):%Y-%m-%d %H:%M}, {commit}, {seed}"
                result = f"| {self._seconds[name]:.0f} s | {words} | {when} |"
            rows.append(f"| `{name}` | {does} | {catches} {result}")
        return "\n".join(
            [
                "# Rehearsal",
                "",
                "What takes longer than a test run may: `make rehearse` does all of it and writes this page. "
                "`make test-full` does a part of most. A row tells of its own commit; other rows may be older.",
                "",
                f"Python {platform.python_version()}, {os.cpu_count()} cores. Time is the sum over all processes.",
                "",
                "| test | what it did | what it would catch | took | result | when (UTC), commit, `--randomly-seed` |",
                "| --- | --- | --- | ---: | --- | --- |",
                *rows,
                "",
                heading + mutation,
            ]
        )


def pytest_configure(config: pytest.Config) -> None:
    # With pytest-xdist every worker configures itself too; what the tests report comes together in the first process.
    if REHEARSING and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config), "rehearsal")
