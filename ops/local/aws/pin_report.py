"""Report which extended parts differ in another version of MiniStack, and which extensions use them.

See docs/ministack-pin.md.
"""

from __future__ import annotations

import difflib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.errors import OpsError
from ops.local.aws.pin import FINGERPRINTS, fingerprint_of

ROOT = Path(__file__).parents[3]
PACKAGE = Path(__file__).parent.relative_to(ROOT)


@dataclass(frozen=True, slots=True)
class MovedSource:
    """A part of MiniStack that differs from the pinned one."""

    part: str
    gone: bool
    extensions: tuple[Path, ...]
    """The extensions' files that replace or call the part."""
    difference: tuple[str, ...]
    """The lines of a unified diff; empty if the pinned version isn't installed."""


def moved_parts(candidate: Path | None) -> list[MovedSource]:
    """Return the parts of another MiniStack that differ from the pinned ones.

    ``candidate`` is a folder that contains the package ``ministack``; None means the installed one. Raises
    :class:`~ops.errors.OpsError` if it can't be imported.
    """
    pinned: dict[str, str] = json.loads(FINGERPRINTS.read_text(encoding="utf-8"))
    if candidate is not None and not (candidate / "ministack" / "__init__.py").is_file():
        raise OpsError(f"{candidate} holds no package ministack; see docs/ministack-pin.md for how to fetch one")
    found = _read(candidate)
    installed = _read(None) if candidate else found
    return list(_compare(pinned, installed["sources"], found))


def _compare(pinned: dict[str, str], installed: dict[str, str | None], found: dict[str, Any]) -> Iterator[MovedSource]:
    """Yield the parts in ``found`` whose fingerprint isn't the pinned one.

    ``installed`` has the sources of the installed MiniStack, by part, for the diff.
    """
    for part, text in found["sources"].items():
        if text is not None and fingerprint_of(text) == pinned.get(part):
            continue
        files = tuple(PACKAGE / f"{name}.py" for name, parts in found["extensions"].items() if part in parts)
        before = installed[part] or ""
        known = fingerprint_of(before) == pinned.get(part)
        difference = difflib.unified_diff(
            before.splitlines(), (text or "").splitlines(), "pinned", "candidate", lineterm=""
        )
        yield MovedSource(part, text is None, files, tuple(difference) if known else ())


def _read(candidate: Path | None) -> dict[str, Any]:
    """Run ``pinned_parts`` with the candidate in a process of its own, and return its output."""
    environ = dict(os.environ)
    environ.pop("PYTHONPATH", None)
    if candidate is not None:
        environ["PYTHONPATH"] = str(candidate.resolve())
    ran = subprocess.run(
        [sys.executable, "-m", "ops.local.aws.pinned_parts"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if ran.returncode:
        said = ran.stderr.strip().splitlines() or ["it said nothing"]
        raise OpsError(f"{candidate or 'the installed MiniStack'} can't be imported: {said[-1]}")
    found: dict[str, Any] = json.loads(ran.stdout)
    return found
