"""Previews of the images that came with messages: without metadata, within limits, and by themselves a download."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from chalicelib.logic.image_cleaning import CLEANABLE, NotCleanableError, cleaned, passes, pixels
from chalicelib.logic.message_files import MessageFile
from chalicelib.logic.stored_messages import StoredMessage

MAX_PIXELS = 60_000_000
"""Most pixels that a browser is given to decode, which are 240 MB. A phone's largest photos have 50 million."""
MAX_WORK = 1_000_000_000
"""Most pixels of all scans or frames together: 16 scans of the largest photo. Programs write up to a dozen scans, and a
JPEG of 1 MB can hold thousands, at which a browser works for minutes."""
HEADERS = {"Content-Disposition": "attachment"}
"""Of a preview, beside those of every answer. A page shows it all the same. Opened by its address it is saved, and so
nothing of it runs."""


def has_preview(file: MessageFile) -> bool:
    """Whether the page shows the file: an examined image without a mark, of a format that can be cleaned."""
    return file.facts.mark is None and file.facts.media_type in CLEANABLE


def numbered(text: str) -> int:
    """The number of a file in an address; 0, which no file has, for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def preview(message: StoredMessage, number: int, read: Callable[[], bytes | None]) -> tuple[str, bytes] | None:
    """The media type and bytes of a file's preview; None without one. ``read`` returns what was sent.

    None also where the bucket has another file than was sent, and where an image is too large, too much work or broken.
    """
    if not 1 <= number <= len(message.files) or not has_preview(file := message.files[number - 1]):
        return None
    content = read()
    if content is None or hashlib.sha256(content).hexdigest() != file.declared_file.sha256:
        return None
    try:
        # The cleaned copy is measured, as it is what is shown. The original may seem to say another size.
        image = cleaned(content)
        if (size := pixels(image)) > MAX_PIXELS or size * passes(image) > MAX_WORK:
            return None
        return file.facts.media_type, image
    except NotCleanableError:
        return None
