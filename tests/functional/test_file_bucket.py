"""The bucket of files: what is read of an object that has no bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.stub import Stubber

from chalicelib.adapters.aws.botocore_client import Sdk
from chalicelib.adapters.file_bucket import MAX_READ, FileBucket, StoredFile
from chalicelib.settings import Stage
from tests.fakes import FUNCTION_ARN

Stubbed = Callable[[str], tuple[Any, Stubber]]


def test_an_empty_object_keeps_its_name_type_and_time(stubbed: Stubbed, local: Stage) -> None:
    client, stub = stubbed("s3")
    asked = {
        "Bucket": "herald-local-files-123456789012-eu-central-1",
        "ExpectedBucketOwner": "123456789012",
        "Key": "incoming/x",
    }
    ranged = {**asked, "Range": f"bytes=0-{MAX_READ - 1}"}
    # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html: "The requested range cannot be satisfied."
    stub.add_client_error("get_object", "InvalidRange", http_status_code=416, expected_params=ranged)
    at = datetime(2026, 11, 29, 7, tzinfo=UTC)
    answer = {"Body": io.BytesIO(), "Metadata": {"name": "%C3%BC.jpg", "type": "image/jpeg"}, "LastModified": at}
    stub.add_response("get_object", answer, asked)
    bucket = FileBucket(Sdk(client), local, FUNCTION_ARN)
    assert bucket.read("incoming/x") == StoredFile(b"", "ü.jpg", "image/jpeg", int(at.timestamp()))
