"""Where output goes: files, links, pipes, devices and terminals, of whatever encoding, full or closed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from ops.cli.export import is_file, opened_for_writing
from ops.errors import OpsError

WROTE = "Zoë 山田 \x1b[2J\x9b1m\u202egnp.exe\r\u2028end"
"""What a visitor may write."""
PROGRAM = f"""
import sys
import click
from ops import terminal
from ops.cli.command_group import HeraldGroup
from ops.terminal import echo_json

terminal.take_over()

@click.group(cls=HeraldGroup)
def group():
    pass

@group.command()
def prints():
    terminal.echo({WROTE!a})
    terminal.table(("name", "text"), [("a", {WROTE!a})])
    echo_json({WROTE!a})

@group.command()
def lots():
    while True:
        terminal.echo("line " * 100)

@group.command()
def threads():
    import threading
    threading.Thread(target=lots.callback, daemon=True).start()
    threading.Event().wait()

@group.command()
def refuses():
    raise click.ClickException({WROTE!a})

@group.command()
def fails():
    raise ZeroDivisionError({WROTE!a})

@group.command()
def warns():
    import logging
    logging.getLogger("library").warning({WROTE!a})

group(prog_name="program")
"""


def environ(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LC_", "LANG"))}
    return {**kept, "PYTHONPATH": str(Path.cwd()), **more}


def on_a_terminal(word: str, variables: Mapping[str, str]) -> bytes:
    """What a command writes on a terminal, both streams."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, word], stdout=its, stderr=its, stdin=its, env=environ(**variables)
    )
    os.close(its)
    written = b""
    try:
        while part := os.read(ours, 65536):
            written += part
    except OSError:
        pass  # Linux says EIO where the other end of a terminal is closed.
    finally:
        os.close(ours)
    process.wait(60)
    return written


def in_a_shell(line: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A line for a shell, in which $P is the program."""
    return subprocess.run(
        ["/bin/sh", "-c", line],
        env=environ(P=PROGRAM, PYTHON=sys.executable, **variables),
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("word", ["prints", "refuses", "fails", "warns"])
def test_nothing_that_a_visitor_wrote_is_a_command_for_the_terminal(word: str) -> None:
    written = on_a_terminal(word, {"PYTHONUTF8": "1", "NO_COLOR": "1", "TERM": "dumb"}).decode()
    assert "Zoë 山田" in written
    for unsafe in ("\x1b", "\x9b", "\u202e", "\u2028", "\rend"):
        assert unsafe not in written, written


@pytest.mark.parametrize(
    "variables", [{"LANG": "C", "LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}]
)
@pytest.mark.parametrize("word", ["prints", "refuses"])
def test_a_terminal_of_another_encoding_shows_a_mark_for_what_it_does_not_have(
    word: str, variables: dict[str, str]
) -> None:
    written = on_a_terminal(word, {"TERM": "dumb", **variables})
    assert b"Traceback" not in written
    assert b"gnp.exe" in written
    if "PYTHONIOENCODING" in variables and word == "prints":  # click takes every ASCII terminal for one of UTF-8.
        written.decode(variables["PYTHONIOENCODING"])
        assert b"\xe5\xb1\xb1" not in written


@pytest.mark.parametrize(
    "variables", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "latin-1"}]
)
def test_pipes_and_files_get_utf_8(variables: dict[str, str]) -> None:
    ran = in_a_shell('"$PYTHON" -c "$P" prints | cat', **variables)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.decode().count("Zoë 山田") == 3


@pytest.mark.parametrize("line", ["lots | head -1", "lots | true", "prints | true", "--help | true"])
def test_a_pipe_that_nobody_reads_any_more_ends_a_command_without_a_word(line: str) -> None:
    assert in_a_shell(f'"$PYTHON" -c "$P" {line}').stderr == b""


def test_a_thread_whose_lines_nobody_reads_any_more_ends_its_command() -> None:
    assert in_a_shell('{ "$PYTHON" -c "$P" threads; echo "ended with $?" >&2; } | head -1').stderr.endswith(
        b"ended with 143\n"
    )


@pytest.mark.parametrize("word", ["lots", "prints", "--help"])
def test_a_full_disk_is_said_in_one_sentence(word: str) -> None:
    ran = in_a_shell(f'"$PYTHON" -c "$P" {word} > /dev/full')
    assert (ran.returncode, ran.stderr) == (1, b"Error: the output can't be written: No space left on device\n")


def test_a_closed_standard_output_or_error_is_no_traceback() -> None:
    closed = in_a_shell('"$PYTHON" -c "$P" prints >&-')
    assert (closed.returncode, closed.stderr) == (1, b"Error: the output can't be written: Bad file descriptor\n")
    for way in ("2>&-", "2>/dev/full"):
        assert in_a_shell(f'"$PYTHON" -c "$P" refuses {way}').returncode == 1, way


# The file of --output


def test_a_file_is_whole_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with opened_for_writing(path) as file:
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
        with opened_for_writing(path) as file:
            file.write("new")
            raise end

    with pytest.raises(end):
        broken_off()
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        "x.csv": "old",
        "x.csv.part": "somebody's own",
    }


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_file_is_written(tmp_path: Path, there: bool) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "x.csv", tmp_path / "link.csv"
    link.symlink_to("far/x.csv")
    if there:
        target.write_text("old")
    assert is_file(link) is there
    with opened_for_writing(link) as file:
        file.write("new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["far", "link.csv"]


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    read: list[str] = []
    for path in (pipe, link):
        assert not is_file(path)
        reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
        reader.start()
        with opened_for_writing(path) as file:
            file.write("new")
        reader.join(60)
    assert read == ["new", "new"]
    assert pipe.is_fifo()


def test_a_device_stays_and_says_that_it_is_full(tmp_path: Path) -> None:
    with opened_for_writing(Path(os.devnull)) as file:
        file.write("new")
    link = tmp_path / "full"
    link.symlink_to("/dev/full")

    def write() -> None:
        with opened_for_writing(link) as file:
            file.write("new")

    with pytest.raises(OpsError, match=r"full can't be written: No space left on device"):
        write()
    assert Path("/dev/full").is_char_device()
    assert Path(os.devnull).is_char_device()


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    places = {"nowhere/x.csv": "No such file", "file/x.csv": "Not a directory", "loop": "Too many"}
    # Here not even root may make a file; containers have it read-only.
    places["/sys/x.csv"] = "(Permission denied|Read-only)"
    for place, why in places.items():
        with pytest.raises(OpsError, match=f"{place} can't be written: {why}"), opened_for_writing(tmp_path / place):
            pytest.fail("it was opened")
