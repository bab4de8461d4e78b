"""Make visitors' text safe to show: without control characters, and cut with a mark."""

from __future__ import annotations

import re

from chalicelib.logic.message import BLANK_LETTERS, DIRECTION

CUT_MARK = "…"

_LINE_BREAK = re.compile(r"\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Control characters (C0 and C1) but tab and line feed, and lone surrogates, which no encoding can hold.
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
# Enough of them would begin a new line on a narrow screen.
_BLANK = re.compile(f"[{BLANK_LETTERS}]")
_REORDERING = re.compile(f"[{DIRECTION}]")


def multiline(value: str) -> str:
    """Return a text with line feeds as its only line breaks, without control and reordering characters."""
    return _REORDERING.sub("", _NO_TEXT.sub("", _LINE_BREAK.sub("\n", value))).strip("\n")


def one_line(value: str) -> str:
    """Return a text as one line, without control and reordering characters; whatever looks like spaces is one."""
    return " ".join(_REORDERING.sub("", _BLANK.sub(" ", _NO_TEXT.sub(" ", value))).split())


def cut(value: str, longest: int) -> str:
    """Cut a text to ``longest`` characters, of which the last is ``…``."""
    return value if len(value) <= longest else value[: longest - len(CUT_MARK)].rstrip() + CUT_MARK
