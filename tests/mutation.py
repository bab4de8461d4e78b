"""Change the logic and the providers in thousands of small ways, and count what no test notices: ``make rehearse``.

mutmut changes a clone of the last commit, one operator, value or call at a time, and ``tests/mutants.py`` runs the
tests that reach the changed function. The score of a module is the share of its changes that made a test fail. The
result is a section of docs/rehearsal.md. A change that no test notices gets a test, or a reason in
``tests/survivors.toml``; printed is what differs from that: +2 where two changes of a function have no reason.

A later run, or one that goes on where another was stopped, tries only the changes of functions that have changed since
and those that no test noticed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import grimp

from tests.history import ROOT, git
from tests.mutants import NOTICED
from tests.quick import PACKAGES, distances
from tests.rehearsal import MUTATION, RESULT

CLONE = ROOT / ".herald" / "mutation"
REASONS = ROOT / "tests" / "survivors.toml"
MUTATED = ("chalicelib/logic", "chalicelib/adapters/providers")
KINDS = ("unit", "contract", "functional")
"""The kinds of tests that try a change: those that need no stack."""
WHOLE_PATH = ("tests/functional/test_contact.py", "tests/functional/test_form_answers.py")
"""Tests of the logic by way of the API."""
UNFIT = {
    "tests/unit/test_openapi.py": "reads the source, which mutmut rewrites",
    "tests/functional/test_openapi.py": "the same",
    "tests/functional/test_contact.py::test_an_unexpected_fault_is_logged_without_what_the_visitor_typed": (
        "reads a traceback, which leads through mutmut's own function and what was passed to it"
    ),
}
"""Tests that can't judge a change, and why."""
TRYING = ["-p", "tests.mutants", "-p", "no:randomly", "--capture=no", "--tb=native", "-qq", "-m", "not full"]
TRYING += ["-o", "tmp_path_retention_policy=failed", *(f"--deselect={name}" for name in UNFIT)]
"""How pytest is run: a fork writes nothing, removes its files, and does not read the source to explain a failure."""


@dataclass
class Score:
    """What became of the mutants of one module."""

    killed: int = 0
    survived: dict[str, int] = field(default_factory=dict)
    """How many changes of each function no test noticed, those that no test reached among them."""
    untried: int = 0
    """How many changes were not tried, as the run was stopped."""

    @property
    def mutants(self) -> int:
        return self.killed + sum(self.survived.values())

    @property
    def percent(self) -> float:
        return 100 * self.killed / self.mutants if self.mutants else 100.0


def nearest_tests() -> list[str]:
    """The test files of these ``KINDS`` that import a mutated module, and those of ``WHOLE_PATH``."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    importers = {module: set(graph.find_modules_that_directly_import(module)) for module in graph.modules}
    tests = {
        str(path.relative_to(ROOT)): "" for kind in KINDS for path in sorted((ROOT / "tests" / kind).glob("test_*.py"))
    }
    mutated = [str(path.relative_to(ROOT)) for folder in MUTATED for path in (ROOT / folder).glob("*.py")]
    near = distances(mutated, importers, tests)
    whole_path = [test for test in WHOLE_PATH if test in tests]
    return sorted({*whole_path, *(test for test, steps in near.items() if steps == 1)} - UNFIT.keys())


def configuration(files: Iterable[str]) -> str:
    """The table ``[tool.mutmut]`` for a clone with these files at its top."""
    lists = {
        "source_paths": ["chalicelib"],
        "only_mutate": [f"{folder}/*.py" for folder in MUTATED],
        "also_copy": sorted({*files} - {"chalicelib", "tests", "pyproject.toml", ".git", "mutants"}),
    }
    return "\n".join(["", "[tool.mutmut]", *(f"{name} = {json.dumps(value)}" for name, value in lists.items()), ""])


def scores(folder: Path) -> dict[str, Score]:
    """Read what mutmut wrote beside each mutated module below ``folder``."""
    found: defaultdict[str, Score] = defaultdict(Score)
    for path in sorted(folder.rglob("*.py.meta")):
        module = str(path.relative_to(folder)).removesuffix(".py.meta").replace("/", ".")
        for mutant, code in json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"].items():
            if code == NOTICED:
                found[module].killed += 1
            elif code is None:
                found[module].untried += 1
            else:
                function = name_of(mutant)
                survived = found[module].survived
                survived[function] = survived.get(function, 0) + 1
    return dict(found)


def name_of(mutant: str) -> str:
    """The function of a mutant: ``Balance.is_full`` of ``….xǁBalanceǁis_full__mutmut_3``."""
    changed = re.sub(r"__mutmut_\d+$", "", mutant.rpartition(".")[2])
    return changed.removeprefix("xǁ").replace("ǁ", ".") if "ǁ" in changed else changed.removeprefix("x_")


def unexplained(found: Mapping[str, Score], reasons: Mapping[str, Mapping[str, tuple[int, str]]]) -> dict[str, int]:
    """How many changes of each function neither a test notices nor a reason explains; below 0 where more are explained
    than there are, as after a new test. ``reasons`` has the number that each reason explains."""
    numbers: Counter[str] = Counter()
    for module, score in found.items():
        numbers.update({f"{module}.{function}": number for function, number in score.survived.items()})
    for module, functions in reasons.items():
        numbers.subtract({f"{module}.{function}": number for function, (number, _) in functions.items()})
    return {function: number for function, number in sorted(numbers.items()) if number}


def section(found: Mapping[str, Score], left: int, when: str) -> str:
    """The part of docs/rehearsal.md about mutation."""
    rows = [
        f"| `{module.removeprefix('chalicelib.')}` | {score.mutants} | {score.mutants - score.killed} | "
        f"{score.percent:.0f} % |"
        for module, score in sorted(found.items(), key=lambda item: (item[1].percent, item[0]))
    ]
    whole = Score(
        sum(score.killed for score in found.values()),
        Counter(all=sum(score.mutants - score.killed for score in found.values())),
        sum(score.untried for score in found.values()),
    )
    stopped = f" The run was stopped: {whole.untried:,} more are to be tried." if whole.untried else ""
    return "\n".join(
        [
            MUTATION,
            "",
            f"mutmut changed `{'` and `'.join(MUTATED)}` in {whole.mutants:,} small ways, one at a time. "
            f"A test noticed **{whole.percent:.1f} %** of them ({when}). Why a change may go unnoticed stands in "
            f"`tests/survivors.toml`; {left} have no reason.{stopped}",
            "",
            "| module | changes | unnoticed | score |",
            "| --- | ---: | ---: | ---: |",
            *rows,
            "",
        ]
    )


def keep_results(clone: Path) -> None:
    """Leave of an earlier run only what tests noticed: mutmut would take its copies of files for today's.

    What survived is tried again, also where a reason explains it, as there may be a test for it now.
    """
    for path in (clone / "mutants").rglob("*"):
        if path.suffix == ".meta" and (clone / path.relative_to(clone / "mutants")).with_suffix("").exists():
            told = json.loads(path.read_text(encoding="utf-8"))
            codes = told["exit_code_by_key"]
            told["exit_code_by_key"] = {mutant: code if code == NOTICED else None for mutant, code in codes.items()}
            path.write_text(json.dumps(told), encoding="utf-8")
        elif not path.is_dir():
            path.unlink()


def main() -> int:
    if not CLONE.exists():
        git("clone", "--quiet", ".", str(CLONE))
    git("-C", str(CLONE), "fetch", "--quiet", str(ROOT), "HEAD")
    git("-C", str(CLONE), "reset", "--quiet", "--hard", "FETCH_HEAD")
    keep_results(CLONE)
    with (CLONE / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(configuration(os.listdir(CLONE)))
    subprocess.run([sys.executable, "-m", "tests.mutants"], cwd=CLONE, check=True, stdout=subprocess.DEVNULL)
    stopped = not _ran([sys.executable, "-m", "pytest", *TRYING, *nearest_tests()])
    found = scores(CLONE / "mutants")
    left = unexplained(found, tomllib.loads(REASONS.read_text(encoding="utf-8")))
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M}, {''.join(git('-C', str(CLONE), 'rev-parse', '--short', 'HEAD'))}"
    page = RESULT.read_text(encoding="utf-8").partition(MUTATION)[0]
    without_reason = sum(number for number in left.values() if number > 0)
    RESULT.write_text(f"{page.rstrip()}\n\n{section(found, without_reason, when)}", encoding="utf-8")
    sys.stdout.write("".join(f"{function}: {number:+}\n" for function, number in left.items()))
    return int(stopped)


def _ran(command: list[str]) -> bool:
    """Try the changes; returns whether all were. What was tried when it is interrupted counts."""
    try:
        return subprocess.run(command, cwd=CLONE / "mutants", check=False).returncode == 0
    except KeyboardInterrupt:
        return False


if __name__ == "__main__":
    sys.exit(main())
