"""The CloudFormation templates, in the eyes of cfn-lint, and what they must never hold."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops.aws.account import Account
from ops.config.loader import load
from ops.deploy.deployment import Deployment, current_parameters
from ops.deploy.release import foundation
from ops.generate import render
from ops.templates import alarms, file_bucket, resource_access, trigger_resources
from ops.templates.function_directory import API_ADDRESS
from tests.unit.test_config import GOOD

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = sorted((ROOT / "infra").glob("*.yaml"))


def read(name: str) -> dict[str, Any]:
    return resource_access.read(ROOT / "infra" / name)


def resources(name: str, kind: str) -> dict[str, Any]:
    return {key: it["Properties"] for key, it in read(name)["Resources"].items() if it["Type"] == kind}


def statements() -> list[tuple[str, dict[str, Any]]]:
    """Every statement of every policy that a template attaches."""
    found = []
    for path in (each for each in TEMPLATES if not each.name.startswith("pipeline-")):  # tests/…/test_pipeline.py
        for key, it in read(path.name)["Resources"].items():
            properties = it["Properties"]
            policies = [properties.get("PolicyDocument"), properties.get("AssumeRolePolicyDocument")]
            policies += [each["PolicyDocument"] for each in properties.get("Policies", []) if isinstance(each, dict)]
            found += [(f"{path.name} {key}", one) for policy in policies if policy for one in policy["Statement"]]
    return found


def cfn_lint(*paths: Path, regions: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    options = ["--format", "parseable", *(["--regions", *regions] if regions else []), "--"]
    return subprocess.run(
        [sys.executable, "-c", "from cfnlint.runner import main; main()", *options, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


ADDED = """
[[rule]]
name = "inbox"
action = "undeliverable"
condition = ["RetriesExhausted", "EventAgeExceeded"]
site = "default"
kind = "contact"
to = "sqs:inbox"

[[rule]]
name = "everything"
to = "sns:team"

[[rule]]
name = "slack"
condition = "RetriesExhausted"
to = "lambda:slack:live"

[[subscriber]]
name = "copies"
site = "default"
raw = true
to = "sqs:copies"

[[subscriber]]
name = "crm"
to = "arn:aws:lambda:eu-central-1:123456789012:function:crm"

[[grant]]
name = "report"
functions = ["list_messages", "notify_pushover", "get_message"]
roles = ["nightly-report"]
"""


@pytest.fixture
def with_everything(tmp_path: Path) -> Path:
    """The wiring template of a stage that has an address for its alarms, rules, subscribers and grants."""
    (tmp_path / "herald.toml").write_text(GOOD + ADDED, encoding="utf-8")
    stages = {name: replace(config, alarms_to="owner@example.com") for name, config in load(tmp_path).items()}
    path = tmp_path / "wiring-dev.yaml"
    path.write_text(render.generated(stages)[render.wiring_file("dev")], encoding="utf-8")
    return path


@pytest.mark.full
def test_cfn_lint_finds_nothing_in_any_template(with_everything: Path) -> None:
    assert len(TEMPLATES) >= 5
    ran = cfn_lint(*TEMPLATES, with_everything)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


@pytest.mark.full
def test_cfn_lint_would_find_a_mistake(with_everything: Path) -> None:
    mistakes = {"notBreaching": "harmless", "EventBusName:": "EventBus:"}
    text = with_everything.read_text(encoding="utf-8")
    for right, wrong in mistakes.items():
        assert right in text
        text = text.replace(right, wrong)
    with_everything.write_text(text, encoding="utf-8")
    ran = cfn_lint(with_everything)
    assert "harmless" in ran.stdout
    assert "EventBus" in ran.stdout
    assert ran.returncode != 0


def test_a_template_with_everything_fits_any_partition_and_account(with_everything: Path) -> None:
    text = with_everything.read_text(encoding="utf-8")
    assert "arn:aws:" not in text
    assert not re.search(r"\d{12}|\w@\w", text)


@pytest.mark.parametrize(
    ("where", "statement"), statements(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_no_statement_of_a_template_allows_by_a_wildcard_and_whatever_a_service_may_do_is_bound_to_one_source(
    where: str, statement: dict[str, Any]
) -> None:
    """Without a source, another account's topic or rule could use ours (the confused deputy):
    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html"""
    if statement["Effect"] == "Allow":
        assert "*" not in json.dumps([statement.get(key, "") for key in ("Action", "Resource", "Principal")])
        if "Service" in statement.get("Principal", {}) and statement["Action"] != "sts:AssumeRole":
            assert "aws:SourceArn" in json.dumps(statement["Condition"])


def test_the_bucket_of_releases_takes_nothing_unencrypted_but_on_the_local_stack() -> None:
    template = read("foundation.yaml")
    policy = template["Resources"]["ReleasesPolicy"]
    (denied,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:*")
    assert denied["Resource"] == [{"Fn::GetAtt": ["Releases", "Arn"]}, {"Fn::Sub": "${Releases.Arn}/*"}]
    assert denied["Condition"] == file_bucket.INSECURE
    assert template["Conditions"][policy["Condition"]] == {"Fn::Equals": [{"Ref": "PlainHttp"}, "off"]}
    config = load(ROOT)["dev"]
    told = {}
    for endpoint in ("", "https://aws.example.com", "http://127.0.0.1:4566"):
        deployment = Deployment(ROOT, config, Account({"AWS_ENDPOINT_URL": endpoint}, isolated=True), {}, print)
        plan = replace(foundation(ROOT, config), parameters={"PlainHttp": "on"})
        told[endpoint] = current_parameters(deployment, plan)["PlainHttp"]
    assert list(told.values()) == ["off", "off", "on"]
    assert foundation(ROOT, config).parameters["PlainHttp"] == "off"


def test_the_table_keeps_its_data_and_can_be_restored() -> None:
    (table,) = (it for it in read("data.yaml")["Resources"].values() if it["Type"] == "AWS::DynamoDB::Table")
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    properties = table["Properties"]
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert properties["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]


def test_queues_of_what_could_not_be_delivered_keep_it_for_14_days_encrypted() -> None:
    queues = resources("data.yaml", "AWS::SQS::Queue").values()
    assert len(queues) == 4
    assert all(it["MessageRetentionPeriod"] == 14 * 24 * 60 * 60 and it["SqsManagedSseEnabled"] for it in queues)


@pytest.mark.parametrize("stage", sorted(load(ROOT)))
def test_names_of_queues_and_rules_are_the_same_on_both_sides(stage: str) -> None:
    """Between two stacks no reference holds: what the data stack names must be what the others mean."""
    it = load(ROOT)[stage].stage
    wiring = read(f"wiring-{stage}.yaml")
    streams = {name for name in wiring["Parameters"] if name.startswith(trigger_resources.STREAM)}
    looked_up = {alarms.EMAIL, API_ADDRESS} | streams
    assert set(wiring["Parameters"]) - looked_up <= set(read("data.yaml")["Outputs"])
    prefix = it.rule_dead_letters.removesuffix("-rule-dead-letters")
    assert prefix == f"herald-{stage}"
    rule = wiring["Resources"]["FailedEventsRule"]["Properties"]
    assert (rule["Name"], rule["EventBusName"]) == (f"{prefix}-failed-events", it.bus)


def test_send_event_publishes_the_attributes_that_destined_reads_and_nothing_of_the_caller() -> None:
    (method,) = resources("foundation.yaml", "AWS::ApiGateway::Method").values()
    template = method["Integration"]["RequestTemplates"]["application/json"]["Fn::Sub"]
    assert "Action=Publish" in template
    for number, (name, value) in enumerate((("kind", "event"), ("site", "default")), 1):
        assert f"MessageAttributes.entry.{number}.Name={name}&" in template
        assert f"MessageAttributes.entry.{number}.Value.StringValue={value}" in template
    # The one thing of the request that is read is compared with a constant and never written.
    assert template.count("$input") == 1
    assert "#if($input.params('mode') == 'fail')please%20fail#{else}hello%20world#end" in " ".join(template.split())
    assert method["Integration"]["PassthroughBehavior"] == "NEVER"
