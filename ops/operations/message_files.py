"""The files of messages in the stage's bucket: fetch them, delete them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.logic.file_names import disk_name
from chalicelib.logic.message_files import KEPT_PREFIX, NEW_PREFIX, MessageFile, key_of
from chalicelib.logic.message_pages import Selection
from chalicelib.logic.spam import HoldReason
from chalicelib.logic.stored_messages import StoredMessage
from chalicelib.settings import Stage
from ops.aws import bucket
from ops.aws.account import Account
from ops.errors import OpsError
from ops.operations import listing
from ops.operations.listing import OperatorArchive

MOST = 1000
"""Files of the bucket that :func:`compare` looks at."""
NEWEST = 50
"""Messages whose files it looks for."""


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
    for number, file in enumerate(message.files, 1):
        content = read(account, stage, message, number)
        if content is not None and hashlib.sha256(content).hexdigest() != file.declared_file.sha256:
            raise OpsError(f"file {number} of message {message.listed.id} is not the one that was sent")
        yield Fetched(number, file, content)


def read(account: Account, stage: Stage, message: StoredMessage, number: int) -> bytes | None:
    """Read one file, counted from 1; None where the bucket has it no more."""
    key = key_of(KEPT_PREFIX, message.listed.site, message.listed.id, number)
    try:
        found = account.client("s3").get_object(Bucket=bucket_of(account, stage), Key=key)
        content: bytes = found["Body"].read()
        return content
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket"):
            return None
        raise


def save(found: Fetched, folder: Path) -> Path:
    """Write a file into a folder, for its owner's eyes alone; raises :class:`OpsError` rather than replace anything."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / disk_name(found.file.declared_file.name, found.number)
    try:
        # Exclusively: neither a file nor a link that is there is written to.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise OpsError(f"{path} is there already, and nothing is replaced; name another folder") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(found.content or b"")
    return path


@dataclass(frozen=True, slots=True)
class Compared:
    """Files in the bucket against messages in the table."""

    files: int
    """How many files were looked at."""
    orphans: int
    """Files whose message does not exist (any more)."""
    missing: int
    """Files of the newest messages that are not in the bucket."""


def compare(account: Account, stage: Stage, archive: OperatorArchive) -> Compared:
    """Compare the first :data:`MOST` files of the bucket, and those of the newest messages, with each other.

    A duplicate has no files of its own: its first message has them.
    """
    s3, name = account.client("s3"), bucket_of(account, stage)
    there: dict[str, set[str]] = {}
    for key in islice(bucket.keys(s3, name, KEPT_PREFIX), MOST):
        there.setdefault(key.rpartition("/")[0].rpartition("/")[2], set()).add(key)
    known = archive.several(list(there))
    sites = [site.name for site in stage.sites.values() if site.files]
    newest = [message.id for message in islice(listing.every(archive, sites, Selection()), NEWEST)]
    missing = 0
    for message in archive.several(newest).values():
        listed = message.listed
        if listed.verdict.hold_reason is not HoldReason.DUPLICATE:
            keys = (key_of(KEPT_PREFIX, listed.site, listed.id, number) for number in range(1, len(message.files) + 1))
            missing += sum(not _is_there(s3, name, key, there.get(listed.id, set())) for key in keys)
    orphans = sum(len(keys) for message_id, keys in there.items() if message_id not in known)
    return Compared(sum(map(len, there.values())), orphans, missing)


def _is_there(s3: Any, name: str, key: str, found: set[str]) -> bool:
    return key in found or key in bucket.keys(s3, name, key)


def delete(account: Account, stage: Stage, message: StoredMessage) -> int:
    """Delete the files of a message for good; returns how many. The bucket keeps no versions."""
    s3, name = account.client("s3"), bucket_of(account, stage)
    listed = message.listed
    found = [
        key
        for prefix in (KEPT_PREFIX, NEW_PREFIX)
        for key in bucket.keys(s3, name, f"{prefix}{listed.site}/{listed.id}/")
    ]
    return bucket.delete_keys(s3, name, found)
