"""The code that README.md and docs/ show, fence by fence."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Snippet:
    page: str
    """Such as ``docs/spam.md``."""
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> Iterator[str]:
        """The commands, without comments; a backslash or an open quotation continues on the next line."""
        command = ""
        for line in re.sub(r"\\\n\s*", "", self.text).splitlines():
            command = f"{command}\n{line}" if command else re.sub(r"\s+#\s.*", "", line).strip()
            if command and command.count("'") % 2 == 0:
                yield command
                command = ""


def snippets(root: Path, language: str) -> list[Snippet]:
    """Those in this language, without decisions, which are of their day, and without pages that commands write."""
    pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    return [
        Snippet(
            page.relative_to(root).as_posix(), text[: found.start()].count("\n") + 1, textwrap.dedent(found["text"])
        )
        for page in pages
        if page.parent.name != "decisions" and not (text := page.read_text(encoding="utf-8")).startswith("<!-- Gen")
        for found in _FENCE.finditer(text)
        if found["language"] == language
    ]


NOT_RUN = {
    r"git clone ": "the checkout under test takes its place",
    r"export AWS_REGION=": "the local stack has a region of its own",
    r"\./herald secrets set ": "asks at a terminal: tests/e2e/test_operator_stage.py",
    r"\./herald inbox ": "opens a browser: tests/e2e/browser/test_inbox.py",
    r"make clean|make setup PYTHON=": "removes what the tests run with",
    r"make setup check test": "is this",
    r"make (rollback|destroy) ": "tests/e2e/test_documented_commands.py runs them after two deployments",
    r"git remote |git fetch |make check && git push": "needs another repository",
    r"gh api ": "needs GitHub",
    r"curl .*api\.pushover\.net": "is the real Pushover",
    r"curl .*lambda-url": "an address that only AWS gives; signed calls: tests/e2e/test_invoke_api.py",
}
"""What of the shown commands no test runs, and why. A block with commands of the AWS CLI, which Herald doesn't install,
isn't run either: tests/unit/test_snippets.py holds them against AWS's own models."""
OF_AWS = re.compile(r"\baws [a-z]")


def commands_to_run(root: Path) -> dict[str, list[str]]:
    """By page: the commands that the local stack can run, in their order."""
    found: dict[str, list[str]] = {}
    for snippet in snippets(root, "sh"):
        for command in snippet.commands():
            if not OF_AWS.search(snippet.text) and not any(re.match(each, command) for each in NOT_RUN):
                found.setdefault(snippet.page, []).append(command)
    return found
