"""What all commands have in common: help, its page, wrong input, errors, and how soon they start."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from chalicelib.errors import InvalidRequestError, StoreError
from ops.cli.command_group import HeraldGroup
from ops.cli.commands_page import PAGE, document
from ops.cli.main import main
from ops.cli.options import PROGRAM
from ops.errors import OpsError


def every_command(group: click.Group = main, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*above, name)
        if isinstance(command, click.Group):
            yield from every_command(command, (*above, name))


COMMANDS = list(every_command())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_s_help_is_documented(words: tuple[str, ...], root: Path) -> None:
    page = (root / PAGE).read_text(encoding="utf-8")
    said = CliRunner().invoke(main, [*words, "--help"], prog_name=PROGRAM, terminal_width=100)
    assert said.exit_code == 0
    assert f"### {' '.join(words)}\n\n```\n{said.output.strip()}\n```\n" in page


def test_the_page_is_what_the_commands_say(root: Path) -> None:
    assert (root / PAGE).read_text(encoding="utf-8") == document(main)


def test_the_map_lists_each_command_and_says_what_it_does() -> None:
    said = CliRunner().invoke(main, ["--help"], prog_name=PROGRAM).output
    for name, command in main.commands.items():
        assert f"\n  {name} " in said, name
        assert command.help, name


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["fly"], "fly"),
        (["urls"], "--stage"),
        (["urls", "--stage", "local", "--wings"], "--wings"),
        (["render", "--project", "/nowhere"], "/nowhere"),
    ],
)
def test_a_command_line_that_can_t_be_understood_ends_with_status_2(words: list[str], named: str) -> None:
    answer = CliRunner().invoke(main, words)
    assert answer.exit_code == 2
    assert named in answer.stderr
    assert answer.stdout == ""


def command_of(words: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for word in words:
        assert isinstance(command, click.Group)
        command = command.commands[word]
    return command


PARAMETERS = [
    (words, parameter)
    for words in [(), *COMMANDS]
    for parameter in command_of(words).params
    if not getattr(parameter, "is_flag", False)
]


@pytest.mark.parametrize("blank", ["", " ", "\t\u3000", "\u200b"], ids=ascii)
@pytest.mark.parametrize(("words", "parameter"), PARAMETERS, ids=str)
def test_an_empty_word_is_no_way_to_leave_an_option_out(
    words: tuple[str, ...], parameter: click.Parameter, blank: str
) -> None:
    option = parameter.opts[0]
    lines = [[blank]] if isinstance(parameter, click.Argument) else [[option, blank], [f"{option}={blank}"]]
    for line in lines:
        answer = CliRunner().invoke(main, [*words, *line, "--yes"])
        said = "an argument" if len(line) == 1 and "=" not in line[0] else f"the value of {option}"
        assert (answer.exit_code, answer.stdout) == (2, "")
        assert f"{said} is empty" in answer.stderr


@pytest.mark.parametrize(
    ("words", "variable"),
    [("destroy STAGE=dev DATA=", "--data"), ("rollback STAGE=dev TO=", "--to"), ("destroy STAGE= DATA=", "stage")],
)
def test_make_takes_no_empty_variable_for_one_that_was_not_given(root: Path, words: str, variable: str) -> None:
    make = ["/usr/bin/env", "make", "-o", "run-packages", f"BIN={Path(sys.executable).parent}", *words.split()]
    # As typed, also where `make test` runs this: make within make talks of folders.
    environ = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    ran = subprocess.run(
        make, cwd=root, env=environ, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert ran.returncode == 2
    assert variable in ran.stderr
    assert ran.stdout == ""


def failing(error: Exception) -> Result:
    """What a command ends with that raises this."""

    @click.group(cls=HeraldGroup)
    def group() -> None:
        pass

    @group.command()
    def fail() -> None:
        raise error

    return CliRunner().invoke(group, ["fail"])


def test_a_stage_that_there_is_not_is_named_with_those_that_there_are(root: Path) -> None:
    answer = CliRunner().invoke(main, ["urls", "--stage", "nowhere", "--project", str(root)])
    assert answer.exit_code == 1
    assert "'nowhere'; it has: dev, local" in answer.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OpsError("start it with: make run"), "start it with: make run"),
        (
            ClientError({"Error": {"Code": "Odd", "Message": "no"}}, "Query"),
            "AWS refused or did not answer: An error occurred (Odd) when calling the Query operation: no",
        ),
        (StoreError("Throttled"), "the message table did not answer: Throttled"),
        (
            StoreError("ResourceNotFoundException"),
            "there is no message table; is the stage deployed, in this account and region?",
        ),
        (OSError(errno.EROFS, "Read-only", "infra/a.yaml"), "infra/a.yaml can't be written: Read-only"),
        (PermissionError(errno.EACCES, "Permission denied", "herald.toml"), "herald.toml: Permission denied"),
        (InvalidRequestError("limit: expected 1 to 50", key="limit"), "limit: expected 1 to 50"),
        (
            ModuleNotFoundError("No module named 'yaml.loader'", name="yaml.loader"),
            "the packages in .venv are incomplete: yaml is missing. Run: rm -r .venv, then the same command again",
        ),
    ],
)
def test_what_a_person_can_mend_is_one_message_and_status_1(error: Exception, said: str) -> None:
    answer = failing(error)
    assert (answer.exit_code, answer.stderr) == (1, f"Error: {said}\n")


def test_a_package_that_is_missing_at_the_start_is_one_sentence_too(root: Path, tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise ModuleNotFoundError(\"No module named 'click'\", name='click')\n")
    command, environ = [sys.executable, "ops/__main__.py", "--help"], {"PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("Error: the packages in .venv are incomplete: click is missing. Run: ")


def test_a_mistake_in_the_code_is_not_hidden() -> None:
    assert isinstance(failing(ZeroDivisionError()).exception, ZeroDivisionError)


def test_help_waits_for_no_library_that_is_slow_to_load() -> None:
    slow = ("boto3", "pydantic", "requests", "rich")
    code = f"import sys, ops.cli; print([name for name in {slow} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"


def test_render_names_the_files_that_changed_and_says_for_which_stages(root: Path, tmp_path: Path) -> None:
    (tmp_path / "herald.toml").write_bytes((root / "herald.toml").read_bytes())
    first, again = (CliRunner().invoke(main, ["render", "--project", str(tmp_path)]) for _ in range(2))
    assert first.exit_code == again.exit_code == 0
    assert "wrote     .chalice/config.json\n" in first.stdout
    assert again.stdout.startswith("herald.toml has no mistakes. 0 of ")
    assert again.stdout.endswith("generated files changed, for the stages dev, local.\n")


# Commands as messages and documentation name them


def named_commands(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Where a command is named, and the words after ``./herald``, up to where it ends or prose begins."""
    texts = [root / "README.md", root / "herald.toml", root / "app.py", *(root / "docs").rglob("*.md")]
    for path in [*texts, *(root / "ops").rglob("*.py"), *(root / "chalicelib").rglob("*.py")]:
        if path.parent.name != "decisions":
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                for found in re.finditer(r"(?<![\w/])\./herald (?P<words>[^`\"#|]*)", line):
                    yield f"{path.relative_to(root)}:{number}", re.split(r"[\s,;.:)]+", found["words"])


def unknown_words(words: list[str]) -> list[str]:
    """The command that there is not, or the options that a command doesn't have."""
    command: click.Command = main
    while isinstance(command, click.Group) and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        if words[0] not in command.commands:
            return [words[0]]
        command, words = command.commands[words[0]], words[1:]
    options = {"--help", "-h", *(name for option in command.params for name in option.opts + option.secondary_opts)}
    return [word for word in words if word.startswith("-") and len(word) > 1 and word not in options]


def test_each_command_that_is_named_is_one_with_these_options(root: Path) -> None:
    named = list(named_commands(root))
    assert len(named) > 60
    assert [(where, words) for where, words in named if unknown_words(words)] == []


def test_no_message_or_page_names_a_command_in_another_way(root: Path) -> None:
    pages = [root / "README.md", root / "herald.toml", *(root / "docs").rglob("*.md"), *(root / "ops").rglob("*.py")]
    other = re.compile(r"python -m ops [a-z]|`ops [a-z]")
    found = [str(page.relative_to(root)) for page in pages if other.search(page.read_text(encoding="utf-8"))]
    assert found == []


def test_each_target_of_make_that_is_named_is_there(root: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set()
    for page in [root / "README.md", root / "herald.toml", *(root / "docs").rglob("*.md")]:
        named |= set(re.findall(r"`(?:[A-Z_]+=\S+ )*make ([a-z-]+)", page.read_text(encoding="utf-8")))
    for page in (root / "ops").rglob("*.py"):
        named |= set(re.findall(r"(?:[Rr]un|with|it): make ([a-z-]+)|make ([a-z-]+) STAGE", page.read_text("utf-8")))
    named = {name for found in named for name in ([found] if isinstance(found, str) else found) if name}
    assert {"run", "deploy", "diff"} <= named <= targets
