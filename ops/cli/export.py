"""Messages as files: CSV for a spreadsheet, JSON Lines for a program."""

from __future__ import annotations

import csv
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from chalicelib.logic.archive import StoredMessage
from ops.cli.times import stamp
from ops.errors import OpsError
from ops.terminal import json_text, printable, standard_output

OWN = ("source", "name", "email", "subject", "message")
"""Fields with a column of their own; any other stands in the column ``other``, as JSON."""
COLUMNS = ("id", "site", "received_at", "state", "channels", "signals", "duplicate_of", *OWN, "other")
_BYTE_ORDER_MARK = "\ufeff"
"""By which Excel knows UTF-8; without it, it takes umlauts for other letters."""
_FORMULA = tuple("=+-@＝＋－＠")
"""What a spreadsheet takes a formula by: https://owasp.org/www-community/attacks/CSV_Injection"""
_BETWEEN = re.compile(r"[;\s\"']+")
"""What may stand before a formula within a cell."""


def write(messages: Iterable[StoredMessage], form: str, file: IO[str]) -> int:
    """Write each as it comes; returns how many."""
    # Every cell in quotation marks, as OWASP's page advises too.
    rows = csv.writer(file, quoting=csv.QUOTE_ALL)
    if form == "csv":
        file.write(_BYTE_ORDER_MARK)
        rows.writerow(COLUMNS)
    number = 0
    for message in messages:
        number += 1
        if form == "csv":
            rows.writerow([harmless(cell) for cell in _row(message)])
        else:
            file.write(json_text(message.as_json()) + "\n")
    return number


def harmless(cell: str) -> str:
    """The cell as text that no spreadsheet calculates: an apostrophe says that text follows.

    Also not one that separates by semicolons or tabs, as is usual in many countries: for it our quotation marks hold
    nothing together, and a semicolon, a tab or a line break within a cell ends it. Without what is not safe to print,
    as files are shown at terminals too.
    """
    cell = _BETWEEN.sub(_with_apostrophe, printable(re.sub("\r\n?", "\n", cell)))
    return f"'{cell}" if cell.lstrip(" ").startswith((*_FORMULA, "\t", "\n")) else cell


def _with_apostrophe(between: re.Match[str]) -> str:
    """Marks and spaces after the end of a cell don't keep what follows from being a formula: ``""=1`` is one."""
    ends_a_cell = any(one in between[0] for one in ";\t\n")
    return f"{between[0]}'" if ends_a_cell and between.string.startswith(_FORMULA, between.end()) else between[0]


def is_file(path: Path) -> bool:
    """Whether there is a regular file, or a link to one; raises :class:`OpsError` where nobody can tell."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unwritable(path, error) from None


@contextmanager
def opened_for_writing(path: Path | None) -> Iterator[IO[str]]:
    """Standard output, or the file. Raises :class:`OpsError` where it can't be written.

    A regular file is readable by nobody else from its beginning, and the old one is there until the new one is whole.
    A link stays and the file that it leads to is replaced. Into anything else, a pipe or a device, is written.
    """
    if path is None:
        with standard_output() as file:
            yield file
        return
    regular = is_file(path) or not path.exists()
    with _regular_file(path) if regular else _as_it_is(path) as file:
        yield file


@contextmanager
def _regular_file(path: Path) -> Iterator[IO[str]]:
    target = Path(os.path.realpath(path))
    try:
        handle, part = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
        os.replace(part, target)
    except BaseException as error:
        Path(part).unlink(missing_ok=True)  # It holds what visitors typed.
        if isinstance(error, OSError):
            raise _unwritable(path, error) from None
        raise


@contextmanager
def _as_it_is(path: Path) -> Iterator[IO[str]]:
    try:
        with open(os.open(path, os.O_WRONLY), "w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> OpsError:
    return OpsError(f"{path} can't be written: {error.strerror}")


def _row(message: StoredMessage) -> list[str]:
    listed = message.listed
    other = {name: text for name, text in message.fields.items() if name not in OWN}
    return [
        listed.id,
        listed.site,
        stamp(listed.received_at),
        str(listed.state),
        " ".join(f"{name}={delivery.state}" for name, delivery in listed.channels.items()),
        " ".join(listed.verdict.signals),
        listed.verdict.duplicate_of,
        *(message.fields.get(name, "") for name in OWN),
        json.dumps(other, ensure_ascii=False) if other else "",
    ]
