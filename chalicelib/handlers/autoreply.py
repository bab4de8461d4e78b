"""``autoreply``: a rule on the bus runs it for messages that were delivered, and it answers their visitors by mail."""

from __future__ import annotations

from typing import Any

from chalicelib import composition
from chalicelib.errors import AutoreplyError
from chalicelib.logic.autoreply import Answer, answer
from chalicelib.logic.outcome_event import read_outcome
from chalicelib.logs import logger


def prepare(function: str) -> None:
    """Make the clients that every answer needs, while the function starts (``handlers.preload``)."""
    _ = composition.get_container().autoreply_dependencies


def handle(event: dict[str, Any]) -> None:
    """Answer the visitor of one message, once. An error of SES is logged and not repeated, as it may have been sent."""
    outcome = read_outcome(event)
    logger.set_correlation_id(outcome.message_id)
    container = composition.get_container()
    try:
        result = answer(outcome.message_id, container.now(), container.autoreply_dependencies)
    except AutoreplyError as error:
        logger.error("Visitor not answered", extra={"message_id": outcome.message_id, "reason": error.reason})
        return
    if result is not Answer.OFF:
        logger.info("Visitor's answer", extra={"message_id": outcome.message_id, "result": str(result)})
