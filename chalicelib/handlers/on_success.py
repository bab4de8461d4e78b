"""``on_success``: a rule on the bus runs it for messages that were handled."""

from __future__ import annotations

from typing import Any

from chalicelib.logic.outcome_event import read_outcome
from chalicelib.logs import logger


def prepare(function: str) -> None:
    """Do nothing: no service is called."""


def handle(event: dict[str, Any]) -> None:
    """Log how a message was handled."""
    outcome = read_outcome(event)
    logger.set_correlation_id(outcome.message_id)
    logger.info("Message handled", extra=outcome.log_fields())
