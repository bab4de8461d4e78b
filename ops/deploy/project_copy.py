"""A copy of the project to deploy from.

The local stack may differ from what is committed (other ports, the real Pushover): such a stage is rendered into the
copy, and the checkout stays as it is.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ops.errors import OpsError

_FILES = ("app.py", "herald.toml", "requirements.txt")
_FOLDERS = ("chalicelib", "infra", "locks", "vendor")
"""What deploying needs; ``vendor`` holds what Chalice is to pack beside ``app.py``, if anything."""

_NOT_OURS = (
    *("__pycache__", "*.pyc", ".*.sw?", "*~", "4913", ".#*", "#*#"),
    *("*.bak", "*.orig", "*.tmp", "*___jb_*", ".DS_Store"),
)
"""What Python and editors leave beside a file: Vim's swap, backup and probe, Emacs's lock and autosave, and so on."""

Snapshot = dict[str, tuple[int, int, int]]
"""Of each file, by its path from the root, what changes whenever it is saved: time, size and inode."""


def mirror(root: Path, copy: Path) -> None:
    """Make ``copy`` hold what deploying needs; what Chalice keeps there (packages, its record) stays."""
    for name in _FILES:
        if not (root / name).exists():
            raise OpsError(f"{name} is missing")
    for name in _FOLDERS:
        shutil.rmtree(copy / name, ignore_errors=True)
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns(*_NOT_OURS))
    for name in _FILES:
        shutil.copyfile(root / name, copy / name)
    (copy / ".chalice").mkdir(exist_ok=True)


class Changes:
    """What of a checkout was saved, made or removed, of all that deploying needs.

    The files are looked at instead of watched: a watch on a file is lost when an editor puts another in its place,
    and one on a folder when that is made anew.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known = snapshot(root)

    def wait(self, stop: threading.Event, pause: float = 0.25) -> list[str]:
        """The paths that differ from the last time, once nothing changes any more; empty when ``stop`` is set."""
        while not stop.wait(pause):
            found = snapshot(self._root)
            if found != self._known and not stop.wait(pause) and found == snapshot(self._root):
                changed = {name for name, _ in self._known.items() ^ found.items()}
                self._known = found
                return sorted(changed)
        return []


def snapshot(root: Path) -> Snapshot:
    """The files that deploying needs, as they are now."""
    found: Snapshot = {}
    for path in _paths(root):
        with suppress(OSError):  # Removed since it was listed, or a link to nowhere.
            status = path.stat()
            found[path.relative_to(root).as_posix()] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def _paths(root: Path) -> Iterator[Path]:
    yield from (root / name for name in _FILES)
    ignored = shutil.ignore_patterns(*_NOT_OURS)
    for top in _FOLDERS:
        for folder, folders, files in os.walk(root / top):
            left_out = ignored(folder, [*folders, *files])
            folders[:] = [name for name in folders if name not in left_out]
            yield from (Path(folder, name) for name in files if name not in left_out)
