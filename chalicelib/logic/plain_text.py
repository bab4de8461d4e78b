"""Text of visitors as it may be shown: what is no text is left out, and what is cut says so."""

from __future__ import annotations

import re

CUT_MARK = "…"

_LINE_BREAK = re.compile(r"\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# C0 and C1 without tab and line feed, and lone surrogates: none of them is text, and no encoding carries the latter.
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
# They reorder what stands around them, so that a line could read as another.
_REORDERING = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def lines(value: str) -> str:
    """A text with line feeds alone, and nothing in it that is no text or reorders it."""
    return _REORDERING.sub("", _NO_TEXT.sub("", _LINE_BREAK.sub("\n", value))).strip("\n")


def one_line(value: str) -> str:
    """A text as one line, without what is no text or reorders it."""
    return " ".join(_REORDERING.sub("", _NO_TEXT.sub(" ", value)).split())


def cut(value: str, longest: int) -> str:
    """Shorten a text to ``longest`` characters, the last of them a mark that something is missing."""
    return value if len(value) <= longest else value[: longest - len(CUT_MARK)].rstrip() + CUT_MARK
