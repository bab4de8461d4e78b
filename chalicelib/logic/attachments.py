"""Which files of a message a notification carries, and what is taken out of them first. Loaded where there are any."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.logic.channel_kind import AttachmentLimits
from chalicelib.logic.file_extensions import kind_of_type
from chalicelib.logic.file_names import kept_name
from chalicelib.logic.image_cleaning import NotCleanableError, cleaned
from chalicelib.logic.notification import NotifiedFile


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file as a provider gets it."""

    name: str
    """ASCII, on one line, without a path: providers write it into headers."""
    media_type: str
    """By its bytes."""
    content: bytes


def wanted(files: Sequence[NotifiedFile], limits: AttachmentLimits) -> list[NotifiedFile]:
    """The files that may be attached, as far as their kind and number decide."""
    fitting = [file for file in files if file.bucket_key and kind_of_type(file.media_type) in limits.kinds]
    return fitting[: limits.count]


def attachments(
    files: Sequence[NotifiedFile], contents: Mapping[str, bytes], limits: AttachmentLimits, *, keep_metadata: bool
) -> tuple[Attachment, ...]:
    """The attachments of wanted files.

    ``contents`` holds their bytes by ``bucket_key``. A file that is not in it is left out, and so is an image whose
    metadata can't be removed, and a file with which all would be too large together.
    """
    found: list[Attachment] = []
    room = limits.size
    for number, file in enumerate(files, 1):
        content = contents.get(file.bucket_key, b"")
        if kind_of_type(file.media_type) == "image" and not keep_metadata:
            try:
                content = cleaned(content)
            except NotCleanableError:
                continue
        if content and len(content) <= room:
            room -= len(content)
            found.append(Attachment(_ascii(kept_name(file.name, number)), file.media_type, content))
    return tuple(found)


def _ascii(name: str) -> str:
    return re.sub(r"[^ !#-\[\]-~]|[/:;<>]", "_", name)
