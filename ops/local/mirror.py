"""A copy of the project to deploy from.

The local stack may differ from what is committed (other ports, the real Pushover): such a stage is rendered into the
copy, and the checkout stays as it is.
"""

from __future__ import annotations

import shutil
from pathlib import Path

_FILES = ("app.py", "herald.toml", "requirements.txt")
_FOLDERS = ("chalicelib", "infra", "locks", "vendor")

WATCHED = (*_FILES, *_FOLDERS)
"""What a redeployment depends on; ``vendor`` holds what Chalice is to pack beside ``app.py``, if anything."""


def mirror(root: Path, copy: Path) -> None:
    """Make ``copy`` hold what deploying needs; what Chalice keeps there (packages, its record) stays."""
    for name in _FOLDERS:
        shutil.rmtree(copy / name, ignore_errors=True)
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copyfile(root / name, copy / name)
    (copy / ".chalice").mkdir(exist_ok=True)
