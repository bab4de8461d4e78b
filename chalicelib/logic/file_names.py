"""Make the name under which a visitor's file is kept and shown, and one that every disk takes."""

from __future__ import annotations

import re
import unicodedata

MAX_NAME = 100
"""Most characters of a file's name that are kept."""
MAX_NAME_BYTES = 200
"""Most bytes of a file's name on a disk: 255 is what file systems take, and a number stands before it."""

_UNSAFE_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
"""What Windows refuses: https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file"""


def kept_name(sent: str, number: int) -> str:
    """The name under which a file is kept and shown: one line, without a path, without characters that nobody sees.

    It is still a visitor's text. ``number`` (from 1) names a file that has none.
    """
    last = re.split(r"[/\\]", sent)[-1]
    # Cc, Cf and the like: controls, and what turns the direction of writing around ("gpj.exe").
    name = " ".join("".join(filter(is_seen, last)).split())
    if name.strip(". ") == "":
        return f"file-{number}"
    if len(name) <= MAX_NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    ending = f"{dot}{extension}" if stem and len(extension) <= 8 else ""
    return f"{name[: MAX_NAME - 1 - len(ending)]}…{ending}"


def is_seen(character: str) -> bool:
    """Whether a reader sees this character; a space counts."""
    return character.isspace() or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")


def disk_name(kept: str, number: int) -> str:
    """A file name that every system takes, and that is no other's: ``<number>-<name>``, at most 255 bytes of UTF-8.

    The number in front also keeps a name from being hidden (``.profile``), an option (``-rf``) or a device (``NUL``).
    """
    name = _UNSAFE_IN_NAMES.sub("_", kept_name(kept, number)).rstrip(". ")
    stem, dot, extension = name.rpartition(".")
    ending = f"{dot}{extension}" if stem and len(extension.encode()) <= 16 else ""
    stem = name.removesuffix(ending)
    room = MAX_NAME_BYTES - len(ending.encode())
    return f"{number}-{stem.encode()[:room].decode(errors='ignore')}{ending}"
