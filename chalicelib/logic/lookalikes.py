"""Recognise a visitor's text that looks like one of Herald's own labels, in other letters, spaces or signs.

Unicode's table of confusables (https://www.unicode.org/reports/tr39/#Confusable_Detection) would be large. Instead, any
letter outside ASCII that is neither wide nor written from right to left may stand for any letter. A text that is
recognised by mistake is only marked, never changed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from chalicelib.logic.message import BLANK_LETTERS

_COLONS = re.compile("[:\u02d0\u02f8\u0589\u05c3\u0703\u0704\u1361\u16ec\u205a\u2236\ua4fd\ua789\ufe13\ufe55\uff1a]")
_FARTHEST = 80
"""Characters from a line's start within which a colon ends a label, invisible characters included."""
_TWINS = str.maketrans("01l|!5$3@", "oiiiissea")


def starts_like(line: str, labels: Iterable[str]) -> bool:
    """Whether a line begins with one of the labels and a colon, or with something that looks like it."""
    colon = _COLONS.search(line, 0, _FARTHEST)
    return colon is not None and is_like(line[: colon.start()], labels)


def first_visible(line: str) -> str:
    """The first letter, digit or sign that somebody sees; empty without one."""
    return next((it for it in line if unicodedata.category(it)[0] in "LNPS" and it not in BLANK_LETTERS), "")


def is_like(name: str, labels: Iterable[str]) -> bool:
    """Whether a name looks like one of the labels, whatever its case, spaces, accents, widths and scripts."""
    skeleton = _skeleton(name)
    return any(_same(skeleton, _skeleton(label)) for label in labels)


def _same(skeleton: str, label: str) -> bool:
    return len(skeleton) == len(label) and all(a in (b, "?") for a, b in zip(skeleton, label, strict=True))


@lru_cache(maxsize=256)
def _skeleton(text: str) -> str:
    """Reduce a text to lower-case letters and digits without accents; ``?`` may be any letter."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text[:_FARTHEST]).casefold())
    read = "".join(
        character
        for character in decomposed.translate(_TWINS)
        if character.isalnum() and character not in BLANK_LETTERS
    )
    return "".join(map(_as_ascii, read)).replace("rn", "m").replace("vv", "w")


def _as_ascii(character: str) -> str:
    if character.isascii():
        return character
    wide = unicodedata.east_asian_width(character) == "W"
    return character if wide or unicodedata.bidirectional(character) in ("R", "AL") else "?"
