"""The release before: its commit, by which Git has all of it, and what a stage of it has stored of its messages."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from tests.history import ROOT

RELEASE: dict[str, str] = tomllib.loads((ROOT / "tests" / "last_release.toml").read_text(encoding="utf-8"))
STORED = ROOT / "tests" / "last_release.json"
"""What ``tests/e2e/test_upgrade.py`` found in the table once each of its messages was in its state."""
RENEWED_BY = "HERALD_REHEARSE=1 .venv/bin/python -m pytest -m rehearse tests/e2e/test_upgrade.py"


def read() -> dict[str, Any]:
    """What was stored: ``at`` that time (seconds since the epoch), ``items`` as DynamoDB has them, and ``shown``: of
    each message by its name what ``get_message`` answered."""
    found: dict[str, Any] = json.loads(STORED.read_text(encoding="utf-8"))
    assert found["commit"] == RELEASE["commit"], f"{STORED.name} is of another release; run: {RENEWED_BY}"
    return found


def write(at: int, items: list[dict[str, Any]], shown: dict[str, Any]) -> None:
    """Keep what a release has stored, unless that is here already."""
    if STORED.exists() and json.loads(STORED.read_text(encoding="utf-8"))["commit"] == RELEASE["commit"]:
        return
    lines = {
        "items": [json.dumps(item, sort_keys=True) for item in sorted(items, key=lambda item: str(item["id"]["S"]))],
        "shown": [f"{json.dumps(name)}: {json.dumps(shown[name], sort_keys=True)}" for name in sorted(shown)],
    }
    STORED.write_text(
        f'{{"commit": "{RELEASE["commit"]}", "at": {at},\n'
        '"items": [\n' + ",\n".join(lines["items"]) + '\n],\n"shown": {\n' + ",\n".join(lines["shown"]) + "\n}}\n",
        encoding="utf-8",
    )


def common(one: Any, other: Any) -> Any:
    """What one value has, without keys that the other doesn't have: a later release's answers may have more."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: common(one[key], other[key]) for key in one.keys() & other.keys()}
    return one
