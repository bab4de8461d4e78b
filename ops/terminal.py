"""Print to the terminal, ask at it, and make text safe for it, as visitors and providers wrote some of that text.

No other module of ``ops/`` prints, asks or imports rich: ``tests/unit/test_terminal.py`` checks that.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters, with which commands to a terminal begin (ECMA-48); unpaired surrogates; characters that change
the direction of text (https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters); and separators at which
some programs split lines."""
_WIDE = 200
"""The width in columns where neither a terminal nor ``COLUMNS`` gives one: piped output is not folded."""
_GAP = 2
"""Columns between two cells of a table."""
_WORD = 16
"""The least width of a cell; a table that is too wide for it is printed as records."""
OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF, errno.EROFS)
"""Errors of output that can't be written, without that of a closed pipe."""


def printable(text: str) -> str:
    """The text with unsafe characters replaced; it may have several lines."""
    text = text.replace("\r\n", "\n")
    return _UNSAFE.sub(lambda unsafe: "\n" if unsafe[0] in "\u2028\u2029" else "\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str) -> str:
    """The text as one line with unsafe characters replaced, so that it can't look like a line of Herald's."""
    return re.sub(r"[\n\t]", " ", printable(text))


def json_text(value: object, indent: int | None = None) -> str:
    """JSON with unsafe characters escaped: safe for a terminal, unchanged for a program."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _UNSAFE.sub(lambda unsafe: f"\\u{ord(unsafe[0]):04x}", text)


def echo(text: str = "", *, err: bool = False) -> None:
    """Print lines; raises ``OSError`` where standard output can't be written."""
    _write(f"{printable(text)}\n", err=err)


def echo_json(value: object) -> None:
    """Print one JSON value on standard output."""
    echo(json_text(value, indent=2))


def echo_lines(texts: Mapping[str, str]) -> None:
    """Print a line for each name, with its text."""
    for name, text in texts.items():
        echo(f"{name:<11} {one_line(text)}")


def confirm(question: str) -> None:
    """Ask on standard error, and end the command unless the answer is yes."""
    import click

    click.confirm(printable(question), abort=True, err=True)


def ask_hidden(question: str) -> str:
    """Ask without showing what is typed; read a line where standard input is not a terminal."""
    import click

    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    typed: str = click.prompt(printable(question), hide_input=True, err=True)
    return typed.strip()


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, whole: int = 2, title: str = "") -> None:
    """Print a table, or nothing where it has no rows. Empty columns are left out.

    The first ``whole`` columns are never folded or cut. Where they leave no room for the others, each row is printed as
    a record of several lines.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    if not cells:
        return
    shown = [number for number in range(len(heads)) if number < whole or any(row[number] for row in cells)]
    heads, cells = [heads[number] for number in shown], [[row[number] for number in shown] for row in cells]
    console = _console()
    with console.capture() as captured:
        if title:
            console.print(printable(title), style="italic")
        if _width(heads, cells, whole) <= console.width:
            console.print(_table(heads, cells, whole))
        else:
            for row in cells:
                _print_record(console, heads, row, whole)
    _write(captured.get())


@contextmanager
def progress(what: str, number: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar where standard error is a terminal; yields a function to call after each step."""
    if number < 2 or sys.stderr is None or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress(console=_console(err=True), transient=True) as bar:
        task = bar.add_task(what, total=number)
        yield lambda: bar.advance(task)


@contextmanager
def standard_output() -> Iterator[IO[str]]:
    """Standard output, for lines that went through :func:`printable` or :func:`json_text`."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    yield sys.stdout
    sys.stdout.flush()


def prepare() -> None:
    """Use UTF-8 for standard output and error where they are not a terminal. A terminal keeps its encoding, and shows a
    question mark for other characters."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="replace")


def finish() -> None:
    """Discard output that can't be written, which Python would try to write again when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def take_over() -> None:
    """Send what Python prints by itself, tracebacks and logs of libraries, through this module from now on."""
    import logging
    import threading
    import traceback
    from types import TracebackType

    class Log(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with suppress(OSError):
                echo(self.format(record), err=True)

    def show(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(OSError):
            echo("".join(traceback.format_exception(kind, error, trace)).rstrip(), err=True)

    def show_of_thread(ended: threading.ExceptHookArgs) -> None:
        if not issubclass(ended.exc_type, BrokenPipeError):
            show(ended.exc_type, ended.exc_value, ended.exc_traceback)
            return
        # The pipe is closed: end the command as if the main thread had written.
        import signal

        os.kill(os.getpid(), signal.SIGTERM)

    sys.excepthook = show
    threading.excepthook = show_of_thread
    logging.basicConfig(handlers=[Log()], format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)


def _write(text: str, *, err: bool = False) -> None:
    stream = sys.stderr if err else sys.stdout
    if stream is None and not err:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    if stream is not None:
        stream.write(text)
        stream.flush()


def _console(*, err: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdecimal() and int(columns) else None
    if width is None and (stream is None or not stream.isatty()):
        width = _WIDE
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def _width(heads: Sequence[str], rows: Sequence[Sequence[str]], whole: int) -> int:
    """The least width of a table in columns."""
    from rich.cells import cell_len

    total = _GAP * len(heads)
    for number, head in enumerate(heads):
        longest = max([cell_len(head), *(cell_len(line) for row in rows for line in row[number].split("\n"))])
        total += longest if number < whole else min(longest, max(_WORD, cell_len(head)))
    return total


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], whole: int) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    found = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for number, head in enumerate(heads):
        found.add_column(head, no_wrap=number < whole, overflow="fold")
    for row in rows:
        found.add_row(*map(Text, row))
    return found


def _print_record(console: Console, heads: Sequence[str], row: Sequence[str], whole: int) -> None:
    from rich.table import Table
    from rich.text import Text

    first = max(whole, 1)
    console.print(Text("  ".join(row[:first]), style="bold", overflow="fold"))
    rest = Table.grid(padding=(0, 2, 0, 0))
    for number in range(3):
        rest.add_column(no_wrap=number < 2, overflow="fold")
    for head, cell in zip(heads[first:], row[first:], strict=True):
        if cell:
            rest.add_row("  ", head, Text(cell))
    console.print(rest)
