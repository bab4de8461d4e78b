"""Replace generated parts of a documentation page. Each is enclosed in two marks; all else stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def fill(page: Path, parts: dict[str, str]) -> None:
    """Write each part into its place on a page."""
    page.write_text(filled(page.read_text(encoding="utf-8"), parts, page.name), encoding="utf-8")


def filled(text: str, parts: dict[str, str], page: str) -> str:
    """Return the page's text with each part put between ``<!-- bench: name -->`` and ``<!-- bench: end -->``."""
    for name, content in parts.items():
        begin, end = f"<!-- bench: {name} -->", "<!-- bench: end -->"
        if text.count(begin) != 1:
            raise SystemExit(f"{page} has no place {begin}")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{content.strip()}\n{end}{rest.partition(end)[2]}"
    return text


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: bool = True) -> str:
    """Return a Markdown table. The first column is aligned left, the others right unless ``right`` is false."""
    lines = [head, ["---", *("---:" if right else "---" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |").replace("|  |", "| |") for line in lines)
