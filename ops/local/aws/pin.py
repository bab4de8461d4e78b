"""Pin MiniStack's version and a fingerprint of each part of it that the extensions replace or call.

The extensions use MiniStack's internals, so they work with one version only. ``verify`` compares the version and the
fingerprints, and names the first part that differs. docs/ministack-pin.md explains how to update MiniStack.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MINISTACK_VERSION = "1.5.33"
FINGERPRINTS = Path(__file__).with_name("fingerprints.json")


class MovedPart(RuntimeError):
    """MiniStack's version or a part of it isn't the pinned one. The message names it and what to do."""


def source(part: str) -> str:
    """Return the text that is fingerprinted for the part ``"module:attribute.path"``.

    This is the source code of a function or class, or the text of a string. For anything else it is only the name of
    the type, because the content changes while MiniStack runs.

    Raises ImportError or AttributeError if the part doesn't exist.
    """
    module, _, path = part.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    if isinstance(found, str):
        return found
    if inspect.isroutine(found) or inspect.isclass(found):
        return inspect.getsource(found)
    return type(found).__qualname__


def fingerprint_of(text: str) -> str:
    """Return the first 16 hex digits of the text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fingerprint(part: str) -> str:
    """Return the fingerprint of the part ``"module:attribute.path"``: 16 hex digits."""
    return fingerprint_of(source(part))


def verify(parts: Iterable[str], installed_version: str, pinned: dict[str, str]) -> None:
    """Raise ``MovedPart`` unless MiniStack has the pinned version and each part its pinned fingerprint.

    ``pinned`` maps parts to fingerprints.
    """
    if installed_version != MINISTACK_VERSION:
        raise MovedPart(
            f"MiniStack {installed_version} is installed, the local AWS extends {MINISTACK_VERSION}: "
            "run make setup, or see docs/ministack-pin.md"
        )
    for part in parts:
        try:
            found = fingerprint(part)
        except (AttributeError, ImportError) as error:
            raise MovedPart(f"MiniStack has no {part} any more ({error})") from error
        if found != pinned.get(part):
            raise MovedPart(
                f"MiniStack's {part} is not the one that was extended (found {found}, pinned {pinned.get(part)}); "
                "see docs/ministack-pin.md"
            )


def check(parts: Iterable[str]) -> None:
    """Verify the installed MiniStack against ``fingerprints.json``. Raises ``MovedPart``."""
    verify(parts, importlib.metadata.version("ministack"), json.loads(FINGERPRINTS.read_text()))
