"""The texts of answers and digests, one module for each language.

They are loaded when they are needed, which is seldom: the usual answer to an accepted message has none. A site may have
words of its own (``[sites.<name>.texts.<language>]``), in these languages and in others: :data:`SiteTexts`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Protocol


class Coded(Protocol):
    """Something that has a text: its key, and the number in it."""

    @property
    def code(self) -> str: ...

    @property
    def limit(self) -> int: ...


SiteTexts = Mapping[str, Mapping[str, str]]
"""A site's own texts by language and key. In a language that isn't one of :data:`LANGUAGES` it has all for visitors."""

LANGUAGES = ("en", "de", "es", "fr")
FALLBACK = "en"
OWNERS = ("digest_", "summary_")
"""How the keys of texts begin that the owner reads, and no visitor."""
_RIGHT_TO_LEFT = ("ar", "arc", "ckb", "dv", "fa", "he", "ks", "nqo", "ps", "sd", "syr", "ug", "ur", "yi")
"""Languages that are written from right to left: https://www.w3.org/International/questions/qa-scripts"""


def choose(wanted: str, accept_language: str, of_site: str, own: SiteTexts = MappingProxyType({})) -> str:
    """Choose the language of an answer: the one that the form asks for, then the browser's, then the site's.

    ``accept_language`` is the header of RFC 9110, 12.5.4. A language of which there are no texts is skipped.
    """
    return prefer((*LANGUAGES, *own), wanted, accept_language, of_site) or FALLBACK


def prefer(languages: Collection[str], wanted: str, accept_language: str, of_site: str) -> str:
    """Choose one of these languages in the same way; empty where none of them was wished for."""
    wishes = [wanted, *_by_quality(accept_language), of_site]
    known = (wish.partition("-")[0].strip().lower() for wish in wishes)
    return next((language for language in known if language in languages), "")


def texts(language: str, own: SiteTexts = MappingProxyType({})) -> Mapping[str, str]:
    """Return the texts of a language, with a site's own in their place.

    In a language that only the site has, the owner's texts that it lacks are English.
    """
    known = FALLBACK if language in own and language not in LANGUAGES else language
    language_texts: Mapping[str, str] = import_module(f"{__name__}.{known}").TEXTS
    return {**language_texts, **own[language]} if language in own else language_texts


def direction(language: str) -> str:
    """Return the direction in which a language is written, as HTML's ``dir`` has it: ``ltr`` or ``rtl``."""
    return "rtl" if language in _RIGHT_TO_LEFT else "ltr"


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
