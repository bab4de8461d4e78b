"""``python -m ops.local.deployment``: one deployment to the running local stack, in a separate process.

Python imports a module only once, so a long-running process would always deploy the manifest that it imported at its
start (docs/decisions/0038-deployed-by-a-process-of-its-own.md). This process is started in advance, imports libraries,
and waits until standard input names the stage. It prints its steps, and writes the result to a file as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ops.deploy.project_copy import mirror
from ops.errors import OpsError, short_traceback
from ops.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.settings import Stage
    from ops.aws.account import Account
    from ops.local.ports import Ports
    from ops.local.stack import Pushover


_LIBRARIES = ("boto3", "click", "email_validator", "pydantic.main", "starlette.applications", "yaml")
"""The slowest imports of a deployment."""


def main(arguments: list[str] | None = None) -> int:
    """Deploy, and write ``{"addresses": {…}}`` or ``{"error": "…"}``; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ops.local.deployment")
    parser.add_argument("--copy", type=Path, required=True, help="where the checkout is copied to and deployed from")
    parser.add_argument("--result", type=Path, required=True, help="the file that tells how it ended")
    given = parser.parse_args(arguments)
    for name in _LIBRARIES:
        import_module(name)
    stage = sys.stdin.readline().strip()
    if not stage:
        return 0  # The process that started this one has ended.
    found: dict[str, object]
    try:
        found = {"addresses": deploy(Path.cwd(), given.copy, stage, echo)}
    except OpsError as error:
        found = {"error": str(error)}
    except KeyboardInterrupt:
        found = {"error": "it was interrupted"}
    except Exception:
        found = {"error": short_traceback(traceback.format_exc(), given.copy)}
        given.result.with_suffix(".log").write_text(traceback.format_exc(), encoding="utf-8")
    given.result.write_text(json.dumps(found), encoding="utf-8")
    return "error" in found


def deploy(root: Path, copy: Path, name: str, say: Callable[[str], None]) -> dict[str, str]:
    """Deploy a stage from the current state of the checkout at ``root``. Return its addresses.

    Everything is read from the copy, including the manifest, so that all of it is from the same moment.
    """
    copy.mkdir(parents=True, exist_ok=True)
    mirror(root, copy)
    sys.path.insert(0, str(copy))
    from ops.aws.account import account_of, environment
    from ops.config import loader
    from ops.deploy.deployment import Deployment
    from ops.deploy.deployment import deploy as deploy_stage
    from ops.deploy.stage_addresses import addresses
    from ops.local.ports import Ports
    from ops.local.stack import Pushover
    from ops.loopback import credentials

    ports, pushover = Ports.of(os.environ), Pushover.of(os.environ)
    stages = loader.load(copy, ports.overrides(real_pushover=pushover.real))
    config, local = loader.named(stages, name), stages[loader.LOCAL]
    account = account_of(local)
    # Plain `chalice local`, run in the copy, looks for the credentials here.
    keys = copy / credentials.file_name(ports.aws)
    keys.parent.mkdir(parents=True, exist_ok=True)
    keys.unlink(missing_ok=True)
    keys.symlink_to(credentials.file_of(ports.aws))
    keep_secrets(account, config.stage, ports, pushover)
    deploy_stage(Deployment(copy, config, account, environment(local), say), stages)
    keep_identities(account, config.stage)
    return addresses(config, account, ports.web_url)


def keep_secrets(account: Account, stage: Stage, ports: Ports, pushover: Pushover) -> None:
    """Set the secrets of channels and captchas unless they exist: the user's own Pushover keys if given, else the
    stand-ins'."""
    from chalicelib.adapters.providers import kinds
    from ops.local.web import captcha_services

    wanted = {
        f"{channel.name}/{secret.name}": secret.example
        for channel in (stage.channels[name] for name in stage.used_channels)
        for secret in kinds()[channel.kind].needed_secrets(channel)
    }
    for channel in stage.channels_of("pushover"):
        wanted |= {f"{channel}/token": pushover.token, f"{channel}/user": pushover.user}
    for channel in stage.channels_of("webhook"):
        wanted[f"{channel}/url"] = f"{ports.web_url}/webhooks/{channel}"
    for site in stage.sites.values():
        if site.spam.captcha:
            wanted[f"captcha/{site.name}"] = captcha_services.STAND_INS[site.spam.captcha.kind].passing
    for name, value in wanted.items():
        with suppress(account.ssm.exceptions.ParameterAlreadyExists):
            account.ssm.put_parameter(
                Name=f"{stage.parameters}/{name}", Value=value, Type="SecureString", Overwrite=False
            )


def keep_identities(account: Account, stage: Stage) -> None:
    """Verify in the local SES the identities that the stage's e-mail channels and answers are sent from."""
    sesv2 = account.client("sesv2")
    of_channels = [stage.channels[channel].texts("identities") for channel in stage.channels_of("email")]
    for identity in chain(*of_channels, *(each.identities for each in stage.autoreplies)):
        with suppress(sesv2.exceptions.AlreadyExistsException):
            sesv2.create_email_identity(EmailIdentity=identity)


if __name__ == "__main__":
    sys.exit(main())
