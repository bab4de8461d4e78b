"""Commands that deploy, compare, roll back, test and destroy a stage, or run it on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ops.cli.exit_status import DIFFERENT, FAILED
from ops.cli.options import AS_JSON, PROJECT, STAGE, YES
from ops.opened_stage import opened
from ops.terminal import confirm, echo, echo_json, echo_lines


@click.command()
@STAGE
@PROJECT
def deploy(stage: str, root: Path) -> None:
    """Deploy a stage to the AWS account that this shell is signed in to."""
    from ops.config.loader import LOCAL
    from ops.deploy.deployment import deploy

    it = opened(root, stage)
    if stage == LOCAL:
        # From a copy, as `make run` does: other ports must not change the checkout's own files.
        from ops.local.deployment import deploy as deploy_copy

        echo_lines(deploy_copy(root, root / ".herald" / "deploy" / stage, stage, echo))
        return
    deploy(it.deployment, it.stages)
    echo_lines(it.addresses)


@click.command()
@STAGE
@PROJECT
@click.option("--data", type=click.Choice(["keep", "delete"]), default="keep", help="What to do with the messages.")
@YES
def destroy(stage: str, root: Path, data: str, yes: bool) -> None:
    """Delete what deploy made. The message table stays unless --data delete is given."""
    from ops.deploy.deployment import destroy

    it = opened(root, stage)
    what = "and every message in it " if data == "delete" else ""
    if not yes:
        confirm(f"Destroy stage {stage} {what}in account {it.account.where.account}?")
    destroy(it.deployment, data=data == "delete")


@click.command()
@STAGE
@PROJECT
@AS_JSON
@click.option("--markdown", is_flag=True, help="Markdown, for a comment on a pull request.")
@click.option("--exit-code", is_flag=True, help=f"Exit status {DIFFERENT} where something would change.")
def diff(stage: str, root: Path, as_json: bool, markdown: bool, exit_code: bool) -> None:
    """Show what deploy would change: code, settings, policies, stacks and the API's limits. Changes nothing.

    JSON: [{"section", "name", "lines": [...]}], each line with + or - before it.
    """
    from ops.deploy import diff as comparing

    it = opened(root, stage)
    where = it.account.where
    found = comparing.diff(it.deployment, it.stages)
    heading = f"What deploying stage {stage} would change in account {where.account}, {where.region}"
    if as_json:
        echo_json(comparing.as_json(found))
    elif markdown:
        echo("\n".join(comparing.as_markdown(found, heading)))
    else:
        echo(heading)
        echo("\n".join(comparing.as_text(found)) if found else "nothing")
    if found and exit_code:
        sys.exit(DIFFERENT)


@click.command()
@STAGE
@PROJECT
@click.option("--to", help="A release of `releases`; by default the one before the current.")
def rollback(stage: str, root: Path, to: str | None) -> None:
    """Deploy the code, configuration and wiring of an earlier deployment again. Messages stay.

    After a deployment that failed half way, this is the last one that succeeded.
    """
    from ops.deploy.deployment import rollback

    it = opened(root, stage)
    rollback(it.deployment, to)
    echo_lines(it.addresses)


@click.command()
@STAGE
@PROJECT
@AS_JSON
def releases(stage: str, root: Path, as_json: bool) -> None:
    """List the releases that rollback can deploy again, newest first."""
    from ops.deploy.release_history import Releases, listed

    it = opened(root, stage)
    found = listed(Releases(it.stage, it.account))
    if as_json:
        echo_json(found)
        return
    for each in found:
        echo(f"{each['release']}{'  current' if each['current'] else ''}")


@click.command()
@STAGE
@PROJECT
def smoke(stage: str, root: Path) -> None:
    """Send a message and a test event of each kind, check every step, and ask IAM about every permission.

    Your channels get one notification. Lambda retries what fails, so this takes about four minutes on AWS.
    """
    from datetime import UTC, datetime

    from ops.operations.smoke import Smoke, to_add

    it = opened(root, stage)
    checks = []
    for check in Smoke(it.operations, it.addresses).checks():
        checks.append(check)
        echo(f"{'well ' if check.well else 'WRONG'}  {check.name}: {check.found}")
    if it.config.endpoint is None and it.account.endpoint is None:
        echo("\nAdd to docs/aws-readiness.md, below What has been run on AWS:\n")
        echo(to_add(checks, it.stage, it.account.where, f"{datetime.now(UTC):%Y-%m-%d}"))
    if not all(check.well for check in checks):
        sys.exit(FAILED)


@click.command()
@STAGE
@PROJECT
def unlock(stage: str, root: Path) -> None:
    """Remove the lock of a run that was killed on another machine, so that the stage can be deployed again."""
    from ops.deploy import lock

    it = opened(root, stage)
    holder = lock.release(it.account.ssm, it.stage)
    echo(f"unlocked; it was held by: {holder}" if holder else "was not locked")


@click.command()
@STAGE
@PROJECT
@AS_JSON
def urls(stage: str, root: Path, as_json: bool) -> None:
    """Print the addresses of a deployed stage."""
    found = opened(root, stage).addresses
    if as_json:
        echo_json(found)
    else:
        echo_lines(found)


@click.command()
@PROJECT
@click.option("--once", is_flag=True, help="Don't redeploy when the code changes.")
def run(root: Path, once: bool) -> None:
    """Run Herald on this machine: start a local AWS, deploy to it, and show each message's steps."""
    from ops.local.ports import Ports
    from ops.local.run import run as run_local

    sys.exit(run_local(root.resolve(), Ports.of(os.environ), watch=not once))
