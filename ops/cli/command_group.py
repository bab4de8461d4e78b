"""The group of all commands: turns errors into messages and exit statuses, and lists commands under headings."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import click

from ops import terminal
from ops.cli.exit_status import FAILED
from ops.errors import OpsError
from ops.packages import incomplete


class SentenceGroup(click.Group):
    """A group whose ``--help`` shows the whole first sentence of each command, which click would cut to one line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.write_commands(formatter, "Commands", self.list_commands(ctx))

    def write_commands(self, formatter: click.HelpFormatter, heading: str, names: Sequence[str]) -> None:
        width = max(map(len, self.commands))
        with formatter.section(heading):
            formatter.write_dl([(name.ljust(width), self.commands[name].get_short_help_str(500)) for name in names])


class HeraldGroup(SentenceGroup):
    """A group of commands that prints one message for an expected error, and refuses empty arguments."""

    def __init__(
        self, *args: object, sections: Mapping[str, Sequence[click.Command]] | None = None, **kwargs: object
    ) -> None:
        """``sections`` holds the commands under the headings of ``--help``."""
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        sections = sections or {}
        self.sections = {heading: [str(command.name) for command in listed] for heading, listed in sections.items()}
        for listed in sections.values():
            for command in listed:
                self.add_command(command)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        terminal.prepare()
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            # Click has ended the command already where a pipe is no longer read: without a message, as Unix tools do.
            if error.errno not in terminal.OUTPUT_ERRORS:
                raise
            with suppress(OSError):
                what = error.filename or "the output"
                terminal.echo(f"Error: {what} can't be written: {error.strerror}", err=True)
            sys.exit(FAILED)
        finally:
            terminal.finish()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # ``args`` is the whole command line, so no command or option can be forgotten.
        refuse_blank(args)
        with _errors_as_messages():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        with _errors_as_messages():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for names in self.sections.values() for name in names] or super().list_commands(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in (self.sections or {"Commands": self.list_commands(ctx)}).items():
            self.write_commands(formatter, heading, names)


def refuse_blank(words: Sequence[str]) -> None:
    """Raise :class:`click.UsageError` for a command line with an empty or blank argument.

    A script passes one when it means ``"$ADDRESS"`` and the variable is not set.
    """
    for before, word in zip(("", *words), words, strict=False):
        option, equals, value = word.partition("=")
        if not (equals and option.startswith("-")):
            option, value = before if before.startswith("-") else "", word
        if not any(character.isprintable() and not character.isspace() for character in value):
            what = f"the value of {option}" if option else "an argument"
            raise click.UsageError(f"{what} is empty. Give it a value, or leave it out. Is a shell variable not set?")


@contextmanager
def _errors_as_messages() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        if error.message:
            error.message = terminal.printable(error.message)  # type: ignore[misc]  # set, so that it keeps its kind
        raise
    except (click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        message = error_message(error)
        if message:
            raise click.ClickException(terminal.printable(message)) from error
        raise


def error_message(error: Exception) -> str:
    """What to print about an error; empty for a mistake in Herald's own code, whose traceback is printed."""
    if isinstance(error, OpsError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return incomplete(error)
    if isinstance(error, PermissionError) and error.filename:
        return f"{error.filename}: {error.strerror}"  # It doesn't say whether to read or to write.
    from chalicelib.errors import FunctionError, HeraldError, StoreError
    from ops.aws.error_messages import CLIENT_ERRORS, explain

    if isinstance(error, CLIENT_ERRORS):
        return str(explain(error) or f"AWS refused or did not answer: {error}")
    match error:
        case StoreError(reason="ResourceNotFoundException"):
            return "there is no message table; is the stage deployed, in this account and region?"
        case FunctionError():
            return error.message
        case HeraldError():
            return str(error)
    return ""
