"""The texts of answers and digests, one module for each language.

They are loaded when they are needed, which is seldom: the answer to an accepted message has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol


class Coded(Protocol):
    """Something that has a text: its key, and the number in it."""

    @property
    def code(self) -> str: ...

    @property
    def limit(self) -> int: ...


LANGUAGES = ("en", "de")
FALLBACK = "en"


def choose(wanted: str, accept_language: str, of_site: str) -> str:
    """Choose the language of an answer: the one that the form asks for, then the browser's, then the site's.

    ``accept_language`` is the header of RFC 9110, 12.5.4. A language that isn't supported is skipped.
    """
    wishes = [wanted, *_by_quality(accept_language), of_site]
    known = (wish.partition("-")[0].strip().lower() for wish in wishes)
    return next((language for language in known if language in LANGUAGES), FALLBACK)


def texts(language: str) -> Mapping[str, str]:
    """Return the texts of one of :data:`LANGUAGES`."""
    language_texts: Mapping[str, str] = import_module(f"{__name__}.{language}").TEXTS
    return language_texts


def worded(words: Mapping[str, str], what: Coded) -> str:
    """Return the text of something, with its number filled in."""
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
    # Sorting is stable: of equal qualities the first comes first.
    return [language for _, language in sorted(ranges, key=lambda each: each[0])]
