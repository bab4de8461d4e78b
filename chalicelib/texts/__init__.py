"""Every text that a visitor may read, and an owner in a digest, by language. Another language is another module like
``en.py``.

Loaded when something has to be said, which is seldom: an accepted message needs no words.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol


class Said(Protocol):
    """Something that has words: a code, and the number that they need."""

    @property
    def code(self) -> str: ...

    @property
    def limit(self) -> int: ...


LANGUAGES = ("en", "de")
FALLBACK = "en"


def choose(wanted: str, accept_language: str, of_site: str) -> str:
    """The language to answer in: the form's own wish, then the browser's, then the site's.

    ``accept_language`` is the header of RFC 9110, 12.5.4; a wish that can't be met is no error.
    """
    wishes = [wanted, *_by_quality(accept_language), of_site]
    known = (wish.partition("-")[0].strip().lower() for wish in wishes)
    return next((language for language in known if language in LANGUAGES), FALLBACK)


def texts(language: str) -> Mapping[str, str]:
    """The texts of one of :data:`LANGUAGES`."""
    found: Mapping[str, str] = import_module(f"{__name__}.{language}").TEXTS
    return found


def worded(words: Mapping[str, str], what: Said) -> str:
    """The words for what happened or is wrong, with its number in them."""
    return words[what.code].format(limit=what.limit)


def _by_quality(header: str) -> list[str]:
    ranges: list[tuple[float, str]] = []
    for part in header[:500].split(","):
        language, _, parameter = part.partition(";")
        name, _, value = parameter.partition("=")
        try:
            quality = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            quality = 0.0
        if quality > 0:
            ranges.append((-quality, language))
    # Sorting is stable: of equal wishes the first counts.
    return [language for _, language in sorted(ranges, key=lambda each: each[0])]
