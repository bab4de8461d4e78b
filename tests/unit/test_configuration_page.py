"""docs/configuration.md says of each key of ``herald.toml`` what it may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.generate.configuration_page import PAGE, TABLES


def rows(root: Path, name: str) -> dict[str, list[str]]:
    text = (root / PAGE).read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")[2].partition("<!-- /")[0]
    cells = [[cell.strip() for cell in line.split(" | ")] for line in text.strip("\n|").split(" |\n| ")[2:]]
    return {cell[0].strip("`"): cell[1:] for cell in cells}


@pytest.mark.parametrize("name", TABLES)
def test_each_key_of_a_table_has_its_default_and_what_is_allowed(root: Path, name: str) -> None:
    shown = rows(root, name)
    assert {key.partition(".")[0] for key in shown} == set(TABLES[name].model_fields)
    assert [key for key, (default, allowed) in shown.items() if not (default and allowed)] == []


def test_bounds_defaults_and_words_come_from_the_model(root: Path) -> None:
    assert rows(root, "limits")["body_kib"] == ["`64`", "1 to 64"]
    assert rows(root, "site")["origins"][0] == "the origin of `thanks`"
    assert rows(root, "rule")["condition"][1].startswith('`"Success"`, `"RetriesExhausted"`, `"EventAgeExceeded"`.')
    assert rows(root, "stage")["throttle.rate"] == ["`10`", "1 to 10,000. Requests per second"]
