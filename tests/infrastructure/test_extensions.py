"""Rules, subscribers and grants in the eyes of cfn-lint and parliament."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops.config.loader import load
from ops.config.rules_subscribers_grants import GrantTable, grantable
from ops.generate import render
from ops.generate.check import policy_faults
from ops.naming import AwsLocation
from ops.templates import rules_subscribers_grants
from tests.infrastructure.test_templates import cfn_lint
from tests.unit.test_config import GOOD

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
def rendered(tmp_path: Path) -> Path:
    (tmp_path / "herald.toml").write_text(GOOD + ADDED, encoding="utf-8")
    path = tmp_path / "wiring.yaml"
    path.write_text(render.generated(load(tmp_path))[render.wiring_file("dev")], encoding="utf-8")
    return path


@pytest.mark.full
def test_cfn_lint_finds_nothing_in_a_template_with_all_that_can_be_added(rendered: Path) -> None:
    ran = cfn_lint(rendered)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


def test_the_template_fits_any_partition_and_account(rendered: Path) -> None:
    text = rendered.read_text(encoding="utf-8")
    assert "arn:aws:" not in text
    assert "123456789012" not in text


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_parliament_finds_nothing_in_a_grant_of_everything_and_it_fits_a_managed_policy(partition: str) -> None:
    """6,144 characters: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    stage = load(Path(__file__).parents[2])["local"].stage
    everything = GrantTable(functions=grantable(stage))
    text = json.dumps(
        rules_subscribers_grants.policy(everything, stage, AwsLocation(partition, "eu-central-1", "123456789012"))
    )
    assert policy_faults(text) == []
    assert len(text) < 6144
