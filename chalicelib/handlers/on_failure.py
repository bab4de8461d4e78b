"""``on_failure``: what the rules for messages that did not reach their owner run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib import composition
from chalicelib.logic.event_kinds import KIND_CANARY
from chalicelib.logic.outcome import outcome, reason
from chalicelib.logs import logger
from chalicelib.metrics import Metric, emit


def prepare(function: str) -> None:
    """Nothing: failures are seldom and nobody waits, so clients are made when there is somebody to notify."""


def handle(event: dict[str, Any]) -> None:
    """Log and count the failure, of a test event with all that is needed to send it again, and notify the owner.

    ``destined`` has written each channel's state into the message's record by then. The owner is notified where
    ``herald.toml`` names channels for that. An exception makes Lambda run the event again, and then keep it in a queue.
    """
    fields = outcome(event)
    why = reason(fields)
    logger.set_correlation_id(fields.get("message_id", ""))
    if fields.get("kind") == KIND_CANARY:
        logger.warning("Canary did not get through", extra=fields)
    else:
        logger.error("Message not delivered", extra=fields)
        details = {"message_id": fields.get("message_id", ""), "kind": fields.get("kind", ""), "reason": why}
        emit(composition.get_container().stage, Metric.FAILED, details)
    if composition.get_container().stage.alarm_channels:
        _notify_owner({**fields, "reason": why})


def _notify_owner(fields: Mapping[str, Any]) -> None:
    """Notify, or count for the next notification."""
    from chalicelib.logic import alarm

    failure = alarm.Failure.read(fields)
    container = composition.get_container()
    now = container.now()
    # Before it is counted: after a failure between counting and notifying, it would never be notified.
    stored = container.messages.find(failure.id)
    number = container.alarm_log.failed(now, alarm.QUIET)
    if not number:
        return
    record = stored[1] if stored else None
    channels = alarm.channels_for(container.stage.alarm_channels, record)
    notification = alarm.from_failure(failure, record, number, now)
    # When Lambda runs the event again, this failure is counted again.
    channel = alarm.send(
        notification, channels, container.notifiers, container.alarm_log, number - 1, now, alarm.BEFORE_LAMBDAS_RETRY
    )
    logger.info("Owner notified", extra={"message_id": failure.id, "channel": channel, "failures": number})
