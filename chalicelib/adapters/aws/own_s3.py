"""The few operations of S3 that Herald's own client knows. Loaded where a stage takes files, by what touches them.

Buckets are addressed by path, so that one client serves any bucket. Every call names the account that the bucket must
be of: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from chalicelib.adapters.aws.errors import ServiceError
from chalicelib.adapters.aws.transport import Answer

if TYPE_CHECKING:
    from chalicelib.adapters.aws.own_client import Caller

_METADATA = "x-amz-meta-"


class S3:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html"""

    def __init__(self, caller: Caller, make_error: Callable[[Answer], ServiceError]) -> None:
        """``make_error`` reads the error of an answer in XML:
        https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""
        self._caller = caller
        self._make_error = make_error

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes,
        ContentType: str,
        Metadata: Mapping[str, str],
        ExpectedBucketOwner: str,
    ) -> dict[str, Any]:
        """``Metadata`` is ASCII."""
        headers = _of(ExpectedBucketOwner) | {"Content-Type": ContentType}
        headers |= {f"{_METADATA}{name}": value for name, value in Metadata.items()}
        self._send("PUT", Bucket, Key, headers, Body)
        return {}

    def get_object(self, *, Bucket: str, Key: str, ExpectedBucketOwner: str, Range: str = "") -> dict[str, Any]:
        headers = _of(ExpectedBucketOwner) | ({"Range": Range} if Range else {})
        answer = self._send("GET", Bucket, Key, headers)
        metadata = {
            name.removeprefix(_METADATA): value for name, value in answer.headers.items() if name.startswith(_METADATA)
        }
        at: datetime = parsedate_to_datetime(answer.headers["last-modified"])
        return {"Body": io.BytesIO(answer.body), "Metadata": metadata, "LastModified": at}

    def copy_object(self, *, Bucket: str, Key: str, CopySource: str, ExpectedBucketOwner: str) -> dict[str, Any]:
        """``CopySource`` is a bucket and a key, escaped. An error may come with status 200:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""
        headers = _of(ExpectedBucketOwner) | {"x-amz-copy-source": CopySource}
        answer = self._send("PUT", Bucket, Key, headers)
        if b"<Error>" in answer.body:
            raise self._make_error(Answer(500, answer.headers, answer.body))
        return {}

    def delete_object(self, *, Bucket: str, Key: str, ExpectedBucketOwner: str) -> dict[str, Any]:
        """Deleting what is not there succeeds."""
        self._send("DELETE", Bucket, Key, _of(ExpectedBucketOwner))
        return {}

    def _send(self, method: str, bucket: str, key: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        return self._caller.send(method, f"/{bucket}/{quote(key, safe='/~')}", headers, body, self._make_error)


def _of(owner: str) -> dict[str, str]:
    return {"x-amz-expected-bucket-owner": owner}
