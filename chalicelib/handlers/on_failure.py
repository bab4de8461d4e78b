"""``on_failure``: rules on the bus run it for messages that were not delivered."""

from __future__ import annotations

from typing import Any

from chalicelib import composition
from chalicelib.logic.message_kinds import KIND_CANARY, REJECTED_PUBLICATION
from chalicelib.logic.outcome_event import RunOutcome, read_outcome
from chalicelib.logs import logger
from chalicelib.metrics import Metric, emit


def prepare(function: str) -> None:
    """Do nothing: failures are rare, so clients are made when the owner is notified."""


def handle(event: dict[str, Any]) -> None:
    """Log and count the failure, and notify the owner by the alarm channels of ``herald.toml``, if there are any.

    The log line of a test event holds its payload, so that it can be sent again. An exception makes Lambda retry the
    event, and keep it in a dead-letter queue when the retries fail too.
    """
    outcome = read_outcome(event)
    logger.set_correlation_id(outcome.message_id)
    if outcome.action == REJECTED_PUBLICATION:
        # ``destined`` counts it, and its sender can look it up: a program gone wrong must not flood the owner.
        logger.warning("Notification rejected", extra=outcome.log_fields())
        return
    if outcome.kind == KIND_CANARY:
        logger.warning("Canary did not get through", extra=outcome.log_fields())
    else:
        logger.error("Message not delivered", extra=outcome.log_fields())
        details = {"message_id": outcome.message_id, "kind": outcome.kind, "reason": outcome.reason}
        emit(composition.get_container().stage, Metric.FAILED, details)
    if composition.get_container().stage.alarm_channels:
        _notify_owner(event["id"], outcome)


def _notify_owner(event_id: str, outcome: RunOutcome) -> None:
    """Notify the owner, or count the failure for the next alarm."""
    from chalicelib.logic import failure_alarm

    failure = failure_alarm.Failure.of(outcome)
    container = composition.get_container()
    now = container.now()
    # Read before the turn is taken: an error within it would put off the alarm.
    record = container.messages.find_record(failure.id)
    turn = container.alarm_log.failed(event_id, now)
    if turn is None:
        return
    channels = failure_alarm.channels_for(container.stage.alarm_channels, failure, record)
    alarm = failure_alarm.from_failure(failure, record, turn, now)
    sent = failure_alarm.send(alarm, channels, container.notifiers, container.alarm_log, turn, now)
    # This failure is not counted: when Lambda retries the event, it comes again.
    logger.info("Owner notified", extra={"message_id": failure.id, "failures": turn.counted + 1, **sent._asdict()})
