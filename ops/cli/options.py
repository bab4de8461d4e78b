"""The options that many commands share, and the name of the program."""

from __future__ import annotations

from pathlib import Path

import click

PROGRAM = "./herald"
"""What a person types before a command; ``python -m ops`` is the same."""


def _checkout() -> Path:
    """The checkout of these commands; an empty path where that is the current folder, so that messages stay short."""
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
