"""Messages as files: CSV for a spreadsheet, JSON Lines for a program."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from typing import IO

from chalicelib.logic.archive import StoredMessage
from ops.commands.times import stamp

OWN = ("source", "name", "email", "subject", "message")
"""Fields with a column of their own; any other stands in the column ``other``, as JSON."""
COLUMNS = ("id", "site", "received_at", "state", "channels", "signals", "duplicate_of", *OWN, "other")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes a formula by: https://owasp.org/www-community/attacks/CSV_Injection"""


def write(messages: Iterable[StoredMessage], form: str, file: IO[str]) -> int:
    """Write each as it comes; returns how many."""
    # Every cell in quotation marks, as OWASP's page advises too.
    rows = csv.writer(file, quoting=csv.QUOTE_ALL)
    if form == "csv":
        rows.writerow(COLUMNS)
    number = 0
    for message in messages:
        number += 1
        if form == "csv":
            rows.writerow([harmless(cell) for cell in _row(message)])
        else:
            file.write(json.dumps(message.as_json(), ensure_ascii=False) + "\n")
    return number


def harmless(cell: str) -> str:
    """The cell, which no spreadsheet calculates: the apostrophe says that text follows."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell


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
