"""docs/configuration.md says of each key of ``herald.toml`` what it may hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.adapters.providers import kinds
from ops.config.channels import RESERVED, RingsTable
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


def test_what_is_said_of_all_kinds_of_channels_is_so(root: Path) -> None:
    shown = rows(root, "channel")
    text = (root / PAGE).read_text(encoding="utf-8").partition("<!-- /channel -->")[2]
    assert re.findall(r"`(\w+)`", text.partition(". A stage")[0]) == list(RESERVED)
    linked = {name for name, kind in kinds().items() if kind.inbox_link_by_default}
    assert set(re.findall(r"`(\w+)`", shown["inbox_link"][0])) == linked | {"true", "false"}
    owned = {name for name, kind in kinds().items() if kind.own_address}
    assert set(re.findall(r"`(\w+)`", shown["url"][1].partition("save of")[2])) == owned
    each = re.findall(r"`(\w+)`, 1 to ([0-9,]+)", shown["rings"][1])
    most = {key: int(number.replace(",", "")) for key, number in each}
    assert most.keys() == RingsTable.model_fields.keys()
    RingsTable(**most)
    for key in most:
        with pytest.raises(ValueError, match=key):
            RingsTable.model_validate(most | {key: most[key] + 1})
        with pytest.raises(ValueError, match=key):
            RingsTable.model_validate({other: 1 for other in most if other != key})
