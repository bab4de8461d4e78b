"""The map of all commands, from which docs/commands.md is generated."""

from __future__ import annotations

import click

from ops.cli import chalice, deployment, diagnostics, inbox, messages, policies, project, replay, secrets
from ops.cli.command_group import HeraldGroup
from ops.terminal import echo

SECTIONS: dict[str, list[click.Command]] = {
    "Messages": [
        messages.messages,
        messages.trace,
        replay.replay,
        replay.quarantine,
        inbox.inbox,
        inbox.sessions,
    ],
    "Check and maintain a stage": [
        diagnostics.send,
        diagnostics.notify,
        diagnostics.doctor,
        diagnostics.logs,
        secrets.secrets,
    ],
    "Build and deploy": [
        deployment.run,
        project.render,
        deployment.diff,
        deployment.deploy,
        deployment.urls,
        deployment.smoke,
        deployment.rollback,
        deployment.releases,
        deployment.destroy,
        deployment.unlock,
        policies.policies,
        project.check,
        project.pin,
        chalice.chalice,
    ],
}


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    import platform

    from ops import naming

    echo(f"Herald {naming.version()}, Python {platform.python_version()}")
    context.exit()


@click.group(cls=HeraldGroup, sections=SECTIONS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Build, deploy and maintain Herald."""
