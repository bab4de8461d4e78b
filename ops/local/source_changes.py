"""Notice that files of a checkout were saved, added or removed, among those that deploying needs.

The files are polled, not watched: a watch on a file is lost when an editor replaces the file, and one on a folder when
the folder is made again.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from ops.deploy.project_copy import project_files

Snapshot = dict[str, tuple[int, int, int]]
"""Time, size and inode of each file, by its path below the checkout: one of them changes whenever a file is saved."""


class Changes:
    """The changes of a checkout since it was last asked for them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known = snapshot(root)

    def wait(self, stop: threading.Event, pause: float = 0.25) -> list[str]:
        """Wait for changes, and until no more come; returns the paths that changed, or none when ``stop`` is set."""
        while not stop.wait(pause):
            files = snapshot(self._root)
            if files != self._known and not stop.wait(pause) and files == snapshot(self._root):
                changed = {name for name, _ in self._known.items() ^ files.items()}
                self._known = files
                return sorted(changed)
        return []


def snapshot(root: Path) -> Snapshot:
    """The files that deploying needs, as they are now."""
    files: Snapshot = {}
    for path in project_files(root):
        with suppress(OSError):  # Removed since it was listed, or a link to nowhere.
            status = path.stat()
            files[path.relative_to(root).as_posix()] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return files
