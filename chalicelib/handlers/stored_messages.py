"""``get_message`` and ``list_messages``: functions of the Lambda Invoke API that read stored messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib import composition
from chalicelib.errors import StoreError, UnavailableError
from chalicelib.logic import stored_message_requests
from chalicelib.logic.stored_message_requests import GetMessage, ListMessages
from chalicelib.logs import logger


def prepare(function: str) -> None:
    """Make the client that every request needs, while the function starts (``handlers.preload``)."""
    _ = composition.get_container().archive


def get(request: object) -> dict[str, object]:
    """Return the message that a request (``logic/stored_message_requests.py``) names.

    Raises InvalidRequestError, NotFoundError or UnavailableError, which are part of the contract.
    """
    parsed = GetMessage.from_request(request)
    logger.set_correlation_id(parsed.correlation_id)
    with _unavailable():
        message = stored_message_requests.get_message(parsed, composition.get_container().archive)
    logger.info("Message read", extra={"message_id": parsed.id})
    return message


def list_page(request: object, context: Any) -> dict[str, object]:
    """Return a page of a site's messages; raises InvalidRequestError or UnavailableError."""
    parsed = ListMessages.from_request(request)
    logger.set_correlation_id(parsed.correlation_id or context.aws_request_id)
    with _unavailable():
        page = composition.get_container().archive.page(parsed.wanted)
    logger.info("Messages listed", extra={"site": parsed.wanted.site, "messages": len(page.messages)})
    return page.as_json()


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise UnavailableError(f"the messages can't be read now: {error.reason}") from error
