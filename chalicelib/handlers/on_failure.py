"""``on_failure``: what the rules for messages that did not reach their owner run."""

from __future__ import annotations

from typing import Any

from chalicelib import composition
from chalicelib.logic.event_kinds import KIND_CANARY
from chalicelib.logic.outcome import RunOutcome, read_outcome
from chalicelib.logs import logger
from chalicelib.metrics import Metric, emit


def prepare(function: str) -> None:
    """Nothing: failures are seldom and nobody waits, so clients are made when there is somebody to notify."""


def handle(event: dict[str, Any]) -> None:
    """Log and count the failure, of a test event with all that is needed to send it again, and notify the owner.

    ``destined`` has written each channel's state into the message's record by then. The owner is notified where
    ``herald.toml`` names channels for that. An exception makes Lambda run the event again, and then keep it in a queue.
    """
    outcome = read_outcome(event)
    logger.set_correlation_id(outcome.message_id)
    if outcome.kind == KIND_CANARY:
        logger.warning("Canary did not get through", extra=outcome.log_fields())
    else:
        logger.error("Message not delivered", extra=outcome.log_fields())
        details = {"message_id": outcome.message_id, "kind": outcome.kind, "reason": outcome.reason}
        emit(composition.get_container().stage, Metric.FAILED, details)
    if composition.get_container().stage.alarm_channels:
        _notify_owner(outcome)


def _notify_owner(outcome: RunOutcome) -> None:
    """Notify, or count for the next notification."""
    from chalicelib.logic import alarm

    failure = alarm.Failure.of(outcome)
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
