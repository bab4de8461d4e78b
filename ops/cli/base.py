"""The commands of ``./herald``: each reads what was typed, calls one function and prints what it returns.

What they do stands in modules that know nothing of a terminal. A command module imports those where it calls them:
``--help`` must not wait for boto3.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops import terminal
from ops.errors import OpsError

if TYPE_CHECKING:
    pass

NOT_WELL = 1
"""Exit status: it could not be done, or was done and something is not as it should be."""
TOO_LATE = 3
"""Exit status: the time to wait was over before the end was known."""

PROGRAM = "./herald"
"""What a person types before a command; ``python -m ops`` is the same."""


def _checkout() -> Path:
    """The checkout that these commands belong to, by the short name that messages have for the current folder."""
    checkout = Path(__file__).resolve().parents[2]
    return Path() if checkout == Path.cwd() else checkout


STAGE = click.option("--stage", required=True, help="A stage of herald.toml, such as local or dev.")
PROJECT = click.option(
    "--project",
    "root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=_checkout,
    help="The checkout to work on; the one of this command by default.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, for scripts.")
YES = click.option("--yes", is_flag=True, help="Don't ask.")


class Commands(click.Group):
    """Turns the errors that a person can mend into one message and exit status 1, and refuses empty words."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        terminal.prepare()
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            # A pipe that nobody reads any more has ended it before, as Unix tools end: without a word.
            if error.errno not in terminal.OUTPUT_ERRORS:
                raise
            with suppress(OSError):
                what = error.filename or "the output"
                terminal.echo(f"Error: {what} can't be written: {error.strerror}", err=True)
            sys.exit(NOT_WELL)
        finally:
            terminal.finish()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Here stand the words of the whole command line, whichever commands and options there will ever be.
        refuse_blank(args)
        with _words_of_errors():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        with _words_of_errors():
            return super().invoke(ctx)


def refuse_blank(words: Sequence[str]) -> None:
    """Refuse a command line with an empty word, by a :class:`click.UsageError`: it is no way to leave an option out.

    A script writes one where it meant ``"$ADDRESS"`` and that isn't set. Blank is what shows nothing, spaces too.
    """
    for before, word in zip(("", *words), words, strict=False):
        option, equals, value = word.partition("=")
        if not (equals and option.startswith("-")):
            option, value = before if before.startswith("-") else "", word
        if not any(one.isprintable() and not one.isspace() for one in value):
            what = f"the value of {option}" if option else "an argument"
            raise click.UsageError(f"{what} is empty. Give it a value, or leave it out; is a shell variable not set?")


@contextmanager
def _words_of_errors() -> Iterator[None]:
    try:
        yield
    except OpsError as error:
        raise click.ClickException(terminal.printable(str(error))) from error
    except click.ClickException as error:
        if error.message:
            error.message = terminal.printable(error.message)  # type: ignore[misc]  # set, so that it keeps its kind
        raise
    except (click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        words = _of_aws(error)
        if words:
            raise click.ClickException(terminal.printable(words)) from error
        raise


class Sections(Commands):
    """A group whose help lists its commands under headings."""

    def __init__(self, *args: object, sections: Mapping[str, Sequence[click.Command]], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.sections = {heading: [str(command.name) for command in found] for heading, found in sections.items()}
        for found in sections.values():
            for command in found:
                self.add_command(command)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for names in self.sections.values() for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        for heading, names in self.sections.items():
            with formatter.section(heading):
                room = formatter.width - width - 6
                formatter.write_dl(
                    [(name.ljust(width), self.commands[name].get_short_help_str(room)) for name in names]
                )


def _of_aws(error: Exception) -> str:
    """What to say of an error that AWS answered with, or that kept us from asking; empty for any other."""
    from chalicelib.errors import HeraldError, InvokeError, StoreError
    from ops.aws.account import UNANSWERED, explained

    if isinstance(error, UNANSWERED):
        return explained(error) or f"AWS refused or did not answer: {error}"
    match error:
        case StoreError(reason="ResourceNotFoundException"):
            return "there is no message table; is the stage deployed, in this account and region?"
        case InvokeError():
            return error.message
        case HeraldError():
            return str(error)
    return ""


def echo_json(found: object) -> None:
    """One JSON value on standard output."""
    terminal.echo(terminal.json_text(found, indent=2))


def echo_lines(found: Mapping[str, str]) -> None:
    """One line for each name, with what belongs to it."""
    for name, text in found.items():
        terminal.echo(f"{name:<11} {terminal.one_line(text)}")
