"""``on_success``: what the rule for messages that were handled runs."""

from __future__ import annotations

from typing import Any

from chalicelib.logic.outcome import outcome
from chalicelib.logs import logger


def prepare(function: str) -> None:
    """Nothing: it calls no service."""


def handle(event: dict[str, Any]) -> None:
    """Log how a message was handled."""
    fields = outcome(event)
    logger.set_correlation_id(fields.get("message_id", ""))
    logger.info("Message handled", extra=fields)
