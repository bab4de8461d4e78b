"""``destined``: Lambda runs it asynchronously for every record that SNS delivers.

Herald itself queues retries for it in the same shape (``adapters/destined_runs.py``).
"""

from __future__ import annotations

import uuid
from typing import Any

from chalicelib import composition
from chalicelib.errors import InvalidRequestError
from chalicelib.logic import delivery, message_kinds, spam
from chalicelib.logic.delivery_types import SUMMARY_PREFIX, Action, DeliveryResult, Invocation, State
from chalicelib.logic.message import Message
from chalicelib.logic.spam import Signal
from chalicelib.logs import logger
from chalicelib.metrics import Metric, emit
from chalicelib.settings import SITE_OF_PROGRAMS, Site

_METRICS = {
    Action.QUARANTINED: Metric.QUARANTINED,
    Action.DUPLICATE: Metric.DUPLICATE,
    Action.REJECTED_PUBLICATION: Metric.REJECTED,
}
"""Metrics of messages that are held or rejected. ``composition.py`` counts the outcomes of channels."""


def prepare(function: str) -> None:
    """Make the clients that every message needs, while the function starts (``handlers.preload``).

    ``ring_budget`` counts rings: the notifications that each channel may still send.
    """
    container = composition.get_container()
    _ = container.messages, container.recent_activity, container.notifiers, container.ring_budget


def handle(event: dict[str, Any], context: Any) -> dict[str, object]:
    """Deliver a message, try a stored one again, send a summary, or answer a canary or test event.

    Returns ``{"source", "action", "message"}`` for the bus. An exception makes Lambda run the event again, and report
    it to the bus once the retries are over.
    """
    sns: dict[str, Any] = event["Records"][0]["Sns"]
    attributes = {name: attribute["Value"] for name, attribute in sns["MessageAttributes"].items()}
    kind = attributes.get("kind", "")
    if kind == message_kinds.KIND_TEST_EVENT:
        logger.set_correlation_id(sns["MessageId"])
        return message_kinds.answer_test_event(sns["Message"])
    container = composition.get_container()
    invocation = Invocation(
        event_id=context.aws_request_id,
        run_id=uuid.uuid4().hex,
        ends_at=container.now() + context.get_remaining_time_in_millis() // 1000,
    )
    if kind == message_kinds.KIND_CANARY:
        return _answer_canary(sns, invocation)
    if kind == message_kinds.KIND_RETRY:
        message_id = sns["Message"]
        logger.set_correlation_id(message_id)
        if message_id.startswith(SUMMARY_PREFIX):
            # No message, but the count of those for which a channel's budget of notifications was spent.
            return _send_summary(message_id, invocation)
        stored = container.messages.find(message_id)
        if stored is None:
            return _report(delivery.deleted_result(message_id, attributes.get("site", "")))
        message, record = stored
        dependencies = container.delivery_dependencies(message.site, context.invoked_function_arn)
        return _report(delivery.deliver_again(message, record, dependencies, invocation))
    # Without a kind it may be a form's message or a program's notification.
    if kind in ("", message_kinds.KIND_CONTACT):
        try:
            message = Message.deserialize(sns["Message"])
            if message.site == SITE_OF_PROGRAMS:
                raise ValueError("no form has this site")
        except ValueError as error:
            return _deliver_notification(sns, invocation, str(error) if kind else "")
        logger.set_correlation_id(message.id)
        site = container.stage.sites.get(message.site)
        verdict = spam.screen(message, site, container.recent_activity, _captcha_signals(message, site, invocation))
        dependencies = container.delivery_dependencies(message.site, context.invoked_function_arn)
        return _report(delivery.deliver(message, verdict, dependencies, invocation))
    return _deliver_notification(sns, invocation)


def _deliver_notification(sns: dict[str, Any], invocation: Invocation, mistake: str = "") -> dict[str, object]:
    """Deliver a program's notification, or reject what is none. Few stages have any, so its code is imported here.

    ``mistake`` says why something is not the form's message or canary that its kind promises.
    """
    from chalicelib.logic import published_notification

    container = composition.get_container()
    publication_id, at = sns["MessageId"], published_notification.published_at(sns["Timestamp"])
    logger.set_correlation_id(publication_id)
    try:
        if mistake:
            raise InvalidRequestError(f"message: {mistake}", key="message")
        message = published_notification.read(sns["Message"], publication_id, at, container.stage)
        logger.set_correlation_id(message.id)
        if message.has_idempotency_key:
            container.messages.remember_publication(publication_id, message.id)
        dependencies = container.delivery_dependencies(message.site)
        return _report(delivery.deliver(message, published_notification.TRUSTED_VERDICT, dependencies, invocation))
    except InvalidRequestError as error:
        return _report(published_notification.reject(error, publication_id, at, container.messages, invocation))


def _captcha_signals(message: Message, site: Site | None, invocation: Invocation) -> list[Signal]:
    """What the site's captcha says. Its code is imported here because few sites have one."""
    if site is None or site.spam.captcha is None:
        return []
    from chalicelib.logic.captcha_verdict import check

    container = composition.get_container()
    if container.messages.find_record(message.id):
        return []  # The same message came again, from Lambda, SNS or its sender: the record's verdict counts.
    verify = container.captcha_service(site.name)
    signal, reason = check(
        message, site.spam.captcha, container.recent_activity, verify, invocation.run_id, container.now()
    )
    if reason:
        logger.error("The captcha could not be verified", extra={"reason": reason, "site": site.name})
    return [signal] if signal else []


def _send_summary(summary_id: str, invocation: Invocation) -> dict[str, object]:
    """Send one notification about the messages for which the channel's hourly or daily budget was spent.

    It is not the daily digest. Its code is imported here because it comes in floods alone.
    """
    from chalicelib.logic.summary import send_summary

    channel = summary_id.removeprefix(SUMMARY_PREFIX)
    return _report(send_summary(channel, composition.get_container().summary_dependencies(channel), invocation))


def _answer_canary(sns: dict[str, Any], invocation: Invocation) -> dict[str, object]:
    """Answer a canary. Its code is imported here because it comes seldom."""
    from chalicelib.logic.canary_arrival import Canary, arrive

    container = composition.get_container()
    try:
        canary = Canary.deserialize(sns["Message"])
    except ValueError as error:
        return _deliver_notification(sns, invocation, str(error))
    logger.set_correlation_id(canary.id)
    answer = arrive(canary, container.stage.message_channels, container.notifiers, container.canary_log, container.now)
    logger.info("Canary arrived", extra={"message_id": canary.id, "seconds": container.now() - canary.sent_at})
    return answer


def _report(result: DeliveryResult) -> dict[str, object]:
    """Log and count the result, and return it as the bus gets it."""
    details = {"message_id": result.message_id, "site": result.site}
    verdict = result.verdict
    signals = {"signals": list(verdict.signals), "score": verdict.score} if verdict.signals else {}
    rejection = {"rejected": verdict.rejection} if verdict.rejection else {}
    hint = _why_summarized(result) if result.action is Action.SUMMARIZED else {}
    logger.info("Handled", extra={**details, "action": str(result.action), **signals, **rejection, **hint})
    if result.action in _METRICS:
        emit(composition.get_container().stage, _METRICS[result.action], details)
    return result.as_json()


def _why_summarized(result: DeliveryResult) -> dict[str, str]:
    """Say why the message was not notified by itself, and which key changes that."""
    channels = composition.get_container().stage.channels
    spent = [
        channels[name].rings
        for name, state in result.channels.items()
        if state is State.SUMMARIZED and name in channels
    ]
    limits = [f"{rings.hour} an hour, {rings.day} a day" for rings in spent if rings]
    return {
        "hint": "not notified by itself: the next summary counts it, as the channel's budget is spent "
        f"(rings in herald.toml: {'; '.join(dict.fromkeys(limits))})"
    }
