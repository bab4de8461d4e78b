"""Run each program in fresh processes, in shuffled order, and collect their measurements."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROCESS = Path(__file__).with_name("process.py")
PATIENCE = 60
"""The time-out of one process in seconds."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One program that does a job."""

    name: str
    handler: str
    path: tuple[Path, ...]
    """The folders to import from: its own code, its packages, the runtime."""
    environ: dict[str, str] = field(default_factory=dict)
    zip_size: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One event, and the programs that handle it."""

    name: str
    event: dict[str, Any]
    expected: str
    """A text that the JSON of a right answer contains."""
    peers: tuple[Peer, ...]
    warm: int = 30
    """The number of requests after the first one in each process."""


@dataclass(slots=True)
class Measured:
    """The measurements of one peer's processes. Times are in milliseconds."""

    imported: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    computed: list[float] = field(default_factory=list)
    """CPU time of the import and the first request together."""
    memory: list[float] = field(default_factory=list)
    """Peak memory in MB (10⁶ bytes)."""
    modules: tuple[str, ...] = ()

    @property
    def cold(self) -> list[float]:
        return [one + other for one, other in zip(self.imported, self.first, strict=True)]

    def add(self, told: dict[str, Any]) -> None:
        self.imported.append(told["import"] * 1000)
        self.first.append(told["first"] * 1000)
        self.warm.extend(seconds * 1000 for seconds in told["warm"])
        self.computed.append(told["computed"] * 1000)
        self.memory.append(told["memory"] * 1024 / 1_000_000)
        self.modules = tuple(told["modules"])


def measure(jobs: Sequence[Job], rounds: int, environ: dict[str, str], work: Path) -> dict[str, dict[str, Measured]]:
    """Run every peer of every job ``rounds`` times, each time in a fresh process: job → peer → measurements.

    The order is shuffled for each round. One extra round comes first, unmeasured, to fill the disk cache.
    """
    found = {job.name: {peer.name: Measured() for peer in job.peers} for job in jobs}
    pairs = [(job, peer) for job in jobs for peer in job.peers]
    shuffle = random.Random(1).shuffle  # noqa: S311 - an order, no secret
    for number in range(rounds + 1):
        shuffle(pairs)
        for job, peer in pairs:
            told = run(job, peer, environ, work)
            if number:
                found[job.name][peer.name].add(told)
    return found


def run(job: Job, peer: Peer, environ: dict[str, str], work: Path, options: Iterable[str] = ()) -> dict[str, Any]:
    """Run one fresh process. Return its result, and what it wrote to standard error as ``stderr``."""
    spec, result = work / "spec.json", work / "result.json"
    result.unlink(missing_ok=True)
    told = {
        "event": job.event,
        "expected": job.expected,
        "handler": peer.handler,
        "path": [str(path) for path in peer.path],
        "warm": job.warm,
        "arn": "arn:aws:lambda:us-east-1:123456789012:function:herald-local",
    }
    spec.write_text(json.dumps(told), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-B", *options, str(PROCESS), str(spec), str(result)],
        env=environ | peer.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if ran.returncode:
        raise SystemExit(f"{job.name}: {peer.name} failed:\n{ran.stderr}")
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return found | {"stderr": ran.stderr}


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and the lower and upper quartile."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(low, median, high)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the given percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
