"""``on_success`` and ``on_failure``: what the rules on the bus run, one structured log line each."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent

from chalicelib.logic import events
from chalicelib.logs import logger


def prepare(function: str) -> None:
    """Nothing to make: these functions call no service."""


def success(event: dict[str, Any]) -> None:
    """Log how a message ended well."""
    outcome = read(event)
    logger.set_correlation_id(outcome.id)
    logger.info("Message handled", extra=outcome.as_log())


def failure(event: dict[str, Any]) -> None:
    """Log that a message did not reach its owner; for a test event with all that is needed to send it again."""
    outcome = read(event)
    logger.set_correlation_id(outcome.id)
    logger.error("Message not delivered", extra=outcome.as_log())


def read(event: dict[str, Any]) -> events.Outcome:
    """The outcome that a destination's event tells, whose request is the SNS event that ``destined`` got."""
    detail = EventBridgeEvent(event).detail
    records = (detail.get("requestPayload") or {}).get("Records") or [{}]
    sns = records[0].get("Sns", {})
    kind = str(sns.get("MessageAttributes", {}).get("kind", {}).get("Value", ""))
    return events.outcome(detail, _message_id(sns, kind), kind)


def _message_id(sns: dict[str, Any], kind: str) -> str:
    """A contact message carries its own id, the redrive names it; anything else goes by the id that SNS gave it."""
    if kind == events.KIND_REDRIVE:
        return str(sns.get("Message", ""))
    try:
        return str(json.loads(sns["Message"])["id"])
    except (KeyError, TypeError, ValueError):
        return str(sns.get("MessageId", ""))
