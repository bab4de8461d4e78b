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
    return _delete(s3, bucket, [{"Key": key} for key in found])


def empty(s3: Any, bucket: str) -> None:
    """Delete every version of every object, as somebody may have switched versioning on; nothing where there is no
    such bucket. A bucket with any version can't be deleted:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/delete-bucket.html"""
    found: list[dict[str, str]] = []
    with ignoring_aws_error("NoSuchBucket"):
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for version in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                found.append({"Key": version["Key"], "VersionId": version["VersionId"]})
    _delete(s3, bucket, found)


def delete(s3: Any, bucket: str) -> None:
    """Empty a bucket and delete it; nothing where there is none."""
    empty(s3, bucket)
    with ignoring_aws_error("NoSuchBucket"):
        s3.delete_bucket(Bucket=bucket)


def _delete(s3: Any, bucket: str, found: list[dict[str, str]]) -> int:
    for start in range(0, len(found), AT_ONCE):
        some = found[start : start + AT_ONCE]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
        if errors := answer.get("Errors"):
            raise RuntimeError(f"{len(errors)} objects of {bucket} were not deleted: {errors[0].get('Code')}")
    return len(found)
