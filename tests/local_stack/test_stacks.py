"""Herald's own stacks, where a template or a name meets a limit of AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from botocore.exceptions import ClientError

from ops.aws import cloudformation
from ops.aws.account import Account
from ops.config.loader import StageConfig, load
from ops.config.rules_subscribers_grants import Extensions, RuleTable
from ops.deploy import release
from ops.deploy.release_history import BILL, Releases, bucket
from ops.generate import render
from ops.loopback import credentials
from ops.templates import rules_subscribers_grants
from ops.templates.common_resources import RULE_DEAD_LETTERS, RULE_LETTERS_POLICY, queue_policy, queue_url
from tests.local_stack.local_aws import ROOT, LocalAws
from tests.unit.test_release import RELEASE

STAGE = "limits"


@pytest.fixture
def account(aws: LocalAws) -> Account:
    environ = {"AWS_ENDPOINT_URL": aws.endpoint, "AWS_REGION": "us-east-1", **credentials.keys(aws.endpoint)}
    return Account(environ, isolated=True)


@pytest.fixture
def config() -> StageConfig:
    config = load(ROOT)["dev"]
    return replace(config, stage=config.stage._replace(name=STAGE))


def foundation(account: Account, config: StageConfig) -> str:
    """Make the foundation stack; returns the name of its bucket."""
    plan = release.foundation(ROOT, config)
    upload = Releases(config.stage, account).upload_template
    assert (
        cloudformation.apply(account.cloudformation, plan.name, plan.template, plan.parameters, {}, upload) == "created"
    )
    found = bucket(account, config.stage)
    assert found
    return found


@pytest.fixture
def standing(account: Account, config: StageConfig) -> Iterator[str]:
    """The bucket of a stage whose foundation stands."""
    yield foundation(account, config)
    Releases(config.stage, account).delete_all()
    cloudformation.delete(account.cloudformation, cloudformation.foundation(config.stage))


def test_a_bucket_that_is_made_anew_has_another_name(account: Account, config: StageConfig, standing: str) -> None:
    """S3 may refuse the name of a deleted one for hours: "A conflicting conditional operation is in progress"."""
    cloudformation.delete(account.cloudformation, cloudformation.foundation(config.stage))
    assert bucket(account, config.stage) is None
    again = foundation(account, config)
    assert again != standing
    assert {again.rpartition("-")[0], standing.rpartition("-")[0]} == {f"herald-{STAGE}-releases-000000000000"}


def test_a_template_of_200_rules_goes_by_the_bucket(account: Account, config: StageConfig, standing: str) -> None:
    letters = "abcdefghijklmnopqrst"
    rules = {
        f"{one}-{two}": RuleTable.model_validate({"to": f"sns:topic-{one}"}) for one in letters for two in letters[:10]
    }
    extensions = Extensions(rules=rules)
    render.generated({STAGE: replace(config, extensions=extensions)})
    # Without what needs functions.
    resources = rules_subscribers_grants.resources(extensions, config.stage)
    resources[RULE_LETTERS_POLICY] = queue_policy(RULE_DEAD_LETTERS, "events", ["*"])
    queue = {name: {"Type": "String"} for name in (RULE_DEAD_LETTERS, queue_url(RULE_DEAD_LETTERS))}
    text = yaml.safe_dump({"Parameters": queue, "Resources": resources})
    assert len(text.encode()) > cloudformation.LARGEST_BODY
    name = cloudformation.wiring(config.stage)
    parameters = dict.fromkeys(queue, "arn:aws:sqs:us-east-1:000000000000:dead")
    upload = Releases(config.stage, account).upload_template
    with pytest.raises(ClientError, match="51200"):
        account.cloudformation.create_stack(StackName=name, TemplateBody=text)
    try:
        assert cloudformation.apply(account.cloudformation, name, text, parameters, {}, upload) == "created"
        pages = account.client("events").get_paginator("list_rules").paginate(EventBusName=config.stage.bus)
        found = [each["Name"] for page in pages for each in page["Rules"]]
        assert len([each for each in found if each.startswith(f"{config.stage.bus}-rule-")]) == 200
    finally:
        cloudformation.delete(account.cloudformation, name)


def test_of_a_bucket_whose_versioning_was_switched_on_no_old_release_is_left(
    account: Account, config: StageConfig, standing: str
) -> None:
    s3 = account.client("s3")
    s3.put_bucket_versioning(Bucket=standing, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"x", b"y"):
        s3.put_object(Bucket=standing, Key="releases/one/package.zip", Body=body)
    s3.delete_object(Bucket=standing, Key="releases/one/package.zip")
    Releases(config.stage, account).delete_all()
    left = s3.list_object_versions(Bucket=standing)
    assert not {"Versions", "DeleteMarkers"} & left.keys()


def test_a_release_is_kept_with_the_bill_of_materials_of_its_package(
    account: Account, config: StageConfig, standing: str, tmp_path: Path
) -> None:
    package = tmp_path / "package.zip"
    with ZipFile(package, "w") as archive:
        archive.writestr("thing-1.0.dist-info/METADATA", "Name: thing\nVersion: 1.0\nLicense-Expression: MIT\n")
    kept = replace(RELEASE, stage=STAGE, functions=()).packed(package)
    name = Releases(config.stage, account).keep(kept, package)
    found = json.load(account.client("s3").get_object(Bucket=standing, Key=f"releases/{name}/{BILL}")["Body"])
    assert "pkg:pypi/thing@1.0" in [each["purl"] for each in found["components"]]
    assert found["metadata"]["component"]["version"] == name
