"""What reaches a terminal, and by which way alone."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ops.local.message_steps import step_text
from ops.terminal import echo, json_text, one_line, printable, table

UNSAFE = "".join(
    [
        *map(chr, [*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0)]),
        "\u061c\u200e\u200f\u2028\u2029",
        *map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]),
    ]
)
ORDINARY = ("10\u202f000\u00a0€", "山田\u3000太郎", "👨\u200d👩\u200d👧", "می\u200cخواهم", "Wort\u00adteil", "Zoë\n\t☺")


@pytest.mark.parametrize("unsafe", UNSAFE, ids=ascii)
def test_what_a_terminal_would_obey_is_replaced_and_in_json_escaped(unsafe: str) -> None:
    assert unsafe not in printable(f"a{unsafe}b")
    assert unsafe not in one_line(f"a{unsafe}b")
    text = json_text({f"a{unsafe}": [f"{unsafe}b"]}, indent=2)
    assert unsafe not in text
    assert json.loads(text) == {f"a{unsafe}": [f"{unsafe}b"]}


def test_ordinary_writing_stays_as_it_is() -> None:
    for ordinary in ORDINARY:
        assert printable(ordinary) == ordinary
        assert json.loads(json_text(ordinary)) == ordinary
    assert printable("one\u2028two\r\nthree") == "one\ntwo\nthree"
    assert one_line("one\ntwo\tthree") == "one two three"
    assert printable("half \ud83d") == "half \ufffd"


@pytest.mark.parametrize("separator", ["\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_a_json_line_is_one_line_for_every_reader(separator: str) -> None:
    assert len(json_text({"message": f"one{separator}two"}).splitlines()) == 1


def test_a_step_of_make_run_is_one_line_whatever_a_provider_wrote() -> None:
    entry = {"message": "Delivered\nnotify_fake", "reference": "\x1b]0;owned\x07\x9b2J\u202e", "problems": ["a\nb"]}
    line = one_line(step_text("notify_pushover", json.dumps(entry)))
    assert line.splitlines() == [line]
    assert line == printable(line)


# Tables

ID = "0a1b2c3d-1111-4222-8333-444455556666"
HEADS = ("received", "id", "site", "state", "channels", "signs of spam")
ROWS: list[tuple[str, ...]] = [
    ("2026-01-31 18:30:00", ID, "default", "delivered", "pushover delivered", ""),
    ("2026-01-31 18:30:00", ID, "a-site-of-20-letters", "undeliverable", "a, b, c " * 12, "honeypot, proof_missing"),
    ("2026-01-31 18:30:00", ID, "山田太郎の会社", "waiting", "👨\u200d👩\u200d👧 😀 " * 9 + "x" * 90, "山" * 40),
]


def printed(columns: int, rows: list[tuple[str, ...]] = ROWS) -> list[str]:
    @click.command()
    def command() -> None:
        table(HEADS, rows)

    answer = CliRunner().invoke(command, env={"COLUMNS": str(columns)})
    assert answer.exit_code == 0, answer.output
    return answer.output.splitlines()


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 200])
def test_a_table_fits_the_terminal_and_no_id_is_cut(columns: int) -> None:
    from rich.cells import cell_len

    lines = printed(columns)
    assert max(map(cell_len, lines)) <= columns
    assert sum(ID in line for line in lines) == len(ROWS)
    text = "".join("".join(lines).split())
    for row in ROWS:
        for cell in row[:4]:
            assert "".join(cell.split()) in text


def test_where_there_is_no_room_for_columns_each_row_is_a_record() -> None:
    assert [line.rstrip() for line in printed(60, ROWS[:1])] == [
        f"2026-01-31 18:30:00  {ID}",
        "    site      default",
        "    state     delivered",
        "    channels  pushover delivered",
    ]
    head, _, row = (line for line in printed(120, ROWS[:1]) if line.strip())
    assert head.split() == ["received", "id", "site", "state", "channels"], "and no column without anything in it"
    assert row.split()[-2:] == ["pushover", "delivered"]


# The only way

ELSEWHERE = {
    "terminal.py": "it is the way",
    "packages.py": "runs before anything is installed, with its own words and those of uv and pip",
    "deploy/package_contents.py": "as a program it answers to ops/deploy/lambda_zip.py",
    "deploy/patched_chalice.py": "a process whose output ops/deploy/chalice_runner.py reads",
    "aws/github_sign_in.py": "runs in a job of the pipeline, whose log masks what it is told to",
    "local/aws": "processes whose output is a file of the local stack, or the log of a function",
}
PRINTING = {
    "click": {
        *("echo", "secho", "style", "echo_via_pager", "prompt", "confirm", "pause", "getchar", "progressbar", "edit"),
        *("clear", "get_text_stream", "get_binary_stream", "open_file", "utils", "termui"),
    },
    "sys": {"stdout", "stderr", "__stdout__", "__stderr__", "displayhook", "excepthook"},
    "os": {"write"},
    "logging": {"StreamHandler", "basicConfig", "lastResort"},
    "traceback": {"print_exc", "print_exception", "print_stack", "print_last", "print_tb"},
    "getpass": {"getpass"},
}


def ways_around(source: str) -> Iterator[str]:
    """Whatever in a module's source prints or asks by itself."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id="print" | "input" | "breakpoint" as name):
                yield name
            case ast.Attribute(value=ast.Name(id=module), attr=name) if name in PRINTING.get(module, ()):
                yield f"{module}.{name}"
            case ast.ImportFrom(module=str(module), names=names):
                yield from (f"{module}.{one.name}" for one in names if one.name in PRINTING.get(module, ()))
                if module.partition(".")[0] in ("rich", "curses"):
                    yield module
            case ast.Import(names=names):
                yield from (one.name for one in names if one.name.partition(".")[0] in ("rich", "curses"))
                yield from (f"{one.name} as {one.asname}" for one in names if one.asname and one.name in PRINTING)


def test_nothing_of_ops_prints_but_by_its_one_way(root: Path) -> None:
    found = {}
    for path in sorted((root / "ops").rglob("*.py")):
        name = path.relative_to(root / "ops").as_posix()
        if not name.startswith(tuple(ELSEWHERE)) and (ways := list(ways_around(path.read_text("utf-8")))):
            found[name] = ways
    assert found == {}


@pytest.mark.parametrize("source", [
    "print(1)", "say = print", "import click\nclick.echo(1)", "from click import echo", "from sys import stdout",
    "import sys as system", "import rich.console", "from rich import print", "import os\nos.write(1, b'')",
])  # fmt: skip
def test_a_way_around_it_is_seen(source: str) -> None:
    assert list(ways_around(source))


def test_a_line_goes_where_it_is_to_go(capsys: pytest.CaptureFixture[str]) -> None:
    echo("out\x1b")
    echo("err\x9b", err=True)
    echo()
    assert capsys.readouterr() == ("out\ufffd\n\n", "err\ufffd\n")
