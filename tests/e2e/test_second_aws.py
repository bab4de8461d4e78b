"""What another emulator says of a stage's life: moto, which reads AWS's pages by itself (tests/second_aws/gaps.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from chalicelib.functions import functions_of
from ops.aws.account import Account
from ops.config.loader import load, named
from ops.deploy import chalice_state
from ops.generate import render
from ops.local.ports import Ports
from tests.e2e import owner
from tests.e2e.conftest import ROOT
from tests.e2e.harness import PATIENCE, wait_for
from tests.e2e.test_commands import fresh_clone, inventory, succeeds
from tests.matrix import everything
from tests.rehearsal import REHEARSING

pytestmark = pytest.mark.full
STAGE = ("--stage", "dev")
KEPT = "herald-dev-send-event"
"""The name of resources that depend on a condition. When a parameter turns it on or off, moto creates some of them and
deletes none, where AWS creates and deletes all:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/conditions-section-structure.html"""
KEY = "/herald/dev/spam/key"
QUEUES = ("failed-events", "rule-dead-letters", "subscriber-dead-letters", "topic-dead-letters")


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    port = Ports.free().aws
    url = f"http://127.0.0.1:{port}"
    with (
        (tmp_path / "moto.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.second_aws", str(port)], cwd=ROOT, stdout=log, stderr=log
        ) as server,
    ):
        try:
            wait_for(lambda: server.poll() is not None or answers(url), "moto")
            yield url
        finally:
            server.kill()


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/_skipped", timeout=PATIENCE).ok
    except requests.ConnectionError:
        return False


def add_what_the_owner_has(account: Account) -> None:
    """The targets of the rules and subscribers in tests/matrix.py, and the role of its grant."""
    sqs = account.client("sqs")
    for queue in ("inbox", "copies"):
        sqs.create_queue(QueueName=queue)
    account.sns.create_topic(Name="team")
    account.client("events").create_event_bus(Name="mine")
    account.logs.create_log_group(logGroupName="/aws/events/forms")
    owner.add_role(account, "nightly-report", {"Service": "ec2.amazonaws.com"})
    owner.add_machine(account, "orders", owner.add_role(account, "machine", {"Service": "states.amazonaws.com"}))
    role = owner.add_role(account, "owner", {"Service": "lambda.amazonaws.com"})
    for name in ("slack", "crm"):
        owner.add_function(account, name, role)


@pytest.mark.rehearse(
    "a stage's whole life: made, grown, compared, put back, destroyed and made again",
    "a deployment that only the local AWS takes",
)
def test_a_second_emulator_takes_a_stage_with_everything_on(endpoint: str, tmp_path: Path) -> None:
    clone = fresh_clone(tmp_path / "herald", ROOT)
    environ = os.environ | {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
    }
    account = Account(environ)
    add_what_the_owner_has(account)
    before = inventory(account)
    plain, full = (clone / "herald.toml").read_text(encoding="utf-8"), everything()[0].toml()

    run = partial(succeeds, clone, environ)

    def configure(text: str) -> None:
        (clone / "herald.toml").write_text(text, encoding="utf-8")

    first = None
    if REHEARSING:
        run("deploy", *STAGE)
        first = named_alike(account)
        assert_as_rendered(account, clone)

    configure(full)
    run("deploy", *STAGE)
    run("diff", *STAGE, "--exit-code")
    grown = named_alike(account)
    assert_as_rendered(account, clone)

    if first:
        run("rollback", *STAGE)
        configure(plain)
        run("diff", *STAGE, "--exit-code")
        # The key stays for challenges that were given out, files for their messages, and the logs of functions.
        assert named_alike(account) == {
            **first,
            "parameters": sorted([*first["parameters"], KEY]),
            **{kind: grown[kind] for kind in ("logs", "stacks", "buckets")},
        }

    run("destroy", *STAGE, "--yes")
    left = {kind: sorted({*names} - {*before[kind]}) for kind, names in inventory(account).items()}
    queues = [each.rpartition("/")[2] for each in left.pop("queues")]
    assert queues == [f"herald-dev-{name}" for name in QUEUES]
    assert {kind: names for kind, names in left.items() if names} == {
        "tables": ["herald-dev-messages"],
        "parameters": [KEY],
        # The files of the messages that are kept.
        "stacks": ["herald-dev-files"],
        "buckets": ["herald-dev-files-123456789012-eu-central-1"],
    }

    if REHEARSING:
        configure(full)
        run("deploy", *STAGE)
        assert named_alike(account) == grown
    from tests.second_aws.gaps import SKIPPED  # Not at the top: moto takes seconds to import, in every process.

    assert set(requests.get(f"{endpoint}/_skipped", timeout=PATIENCE).json()) == set(SKIPPED)


def named_alike(account: Account) -> dict[str, list[str]]:
    """What stands in the account, without the names that AWS chooses: an API's id, and the end of a bucket's."""
    return {
        kind: [name.split(" ")[0][:26] if kind in ("apis", "buckets") else name for name in names if KEPT not in name]
        for kind, names in inventory(account).items()
    }


def assert_as_rendered(account: Account, clone: Path) -> None:
    """The roles' policies are the rendered files, and each method of the API runs its function."""
    stage, iam = named(load(clone), "dev").stage, account.client("iam")
    for spec in functions_of(stage):
        role = stage.role(spec.name)
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        found = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        assert found == json.loads((clone / render.policy_file("dev", spec.name)).read_text(encoding="utf-8"))
    api = chalice_state.rest_api_id(chalice_state.read(account.ssm, stage))
    assert api
    resources = account.apis.get_resources(restApiId=api, embed=["methods"])["items"]
    methods: dict[str, Any] = {each["path"]: each.get("resourceMethods", {}) for each in resources}
    assert {"POST", "OPTIONS"} <= set(methods["/contact/{site}"])
    run_by = {each["methodIntegration"]["uri"] for found in methods.values() for each in found.values()}
    arn = account.where.arn("lambda", "function:herald-dev")
    assert run_by == {f"arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{arn}/invocations"}
