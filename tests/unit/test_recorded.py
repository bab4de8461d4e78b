"""The account and region that a stage is recorded for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from ops.aws import account_guard
from ops.config.loader import StageConfig
from ops.errors import OpsError
from ops.generate import render
from ops.naming import AwsLocation
from tests.fakes import stage

HOME = AwsLocation("aws", "eu-central-1", "111111111111")
NEXT_DOOR = replace(HOME, region="eu-west-1")
Stubbed = Callable[[str], tuple[Any, Stubber]]
CONFIG = StageConfig(stage("dev"), False, 30, 10, 20, None, None, None)


def test_a_stage_that_is_recorded_nowhere_may_go_anywhere(tmp_path: Path) -> None:
    account_guard.confirm(tmp_path, CONFIG, HOME)


def test_after_a_deployment_another_account_and_region_are_refused_naming_both(tmp_path: Path) -> None:
    account_guard.record(tmp_path, CONFIG, HOME)
    account_guard.confirm(tmp_path, CONFIG, HOME)
    with pytest.raises(OpsError) as caught:
        account_guard.confirm(tmp_path, CONFIG, AwsLocation("aws", "us-east-1", "222222222222"))
    for word in ("111111111111", "222222222222", "eu-central-1", "us-east-1", ".chalice/where-dev.json"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        (replace(CONFIG, account="222222222222"), ["account 222222222222", "account 111111111111"]),
        (replace(CONFIG, region="us-east-1"), ["region us-east-1", "region eu-central-1"]),
    ],
)
def test_herald_toml_decides_for_every_checkout(tmp_path: Path, config: StageConfig, wrong: list[str]) -> None:
    account_guard.record(tmp_path, CONFIG, HOME)
    with pytest.raises(OpsError) as caught:
        account_guard.confirm(tmp_path, config, HOME)
    for word in (*wrong, "[stages.dev] of herald.toml"):
        assert word in str(caught.value)


def test_what_is_gone_may_be_made_anew_elsewhere(tmp_path: Path) -> None:
    account_guard.record(tmp_path, CONFIG, HOME)
    account_guard.forget(tmp_path, "dev")
    account_guard.confirm(tmp_path, CONFIG, AwsLocation("aws", "us-east-1", "222222222222"))


def test_the_local_stack_is_recorded_nowhere(tmp_path: Path) -> None:
    account_guard.record(tmp_path, replace(CONFIG, endpoint="http://127.0.0.1:4566"), HOME)
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_can_t_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    account_guard.record(tmp_path, CONFIG, HOME)
    (tmp_path / account_guard.file("dev")).write_text("{", encoding="utf-8")
    with pytest.raises(OpsError, match="where-dev"):
        account_guard.confirm(tmp_path, CONFIG, HOME)


def test_roles_of_the_stage_in_another_region_are_refused_naming_both(stubbed: Stubbed) -> None:
    # IAM's names are an account's, not a region's: Chalice would give the standing roles this region's policies.
    policies = render.policies(CONFIG.stage, HOME)
    document = next(text for file, text in policies.items() if file.name == "policy-dev-api_handler.json")
    role = {"RoleName": "herald-dev-api_handler", "PolicyName": "herald-dev-api_handler"}
    iam, stub = stubbed("iam")
    stub.add_response("get_role_policy", {**role, "PolicyDocument": document}, role)
    account_guard.refuse_roles_of_another_region(iam, CONFIG, HOME)
    stub.add_response("get_role_policy", {**role, "PolicyDocument": document}, role)
    with pytest.raises(OpsError, match=r"roles of stage dev serve eu-central-1, and this is eu-west-1\. Nothing"):
        account_guard.refuse_roles_of_another_region(iam, CONFIG, NEXT_DOOR)


def test_a_first_deployment_has_no_role_and_the_local_stack_is_not_asked(stubbed: Stubbed) -> None:
    iam, stub = stubbed("iam")
    stub.add_client_error("get_role_policy", "NoSuchEntity")
    account_guard.refuse_roles_of_another_region(iam, CONFIG, HOME)
    stub.assert_no_pending_responses()
    account_guard.refuse_roles_of_another_region(iam, replace(CONFIG, endpoint="http://127.0.0.1:4566"), HOME)
