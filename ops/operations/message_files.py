"""The files of messages in the stage's bucket: fetch them, delete them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.logic.archive import StoredMessage
from chalicelib.logic.file_kinds import disk_name
from chalicelib.logic.message_files import KEPT, NEW, MessageFile, key_of
from chalicelib.settings import Stage
from ops.aws import bucket
from ops.aws.account import Account
from ops.errors import OpsError


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file of a message, as it came."""

    number: int
    file: MessageFile
    content: bytes | None
    """None where the bucket has it no more."""


def bucket_of(account: Account, stage: Stage) -> str:
    """The name of the stage's bucket of files."""
    return stage.files_bucket(account.where.region, account.where.account)


def fetch(account: Account, stage: Stage, message: StoredMessage) -> Iterator[Fetched]:
    """Read the files of a message, one after the other; raises :class:`OpsError` for one that was changed since."""
    s3, name = account.client("s3"), bucket_of(account, stage)
    for number, file in enumerate(message.files, 1):
        content = _read(s3, name, key_of(KEPT, message.listed.site, message.listed.id, number))
        if content is not None and hashlib.sha256(content).hexdigest() != file.ref.sha256:
            raise OpsError(f"file {number} of message {message.listed.id} is not the one that was sent")
        yield Fetched(number, file, content)


def _read(s3: Any, name: str, key: str) -> bytes | None:
    try:
        content: bytes = s3.get_object(Bucket=name, Key=key)["Body"].read()
        return content
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket"):
            return None
        raise


def save(found: Fetched, folder: Path) -> Path:
    """Write a file into a folder, for its owner's eyes alone; raises :class:`OpsError` rather than replace anything."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / disk_name(found.file.ref.name, found.number)
    try:
        # Exclusively: neither a file nor a link that is there is written to.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise OpsError(f"{path} is there already, and nothing is replaced; name another folder") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(found.content or b"")
    return path


def delete(account: Account, stage: Stage, message: StoredMessage) -> int:
    """Delete the files of a message for good; returns how many. The bucket keeps no versions."""
    s3, name = account.client("s3"), bucket_of(account, stage)
    listed = message.listed
    found = [key for prefix in (KEPT, NEW) for key in bucket.keys(s3, name, f"{prefix}{listed.site}/{listed.id}/")]
    return bucket.delete_keys(s3, name, found)
