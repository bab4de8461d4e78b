"""Try the changes that mutmut made, each in a fork of one pytest session: ``python -m tests.mutants``, then a plugin.

mutmut itself starts pytest anew for each change, which takes five times as long as the tests. Here pytest collects
once. A first fork runs every test and says which functions it reaches, and how long it takes; then a fork for each
change runs the tests that reach it, the likeliest and the quickest first, until one fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest

SURVIVED, NOTICED, UNREACHED = 0, 1, 33
"""What mutmut's ``.meta`` files hold for a change, beside None for one that was not tried."""
PATIENCE = float(os.environ.get("HERALD_MUTANT_PATIENCE", "10"))
"""Seconds, and times what a test usually takes, after which a change is taken to have made it endless: noticed."""
SAVED_EVERY = 100


def make() -> None:
    """Copy the project to ``mutants/``, as ``[tool.mutmut]`` says, and put the changed functions beside the others."""
    from mutmut.__main__ import create_mutants
    from mutmut.mutation.trampoline import set_mutant_under_test
    from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir

    Path("mutants").mkdir(exist_ok=True)
    set_mutant_under_test("mutant_generation")
    copy_src_dir()
    copy_also_copy_files()
    create_mutants(os.cpu_count() or 1)


@dataclass(eq=False)
class Reach:
    """What a run of all tests says of each."""

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By the test's id."""
    tests: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The ids of the tests that call a function, by its mangled name."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration


class Results:
    """The ``.meta`` files that mutmut wrote beside the changed modules."""

    def __init__(self, folder: Path) -> None:
        self._contents = {path: json.loads(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py.meta")}
        self._path = {mutant: path for path, told in self._contents.items() for mutant in told["exit_code_by_key"]}

    @property
    def untried(self) -> list[str]:
        return [mutant for mutant, path in self._path.items() if self._codes(path)[mutant] is None]

    def set(self, mutant: str, code: int) -> None:
        self._codes(self._path[mutant])[mutant] = code

    def save(self) -> None:
        for path, told in self._contents.items():
            path.write_text(json.dumps(told), encoding="utf-8")

    def _codes(self, path: Path) -> dict[str, int | None]:
        codes: dict[str, int | None] = self._contents[path]["exit_code_by_key"]
        return codes


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Take the place of pytest's own loop."""
    # Its folder is made once: each fork would make one, and remove those of others.
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    reach = _reach(session)
    results = Results(session.config.rootpath)
    try:
        Trials(session, reach, results).run()
    finally:
        results.save()
    return True


def _reach(session: pytest.Session) -> Reach:
    """Run all tests in a fork; raises :class:`pytest.UsageError` where one fails or none reaches a function."""
    from mutmut.mutation.trampoline import set_mutant_under_test
    from mutmut.state import state

    source, sink = os.pipe()
    if not (child := os.fork()):
        try:
            _write_nowhere(1)
            set_mutant_under_test("stats")
            reach = Reach()
            session.config.pluginmanager.register(reach)
            for item, following in _with_next(session.items):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                for function in state()._stats:
                    reach.tests[function].append(item.nodeid)
                state()._stats.clear()
                if session.testsfailed:
                    _say(f"{item.nodeid} fails without any change")
                    os._exit(1)
            with os.fdopen(sink, "w", encoding="utf-8") as file:
                json.dump([reach.seconds, reach.tests], file)
        except BaseException:
            _say(traceback.format_exc())
        finally:
            os._exit(0)
    os.close(sink)
    with os.fdopen(source, encoding="utf-8") as file:
        told = file.read()
    os.waitpid(child, 0)
    if not told:
        raise pytest.UsageError("nothing can be said of changes, as a test fails without any")
    seconds, tests = json.loads(told)
    if not tests:
        raise pytest.UsageError("no test reaches a function that was changed")
    return Reach(defaultdict(float, seconds), defaultdict(list, tests))


class Trials:
    """Forks that try changes side by side, one for each core."""

    def __init__(self, session: pytest.Session, reach: Reach, results: Results) -> None:
        self._session = session
        self._items = {item.nodeid: item for item in session.items}
        self._reach = reach
        self._results = results
        self._running: dict[int, tuple[str, int]] = {}
        """The change that a fork tries, and where it says which test noticed."""
        self._noticers: defaultdict[str, list[str]] = defaultdict(list)
        """The tests that noticed changes of a module, the last one first: they are likely to notice the next."""
        self._codes: Counter[int] = Counter()

    def run(self) -> None:
        """Try all that was not tried. The quickest come first, so that a run that is stopped has tried most."""
        tests = {mutant: self._reach.tests[mutant.partition("__mutmut_")[0]] for mutant in self._results.untried}
        todo = sorted(tests, key=lambda mutant: sum(self._reach.seconds[test] for test in tests[mutant]))
        try:
            for mutant in todo:
                if not tests[mutant]:
                    self._note(mutant, UNREACHED, len(todo))
                    continue
                if len(self._running) == os.cpu_count():
                    self._wait_for_one(len(todo))
                self._start(mutant, tests[mutant])
            while self._running:
                self._wait_for_one(len(todo))
        finally:
            for child in self._running:
                os.kill(child, signal.SIGKILL)

    def _start(self, mutant: str, tests: Sequence[str]) -> None:
        source, sink = os.pipe()
        child = os.fork()
        if not child:
            self._try(mutant, self._likeliest_first(mutant, tests), sink)
        os.close(sink)
        self._running[child] = mutant, source

    def _likeliest_first(self, mutant: str, tests: Sequence[str]) -> list[str]:
        """First those that noticed the last changes of the module, then its own tests, then the quickest; and of each
        test that has parameters one case, then the second of each, and so on."""
        reached = set(tests)
        likely = [test for test in self._noticers[_module_of(mutant)] if test in reached]
        own = f"/test_{_module_of(mutant).rpartition('.')[2]}.py::"
        cases: Counter[str] = Counter()
        order = dict.fromkeys(likely, (-1, 0, 0.0))
        for test in sorted(reached - order.keys(), key=self._reach.seconds.__getitem__):
            name = test.partition("[")[0]
            order[test] = (0 if own in test else 1, cases[name], self._reach.seconds[test])
            cases[name] += 1
        return sorted(order, key=order.__getitem__)

    def _try(self, mutant: str, tests: Sequence[str], sink: int) -> NoReturn:
        """In a fork, run the tests until one fails, and end."""
        from mutmut.mutation.trampoline import set_mutant_under_test

        os.setpgid(0, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        _write_nowhere(1, 2)
        set_mutant_under_test(mutant)
        try:
            for item, following in _with_next([self._items[test] for test in tests]):
                signal.setitimer(signal.ITIMER_REAL, PATIENCE * (1 + self._reach.seconds[item.nodeid]))
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if self._session.testsfailed:
                    os.write(sink, item.nodeid.encode())
                    break
            else:
                os._exit(SURVIVED)
        finally:  # pytest raises what ends a session.
            os._exit(NOTICED)

    def _wait_for_one(self, number: int) -> None:
        child, status = os.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # What a test started and did not end.
        mutant, source = self._running.pop(child)
        with os.fdopen(source, encoding="utf-8") as file:
            noticer = file.read()
        if noticer:
            others = [test for test in self._noticers[_module_of(mutant)] if test != noticer]
            self._noticers[_module_of(mutant)] = [noticer, *others]
        self._note(mutant, SURVIVED if os.waitstatus_to_exitcode(status) == SURVIVED else NOTICED, number)

    def _note(self, mutant: str, code: int, number: int) -> None:
        self._results.set(mutant, code)
        self._codes[code] += 1
        tried = self._codes.total()
        if tried % SAVED_EVERY == 0 or tried == number:
            self._results.save()
            noticed, unnoticed, unreached = (self._codes[each] for each in (NOTICED, SURVIVED, UNREACHED))
            _say(f"{tried} of {number}: {noticed} noticed, {unnoticed} unnoticed, {unreached} unreached")


def _module_of(mutant: str) -> str:
    return mutant.rpartition(".")[0]


def _write_nowhere(*descriptors: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)


def _say(line: str) -> None:
    print(line, file=sys.__stderr__, flush=True)


def _with_next(items: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(items, [*items[1:], None], strict=True)


if __name__ == "__main__":
    make()
