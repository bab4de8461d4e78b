"""What is longer by nature: a part of it in every run, the whole by ``make rehearse``, which writes docs/rehearsal.md.

A test that has a whole is marked ``rehearse`` with what that is and what it would catch, and asks :func:`amount` how
much to do.
"""

from __future__ import annotations

import os
import platform
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from tests.history import ROOT, git

REHEARSING = bool(os.environ.get("HERALD_REHEARSE"))
RESULT = ROOT / "docs" / "rehearsal.md"
MUTATION = "## Mutation"
"""The heading of the page's second part, which ``tests/mutation.py`` writes."""
WHOLE = "whole"
"""Under this name a report carries what its marker says: a pair."""


def amount(part: int, whole: int) -> int:
    """How many to do: a part, and in a rehearsal the whole."""
    return whole if REHEARSING else part


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the reports of a test carry what its whole is: with pytest-xdist they are all that the first process sees."""
    if marker := item.get_closest_marker("rehearse"):
        item.user_properties.append((WHOLE, marker.args))


class Recorder:
    """Collects what became of each rehearsed test, and writes it down."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._whole: dict[str, tuple[str, str]] = {}
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        words = dict(report.user_properties).get(WHOLE)
        if not isinstance(words, Sequence):
            return
        name = report.nodeid.partition("[")[0]
        self._whole[name] = (str(words[0]), str(words[1]))
        self._seconds[name] += report.duration
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[name][report.outcome] += 1

    def pytest_sessionfinish(self) -> None:
        if self._whole:
            RESULT.write_text(self.page(), encoding="utf-8")

    def page(self) -> str:
        """The page with what was rehearsed now, and the rows of what wasn't."""
        commit = "".join(git("rev-parse", "--short", "HEAD")) or "unknown"
        when = f"{datetime.now(UTC):%Y-%m-%d %H:%M}, {commit}, {self._config.getoption('randomly_seed', None)}"
        before, heading, mutation = RESULT.read_text(encoding="utf-8").partition(MUTATION)
        rows = {name: row for row, name in re.findall(r"^(\| `([^`]+)` \|.*)$", before, re.MULTILINE)}
        for each, (whole, catches) in self._whole.items():
            name = each.removeprefix("tests/")
            result = ", ".join(f"{number} {outcome}" for outcome, number in sorted(self._outcomes[each].items()))
            rows[name] = f"| `{name}` | {whole} | {catches} | {self._seconds[each]:.0f} s | {result} | {when} |"
        return "\n".join(
            [
                "# Rehearsal",
                "",
                "What takes longer than a test run may: `make rehearse` does all of it and writes this page. "
                "`make test-full` does a part of each.",
                "",
                f"Python {platform.python_version()}, {os.cpu_count()} cores. Time is the sum over all processes.",
                "",
                "| test | what it did | what it would catch | took | result | when (UTC), commit, `--randomly-seed` |",
                "| --- | --- | --- | ---: | --- | --- |",
                *(rows[name] for name in sorted(rows)),
                "",
                heading + mutation,
            ]
        )


def pytest_configure(config: pytest.Config) -> None:
    # With pytest-xdist every worker configures itself too; what the tests report comes together in the first process.
    if REHEARSING and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config), "rehearsal")
