"""The template of the bucket that keeps the files of messages, for a stage that takes any.

It is a stack of its own, because it must outlive the others, as the table does, and its rules follow from the sites.
"""

from __future__ import annotations

from typing import Any

from chalicelib.adapters.message_table import RETENTION_DAYS
from chalicelib.logic.message_files import INCOMING_PREFIX, KEPT_PREFIX, NEW_PREFIX
from chalicelib.settings import Stage
from ops.naming import PSEUDO_PARAMETERS

BUCKET = "Files"
"""The bucket's name in the template, and the output with the bucket's own."""
INSECURE = {"Bool": {"aws:SecureTransport": "false"}}


def template(stage: Stage, *, plain_http: bool = False) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html

    ``plain_http`` leaves out that requests must be encrypted on their way, for the local stack.
    """
    name = stage.files_bucket(PSEUDO_PARAMETERS.region, PSEUDO_PARAMETERS.account)
    arn = f"arn:{PSEUDO_PARAMETERS.partition}:s3:::{name}"
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Herald, stage {stage.name}: the files that came with messages",
        "Resources": {
            BUCKET: {
                "Type": "AWS::S3::Bucket",
                "DeletionPolicy": "RetainExceptOnCreate",
                "UpdateReplacePolicy": "Retain",
                "Properties": {
                    "BucketName": {"Fn::Sub": name},
                    "BucketEncryption": {
                        "ServerSideEncryptionConfiguration": [
                            {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
                        ]
                    },
                    "PublicAccessBlockConfiguration": {
                        "BlockPublicAcls": True,
                        "BlockPublicPolicy": True,
                        "IgnorePublicAcls": True,
                        "RestrictPublicBuckets": True,
                    },
                    "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                    "LifecycleConfiguration": {"Rules": _rules(stage)},
                },
            },
            f"{BUCKET}Policy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {
                    "Bucket": {"Ref": BUCKET},
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Sid": "NobodyFromElsewhere",
                                "Effect": "Deny",
                                "Principal": "*",
                                "Action": "s3:*",
                                "Resource": [{"Fn::Sub": arn}, {"Fn::Sub": f"{arn}/*"}],
                                "Condition": {"StringNotEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}},
                            },
                            *([] if plain_http else [_encrypted_alone(arn)]),
                        ],
                    },
                },
            },
        },
        "Outputs": {BUCKET: {"Value": {"Ref": BUCKET}}},
    }


def _encrypted_alone(arn: str) -> dict[str, Any]:
    return {
        "Sid": "NothingUnencrypted",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [{"Fn::Sub": arn}, {"Fn::Sub": f"{arn}/*"}],
        "Condition": INSECURE,
    }


def _rules(stage: Stage) -> list[dict[str, Any]]:
    """When objects expire. Where several rules hold, the shortest counts:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html"""
    longest = max([RETENTION_DAYS, *(site.retention_days for site in stage.sites.values())]) + 1
    days = {
        "new": (NEW_PREFIX, 1),
        "incoming": (INCOMING_PREFIX, longest),
        # Also those of sites that have left the configuration.
        "kept": (KEPT_PREFIX, longest),
        **{
            f"kept-{site.name}": (f"{KEPT_PREFIX}{site.name}/", site.retention_days + 1)
            for site in stage.sites.values()
            if site.files
        },
    }
    return [
        *(
            {"Id": name, "Status": "Enabled", "Prefix": prefix, "ExpirationInDays": number}
            for name, (prefix, number) in days.items()
        ),
        # Nothing here uploads in parts or keeps versions, but an owner's programs and the bucket's owner may.
        {
            "Id": "remains",
            "Status": "Enabled",
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        },
    ]
