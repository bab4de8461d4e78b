"""Placeholders, ``{…}``, in the owner's titles and bodies and in a webhook's template.

``{{`` and ``}}`` are the braces themselves. Inserted values are not read for placeholders.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

FIELD_PREFIX = "fields."
"""The prefix of a form's field: ``{fields.phone}``."""

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([a-z_]+(?:\.[^{}]{1,100})?)\}|[{}]")


class PlaceholderMistake(ValueError):
    """An unknown placeholder. The message names it, and those that exist."""


def names_in(text: str) -> list[str]:
    """Return a text's placeholders, in order; raises :class:`PlaceholderMistake` for a single brace."""
    names = []
    for match in _PLACEHOLDER.finditer(text):
        if match[1]:
            names.append(match[1])
        elif match[0] not in ("{{", "}}"):
            raise PlaceholderMistake(f"{match[0]} stands alone; write {match[0] * 2} for the character itself")
    return names


def check(text: str, known: Iterable[str]) -> None:
    """Raise :class:`PlaceholderMistake` for a placeholder that is neither known nor the name of a field."""
    known = tuple(known)
    for name in names_in(text):
        if name not in known and not name.startswith(FIELD_PREFIX):
            listed = ", ".join(f"{{{known_name}}}" for known_name in known)
            raise PlaceholderMistake(f"{{{name}}} is no placeholder; there are {listed} and {{{FIELD_PREFIX}<name>}}")


def fill(text: str, value: Callable[[str], str]) -> str:
    """Replace each placeholder by its value."""
    return _PLACEHOLDER.sub(lambda found: value(found[1]) if found[1] else found[0][0], text)
