"""Read from docs/rights.md what each command needs."""

from __future__ import annotations

import re
from pathlib import Path


def rows(page: Path) -> dict[str, set[str]]:
    """The actions that each command's row names."""
    text = page.read_text(encoding="utf-8").partition("## Rights that the operator's commands need")[2]
    found: dict[str, set[str]] = {}
    for line in text.partition("\n## ")[0].splitlines():
        cells = line.split("|")
        if len(cells) < 4:
            continue
        for command in re.findall(r"`([a-z -]+)`", cells[1]):
            found[command] = set(re.findall(r"`([a-z0-9]+:[A-Za-z]+)`", cells[2]))
    return found


def deploying(page: Path) -> set[str]:
    """The commands before a table that is rendered, as in: `deploy` and `smoke` take these."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^(`[a-z]+`(?:(?:, | and )`[a-z]+`)*) takes? (?:all of )?these\b", text, re.M)
    return set(re.findall(r"`([a-z]+)`", " ".join(found)))
