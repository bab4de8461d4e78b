"""Write messages to a file: as CSV for a spreadsheet, or as JSON Lines for a program."""

from __future__ import annotations

import csv
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO

from chalicelib.logic.known_field_names import KNOWN_FIELDS
from chalicelib.logic.stored_messages import StoredMessage
from ops.cli.times import stamp
from ops.errors import OpsError
from ops.terminal import json_text, printable, standard_output

COLUMNS = ("id", "site", "received_at", "state", "channels", "signals", "duplicate_of", *KNOWN_FIELDS, "other", "files")
"""Each known field has a column of its own; any other stands in the column ``other``, the files' names in ``files``,
both as JSON."""
_BYTE_ORDER_MARK = "\ufeff"
"""Excel recognises UTF-8 by it."""
_FORMULA = tuple("=+-@＝＋－＠")
"""Characters that a formula begins with: https://owasp.org/www-community/attacks/CSV_Injection"""
_BETWEEN = re.compile(r"[;\s\"']+")
"""Characters after which a spreadsheet may see another cell begin."""


def write(messages: Iterable[StoredMessage], form: str, file: IO[str]) -> int:
    """Write each message as it is read; returns their number. Where the first can't be read, nothing is written."""
    messages = iter(messages)
    first = list(islice(messages, 1))
    # Every cell is quoted, as OWASP's page advises.
    rows = csv.writer(file, quoting=csv.QUOTE_ALL)
    if form == "csv":
        file.write(_BYTE_ORDER_MARK)
        rows.writerow(COLUMNS)
    number = 0
    for message in chain(first, messages):
        number += 1
        if form == "csv":
            rows.writerow([harmless(cell) for cell in _row(message)])
        else:
            file.write(json_text(message.as_json()) + "\n")
    return number


def harmless(cell: str) -> str:
    """The cell as text that no spreadsheet treats as a formula: an apostrophe marks text.

    Spreadsheets of many countries separate cells by semicolons or tabs and ignore quotation marks. So an apostrophe
    also follows a semicolon, tab or line break within a cell. Characters that a terminal may obey are replaced.
    """
    cell = _BETWEEN.sub(_with_apostrophe, printable(re.sub("\r\n?", "\n", cell)))
    return f"'{cell}" if cell.lstrip(" ").startswith((*_FORMULA, "\t", "\n")) else cell


def _with_apostrophe(between: re.Match[str]) -> str:
    """Put an apostrophe before a formula that begins after the end of a cell; ``""=1`` is one too."""
    ends_a_cell = any(separator in between[0] for separator in ";\t\n")
    return f"{between[0]}'" if ends_a_cell and between.string.startswith(_FORMULA, between.end()) else between[0]


def is_file(path: Path) -> bool:
    """Whether the path is a regular file, or a link to one; raises :class:`OpsError` where that can't be found out."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unwritable(path, error) from None


@contextmanager
def opened_for_writing(path: Path | None) -> Iterator[IO[str]]:
    """Open standard output, or the file. Raises :class:`OpsError` where it can't be written.

    Nobody else can read a new file, and an existing file is replaced only once the new one is complete. A link stays,
    and its target is replaced. A pipe or a device is written into.
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
        Path(part).unlink(missing_ok=True)  # It holds what visitors wrote.
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
    other = {name: text for name, text in message.fields.items() if name not in KNOWN_FIELDS}
    return [
        listed.id,
        listed.site,
        stamp(listed.received_at),
        str(listed.state),
        " ".join(f"{name}={delivery.state}" for name, delivery in listed.channels.items()),
        " ".join(listed.verdict.signals),
        listed.verdict.duplicate_of,
        *(message.fields.get(name, "") for name in KNOWN_FIELDS),
        json.dumps(other, ensure_ascii=False) if other else "",
        json.dumps([file.declared_file.name for file in message.files], ensure_ascii=False) if message.files else "",
    ]
