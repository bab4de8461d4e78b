"""Write the measurements into docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import cost, imports, jobs, packages
from bench.chart import drawn
from bench.pages import fill, table
from bench.runs import Job, Measured, Spread, percentile

PAGE = Path("docs/benchmarks.md")
CHART = Path("docs/images/cold.svg")
API_COLD, API_WARM, OTHERS_COLD, OUTCOMES_COLD = 0.47, 0.65, 1.0, 1.3
ZIP_MB, API_MB = 2.2, 64.0


@dataclass(frozen=True, slots=True)
class Target:
    """A measurement that must not exceed a limit."""

    what: str
    measured: float
    most: float

    @property
    def met(self) -> bool:
        return self.measured <= self.most

    @property
    def shown(self) -> str:
        return f"{self.measured:.2f}" if self.measured < 10 else f"{self.measured:.0f}"


@dataclass(frozen=True, slots=True)
class Results:
    """All results of one run."""

    machine: list[str]
    rounds: int
    jobs: list[Job]
    found: Mapping[str, Mapping[str, Measured]]
    calls: Mapping[str, Mapping[str, Mapping[str, int]]]
    """The number of calls that each peer makes for one event: job → peer → call → count."""
    imports: Mapping[str, Mapping[str, float]]
    """Import time in milliseconds: job → module → time."""
    zip_size: int

    def job(self, name: str) -> Job:
        return next(job for job in self.jobs if job.name == name)

    def cold(self, job: str, peer: str) -> float:
        return Spread.of(self.found[job][peer].cold).median

    def warm(self, job: str, peer: str) -> float:
        return Spread.of(self.found[job][peer].warm).median


def write(root: Path, results: Results) -> None:
    """Write the tables into the page, and draw the chart."""
    fill(
        root / PAGE,
        {
            "machine": "\n".join(
                [*results.machine, f"- {results.rounds} fresh processes of each program, interleaved"]
            ),
            "targets": table(
                ["", "measured", "at most", ""],
                [
                    [target.what, target.shown, f"{target.most:g}", "met" if target.met else "**missed**"]
                    for target in targets(results)
                ],
            ),
            "contact": "\n\n".join(_compared(results, name, jobs.BARE) for name in (jobs.HTTP, jobs.TLS)),
            "steps": _compared(results, jobs.STEPS, jobs.WITH_NEITHER),
            "functions": _functions(results),
            "imports": _imports(results),
            "memory": _by_memory(results),
            "calls by channels": _by_channels(results),
            "cost compared": cost.compared(),
        },
    )
    shown = [(peer.name, results.found[jobs.TLS][peer.name]) for peer in results.job(jobs.TLS).peers]
    (root / CHART).write_text(drawn("Accepting one message over TLS, cold", shown), encoding="utf-8")


def _compared(results: Results, name: str, base: str) -> str:
    rows = []
    for peer in results.job(name).peers:
        it = results.found[name][peer.name]
        cold = Spread.of(it.cold)
        size = "–" if peer.zip_size is None else f"{peer.zip_size / 1e6:.2f}" if peer.zip_size > 5e4 else "0.00"
        rows.append(
            [
                f"**{peer.name}**" if peer.name == jobs.HERALD else peer.name,
                f"{Spread.of(it.imported).median:.1f}",
                f"{Spread.of(it.first).median:.1f}",
                f"**{cold.median:.1f}** ({cold.low:.1f}–{cold.high:.1f})",
                f"{cold.median / results.cold(name, base):.2f}",
                f"{Spread.of(it.warm).median:.2f}",
                f"{percentile(it.warm, 99):.2f}",
                f"{Spread.of(it.memory).median:.1f}",
                str(len(it.modules)),
                size,
            ]
        )
    head = ["import", "first request", "cold: both", f"÷ {base}", "warm", "warm, 99 %", "MB", "modules", "zip, MB"]
    return table([name, *head], rows)


def _functions(results: Results) -> str:
    rows = []
    for job in results.jobs:
        if job.name not in (*jobs.FUNCTIONS, *jobs.OUTCOMES):
            continue
        herald = results.found[job.name][jobs.HERALD]
        other = jobs.EMPTY if job.name in jobs.OUTCOMES else jobs.BARE
        cold, memory = Spread.of(herald.cold), Spread.of(herald.memory).median
        calls = results.calls[job.name][jobs.HERALD]
        rows.append(
            [
                f"`{job.name}`",
                f"**{_ms(cold.median)}** ({_ms(cold.low)}–{_ms(cold.high)})",
                _ms(results.cold(job.name, other)),
                f"**{cold.median / results.cold(job.name, other):.2f}**",
                "–" if other == jobs.EMPTY else _ms(results.cold(job.name, jobs.FLOOR)),
                *(f"{results.warm(job.name, name):.2f}" for name in (jobs.HERALD, other)),
                f"{memory:.1f}",
                str(len(herald.modules)),
                ", ".join(name if times == 1 else f"{times} × {name}" for name, times in sorted(calls.items()))
                or "none",
            ]
        )
    head = ["function", "cold", "beside it, cold", "ratio", "floor, cold", "warm", "beside it, warm", "MB", "modules"]
    return table([*head, "calls"], rows)


def _imports(results: Results) -> str:
    rows = []
    for name, modules in results.imports.items():
        groups = imports.by_owner(modules)
        most = ", ".join(f"`{module}` {_ms(took)}" for module, took in imports.longest(modules, 4))
        rows.append([f"`{name}`", *(_ms(groups[group]) for group in imports.GROUPS), _ms(sum(groups.values())), most])
    return table(["function", *imports.GROUPS, "sum", "longest by themselves"], rows)


def _by_channels(results: Results) -> str:
    rows = []
    for count in packages.MANY:
        name = jobs.with_channels(count)
        calls = results.calls[name][jobs.HERALD]
        told = ", ".join(f"{times} × {call}" for call, times in sorted(calls.items()))
        cold, warm = results.cold(name, jobs.HERALD), results.warm(name, jobs.HERALD)
        rows.append([str(count), str(sum(calls.values())), told, f"{cold:.1f}", f"{warm:.2f}"])
    return table(["channels", "calls of AWS by `destined`", "which", "cold, ms", "warm, ms"], rows)


def _by_memory(results: Results) -> str:
    names = (jobs.TLS, "destined", "notify_pushover", "on_success")
    return cost.by_memory({name: Spread.of(results.found[name][jobs.HERALD].computed).median / 1000 for name in names})


def targets(results: Results) -> list[Target]:
    """Return what the project promises, with what was measured."""
    api = results.found[jobs.TLS][jobs.HERALD]
    peers = [peer.name for peer in results.job(jobs.TLS).peers if peer.name not in (jobs.HERALD, jobs.FLOOR)]

    def both(of: Callable[[str, str], float]) -> float:
        return max(of(job, jobs.HERALD) / of(job, jobs.BARE) for job in (jobs.HTTP, jobs.TLS))

    others = {name: results.cold(name, jobs.HERALD) / results.cold(name, jobs.BARE) for name in jobs.FUNCTIONS}
    slowest = max(others, key=lambda name: others[name])
    quickest = min(results.cold(jobs.TLS, name) for name in peers)
    return [
        Target("API, cold ÷ boto3 alone", both(results.cold), API_COLD),
        Target("API, cold ÷ the fastest peer", results.cold(jobs.TLS, jobs.HERALD) / quickest, 1),
        Target("API, warm ÷ boto3 alone", both(results.warm), API_WARM),
        Target(f"any other that calls AWS (`{slowest}`), cold ÷ boto3 alone", others[slowest], OTHERS_COLD),
        *(
            Target(
                f"`{name}`, cold ÷ an {jobs.EMPTY}",
                results.cold(name, jobs.HERALD) / results.cold(name, jobs.EMPTY),
                OUTCOMES_COLD,
            )
            for name in jobs.OUTCOMES
        ),
        Target("zip, MB", results.zip_size / 1e6, ZIP_MB),
        Target("memory of the API at its peak, MB", Spread.of(api.memory).median, API_MB),
    ]


def _ms(milliseconds: float) -> str:
    """Format milliseconds with a sensible number of digits."""
    return f"{milliseconds:.1f}" if milliseconds >= 1 else f"{milliseconds:.2f}" if milliseconds else "0"


def differing(results: Results) -> Iterable[str]:
    """Report each function that makes other AWS calls than its bare handler: the two can't be compared then."""
    for job in results.jobs:
        told = results.calls[job.name]
        for name, calls in told.items():
            if calls != told[jobs.HERALD]:
                yield f"{job.name}: {name} calls {dict(calls)}, Herald {dict(told[jobs.HERALD])}"
        priced = cost.CALLS.get(job.name, told[jobs.HERALD])
        if priced != told[jobs.HERALD]:
            yield f"{job.name}: docs/costs.md prices {dict(priced)}, Herald calls {dict(told[jobs.HERALD])}"
