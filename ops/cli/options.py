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


class _Stage(click.types.StringParamType):
    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        return "For what make run started: --stage local. For what you deployed: --stage and its name"


STAGE = click.option("--stage", required=True, type=_Stage(), help="A stage of herald.toml, such as local or dev.")
PROJECT = click.option(
    "--project",
    "root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=_checkout,
    help="The checkout to work on; by default the one that this command is in.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, for scripts.")
YES = click.option("--yes", is_flag=True, help="Don't ask.")
