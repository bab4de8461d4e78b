"""Telling the owner of what was not delivered: what ``on_failure`` does where ``herald.toml`` names channels for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib import composition
from chalicelib.logic import alarm
from chalicelib.logs import logger


@logger.inject_lambda_context(clear_state=True)
def handle(outcome: Mapping[str, Any], context: Any) -> None:
    """Tell, or count for later. What escapes makes Lambda run the event again, and then keep it in a queue.

    ``outcome`` has the fields that ``on_failure`` logs, and the ``reason``: ``vendor/outcomes.py``.
    """
    failure = alarm.Failure.read(outcome)
    logger.set_correlation_id(failure.id)
    here = composition.root()
    now = here.now()
    # Before it is counted: what fails from then on would be counted and never told.
    found = here.messages.find(failure.id)
    number = here.alarm_log.failed(now, alarm.QUIET)
    if not number:
        return
    record = found[1] if found else None
    channels = alarm.channels_for(here.stage.alarm_channels, record)
    what = alarm.of_failure(failure, record, number, now)
    # Of these the one at hand is counted again when Lambda runs the event again.
    channel = alarm.tell(what, channels, here.notifiers, here.alarm_log, number - 1, now, alarm.BEFORE_LAMBDAS_RETRY)
    logger.info("Owner told", extra={"message_id": failure.id, "channel": channel, "failures": number})
