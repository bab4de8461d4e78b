"""Make the timeline of a message, from its record in the table, the functions' logs and the rules of the bus."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.functions import functions_of
from chalicelib.logic import delivery_types, message_kinds
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.recorded_timeline import Step, StepKind, Target, Trace, order_of, recorded
from chalicelib.logic.stored_messages import StoredMessage
from chalicelib.settings import Stage
from ops.aws.account import Account
from ops.operations import logs
from ops.operations.logs import Line

if TYPE_CHECKING:
    from types_boto3_events import EventBridgeClient

LOOK_BACK = 14 * 24 * 3600
"""Seconds back in which logs are searched for a message that is not in the table."""
_AROUND = 3600
"""Seconds before and after the recorded steps in which logs are searched: all retries have ended by then."""
ENDED = (
    MessageState.DELIVERED,
    MessageState.UNDELIVERABLE,
    MessageState.UNCERTAIN,
    MessageState.QUARANTINED,
    MessageState.SUMMARIZED,
    MessageState.DUPLICATE,
    MessageState.REJECTED_PUBLICATION,
)
_NO_DETAILS = (*logs.OF_EACH_LINE, "correlation_id", "message_id")
"""Fields of a log line that a step has elsewhere, or that say nothing about it."""


def full_trace(message_id: str, message: StoredMessage | None, stage: Stage, account: Account, now: float) -> Trace:
    """The timeline of a message from the table, the logs and the rules."""
    notes: list[str] = []
    found = list(_logged(message_id, message, stage, account, now, notes))
    steps = sorted([*recorded(message), *found], key=order_of)
    targets = _targets(message, steps, stage, account, notes)
    return Trace(message_id, message, tuple(steps), targets, tuple(notes))


def _logged(
    message_id: str, message: StoredMessage | None, stage: Stage, account: Account, now: float, notes: list[str]
) -> Iterator[Step]:
    since, until = now - LOOK_BACK, now
    if message is not None:
        since = message.listed.received_at - _AROUND
        if message.listed.state in ENDED:
            until = min(now, max(message.stored_at, *(line.since for line in message.history), 0) + _AROUND)
    for spec in functions_of(stage):
        if spec.trigger.kind not in ("http", "topic", "rule") and not spec.channel:
            continue
        try:
            for line in logs.lines(account.logs, stage, spec.name, since, until, message_id):
                if step := _step(line, message_id, known=message is not None):
                    yield step
        except ClientError as error:
            notes.append(f"the log of {spec.name} could not be read: {error}")


def _step(line: Line, message_id: str, *, known: bool) -> Step | None:
    """The step in a log line; None where the table has that step too, or where the line only mentions the id."""
    entry = line.entry
    if line.is_metric or message_id not in (entry.get("message_id"), entry.get("correlation_id")):
        return None
    details = {name: value for name, value in entry.items() if name not in _NO_DETAILS}
    match entry.get("message"):
        case "Accepted":
            return None if known else Step(line.at, StepKind.ACCEPTED, line.function, details=details)
        case "Delivered":
            if known:
                return None
            channel, reference = str(details.pop("channel", "")), str(details.pop("reference", ""))
            return Step(line.at, StepKind.ATTEMPT, line.function, channel, "delivered", 0, "", reference, details)
        case "Handled":
            return Step(line.at, StepKind.ENDED, line.function, details=details)
        case "Message handled" | "Message not delivered" | "Notification rejected":
            return Step(line.at, StepKind.TOLD, line.function, details=details)
        case text:
            details = {"message": text, "level": entry.get("level"), **details}
            return Step(line.at, StepKind.LOGGED, line.function, details=details)


def _targets(
    message: StoredMessage | None, steps: Sequence[Step], stage: Stage, account: Account, notes: list[str]
) -> tuple[Target, ...]:
    outcome = _outcome(message, steps)
    if outcome is None:
        return ()
    site = message.listed.site if message else str(outcome.get("site", ""))
    event = json.dumps(_event(outcome, site, stage, account))
    try:
        return tuple(_matching(account.client("events"), stage.bus, event))
    except ClientError as error:
        notes.append(f"the rules of the bus could not be read: {error}")
        return ()


def _outcome(message: StoredMessage | None, steps: Sequence[Step]) -> Mapping[str, object] | None:
    """The last outcome on the bus: from a log, or else what follows from the message's state."""
    for step in reversed(steps):
        if step.kind is StepKind.TOLD:
            return step.details
        if step.kind is StepKind.ENDED:
            return {"condition": "Success", "source": delivery_types.SOURCE, **step.details}
    if message is not None and message.listed.state in ENDED:
        return {"condition": "Success", "source": delivery_types.SOURCE, "action": str(message.listed.state)}
    return None


def _event(outcome: Mapping[str, object], site: str, stage: Stage, account: Account) -> dict[str, Any]:
    """The event that Lambda's destination puts on the bus, with everything that a rule can match: docs/bus.md."""
    where = account.where
    arn = where.arn("lambda", f"function:{stage.function('destined')}") + ":$LATEST"
    succeeded = outcome.get("condition") == "Success"
    attributes = {"site": site, "kind": str(outcome.get("kind", message_kinds.KIND_CONTACT))}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    sns = {"MessageAttributes": {name: {"Type": "String", "Value": value} for name, value in attributes.items()}}
    response = {name: outcome[name] for name in ("source", "action") if name in outcome}
    return {
        "version": "0",
        "id": "00000000-0000-4000-8000-000000000000",
        "detail-type": f"Lambda Function Invocation Result - {'Success' if succeeded else 'Failure'}",
        "source": "lambda",
        "account": where.account,
        "time": now,
        "region": where.region,
        "resources": [where.arn("events", f"event-bus/{stage.bus}"), arn],
        "detail": {
            "version": "1.0",
            "timestamp": now,
            "requestContext": {
                "functionArn": arn,
                "condition": outcome.get("condition"),
                "approximateInvokeCount": outcome.get("attempts", 1),
            },
            "requestPayload": {"Records": [{"EventSource": "aws:sns", "Sns": sns}]},
            "responsePayload": response if succeeded else {"errorType": outcome.get("error_type", "")},
        },
    }


def _matching(bridge: EventBridgeClient, bus: str, event: str) -> Iterator[Target]:
    for page in bridge.get_paginator("list_rules").paginate(EventBusName=bus):
        for rule in page["Rules"]:
            pattern = rule.get("EventPattern", "")
            if rule.get("State") == "DISABLED" or not pattern:
                continue
            if not bridge.test_event_pattern(EventPattern=pattern, Event=event)["Result"]:
                continue
            for target in bridge.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus)["Targets"]:
                yield Target(rule["Name"], target["Arn"])
