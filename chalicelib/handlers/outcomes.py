"""``on_success`` and ``on_failure``: what the rules on the bus run. One structured log line each; a failure is
counted, and the owner hears of it, where ``herald.toml`` says by which channels."""

from __future__ import annotations

import json
from typing import Any

from chalicelib import composition
from chalicelib.logic import events
from chalicelib.logs import logger


def prepare(function: str) -> None:
    """Make what an alarm needs, where there is one; otherwise these functions call no service."""
    here = composition.root()
    if function == "on_failure" and here.stage.alarm_channels:
        _ = here.messages, here.alarm_log, here.notifiers


def success(event: dict[str, Any]) -> None:
    """Log how a message ended well."""
    outcome = read(event)
    logger.set_correlation_id(outcome.id)
    logger.info("Message handled", extra=outcome.as_log())


def failure(event: dict[str, Any]) -> None:
    """Log and count that a message did not reach its owner; for a test event with all that is needed to send it again.

    What is known of each channel stands in the message's record by then: ``destined`` writes that as it happens.
    """
    outcome = read(event)
    logger.set_correlation_id(outcome.id)
    if outcome.kind == events.KIND_CANARY:
        logger.warning("Canary did not get through", extra=outcome.as_log())
    else:
        logger.error("Message not delivered", extra=outcome.as_log())
        _count(outcome)
    if composition.root().stage.alarm_channels:
        _tell_owner(outcome)


def _count(outcome: events.Outcome) -> None:
    from chalicelib.metrics import Metric, emit

    reason = outcome.action or outcome.error_type or outcome.condition
    emit(composition.root().stage, Metric.FAILED, {"message_id": outcome.id, "kind": outcome.kind, "reason": reason})


def _tell_owner(outcome: events.Outcome) -> None:
    """Tell, or count for later. What escapes makes Lambda run the event again, and then keep it in a queue."""
    from chalicelib.logic import alarm

    here = composition.root()
    now = here.now()
    number = here.alarm_log.failed(now, alarm.QUIET)
    if not number:
        return
    found = here.messages.find(outcome.id)
    record = found[1] if found else None
    channels = alarm.channels_for(here.stage.alarm_channels, record)
    what = alarm.of_failure(outcome, record, number, now)
    # Of these the one at hand is counted again when Lambda runs the event again.
    channel = alarm.tell(what, channels, here.notifiers, here.alarm_log, number - 1)
    logger.info("Owner told", extra={"message_id": outcome.id, "channel": channel, "failures": number})


def read(event: dict[str, Any]) -> events.Outcome:
    """The outcome that a destination's event tells, whose request is the SNS event that ``destined`` got."""
    detail: dict[str, Any] = event["detail"]
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
