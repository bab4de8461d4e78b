"""Break a function's start down by module with ``python -X importtime``, and sum it up by package."""

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
    """Return each module's own import time in milliseconds, the median of ``times`` runs.

    Imports count until the first request is answered. Modules that were loaded before the function, by the measuring
    program, are left out.
    """
    found: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(times):
        told = run(job, peer, environ, work, ("-X", "importtime"))
        for line in told["stderr"].splitlines():
            if (match := _LINE.match(line)) and match[3] in told["modules"]:
                found[match[3]].append(int(match[1]) / 1000)
    return {name: statistics.median(values) for name, values in found.items()}


def owner(module: str) -> str:
    """Return the group that a module belongs to. The longest matching prefix decides."""
    fitting = {
        prefix: group
        for group, prefixes in _OWNERS.items()
        for prefix in prefixes
        if module == prefix or module.startswith(f"{prefix}.")
    }
    return fitting[max(fitting, key=len)] if fitting else PYTHON


def by_owner(modules: Mapping[str, float]) -> Counter[str]:
    """Return the milliseconds of each group."""
    found: Counter[str] = Counter()
    for module, milliseconds in modules.items():
        found[owner(module)] += milliseconds  # type: ignore[assignment]
    return found


def longest(modules: Mapping[str, float], most: int) -> Iterable[tuple[str, float]]:
    """Return the ``most`` modules with the longest own import time, longest first."""
    return sorted(modules.items(), key=lambda pair: -pair[1])[:most]
