"""What this checkout holds, and what git tells of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def files_of_tests() -> list[Path]:
    """The files that hold tests, sorted; found without a walk through npm's packages, which are thousands of files."""
    return sorted([*ROOT.glob("tests/*/test_*.py"), *ROOT.glob("tests/*/*/test_*.py")])


def git(*words: str) -> list[str]:
    """The lines that git prints of this checkout; none where it fails, as in a copy without history, or is missing."""
    command = ["git", *words]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
