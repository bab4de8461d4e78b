"""What git tells of this checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def git(*words: str) -> list[str]:
    """The lines that git prints of this checkout; none where it fails, as in a copy without history, or is missing."""
    command = ["git", *words]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
