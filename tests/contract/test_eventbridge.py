"""The matcher of these tests, held against the examples of the documentation and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.eventbridge import UnknownPattern, matches

EXAMPLES = json.loads((Path(__file__).parent / "samples" / "patterns.json").read_text(encoding="utf-8"))["examples"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["says"])
def test_every_documented_example_matches_as_its_page_says(example: dict[str, Any]) -> None:
    for event in example["matching"]:
        assert matches(example["pattern"], event), event
    for event in example["other"]:
        assert not matches(example["pattern"], event), event


def test_objects_in_an_array_match_one_element_at_a_time() -> None:
    pattern = {"Records": {"Sns": {"Type": ["a"], "Value": ["b"]}}}
    assert matches(pattern, {"Records": [{"Sns": {"Type": "x"}}, {"Sns": {"Type": "a", "Value": "b"}}]})
    assert not matches(pattern, {"Records": [{"Sns": {"Type": "a"}}, {"Sns": {"Value": "b"}}]})
    assert not matches(pattern, {"Records": []})


@pytest.mark.parametrize(
    "pattern",
    [
        {},
        {"a": "b"},
        {"a": []},
        {"a": {}},
        {"a": [{"prefix": "x"}]},
        {"a": [{"exists": "no"}]},
        {"a": [{"anything-but": {"prefix": "x"}}]},
        {"a": [{"anything-but": []}]},
        {"$or": [{"a": ["b"]}]},
    ],
)
def test_a_pattern_that_is_not_understood_is_an_error_and_no_answer(pattern: dict[str, Any]) -> None:
    with pytest.raises(UnknownPattern):
        matches(pattern, {"a": "b"})
