"""A stage's whole life: interrupted in each step and mended, compared, put back, destroyed."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from chalicelib.functions import functions_of
from ops.account import Account, environment
from ops.config import load, named
from tests.e2e.harness import Harness
from tests.e2e.interruption import interrupted
from tests.e2e.test_commands import fresh_clone, inventory, ops, shell

STAGE = ("--stage", "dev")

DEPLOYING = (
    # The call after which it is killed, and the step that it belongs to.
    ("ssm PutParameter .*deployed/lock", "Stage dev"),
    ("cloudformation CreateStack .*herald-dev-data", "data"),
    ("cloudformation CreateStack .*herald-dev-foundation", "foundation"),
    ("apigateway POST /restapis ", "functions"),
    ("lambda POST /2015-03-31/functions .*herald-dev-get_message_url", "functions"),
    ("iam CreateRole .*herald-dev-destined", "functions"),
    ("apigateway POST /restapis/[^/]+/deployments", "functions"),
    ("cloudformation CreateStack .*herald-dev-wiring", "wiring"),
    ("apigateway PUT /restapis/[^/]+/gatewayresponses", "attributes"),
)


DESTROYING = (
    "cloudformation DeleteStack .*herald-dev-wiring",
    "lambda DELETE .*herald-dev-destined",
    "logs DeleteLogGroup",
)


@pytest.fixture
def clone(tmp_path: Path, checkout: Path) -> Path:
    return fresh_clone(tmp_path / "herald", checkout)


def of_dev(found: dict[str, list[str]], *kinds: str) -> dict[str, list[str]]:
    """What belongs to the stage, by its name; of all kinds unless some are named."""
    return {kind: [name for name in found[kind] if "dev" in name] for kind in kinds or found}


def test_a_deployment_that_is_killed_in_any_step_is_mended_by_the_next(herald: Harness, clone: Path) -> None:
    environ = environment(herald.config, shell(herald.stack.ports))
    ports, account = herald.stack.ports, Account(environ)
    before = inventory(account)
    plain = (clone / "herald.toml").read_text(encoding="utf-8")
    # While it is interrupted, the stage is to have one function more than in the end: none of it may be left.
    (clone / "herald.toml").write_text(plain.replace("[stages.dev]", "[stages.dev]\nfunction_url = true"))
    for at, step in DEPLOYING:
        said = interrupted(clone, environ, ports, at, "deploy", *STAGE)
        assert step in said.splitlines()[-1], said
        shutil.rmtree(clone / ".chalice" / "deployed", ignore_errors=True)  # The account alone knows what was made.
    (clone / "herald.toml").write_text(plain)
    stopped = interrupted(clone, environ, ports, "iam PutRolePolicy", "deploy", *STAGE, by=signal.SIGINT)
    assert "Stopped at: functions, which may be done in part" in stopped
    assert "Not begun:  wiring, attributes" in stopped
    assert "Run next:   make deploy STAGE=dev" in stopped

    mended = ops(clone, environ, "deploy", *STAGE)
    assert mended.returncode == 0, mended.stdout + mended.stderr
    found = inventory(account)
    stage = named(load(clone), "dev").stage
    names = {spec.name for spec in functions_of(stage)}
    assert of_dev(found, "functions", "roles", "logs") == {
        "functions": sorted(stage.function(name) for name in names),
        "roles": sorted(stage.role(name) for name in names),
        "logs": sorted(stage.log_group(name) for name in names),
    }
    assert len(found["apis"]) == len(before["apis"]) + 1
    assert len(of_dev(found)["subscriptions"]) == 1
    again = ops(clone, environ, "deploy", *STAGE)
    assert again.returncode == 0, again.stderr
    assert inventory(account) == found

    for at in DESTROYING:
        interrupted(clone, environ, ports, at, "destroy", *STAGE, "--yes")
    gone = ops(clone, environ, "destroy", *STAGE, "--yes", "--data", "delete")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert inventory(account) == before
