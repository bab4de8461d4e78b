"""Which tests `make test-quick` takes to be near to a change."""

from __future__ import annotations

from collections import Counter

from tests.quick import distances, left_out

IMPORTERS = {
    "chalicelib.logic.spam": {"chalicelib.composition", "tests.unit.test_spam"},
    "chalicelib.composition": {"app_like", "tests.functional.test_contact"},
    "app_like": {"ops.far"},
    "ops.far": {"tests.unit.test_far"},
}
TESTS = {
    "tests/unit/test_spam.py": "from chalicelib.logic import spam",
    "tests/functional/test_contact.py": "",
    "tests/unit/test_far.py": "",
    "tests/unit/test_page.py": 'ROOT / "web" / "herald.js"',
}


def test_a_test_is_as_far_as_its_shortest_chain_of_imports_and_none_beyond_three() -> None:
    near = distances(["chalicelib/logic/spam.py"], IMPORTERS, TESTS)
    assert near == {"tests/unit/test_spam.py": 1, "tests/functional/test_contact.py": 2}


def test_a_test_that_was_changed_itself_is_nearest() -> None:
    assert distances(["tests/unit/test_far.py"], IMPORTERS, TESTS) == {"tests/unit/test_far.py": 0}


def test_what_is_no_module_is_near_to_the_tests_that_name_it() -> None:
    assert distances(["web/herald.js"], IMPORTERS, TESTS) == {"tests/unit/test_page.py": 1}


def test_what_concerns_every_test_is_near_to_none() -> None:
    assert distances(["conftest.py", "pyproject.toml"], IMPORTERS, TESTS) == {}


def test_what_was_left_out_is_said_with_the_command_that_runs_it() -> None:
    near = {"tests/functional/test_zip.py": 1, "tests/e2e/test_path.py": 2, "tests/unit/test_far.py": 3}
    chosen = ["tests/functional/test_zip.py"]
    said = left_out(["app.py"], near, chosen, Counter(), Counter({"tests/functional/test_zip.py": 55}))
    assert said == (
        "Left out: what is further away than 3 imports; 1 test files that are further away than these; "
        "tests/e2e/test_path.py (need a stack); "
        "55 tests of tests/functional/test_zip.py (only `make test-full` runs them). `make test` runs the rest."
    )
