"""Empty and delete buckets of S3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ops.errors import ignoring_aws_error

AT_ONCE = 1000
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""


def keys(s3: Any, bucket: str, prefix: str = "") -> Iterator[str]:
    """The keys that begin with the prefix; none where there is no such bucket."""
    with ignoring_aws_error("NoSuchBucket"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from (found["Key"] for found in page.get("Contents", []))


def delete_keys(s3: Any, bucket: str, found: list[str]) -> int:
    """Delete objects; returns how many. Raises :class:`RuntimeError` where one could not be deleted."""
    for start in range(0, len(found), AT_ONCE):
        some = [{"Key": key} for key in found[start : start + AT_ONCE]]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
        if errors := answer.get("Errors"):
            raise RuntimeError(f"{len(errors)} objects of {bucket} were not deleted: {errors[0].get('Code')}")
    return len(found)


def delete(s3: Any, bucket: str) -> None:
    """Empty a bucket and delete it; nothing where there is none."""
    delete_keys(s3, bucket, list(keys(s3, bucket)))
    with ignoring_aws_error("NoSuchBucket"):
        s3.delete_bucket(Bucket=bucket)
