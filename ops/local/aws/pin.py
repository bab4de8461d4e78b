"""MiniStack's version, and the parts of it that this package was written against.

An extension reaches into another program's internals, so it holds for one version only. ``verify`` compares the
version and a fingerprint of each part named in an extension's ``EXTENDS``, and names the first that moved.
docs/ministack-pin.md has the way to another version.
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
    """MiniStack is not the one that was extended; the message names the part and what to do."""


def source(part: str) -> str:
    """What is pinned of the part ``"module:attribute.path"``; raises AttributeError or ImportError where it is gone.

    The source text (signature included) of a function or class, the text of a string, the type alone of a container,
    whose content changes while MiniStack runs.
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
    """A short hash of a part's source."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fingerprint(part: str) -> str:
    """A short hash of the part ``"module:attribute.path"``."""
    return fingerprint_of(source(part))


def verify(parts: Iterable[str], installed_version: str, pinned: dict[str, str]) -> None:
    """Raise ``MovedPart`` unless MiniStack is of the pinned version and all ``parts`` are the pinned ones."""
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
    """``verify`` against what is installed and what ``fingerprints.json`` holds."""
    verify(parts, importlib.metadata.version("ministack"), json.loads(FINGERPRINTS.read_text()))
