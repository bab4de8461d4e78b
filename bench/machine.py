"""Describe the machine and the versions that a benchmark ran with."""

from __future__ import annotations

import os
import platform
import ssl
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench import packages

_LIBRARIES = ("botocore", "boto3", "chalice", "aws-lambda-powertools", "requests")


def described(root: Path) -> list[str]:
    """Return lines for a person: date, machine, versions."""
    peers = [one for one in packages.requirements(root / "bench/requirements.txt") if "multipart" not in one]
    libraries = [f"{name} {version(name)}" for name in _LIBRARIES] + [one.replace("==", " ") for one in peers]
    return [
        f"- {datetime.now(UTC):%Y-%m-%d}; {_processor()}, {os.cpu_count()} cores, {_memory():.0f} GB, "
        f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
        f"- Python {platform.python_version()}, {ssl.OPENSSL_VERSION.rsplit(' ', 3)[0]}; {', '.join(libraries)}",
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "a processor")


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
