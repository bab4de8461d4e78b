"""The commands as a person types them: each in a process of its own, on a fresh copy of the project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from ops.aws.account import Account, environment
from ops.local.ports import AWS_PORT, WEB_PORT, Ports
from tests.e2e import owner
from tests.e2e.conftest import ROOT
from tests.e2e.harness import Harness, marker, wait_for
from tests.own_functions import without_own_functions

NOT_CLONED = (
    *(".git", ".venv", ".herald", ".hypothesis", "node_modules", "deployed", "deployments", "policy-dev-*", ".*_cache"),
    *("*-pytest-*", "*.pyc.*"),  # bytecode of pytest, and what another process is writing at the moment
)


def fresh_clone(target: Path, checkout: Path) -> Path:
    """What `git clone` gives: the project without anything that was installed, built or deployed.

    With the sites and the keys of the shared stack, as some tests deploy to it; and with Python's bytecode and what
    packing keeps, which only save time.
    """
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*NOT_CLONED))
    text = (checkout / "herald.toml").read_text(encoding="utf-8")
    (target / "herald.toml").write_text(without_own_functions(text), encoding="utf-8")
    (target / ".herald").mkdir()
    kept = ROOT / ".herald/packing"
    kept.mkdir(parents=True, exist_ok=True)
    (target / ".herald/packing").symlink_to(kept)
    for keys in (ROOT / ".herald").glob("aws-*"):
        (target / ".herald" / keys.name).symlink_to(keys)
    return target


def shell(ports: Ports, **more: str) -> dict[str, str]:
    """A shell's environment that knows the ports of a local stack."""
    return dict(os.environ) | {AWS_PORT: str(ports.aws), WEB_PORT: str(ports.web)} | more


def ops(
    project: Path, environ: dict[str, str], *words: str, typed: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", *words],
        cwd=project,
        env=environ,
        input=typed,
        capture_output=True,
        text=True,
        timeout=180,
    )


def succeeds(project: Path, environ: dict[str, str], *words: str) -> str:
    """Run a command that goes well; returns what it prints."""
    done = ops(project, environ, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def running(project: Path, words: list[str], environ: dict[str, str]) -> Iterator[tuple[Any, list[str]]]:
    """A command in the background, and the lines that it has printed so far."""
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=project,
        env=environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []

    def read() -> None:
        assert process.stdout
        for line in process.stdout:
            lines.append(line)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield process, lines
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)
        reader.join(60)
        assert process.stdout
        process.stdout.close()


def printed(lines: list[str], word: str, times: int = 1, seconds: float = 120) -> None:
    """Wait until a word was printed."""
    wait_for(lambda: "".join(lines).count(word) >= times, f"{word!r} in:\n{''.join(lines)}", seconds)


@pytest.fixture
def clone(tmp_path: Path, checkout: Path) -> Path:
    return fresh_clone(tmp_path / "herald", checkout)


@pytest.mark.full
def test_chalice_local_serves_against_the_running_stack_and_says_what_is_missing_without_it(
    herald: Harness, tmp_path: Path, checkout: Path
) -> None:
    project = herald.stack.work / "project"
    environ = dict(os.environ)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        environ.pop(name, None)
    port = Ports.free().web
    chalice = ["-c", "from chalice.cli import main; main()", "local", "--no-autoreload", "--port", str(port), "--stage"]
    with running(project, [*chalice, "local"], environ) as (_, lines):
        word = marker()
        answer = served(port, word)
        assert answer.status_code == 202, "".join(lines)
        wait_for(lambda: herald.pushes(word), "push")

    alone = fresh_clone(tmp_path / "alone", checkout)
    shutil.rmtree(alone / "ops")  # `chalice local` needs nothing of it.
    nobody = Ports.free()
    config = alone / ".chalice" / "config.json"
    config.write_text(
        config.read_text(encoding="utf-8").replace("http://127.0.0.1:4566", nobody.aws_url), encoding="utf-8"
    )
    with running(alone, [*chalice, "local"], environ) as (_, lines):
        assert served(port, marker()).status_code == 503
        printed(lines, "make run")
    with running(alone, [*chalice, "dev"], environ) as (_, lines):
        assert served(port, marker()).status_code == 503
        printed(lines, "make deploy STAGE=dev")


def served(port: int, word: str) -> requests.Response:
    def post() -> requests.Response | None:
        try:
            return requests.post(f"http://127.0.0.1:{port}/contact", json={"message": word}, timeout=60)
        except requests.ConnectionError:
            return None

    # A response is false when it is an error, which is an answer too.
    return wait_for(lambda: [answer] if (answer := post()) is not None else None, "answer of chalice local")[0]


def with_alarms(project: Path) -> Path:
    """The same project, whose stage ``dev`` tells somebody of its alarms."""
    path = project / "herald.toml"
    alarms = '\n[stages.dev.alarms]\nemail = "dev@example.com"\n'
    path.write_text(path.read_text(encoding="utf-8") + alarms, encoding="utf-8")
    return project


def inventory(account: Account) -> dict[str, list[str]]:
    """Everything that stands in the account, by kind and name, a name once for each thing that bears it."""
    events = account.client("events")
    sqs = account.client("sqs")
    parameters = account.ssm.get_paginator("get_parameters_by_path").paginate(Path="/herald", Recursive=True)
    buses = [bus["Name"] for bus in events.list_event_buses()["EventBuses"] if bus["Name"] != "default"]
    found = {
        "functions": [each["FunctionName"] for each in account.functions.list_functions()["Functions"]],
        "apis": [f"{each['name']} {each['id']}" for each in account.apis.get_rest_apis()["items"]],
        "roles": [each["RoleName"] for each in account.client("iam").list_roles()["Roles"]],
        "topics": [each["TopicArn"] for each in account.sns.list_topics()["Topics"]],
        "subscriptions": [each["Endpoint"] for each in account.sns.list_subscriptions()["Subscriptions"]],
        "buses": buses,
        "rules": [rule["Name"] for bus in buses for rule in events.list_rules(EventBusName=bus)["Rules"]],
        "queues": sqs.list_queues().get("QueueUrls", []),
        "parameters": [each["Name"] for page in parameters for each in page["Parameters"]],
        "buckets": [each["Name"] for each in account.client("s3").list_buckets()["Buckets"]],
        "tables": account.dynamodb.list_tables()["TableNames"],
        "stacks": [
            each["StackName"]
            for each in account.cloudformation.list_stacks()["StackSummaries"]
            if each["StackStatus"] != "DELETE_COMPLETE" and not each["StackName"].endswith("-data")
        ],
        "alarms": [
            each["AlarmName"] for each in account.client("cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]
        ],
        "logs": [each["logGroupName"] for each in account.logs.describe_log_groups()["logGroups"]],
    }
    return {kind: sorted(names) for kind, names in found.items()}


@contextmanager
def somebody_without(account: Account, denied: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Credentials of a user who may do everything but one thing."""
    iam = account.client("iam")
    name = marker()
    statements = [{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", **denied}]
    iam.create_user(UserName=name)
    iam.put_user_policy(
        UserName=name,
        PolicyName="all-but-one",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    try:
        yield {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName=name, PolicyName="all-but-one")
        iam.delete_user(UserName=name)


@contextmanager
def function_of_the_owner(account: Account, name: str) -> Iterator[str]:
    """A function that is none of Herald's; yields its log group."""
    role = account.client("iam").get_role(RoleName="herald-local-destined")["Role"]["Arn"]
    owner.add_function(account, name, role)
    log_group = f"/aws/lambda/{name}"
    account.logs.create_log_group(logGroupName=log_group)
    try:
        yield log_group
    finally:
        account.functions.delete_function(FunctionName=name)
        account.logs.delete_log_group(logGroupName=log_group)


@pytest.mark.full
def test_a_stage_survives_half_a_deployment_and_the_loss_of_its_checkout_beside_another(
    herald: Harness, tmp_path: Path, checkout: Path
) -> None:
    environ = environment(herald.config, shell(herald.stack.ports))
    account = Account(environ)
    before = inventory(account)
    first = with_alarms(fresh_clone(tmp_path / "first", checkout))
    deployments = {"Action": "apigateway:POST", "Resource": "arn:aws:apigateway:*::/restapis/*/deployments"}
    with somebody_without(account, deployments) as credentials:
        failed = ops(first, environ | credentials, "deploy", "--stage", "dev")
    assert failed.returncode == 1, failed.stdout
    assert "chalice deploy --stage dev failed" in failed.stderr
    halfway = inventory(account)["apis"]
    assert len(halfway) == len(before["apis"]) + 1, "it failed after the REST API was made"

    def deploy(project: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
        succeeds(project, environ, "deploy", "--stage", "dev")
        return json.loads(succeeds(project, environ, "urls", "--stage", "dev", "--json")), inventory(account)

    shutil.rmtree(first / ".chalice" / "deployed")  # The account alone knows what was made.
    urls, resources = deploy(first)
    assert resources["apis"] == halfway
    shutil.rmtree(first)
    second = with_alarms(fresh_clone(tmp_path / "second", checkout))
    assert deploy(second) == (urls, resources)
    assert len([name for name in resources["alarms"] if name.startswith("herald-dev-")]) == 10
    assert "dev@example.com" in resources["subscriptions"]
    assert "send_event" not in urls

    for api, thanks in (
        (herald.urls["api"], herald.stage.sites["default"].thanks),
        (urls["api"], "https://www.example.com/"),
    ):
        answer = requests.post(f"{api}/contact", data={"message": marker()}, allow_redirects=False, timeout=60)
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith(thanks)

    asked = ops(second, environ, "destroy", "--stage", "dev", typed="n\n")
    assert asked.returncode == 1
    assert inventory(account) == resources
    destroy = ("destroy", "--stage", "dev", "--yes")
    # It doesn't matter to a destruction that something is gone already.
    account.functions.delete_function(FunctionName="herald-dev-destined")
    with somebody_without(account, {"Action": "lambda:DeleteFunction", "Resource": "*"}) as credentials:
        refused = ops(second, environ | credentials, *destroy)
    assert refused.returncode == 1, refused.stdout
    # What is the owner's own stays, by whatever name; and a table whose stack is gone already does not.
    with function_of_the_owner(account, "herald-dev-archive") as log_group:
        succeeds(second, environ, *destroy)
        left = {kind: [name for name in names if "dev" in name] for kind, names in inventory(account).items()}
        assert {kind for kind, names in left.items() if names} == {"tables", "queues", "functions", "logs"}
        assert left["functions"] == ["herald-dev-archive"]
        with somebody_without(account, {"Action": "dynamodb:DeleteTable", "Resource": "*"}) as credentials:
            broken_off = ops(second, environ | credentials, *destroy, "--data", "delete")
        assert broken_off.returncode == 1, broken_off.stdout
        assert "herald-dev-messages" in inventory(account)["tables"]
        succeeds(second, environ, *destroy, "--data", "delete")
        assert inventory(account)["logs"].count(log_group) == 1
    assert inventory(account) == before


GENERATED = ("chalicelib/stages.py", ".chalice/config.json")


@pytest.mark.full
def test_code_that_can_t_be_imported_is_not_called_deployed(herald: Harness, clone: Path) -> None:
    environ = environment(herald.config, shell(herald.stack.ports))
    (clone / "app.py").write_text("def (:\n", encoding="utf-8")
    answer = ops(clone, environ, "deploy", "--stage", "local")
    assert answer.returncode == 1
    assert "app.py" in answer.stderr
    assert "Traceback (most recent call last)" not in answer.stdout
    committed = [(clone / name).read_bytes() == (ROOT / name).read_bytes() for name in GENERATED]
    assert all(committed), "the stack's own ports stay out of the checkout"
    word = marker()
    herald.post_form(message=word)
    wait_for(lambda: herald.pushes(word), "push by what was deployed before")
