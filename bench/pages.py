"""Writing into a page of the documentation: what stands between two marks is replaced, all else stays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def fill(page: Path, parts: dict[str, str]) -> None:
    """Replace what stands between ``<!-- bench: name -->`` and ``<!-- bench: end -->``, for each part by its name."""
    text = page.read_text(encoding="utf-8")
    for name, content in parts.items():
        begin, end = f"<!-- bench: {name} -->", "<!-- bench: end -->"
        if text.count(begin) != 1:
            raise SystemExit(f"{page} has no place {begin}")
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        text = f"{before}{begin}\n{content.strip()}\n{end}{after}"
    page.write_text(text, encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown: the first column to the left, the others to the right."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
