"""What a function's start is made of: ``python -X importtime``, module by module, added up by who they belong to."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.runs import Job, Peer, run

_LINE = re.compile(r"import time: +(\d+) \| +(\d+) \| +(\S+)")
CHALICE, POWERTOOLS, REQUESTS, CALLING, OURS, PYTHON = (
    "Chalice",
    "Powertools' logger and metrics",
    "requests",
    "calling AWS",
    "Herald",
    "Python's library",
)
_OWNERS: Mapping[str, tuple[str, ...]] = {
    CHALICE: ("chalice",),
    POWERTOOLS: ("aws_lambda_powertools", "jmespath", "typing_extensions", "botocore"),
    REQUESTS: ("requests", "urllib3", "certifi", "charset_normalizer", "idna"),
    CALLING: ("chalicelib.adapters.aws", "http", "ssl", "_ssl", "socket", "_socket", "email", "hmac"),
    OURS: ("app", "chalicelib"),
}
GROUPS = (PYTHON, CHALICE, POWERTOOLS, OURS, CALLING, REQUESTS)


def measured(job: Job, peer: Peer, environ: dict[str, str], work: Path, times: int) -> dict[str, float]:
    """Milliseconds that each module took by itself until the first request was answered, the median of some runs.

    What was loaded before the function, by who measures, is left out.
    """
    found: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(times):
        told = run(job, peer, environ, work, ("-X", "importtime"))
        for line in told["stderr"].splitlines():
            if (match := _LINE.match(line)) and match[3] in told["modules"]:
                found[match[3]].append(int(match[1]) / 1000)
    return {name: statistics.median(values) for name, values in found.items()}


def owner(module: str) -> str:
    """Whom a module belongs to; the longest name that fits says."""
    fitting = {
        prefix: group
        for group, prefixes in _OWNERS.items()
        for prefix in prefixes
        if module == prefix or module.startswith(f"{prefix}.")
    }
    return fitting[max(fitting, key=len)] if fitting else PYTHON


def by_owner(modules: Mapping[str, float]) -> Counter[str]:
    """Milliseconds by group."""
    found: Counter[str] = Counter()
    for module, milliseconds in modules.items():
        found[owner(module)] += milliseconds  # type: ignore[assignment]
    return found


def longest(modules: Mapping[str, float], most: int) -> Iterable[tuple[str, float]]:
    """The modules that took longest by themselves."""
    return sorted(modules.items(), key=lambda pair: -pair[1])[:most]
