"""The bucket of files: who may use it, and when what is in it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from botocore.exceptions import ClientError

from chalicelib.functions import FILES_BUCKET, functions_of
from chalicelib.logic.message_files import INCOMING_PREFIX, KEPT_PREFIX, NEW_PREFIX, key_of
from chalicelib.settings import FileRules, Stage
from ops.aws.account import Account
from ops.config.loader import StageConfig
from ops.deploy.deployment import Deployment, delete_files, has_files
from ops.deploy.release import file_bucket
from ops.generate.render import policies
from ops.naming import PSEUDO_PARAMETERS, AwsLocation, filled
from ops.templates import wiring
from ops.templates.file_bucket import template
from tests.fakes import site, stage
from tests.infrastructure.test_templates import cfn_lint

RULES = FileRules(3, 4_000_000, ("image",))
STAGE: Stage = stage()._replace(
    sites={
        "default": site()._replace(files=RULES, retention_days=30),
        "shop": site("shop")._replace(files=RULES, retention_days=400),
        "plain": site("plain"),
    }
)


def bucket(it: Stage = STAGE) -> dict[str, Any]:
    properties: dict[str, Any] = template(it)["Resources"]["Files"]["Properties"]
    return properties


def test_a_stage_without_files_has_no_function_policy_bucket_or_rule_of_them() -> None:
    plain = STAGE._replace(sites={"plain": site("plain")})
    assert file_bucket(STAGE) is not None
    assert file_bucket(plain) is None
    assert {spec.name for spec in functions_of(STAGE)} - {spec.name for spec in functions_of(plain)} == {"examine"}
    where = AwsLocation("aws", "eu-central-1", "123456789012")
    made = [*policies(plain, where).values(), yaml.safe_dump(wiring.template(plain))]
    assert [text for text in made if "s3:" in text or "-files-" in text or "examine" in text] == []


@pytest.mark.full
def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "files.yaml"
    path.write_text(yaml.safe_dump(template(STAGE)), encoding="utf-8")
    assert cfn_lint(path, regions=["eu-central-1", "us-gov-west-1", "cn-north-1"]).stdout == ""


def expires_at(key: str, stored: datetime, stage: Stage = STAGE) -> datetime | None:
    """When S3 deletes an object, by the bucket's rules; None for never.

    The days are added to the time at which it was stored, and rounded up to the next midnight UTC:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html#intro-lifecycle-rules-number-of-days
    Where several rules hold, the shorter counts:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html
    """
    rules = bucket(stage)["LifecycleConfiguration"]["Rules"]
    days = [
        rule["ExpirationInDays"]
        for rule in rules
        if rule["Status"] == "Enabled" and "ExpirationInDays" in rule and key.startswith(rule["Prefix"])
    ]
    if not days:
        return None
    midnight = stored.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(min(days) + 1)


STORED = datetime(2014, 1, 15, 10, 30, tzinfo=UTC)
"""As in the page's sample, in which three days end on 19 January 2014 at 0:00."""


def test_every_key_that_herald_writes_ends_by_itself() -> None:
    ends = {
        key_of(NEW_PREFIX, "default", "id", 1): 1,
        key_of(NEW_PREFIX, "a-site-that-has-left", "id", 1): 1,
        key_of(KEPT_PREFIX, "default", "id", 1): 30 + 1,
        key_of(KEPT_PREFIX, "shop", "id", 12): 400 + 1,
        # The longest of all, as nobody knows any more how long its messages are kept.
        key_of(KEPT_PREFIX, "a-site-that-has-left", "id", 1): 400 + 1,
        key_of(KEPT_PREFIX, "plain", "id", 1): 400 + 1,  # It took files before.
        f"{INCOMING_PREFIX}yours.jpg": 400 + 1,
    }
    for key, days in ends.items():
        assert expires_at(key, STORED) == datetime(2014, 1, 16, tzinfo=UTC) + timedelta(days), key
    assert expires_at("elsewhere/x", STORED) is None


def test_a_file_outlives_no_message_by_more_than_two_days_and_none_goes_before_its_message() -> None:
    for hours in range(24):
        stored = STORED.replace(hour=hours)
        ends = expires_at(key_of(KEPT_PREFIX, "default", "id", 1), stored)
        assert ends is not None
        assert timedelta(30) <= ends - stored <= timedelta(30 + 2)


def test_uploads_that_were_given_up_and_old_versions_go_wherever_they_are() -> None:
    (rule,) = (rule for rule in bucket()["LifecycleConfiguration"]["Rules"] if "Prefix" not in rule)
    assert rule["Status"] == "Enabled"
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}


def test_nothing_is_public_and_everything_encrypted_at_rest_and_on_its_way() -> None:
    assert set(bucket()["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket()["BucketEncryption"]["ServerSideEncryptionConfiguration"] == [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    ]
    statements = template(STAGE)["Resources"]["FilesPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert {(each["Effect"], each["Action"]) for each in statements} == {("Deny", "s3:*")}
    assert [each["Condition"] for each in statements] == [
        {"StringNotEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}},
        {"Bool": {"aws:SecureTransport": "false"}},
    ]


def test_the_bucket_outlives_its_stack() -> None:
    resource = template(STAGE)["Resources"]["Files"]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def deployment(its_stage: Stage, cfn: Any, s3: Any) -> Deployment:
    where = AwsLocation("aws", "eu-central-1", "123456789012")
    account = cast("Account", SimpleNamespace(cloudformation=cfn, client=lambda service: s3, where=where))
    return Deployment(Path(), cast("StageConfig", SimpleNamespace(stage=its_stage)), account, {}, print)


def test_files_that_could_not_be_deleted_keep_the_stack_that_tells_of_them(stubbed: Any) -> None:
    (s3, stub), (cfn, _) = stubbed("s3"), stubbed("cloudformation")
    stub.add_client_error("list_object_versions", "SlowDown")
    with pytest.raises(ClientError, match="SlowDown"):
        delete_files(deployment(STAGE, cfn, s3), delete=True)


def test_a_bucket_that_an_interrupted_run_left_without_its_stack_is_deleted_by_the_next(stubbed: Any) -> None:
    cfn, stub = stubbed("cloudformation")
    found = []
    for its_stage, delete in ((STAGE, True), (STAGE, False), (STAGE._replace(sites={"plain": site("plain")}), True)):
        stub.add_client_error("describe_stacks", "ValidationError")
        found.append(has_files(deployment(its_stage, cfn, None), delete))
    assert found == [True, False, False]


def test_template_functions_and_policies_mean_the_same_bucket() -> None:
    where = AwsLocation("aws", "ap-northeast-1", "123456789012")
    name = filled(FILES_BUCKET, STAGE, where, "test")
    assert name == STAGE.files_bucket(where.region, where.account)
    assert bucket()["BucketName"]["Fn::Sub"] == filled(FILES_BUCKET, STAGE, PSEUDO_PARAMETERS, "test")
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    assert len(filled(FILES_BUCKET, STAGE._replace(name="a" * 12), where, "test")) <= 63
