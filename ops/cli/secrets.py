"""``secrets``: what the channels need and nobody may see."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ops.cli.exit_status import FAILED
from ops.cli.options import AS_JSON, PROJECT, STAGE
from ops.session import opened
from ops.terminal import ask_hidden, echo, echo_json, one_line


@click.group()
def secrets() -> None:
    """Set the channels' secrets in Parameter Store, and find out whether they work."""


@secrets.command("set")
@STAGE
@PROJECT
@click.argument("channel")
@click.argument("names", metavar="[NAME]...", nargs=-1)
def set_(stage: str, root: Path, channel: str, names: tuple[str, ...]) -> None:
    """Set the secrets of a CHANNEL: all that it needs, or those of these NAMEs.

    Asks for each and shows nothing of what is typed. Where standard input is no terminal, it is a line of it for each.
    There is no option for a secret: a command line is seen by others and kept in your shell's history.
    """
    from ops.operations import secrets as operations

    it = opened(root, stage)
    needed = [secret for secret in operations.needed(it.stage) if secret.channel == channel]
    if not needed:
        there = dict.fromkeys(secret.channel for secret in operations.needed(it.stage))
        raise click.UsageError(f"{channel!r} is no channel that needs secrets; there are: {', '.join(there) or 'none'}")
    unknown = set(names) - {secret.name for secret in needed}
    if unknown:
        raise click.UsageError(
            f"{channel} has no secret {', '.join(sorted(unknown))}; it has: "
            f"{', '.join(secret.name for secret in needed)}"
        )
    operations_of = it.operations
    for secret in needed:
        if names and secret.name not in names:
            continue
        operations.put(operations_of.account.ssm, it.stage, secret, ask_hidden(secret.parameter))
        echo(f"{secret.parameter} is set")
    echo(f"Whether it works: ./herald secrets check --stage {stage}", err=True)


@secrets.command("check")
@STAGE
@PROJECT
@AS_JSON
def check(stage: str, root: Path, as_json: bool) -> None:
    """Find out whether each channel could deliver, with the secrets that it has; nobody is rung.

    Asks the deployed notifiers, each of which asks its provider: Pushover whether token and user are valid, SES whether
    the sender is verified; a webhook's receiver is not called. A function may have kept an old secret for 5 minutes.

    JSON: [{"channel", "kind", "well", "missing", "readable", "error", "quota"}]. Status 1 unless all is well.
    """
    from ops.operations import secrets as operations

    it = opened(root, stage)
    found = list(operations.check(it.stage, it.operations.account))
    if as_json:
        echo_json([one.as_json() for one in found])
    else:
        for one in found:
            left = f"; {one.quota.remaining} of {one.quota.limit} left" if one.quota else ""
            said = [
                *(f"{parameter} is not set" for parameter in one.missing),
                *(f"{parameter} is not encrypted (SecureString)" for parameter in one.readable),
                *([one.error] if one.error else []),
            ]
            echo(f"{one.channel:<12} {one_line('; '.join(said)) or f'well{left}'}")
    if not all(one.is_well for one in found):
        sys.exit(FAILED)
