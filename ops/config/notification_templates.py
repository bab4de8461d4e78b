"""``title`` and ``body`` of a site or a channel: how notifications read (``chalicelib/logic/notification_text.py``)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from chalicelib.logic.notification import TITLE_PLACEHOLDERS
from chalicelib.logic.notification_text import BODY_PLACEHOLDERS
from chalicelib.logic.placeholders import check


def _title(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("must be one line of text, or be left out")
    check(value, TITLE_PLACEHOLDERS)
    return value


def _body(value: str) -> str:
    if not value.strip():
        raise ValueError("must be a text, or be left out")
    check(value, BODY_PLACEHOLDERS)
    return value


Title = Annotated[str, Field(max_length=200), AfterValidator(_title)]
Body = Annotated[str, Field(max_length=500), AfterValidator(_body)]
