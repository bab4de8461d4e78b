"""Builds the website of the documentation into ``.herald/website/site``: ``python -m website``; strictly, so that a
broken link or a page that nobody reaches ends it.

The pages are README.md, those of docs/ and the few of the repository that they lead to; docs/README.md says in which
order. A link to a file that is no page leads to the repository on GitHub, where ``GITHUB_REPOSITORY`` names it, and is
plain text elsewhere. Mermaid's script, which draws the diagrams, comes from npm with ``--diagrams``.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ops.terminal import echo

ROOT = Path(__file__).parents[1]
BUILD = ROOT / ".herald/website"
INDEX = "docs/README.md"
MOVED = {
    "README.md": "index.md",
    INDEX: "all.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "examples/README.md": "examples.md",
    "tests/README.md": "tests.md",
}
"""Where a page lies in the website that would lie elsewhere by its path below docs/."""
MERMAID = "mermaid@12.3.0"
MERMAID_HASH = "4113TdXeLAsMruJ79OpFL5O8+LTFXhQqZ260rF3tgUmiNAtRm4Uume04I+65PRN6yZ69J4f8rVYWW8zRk65UYw=="
"""SHA-512 of the package's file, as ``npm view mermaid@… dist.integrity`` says it."""

_FENCED = re.compile(r"(^ *```.*?^ *```)", re.DOTALL | re.MULTILINE)
_BADGE = re.compile(r"^\[!\[.*\n", re.MULTILINE)
"""GitHub draws some of them: a third party, from the website's point of view."""
_LINK = re.compile(
    r"(?P<image>!?)\[(?P<text>[^]]*)\]\((?P<to>[^()\s]+)\)|(?P<attribute>src|srcset)=\"(?P<file>[^\"]+)\""
)


def main(arguments: list[str]) -> int:
    shutil.rmtree(BUILD, ignore_errors=True)
    pages = dict(_pages())
    for source, target in pages.items():
        _write(target, _with_links(source, target, pages))
    for path in (ROOT / "docs").rglob("*"):
        if path.is_file() and path.suffix != ".md":
            _copy(path, BUILD / "docs" / path.relative_to(ROOT / "docs"))
    if "--diagrams" in arguments:
        _add_mermaid()
    own = (ROOT / "website/zensical.toml").read_text(encoding="utf-8")
    settings = {"docs_dir": "docs", "site_dir": "site", "nav": _navigation(pages), **_address()}
    made = "".join(f"{name} = {_toml(value)}\n" for name, value in settings.items())
    (BUILD / "zensical.toml").write_text(own.replace("[project]\n", f"[project]\n{made}", 1), encoding="utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    built = subprocess.run(command, cwd=BUILD, capture_output=True, text=True, timeout=300, check=False)
    if built.returncode:
        echo(re.sub(r"\x1b\[[0-9;]*m", "", built.stdout + built.stderr), err=True)
        return 1
    echo(f"built {len(pages)} pages: {(BUILD / 'site/index.html').relative_to(ROOT)}")
    return 0


def _pages() -> Iterator[tuple[str, str]]:
    """Each page's path in the repository and in the website."""
    yield from MOVED.items()
    for path in sorted((ROOT / "docs").rglob("*.md")):
        source = path.relative_to(ROOT).as_posix()
        if source not in MOVED:
            yield source, source.removeprefix("docs/").replace("README.md", "index.md")


def _with_links(source: str, target: str, pages: dict[str, str]) -> str:
    """A page's text, with its links as they are in the website."""

    def replace(found: re.Match[str]) -> str:
        to = found["to"] or found["file"]
        if re.match(r"https?:|mailto:|#", to):
            return found[0]
        path, hash_sign, anchor = to.partition("#")
        path = os.path.normpath(PurePosixPath(source).parent / path)
        if path in pages or (path.startswith("docs/") and (ROOT / path).is_file()):
            place = pages.get(path, path.removeprefix("docs/"))
            there = os.path.relpath(place, PurePosixPath(target).parent) + hash_sign + anchor
        elif address := _on_github(path):
            there = address
        else:
            return found["text"] or ""
        return f'{found["attribute"]}="{there}"' if found["file"] else f"{found['image']}[{found['text']}]({there})"

    text = _indented(_BADGE.sub("", (ROOT / source).read_text(encoding="utf-8")))
    parts = _FENCED.split(text)
    return "".join(part if _FENCED.match(part) else _LINK.sub(replace, part) for part in parts)


def _on_github(path: str) -> str:
    """A file's address in the repository, if this runs where that is known."""
    name = os.environ.get("GITHUB_REPOSITORY", "")
    return f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}/blob/main/{path}" if name else ""


def _address() -> dict[str, str]:
    """The website's own address on GitHub Pages."""
    owner, _, name = os.environ.get("GITHUB_REPOSITORY", "").partition("/")
    return {"site_url": f"https://{owner.lower()}.github.io/{name}/"} if name else {}


def _navigation(pages: dict[str, str]) -> list[dict[str, Any]]:
    """The groups of docs/README.md with their pages; the decisions stand below their own list.

    Raises :class:`SystemExit` for a page that it doesn't name.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for line in (ROOT / INDEX).read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            groups[line.removeprefix("## ")] = []
        elif found := re.match(r"\| \[([^]]+)\]\(([^)#]+)\)", line):
            page = pages[os.path.normpath(f"docs/{found[2]}")]
            groups[list(groups)[-1]].append({found[1]: _decisions(pages) if page == "decisions/index.md" else page})
    named = json.dumps(groups)
    if lost := [
        source for source, page in pages.items() if f'"{page}"' not in named and source not in ("README.md", INDEX)
    ]:
        raise SystemExit(f"{INDEX} doesn't name {', '.join(lost)}")
    return [{"Herald": "index.md"}, *({name: entries} for name, entries in groups.items())]


def _decisions(pages: dict[str, str]) -> list[str | dict[str, str]]:
    titles = {
        page: (ROOT / source).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").replace("`", "")
        for source, page in pages.items()
        if page.startswith("decisions/0")
    }
    return ["decisions/index.md", *({title: page} for page, title in titles.items())]


def _indented(text: str) -> str:
    """A page's lists as Python-Markdown wants them, indented by four, where GitHub is content with two or three."""
    lines, more = [], ""
    for line in text.split("\n"):
        if line and not line.startswith(" "):
            more = " " if re.match(r"\d\. ", line) else "  " if line.startswith("- ") else ""
        lines.append(more + line if line.startswith("  ") else line)
    return "\n".join(lines)


def _toml(value: object) -> str:
    """Texts, lists and tables of these, as TOML has them in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {_toml(part)}" for name, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _add_mermaid() -> None:
    """Have the pages with diagrams load Mermaid's script from the website itself, and not from a third party."""
    packed = subprocess.run(
        [str(shutil.which("npm")), "pack", MERMAID, "--silent"],
        cwd=BUILD,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    archive = (BUILD / packed.stdout.strip()).read_bytes()
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != MERMAID_HASH:
        raise SystemExit(f"{MERMAID} is not the package that was looked at")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        script = files.getmember("package/dist/mermaid.min.js")
        script.name = "mermaid.min.js"
        files.extract(script, BUILD / "docs", filter="data")
    for page in (BUILD / "docs").rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        if "```mermaid" in text:
            # Pages are folders of the website: docs/a.md is a/index.html.
            up = "../" * len(page.relative_to(BUILD / "docs").parts)
            page.write_text(f'{text}\n<script src="{up}mermaid.min.js"></script>\n', encoding="utf-8")


def _write(target: str, text: str) -> None:
    path = BUILD / "docs" / target
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
