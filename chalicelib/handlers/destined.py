"""``destined``: what Lambda runs, asynchronously, for every record that SNS delivers."""

from __future__ import annotations

import uuid
from typing import Any

from chalicelib import composition
from chalicelib.logic import delivery, events, spam
from chalicelib.logic.delivery import Action
from chalicelib.logic.submission import Message
from chalicelib.logs import logger
from chalicelib.metrics import Metric, emit

_COUNTED = {str(Action.QUARANTINED): Metric.QUARANTINED, str(Action.DUPLICATE): Metric.DUPLICATE}
"""Ends in which nobody is rung; what becomes of the others is counted channel by channel."""


def prepare(function: str) -> None:
    """Make the clients that every message needs."""
    here = composition.root()
    _ = here.messages, here.recent, here.notifiers


def handle(event: dict[str, Any], context: Any) -> dict[str, object]:
    """Deliver one message, or answer one test event.

    Returns ``{"source", "action", "message"}`` for the bus; what escapes makes Lambda try again and then tell the bus.
    """
    sns: dict[str, Any] = event["Records"][0]["Sns"]
    attributes = {name: attribute["Value"] for name, attribute in sns["MessageAttributes"].items()}
    kind = attributes.get("kind", "")
    if kind == events.KIND_EVENT:
        logger.set_correlation_id(sns["MessageId"])
        return events.answer(sns["Message"])
    if kind == events.KIND_CANARY:
        return _canary(sns["Message"])
    here = composition.root()
    invocation = delivery.Invocation(
        id=context.aws_request_id,
        run=uuid.uuid4().hex,
        ends_at=here.now() + context.get_remaining_time_in_millis() // 1000,
    )
    if kind == events.KIND_RETRY:
        message_id = sns["Message"]
        logger.set_correlation_id(message_id)
        found = here.messages.find(message_id)
        if found is None:
            return _handled(delivery.gone(message_id, attributes["site"]))
        message, known = found
        return _handled(delivery.deliver_again(message, known, here.means(message.site), invocation))
    message = Message.deserialize(sns["Message"])
    logger.set_correlation_id(message.id)
    verdict = spam.screen(message, here.site(message.site), here.recent)
    return _handled(delivery.deliver(message, verdict, here.means(message.site), invocation))


def _canary(text: str) -> dict[str, object]:
    """What comes once a day; no message pays for it at its start."""
    from chalicelib.logic.canary import Canary, arrive

    here = composition.root()
    canary = Canary.deserialize(text)
    logger.set_correlation_id(canary.id)
    answer = arrive(canary, here.stage.site_channels, here.notifiers, here.canary_log, here.now)
    logger.info("Canary arrived", extra={"message_id": canary.id, "seconds": here.now() - canary.sent_at})
    return answer


def _handled(answer: dict[str, Any]) -> dict[str, object]:
    told = answer["message"]
    signals = {name: told[name] for name in ("signals", "score") if name in told}
    logger.info(
        "Handled", extra={"message_id": told["id"], "site": told["site"], "action": answer["action"], **signals}
    )
    if answer["action"] in _COUNTED:
        details = {"site": told["site"], "message_id": told["id"]}
        emit(composition.root().stage, _COUNTED[answer["action"]], details)
    return answer
