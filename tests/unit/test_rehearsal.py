"""docs/rehearsal.md names each test that has a whole, and no other."""

from __future__ import annotations

import re

from tests.rehearsal import RESULT, rehearsed


def test_the_page_of_the_rehearsal_has_a_row_for_each_test_that_is_marked() -> None:
    rows = re.findall(r"^\| `([^`]+::[^`]+)` \|", RESULT.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == sorted(rehearsed()), "write the page by HERALD_REHEARSE=1 and any rehearsed test"
