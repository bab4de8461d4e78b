"""Providers that bring a notification to its owner, one module each: it declares the kind of channel as ``KIND``."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.logic.channel_kind import ChannelKind


def kind_of(name: str) -> ChannelKind:
    """Return the declaration of one kind, by importing its module alone."""
    kind: ChannelKind = import_module(f"{__name__}.{name}").KIND
    return kind


@cache
def kinds() -> Mapping[str, ChannelKind]:
    """Return every kind by its name. This imports all providers: it is for the terminal, no function calls it."""
    from pkgutil import iter_modules

    found = {module.name: kind_of(module.name) for module in iter_modules(__path__)}
    for name, kind in found.items():
        if kind.kind != name:
            raise ValueError(f"providers/{name}.py: its kind must be {name!r}, found {kind.kind!r}")
    return found
