"""Say that an object is missing only to a role that may list its bucket; MiniStack says so to every reader.

"If the object that you request doesn't exist, the error that Amazon S3 returns depends on whether you also have the
s3:ListBucket permission": with it NoSuchKey (404), without it AccessDenied (403). CopyObject reads its source likewise.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ops.local.aws.ministack_modules import extend, iam_actions, s3

EXTENDS = (
    "ministack.core.iam_actions:_s3_action",
    "ministack.core.iam_actions:s3_additional_checks",
    "ministack.services.s3:_ensure_bucket",
)

_READ = "s3:GetObject"
"""The action of GetObject, HeadObject and, for its source, CopyObject."""
Checks = list[tuple[str, str]]
"""Actions with the ARNs on which IAM is asked for them."""


def install() -> None:
    """Ask IAM for ``s3:ListBucket`` too before a missing object is read."""
    extend(iam_actions, "s3_additional_checks", _also_list)


def _also_list(checks: Callable[..., Checks], method: str, path: str, headers: Any, body: bytes, query: Any) -> Checks:
    found = checks(method, path, headers, body, query)
    itself = (f"s3:{iam_actions._s3_action(method, path, query)}", f"arn:aws:s3:::{path.lstrip('/')}")
    missing = (bucket for action, arn in (itself, *found) if action == _READ and (bucket := _without(arn)))
    return [*found, *(("s3:ListBucket", bucket) for bucket in missing)]


def _without(arn: str) -> str:
    """The ARN of the bucket that lacks this object; empty where it has it, or where there is no such bucket."""
    name, _, key = arn.removeprefix("arn:aws:s3:::").partition("/")
    bucket = s3._ensure_bucket(name)
    return f"arn:aws:s3:::{name}" if bucket and key not in bucket["objects"] else ""
