"""The score of ``tests/mutation.py``: what counts as noticed, and which functions need a word."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from tests.mutants import NOTICED, SURVIVED, UNREACHED
from tests.mutation import Score, configuration, keep_results, name_of, scores, section, unexplained


def write(folder: Path, module: str, codes: dict[str, int | None]) -> None:
    (folder / "chalicelib").mkdir(exist_ok=True)
    path = folder / "chalicelib" / f"{module}.py.meta"
    path.write_text(json.dumps({"exit_code_by_key": codes}), encoding="utf-8")


def test_a_function_is_named_as_in_its_source() -> None:
    assert name_of("chalicelib.logic.spam.x_score__mutmut_12") == "score"
    assert name_of("chalicelib.logic.ring_budget.xǁBalanceǁis_full__mutmut_3") == "Balance.is_full"
    assert name_of("chalicelib.logic.spam.x__mutmut_of__mutmut_1") == "_mutmut_of"


def test_all_files_of_the_clone_are_copied_but_for_those_that_mutmut_knows_and_its_own() -> None:
    table = tomllib.loads(configuration(["docs", "chalicelib", "mutants", ".git"]))["tool"]["mutmut"]
    assert table["also_copy"] == ["docs"]


def test_what_no_test_reaches_counts_as_unnoticed(tmp_path: Path) -> None:
    codes = (NOTICED, SURVIVED, UNREACHED)
    write(tmp_path, "spam", {f"chalicelib.spam.x_f__mutmut_{code}": code for code in codes})
    write(tmp_path, "mail", {"chalicelib.mail.x_g__mutmut_1": 1, "chalicelib.mail.x_g__mutmut_2": None})
    assert scores(tmp_path) == {"chalicelib.spam": Score(1, {"f": 2}), "chalicelib.mail": Score(1, {}, 1)}


def test_a_later_run_keeps_what_was_noticed_of_files_that_are_left(tmp_path: Path) -> None:
    results = tmp_path / "mutants"
    results.mkdir()
    for module in ("spam", "gone"):
        write(results, module, {f"chalicelib.x_{name}__mutmut_{code}": code for name in "fg" for code in (1, 0)})
    (results / "chalicelib" / "spam.py").write_text("of yesterday", encoding="utf-8")
    (tmp_path / "chalicelib").mkdir()
    (tmp_path / "chalicelib" / "spam.py").touch()
    keep_results(tmp_path)
    assert [path.name for path in results.rglob("*.*")] == ["spam.py.meta"]
    assert scores(results) == {"chalicelib.spam": Score(2, {}, 2)}


def test_a_reason_explains_so_many_changes_and_no_more() -> None:
    found = {"spam": Score(4, {"f": 3, "g": 1, "h": 2}), "mail": Score(1, {"f": 2})}
    reasons = {"spam": {"f": (2, "two signs are equal"), "h": (2, "words")}, "mail": {"e": (1, "had none")}}
    assert unexplained(found, reasons) == {"mail.e": -1, "mail.f": 2, "spam.f": 1, "spam.g": 1}


def test_the_page_has_the_lowest_score_first() -> None:
    page = section({"chalicelib.spam": Score(9, {"f": 1}), "chalicelib.mail": Score(1, {"f": 1})}, 2, "today, abc")
    assert "12 small ways" in page
    assert "**83.3 %** of them (today, abc)" in page
    assert page.index("| `mail` | 2 | 1 | 50 % |") < page.index("| `spam` | 10 | 1 | 90 % |")
    assert "to be tried" not in page


def test_the_page_of_a_run_that_was_stopped_says_how_many_changes_are_left() -> None:
    assert "3 more are to be tried" in section({"chalicelib.spam": Score(9, {"f": 1}, 3)}, 1, "today, abc")
