"""The commands ``secrets set`` and ``secrets check``: the channels' secrets in Parameter Store."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ops.cli.command_group import SentenceGroup
from ops.cli.exit_status import FAILED
from ops.cli.options import AS_JSON, PROJECT, STAGE
from ops.opened_stage import opened
from ops.terminal import ask_hidden, echo, echo_json, one_line


@click.group(cls=SentenceGroup)
def secrets() -> None:
    """Set the channels' secrets in Parameter Store, and check whether they work."""


@secrets.command("set")
@STAGE
@PROJECT
@click.argument("channel")
@click.argument("names", metavar="[NAME]...", nargs=-1)
def set_(stage: str, root: Path, channel: str, names: tuple[str, ...]) -> None:
    """Set the secrets of a CHANNEL: all that it needs, or only those with these NAMEs.

    Asks for each secret and does not show what you type. Where standard input is not a terminal, reads a line for each.
    There is no option for a secret: others can see a command line, and your shell keeps it in its history.
    """
    from ops.operations.secrets import needed_secrets, put

    it = opened(root, stage)
    needed = [secret for secret in needed_secrets(it.stage) if secret.channel == channel]
    if not needed:
        channels = ", ".join(dict.fromkeys(secret.channel for secret in needed_secrets(it.stage))) or "none"
        raise click.UsageError(f"{channel!r} is not a channel that needs secrets; those that do: {channels}")
    unknown = set(names) - {secret.name for secret in needed}
    if unknown:
        raise click.UsageError(
            f"{channel} has no secret {', '.join(sorted(unknown))}; it has: "
            f"{', '.join(secret.name for secret in needed)}"
        )
    ssm = it.operations.account.ssm
    for secret in needed:
        if names and secret.name not in names:
            continue
        put(ssm, it.stage, secret, ask_hidden(secret.question))
        echo(f"{secret.parameter} is set")
    echo(f"To check it: ./herald secrets check --stage {stage}", err=True)


@secrets.command("check")
@STAGE
@PROJECT
@AS_JSON
def check(stage: str, root: Path, as_json: bool) -> None:
    """Check whether each channel could deliver with its secrets. Sends no notification.

    Asks the deployed notifiers, each of which asks its provider: Pushover whether token and user are valid, SES whether
    the sender is verified. A webhook's receiver is not called. A function may use an old secret for up to 5 minutes.

    JSON: [{"channel", "kind", "well", "missing", "readable", "error", "quota"}]. Status 1 unless all is well.
    """
    from ops.operations.secrets import check

    it = opened(root, stage)
    results = list(check(it.stage, it.operations.account))
    if as_json:
        echo_json([result.as_json() for result in results])
    else:
        for result in results:
            left = f"; {result.quota.remaining} of {result.quota.limit} left" if result.quota else ""
            mistakes = [
                *(f"{parameter} is not set" for parameter in result.missing),
                *(f"{parameter} is not encrypted (SecureString)" for parameter in result.readable),
                *([result.error] if result.error else []),
            ]
            echo(f"{result.channel:<12} {one_line('; '.join(mistakes)) or f'well{left}'}")
    if not all(result.is_well for result in results):
        sys.exit(FAILED)
