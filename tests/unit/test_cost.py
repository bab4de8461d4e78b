"""What a message costs: docs/costs.md says what the one table of prices makes of the counted calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import cost
from bench.pages import filled


def test_the_prices_on_the_page_are_those_of_the_table(root: Path) -> None:
    """If not: python -m bench.cost"""
    text = (root / cost.COSTS).read_text(encoding="utf-8")
    assert filled(text, cost.parts(), "costs.md") == text
    page = (root / cost.PAGE).read_text(encoding="utf-8")
    assert filled(page, {"cost compared": cost.compared()}, "benchmarks.md") == page


def test_the_page_that_compares_services_names_the_same_sum(root: Path) -> None:
    text = (root / "docs/comparison.md").read_text(encoding="utf-8")
    assert f"[about ${cost.total(cost.MESSAGE):.2f}](costs.md)" in text
    assert f"${cost.total(cost.MESSAGE, warm=True):.2f} warm" in text


def test_the_sum_is_that_of_the_lines_as_they_are_shown() -> None:
    for lines in (cost.MESSAGE, cost.FILES):
        shown = [float(line.row()[-1].removeprefix("$")) for line in lines]
        assert sum(shown) == pytest.approx(cost.total(lines), abs=0.0005)


def test_every_price_says_what_it_is_for_and_where_it_is_from(root: Path) -> None:
    page = (root / cost.COSTS).read_text(encoding="utf-8")
    for name, price in cost.PRICES.items():
        assert f"\n[{price.page}]: https://aws.amazon.com/" in page, name
        assert price.of, name
        if price.dollars and "+" not in price.said:
            assert float(price.said.partition(" ")[0].removeprefix("$")) == price.dollars, name


def test_memory_that_a_function_has_is_the_manifests() -> None:
    from chalicelib.functions import FUNCTIONS

    memory = {spec.name: spec.memory for spec in FUNCTIONS}
    runs = {**cost.RUNS, "examine": cost.EXAMINE}
    assert {name: run.memory for name, run in runs.items()} == {name: memory[name] for name in runs}


def test_a_part_is_put_between_its_marks_alone() -> None:
    page = "a <!-- bench: x -->old<!-- bench: end --> b <!-- bench: y -->keep<!-- bench: end -->"
    assert filled(page, {"x": "new"}, "p") == (
        "a <!-- bench: x -->\nnew\n<!-- bench: end --> b <!-- bench: y -->keep<!-- bench: end -->"
    )
    with pytest.raises(SystemExit, match="no place"):
        filled(page, {"z": ""}, "p")
