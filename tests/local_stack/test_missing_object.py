"""Who may not list a bucket isn't told that an object is missing (ops/local/aws/missing_object.py)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.local_stack.local_aws import REGION, LocalAws
from tests.local_stack.test_function_url import caller

READS: dict[str, Callable[[Any, str], Any]] = {
    "get": lambda s3, bucket: s3.get_object(Bucket=bucket, Key="a/b c"),
    "head": lambda s3, bucket: s3.head_object(Bucket=bucket, Key="a/b c"),
    "copy": lambda s3, bucket: s3.copy_object(Bucket=bucket, Key="d", CopySource={"Bucket": bucket, "Key": "a/b c"}),
}


def reader(aws: LocalAws, bucket: str, *, lists: bool) -> Any:
    """S3 as a role sees it that may read and write objects of the bucket, and list them or not."""
    statements = [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{bucket}/*"}
    ]
    statements += [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"}] * lists
    keys = caller(aws, *statements)
    return boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=aws.endpoint,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.token,
    )


@pytest.mark.parametrize("read", READS)
def test_who_may_not_list_a_bucket_is_denied_a_missing_object_and_gets_one_that_is_there(
    aws: LocalAws, read: str
) -> None:
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    aws.client("s3").create_bucket(Bucket=bucket)
    told = []
    for lists in (True, False):
        with pytest.raises(ClientError) as refused:
            READS[read](reader(aws, bucket, lists=lists), bucket)
        told.append(refused.value.response["ResponseMetadata"]["HTTPStatusCode"])
    assert told == [404, 403]
    aws.client("s3").put_object(Bucket=bucket, Key="a/b c", Body=b"words")
    READS[read](reader(aws, bucket, lists=False), bucket)
