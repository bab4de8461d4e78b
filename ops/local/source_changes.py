"""Detect that files which a deployment needs were saved, added or removed in a checkout.

It polls the files. A watch on a file is lost when an editor replaces the file, and a watch on a folder is lost when the
folder is created again.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from ops.deploy.project_copy import project_files

Snapshot = dict[str, tuple[int, int, int]]
"""Time, size and inode of each file by its path in the checkout. Saving a file changes at least one of them."""


class Changes:
    """The changes of a checkout, each reported once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known = snapshot(root)

    def wait(self, stop: threading.Event, pause: float = 0.25) -> list[str]:
        """Wait for changes, and until no more come. Return the changed paths, or none once ``stop`` is set."""
        while not stop.wait(pause):
            files = snapshot(self._root)
            if files != self._known and not stop.wait(pause) and files == snapshot(self._root):
                changed = {name for name, _ in self._known.items() ^ files.items()}
                self._known = files
                return sorted(changed)
        return []


def snapshot(root: Path) -> Snapshot:
    """Return the current state of the files that a deployment needs."""
    files: Snapshot = {}
    for path in project_files(root):
        with suppress(OSError):  # It was removed after it was listed, or is a broken link.
            status = path.stat()
            files[path.relative_to(root).as_posix()] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return files
