"""What people see: tables, and text from visitors that can't write on the terminal as it likes."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_WIDE = 200
"""Columns where no terminal says how many there are: what is piped somewhere is not folded."""


def console(*, err: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, whole: int = 2) -> None:
    """Print a table. Its first ``whole`` columns are never folded, so what doesn't fit of these is cut off: for short
    words of ours alone."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    found = Table(box=SIMPLE, pad_edge=False, header_style="bold")
    for number, head in enumerate(heads):
        found.add_column(head, no_wrap=number < whole, overflow="fold")
    for row in rows:
        found.add_row(*(Text(printable(cell)) for cell in row))
    console().print(found)


def printable(text: str) -> str:
    """The text without what a terminal would take for a command (ECMA-48's control functions begin with such), and
    without what turns the direction of writing, so that a text could seem to be another."""
    return "".join(_replaced(one) for one in text)


_TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters"""


def _replaced(one: str) -> str:
    category = unicodedata.category(one)
    if category in ("Zl", "Zp"):
        return "\n"
    allowed = one in "\n\t" or (category not in ("Cc", "Cs") and one not in _TURNING)
    return one if allowed else "\N{REPLACEMENT CHARACTER}"


@contextmanager
def progress(what: str, number: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error, where that is a terminal; call what you get after each step."""
    if number < 2 or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress(console=console(err=True), transient=True) as bar:
        task = bar.add_task(what, total=number)
        yield lambda: bar.advance(task)
