"""The bucket of files: who may use it, and when what is in it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from chalicelib.functions import FILES_BUCKET
from chalicelib.settings import FileRules, Stage
from ops.naming import PSEUDO_PARAMETERS, AwsLocation, filled
from ops.templates.file_bucket import template
from tests.fakes import site, stage
from tests.infrastructure.test_templates import cfn_lint

RULES = FileRules(3, 4_000_000, ("image",))
STAGE: Stage = stage()._replace(
    sites={
        "default": site()._replace(files=RULES, retention_days=30),
        "shop": site("shop")._replace(files=RULES, retention_days=400),
        "plain": site("plain"),
    },
)


def bucket(it: Stage = STAGE) -> dict[str, Any]:
    properties: dict[str, Any] = template(it)["Resources"]["Files"]["Properties"]
    return properties


def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "files.yaml"
    path.write_text(yaml.safe_dump(template(STAGE)), encoding="utf-8")
    assert cfn_lint(path, regions=["eu-central-1", "us-gov-west-1", "cn-north-1"]).stdout == ""


def test_files_end_with_their_message_and_a_day_and_what_nobody_refers_to_within_a_day() -> None:
    rules = {rule["Prefix"]: rule["ExpirationInDays"] for rule in bucket()["LifecycleConfiguration"]["Rules"]}
    assert rules == {
        "new/": 1,
        "incoming/": 401,
        "files/": 401,  # of a site that has left the configuration, too
        "files/default/": 31,
        "files/shop/": 401,
    }


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


def test_template_functions_and_policies_mean_the_same_bucket() -> None:
    where = AwsLocation("aws", "ap-northeast-1", "123456789012")
    name = filled(FILES_BUCKET, STAGE, where, "test")
    assert name == STAGE.files_bucket(where.region, where.account)
    assert bucket()["BucketName"]["Fn::Sub"] == filled(FILES_BUCKET, STAGE, PSEUDO_PARAMETERS, "test")
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    assert len(filled(FILES_BUCKET, STAGE._replace(name="a" * 12), where, "test")) <= 63
