"""A file that is written for an owner: whole or not at all, and for nobody else to read."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from ops.commands.messages import _opened_for_writing


def test_a_file_is_whole_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with _opened_for_writing(path) as file:
        file.write("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", [KeyboardInterrupt, RuntimeError])
def test_what_ends_before_its_end_leaves_nothing_of_a_visitors(tmp_path: Path, end: type[BaseException]) -> None:
    path, other = tmp_path / "x.csv", tmp_path / "x.csv.part"
    path.write_text("old")
    other.write_text("somebody's own")

    def broken_off() -> None:
        with _opened_for_writing(path) as file:
            file.write("new")
            raise end

    with pytest.raises(end):
        broken_off()
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        "x.csv": "old",
        "x.csv.part": "somebody's own",
    }


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(click.ClickException, match=r"x\.csv can't be written: No such file"),
        _opened_for_writing(tmp_path / "nowhere" / "x.csv"),
    ):
        pytest.fail("it was opened")
