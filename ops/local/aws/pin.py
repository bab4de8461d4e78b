"""MiniStack's version, and the parts of it that this package was written against.

An extension reaches into another program's internals, so it holds for one version only. ``verify`` compares the
version and a fingerprint of each part named in an extension's ``EXTENDS``, and names the first that moved.
After a deliberate change of version, read what moved, adapt the extension, run its tests, and only then write the new
fingerprints: ``python -m ops.local.aws.pin --write``.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import inspect
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MINISTACK_VERSION = "1.5.33"
FINGERPRINTS = Path(__file__).with_name("fingerprints.json")


class MovedPart(RuntimeError):
    """MiniStack is not the one that was extended; the message names the part and what to do."""


def fingerprint(part: str) -> str:
    """A short hash of the part ``"module:attribute.path"``.

    The source text (signature included) of a function or class, the text of a string, the type alone of a container,
    whose content changes while MiniStack runs.
    """
    module, _, path = part.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    if isinstance(found, str):
        text = found
    elif inspect.isroutine(found) or inspect.isclass(found):
        text = inspect.getsource(found)
    else:
        text = type(found).__qualname__
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def verify(parts: Iterable[str], installed_version: str, pinned: dict[str, str]) -> None:
    """Raise ``MovedPart`` unless MiniStack is of the pinned version and all ``parts`` are the pinned ones."""
    if installed_version != MINISTACK_VERSION:
        raise MovedPart(
            f"MiniStack {installed_version} is installed, the local AWS extends {MINISTACK_VERSION}: "
            f"pip install ministack=={MINISTACK_VERSION}"
        )
    for part in parts:
        try:
            found = fingerprint(part)
        except (AttributeError, ImportError) as error:
            raise MovedPart(f"MiniStack has no {part} any more ({error})") from error
        if found != pinned.get(part):
            raise MovedPart(
                f"MiniStack's {part} is not the one that was extended (found {found}, pinned {pinned.get(part)})"
            )


def check(parts: Iterable[str]) -> None:
    """``verify`` against what is installed and what ``fingerprints.json`` holds."""
    verify(parts, importlib.metadata.version("ministack"), json.loads(FINGERPRINTS.read_text()))


def main() -> None:
    """Print the fingerprints of all extended parts, or with ``--write`` keep them."""
    from ops.local.aws import server

    text = json.dumps({part: fingerprint(part) for part in server.extended_parts()}, indent=1) + "\n"
    if "--write" in sys.argv[1:]:
        FINGERPRINTS.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
