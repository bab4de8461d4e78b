"""Every link within the repository leads somewhere. ``python -m website`` sees that docs/README.md names every page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

CODE = re.compile(r"^ *(```|~~~).*?^ *\1", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^()\s]+(?:\([^()]*\)[^()\s]*)?)\)|(?:src|srcset)=\"([^\"]+)\"")


def pages(root: Path) -> list[Path]:
    return [
        *root.glob("*.md"),
        *(root / "docs").rglob("*.md"),
        *(root / "examples").rglob("*.md"),
        root / "tests/README.md",
    ]


def text_of(page: Path) -> str:
    """Without what is shown as code."""
    return CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in plain}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The file and the anchor of each link; a link of GitHub's own pages (``../../actions``) leaves the repository."""
    for found in LINK.finditer(text_of(page)):
        path, _, anchor = (found[1] or found[2]).partition("#")
        if not path.startswith("../../actions/"):
            yield (page.parent / path).resolve() if path else page, anchor


def test_every_link_leads_somewhere(root: Path) -> None:
    broken = [
        f"{page.relative_to(root)}: {target.relative_to(root)}#{anchor}"
        for page in pages(root)
        for target, anchor in links(page)
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target))
    ]
    assert broken == []


def test_the_readme_is_short(root: Path) -> None:
    assert len((root / "README.md").read_text(encoding="utf-8").split()) <= 900
