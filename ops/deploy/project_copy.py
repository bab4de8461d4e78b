"""Copy the files that deploying needs, so that a stage can be rendered and deployed without changing the checkout.

The local stack may differ from what is committed: other ports, the real Pushover.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ops.errors import OpsError

_FILES = ("app.py", "herald.toml", "requirements.txt")
_FOLDERS = ("chalicelib", "infra", "locks", "vendor")
"""What deploying needs. ``vendor`` may hold packages that Chalice puts into the zip."""

_IGNORED = (
    *("__pycache__", "*.pyc", ".*.sw?", "*~", "4913", ".#*", "#*#"),
    *("*.bak", "*.orig", "*.tmp", "*___jb_*", ".DS_Store"),
)
"""What Python and editors leave beside a file: bytecode, and swap, backup, lock and autosave files."""


def mirror(root: Path, copy: Path) -> None:
    """Copy everything that deploying needs. What Chalice keeps in ``copy``, its packages and its record, stays."""
    for name in _FILES:
        if not (root / name).exists():
            raise OpsError(f"{name} is missing")
    for name in _FOLDERS:
        shutil.rmtree(copy / name, ignore_errors=True)
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns(*_IGNORED))
    for name in _FILES:
        shutil.copyfile(root / name, copy / name)
    (copy / ".chalice").mkdir(exist_ok=True)


def project_files(root: Path) -> Iterator[Path]:
    """Every file that deploying needs; one of them may be missing."""
    yield from (root / name for name in _FILES)
    ignored = shutil.ignore_patterns(*_IGNORED)
    for top in _FOLDERS:
        for folder, folders, files in os.walk(root / top):
            left_out = ignored(folder, [*folders, *files])
            folders[:] = [name for name in folders if name not in left_out]
            yield from (Path(folder, name) for name in files if name not in left_out)
