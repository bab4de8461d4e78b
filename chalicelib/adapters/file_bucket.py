"""The bucket that keeps the files of messages, and the function that examines them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

from chalicelib.adapters.aws import AwsError, ServiceError, partition_region_account
from chalicelib.errors import FilesError
from chalicelib.logic.message import Message
from chalicelib.logic.message_files import KEPT_PREFIX, NEW_PREFIX, FileFacts, FileMark, key_of
from chalicelib.settings import Stage

if TYPE_CHECKING:
    from chalicelib.logic.uploads import Upload

_Result = TypeVar("_Result")

MAX_READ = 4 * 1024 * 1024
"""Bytes of an object that are read: as many as a form's files have together."""
_CONTENT_TYPE = "application/octet-stream"
"""The type of every object, so that no browser shows one."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An object of the bucket, and what its uploader said of it."""

    content: bytes
    """Its first :data:`MAX_READ` bytes."""
    name: str
    declared_type: str
    stored_at: int
    """Seconds since the epoch."""


class FileBucket:
    """A stage's bucket, in the account and region of the running function."""

    def __init__(self, s3: Any, stage: Stage, function_arn: str) -> None:
        _, region, account = partition_region_account(function_arn)
        self._s3 = s3
        self._bucket = {"Bucket": stage.files_bucket(region, account), "ExpectedBucketOwner": account}

    def put(self, message: Message, uploads: Sequence[Upload]) -> None:
        """Put the files of a message that is not published yet; raises :class:`FilesError`."""
        calls = [
            partial(
                self._s3.put_object,
                **self._bucket,
                Key=key_of(NEW_PREFIX, message.site, message.id, number),
                Body=upload.content,
                ContentType=_CONTENT_TYPE,
                Metadata={"name": quote(upload.declared_file.name), "type": quote(upload.declared_file.media_type)},
            )
            for number, upload in enumerate(uploads, 1)
        ]
        _call_all(calls)

    def keep(self, message: Message) -> None:
        """Copy the files of a message to where they stay; raises :class:`FilesError`.

        One that is not there (any more) is passed over: an earlier run has copied it, or nobody can.
        """
        _call_all(
            [
                partial(
                    self._copy,
                    *(key_of(prefix, message.site, message.id, number) for prefix in (NEW_PREFIX, KEPT_PREFIX)),
                )
                for number in range(1, len(message.files) + 1)
            ]
        )

    def _copy(self, source: str, key: str) -> None:
        try:
            self._s3.copy_object(**self._bucket, Key=key, CopySource=f"{self._bucket['Bucket']}/{quote(source)}")
        except ServiceError as error:
            if error.code != "NoSuchKey":
                raise

    def delete(self, site: str, message_id: str, number: int) -> None:
        """Delete the first ``number`` files of a message; raises :class:`FilesError`."""
        keys = [
            key_of(prefix, site, message_id, each)
            for prefix in (NEW_PREFIX, KEPT_PREFIX)
            for each in range(1, number + 1)
        ]
        _call_all([partial(self._s3.delete_object, **self._bucket, Key=key) for key in keys])

    def read(self, key: str) -> StoredFile | None:
        """Read an object; None where there is none. Raises :class:`FilesError`."""
        try:
            found = self._first_bytes(key)
        except ServiceError as error:
            if error.code == "NoSuchKey":
                return None
            raise FilesError(error.reason) from error
        except AwsError as error:
            raise FilesError(error.reason) from error
        metadata = found["Metadata"]
        name = unquote(metadata["name"]) if "name" in metadata else key.rpartition("/")[2]
        return StoredFile(
            found["Body"].read(), name, unquote(metadata.get("type", "")), int(found["LastModified"].timestamp())
        )

    def _first_bytes(self, key: str) -> Any:
        try:
            return self._s3.get_object(**self._bucket, Key=key, Range=f"bytes=0-{MAX_READ - 1}")
        except ServiceError as error:
            if error.code != "InvalidRange":
                raise
            # An empty object has no first byte, and this answer doesn't say what it is called.
            return self._s3.get_object(**self._bucket, Key=key)

    def read_all(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Read objects, by key; without those that are not there. Raises :class:`FilesError`."""
        found = _in_parallel([partial(self.read, key) for key in keys]) if keys else []
        return {key: stored.content for key, stored in zip(keys, found, strict=True) if stored}


def _call_all(calls: Sequence[Callable[[], Any]]) -> None:
    """Call all in parallel; raises :class:`FilesError`."""
    try:
        _in_parallel(calls)
    except AwsError as error:
        raise FilesError(error.reason) from error


def _in_parallel(calls: Sequence[Callable[[], _Result]]) -> list[_Result]:
    """The results of all calls, in their order; raises the error of the first that failed, once all have ended."""
    if len(calls) == 1:
        return [calls[0]()]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(calls)) as pool:
        return [done.result() for done in [pool.submit(call) for call in calls]]


class BucketFileKeeper:
    """A :class:`~chalicelib.logic.message_files.FileKeeper`: the bucket, and the function ``examine``."""

    def __init__(self, bucket: FileBucket, functions: Any, function: str) -> None:
        self._bucket = bucket
        self._functions = functions
        self._function = function

    def keep(self, message: Message) -> None:
        self._bucket.keep(message)

    def examine(self, message: Message) -> Sequence[FileFacts]:
        """Invoke ``examine`` for each file, with what EventBridge would send it.

        Where it fails, nothing is known of the file: the message must not wait for it.
        """
        keys = [key_of(KEPT_PREFIX, message.site, message.id, number) for number in range(1, len(message.files) + 1)]
        return _in_parallel([partial(self._examine, key) for key in keys])

    def _examine(self, key: str) -> FileFacts:
        event = {"detail": {"object": {"key": key}}}
        try:
            answer = self._functions.invoke(FunctionName=self._function, Payload=json.dumps(event).encode())
            found = None if "FunctionError" in answer else json.loads(answer["Payload"].read())
            return FileFacts.from_json(found)
        except (AwsError, ValueError, KeyError, TypeError, AttributeError):
            return FileFacts(mark=FileMark.UNEXAMINED)
