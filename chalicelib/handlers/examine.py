"""``examine``: find out what files are, for ``destined`` and for whatever comes to the bucket otherwise."""

from __future__ import annotations

from typing import Any

from chalicelib import composition
from chalicelib.logic.file_examination import examine
from chalicelib.logic.file_extensions import KINDS
from chalicelib.logic.message_files import FileFacts, FileMark, place_of_key
from chalicelib.logs import logger

DAY = 24 * 60 * 60
OTHERS_KEPT = 365
"""Days for which what is known of a file without a message is kept."""


def prepare(function: str) -> None:
    """Make the clients that every file needs, while the function starts (``handlers.preload``)."""
    _ = composition.get_container().examinations


def handle(event: dict[str, Any], context: Any) -> dict[str, object]:
    """Examine the object that an event of S3 names, and store what it is.

    The event is EventBridge's "Object Created"; ``destined`` sends the same:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html. Returns ``{"kind", "type", "mark", "exif",
    "broken_exif"}``; keys that say nothing are left out.
    """
    return _examine(event["detail"]["object"]["key"], context.invoked_function_arn).as_json()


def _examine(key: str, function_arn: str) -> FileFacts:
    container = composition.get_container()
    site_name, item, attribute = place_of_key(key)
    site = container.stage.sites.get(site_name)
    stored = container.file_bucket(function_arn).read(key)
    if stored is None:
        facts = FileFacts(mark=FileMark.MISSING)
        days, at = OTHERS_KEPT, container.now()
    else:
        taken = site.files.kinds if site and site.files else KINDS
        facts = examine(stored.content, stored.name, stored.declared_type, taken)
        days, at = site.retention_days if site else OTHERS_KEPT, stored.stored_at
    container.examinations.record(item, attribute, facts, at + (days + 1) * DAY)
    logger.info("Examined", extra={"file": item, "kind": facts.kind, "mark": str(facts.mark or "")})
    return facts
