"""The tables ``[sites.<name>.texts.<language>]`` of ``herald.toml``: a site's own words for what its visitors see."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from unicodedata import category

from chalicelib.texts import FALLBACK, LANGUAGES, OWNERS, SiteTexts, texts
from ops.config.mistakes import nearest

MAX_TEXT = 500
"""Characters of one text."""
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")


def mistakes(own: SiteTexts, language: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with a site's texts, each with its key below the site; ``language`` is the site's own."""
    for name, table in own.items():
        if not _LANGUAGE.fullmatch(name):
            yield ("texts", name), "a language is named by its code of two or three letters alone, such as it or nds"
            continue
        for key, text in table.items():
            if mistake := _mistake(key, text):
                yield ("texts", name, key), mistake
        missing = [key for key in texts(FALLBACK) if key not in table and not key.startswith(OWNERS)]
        if name not in LANGUAGES and missing:
            yield (
                ("texts", name),
                f"Herald has no texts in this language, so all are needed (chalicelib/texts/en.py); these are missing: "
                f"{', '.join(missing)}",
            )
    if language not in (*LANGUAGES, *own):
        known = ", ".join(LANGUAGES)
        yield (
            ("language",),
            f"found {language!r}; expected one of: {known}; or one with a table [sites.<name>.texts.<language>]",
        )


def _mistake(key: str, text: str) -> str:
    english: Mapping[str, str] = texts(FALLBACK)
    if key not in english:
        near = nearest(key, english)
        return "unknown text" + (f"; did you mean {near}?" if near else "; chalicelib/texts/en.py has them all")
    if not text.strip() or len(text) > MAX_TEXT or any(category(each) in ("Cc", "Zl", "Zp") for each in text):
        return f"expected one line of up to {MAX_TEXT} characters"
    if set(_PLACEHOLDER.sub("", text)) & set("{}"):
        return "{ and } stand only around a placeholder such as {limit}"
    found, expected = set(_PLACEHOLDER.findall(text)), set(_PLACEHOLDER.findall(english[key]))
    if unknown := sorted(found - expected):
        allowed = f"; it may have {_braced(expected)}" if expected else "; it has none"
        return f"unknown placeholder {_braced(unknown)}{allowed}"
    if missing := sorted(expected - found):
        return f"must contain {_braced(missing)}"
    return ""


def _braced(names: set[str] | list[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))
