"""What people see: tables, and text from visitors that can't write on the terminal as it likes."""

from __future__ import annotations

import sys
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


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; its first two columns are never folded."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    found = Table(box=SIMPLE, pad_edge=False, header_style="bold")
    for number, head in enumerate(heads):
        found.add_column(head, no_wrap=number < 2, overflow="fold")
    for row in rows:
        found.add_row(*(Text(printable(cell)) for cell in row))
    console().print(found)


def printable(text: str) -> str:
    """The text without what a terminal would take for a command: ECMA-48's control functions begin with such."""
    return "".join(one if one.isprintable() or one in "\n\t" else "\N{REPLACEMENT CHARACTER}" for one in text)


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
