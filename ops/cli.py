"""Herald's commands for the person at the terminal. This file is their map; docs/commands.md is made of it."""

from __future__ import annotations

import click

from ops.commands import Sections, deployment, inbox, look, messages, policies, project, replay, secrets

SECTIONS: dict[str, list[click.Command]] = {
    "Messages": [
        messages.messages,
        messages.trace,
        replay.replay,
        replay.quarantine,
        inbox.inbox,
    ],
    "Look after a stage": [
        look.send,
        look.doctor,
        look.logs,
        secrets.secrets,
    ],
    "Build and deploy": [
        project.render,
        project.check,
        policies.policies,
        deployment.diff,
        deployment.deploy,
        deployment.urls,
        deployment.destroy,
        deployment.smoke,
        deployment.rollback,
        deployment.releases,
        deployment.unlock,
        deployment.run,
    ],
}


@click.group(cls=Sections, sections=SECTIONS, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Build, deploy and look after Herald."""
