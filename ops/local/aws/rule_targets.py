"""Let a rule start a state machine, put on another bus, and write to a log group, each only where it is allowed.

MiniStack starts and puts without asking the target's role, and knows no log groups as targets. EventBridge takes the
target's role, which must trust it for the rule and allow the action. A log group is covered by a resource policy of
CloudWatch Logs instead. What isn't allowed is a failed invocation, and goes to the target's dead-letter queue.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-identity-based.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-cloudwatchlogs-permissions
"""

from __future__ import annotations

import importlib
import json
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from ops.local.aws import iam_role, resource_policy
from ops.local.aws.ministack_modules import eventbridge, extend, responses

EXTENDS = (
    "ministack.core.responses:get_account_id",
    "ministack.services.cloudwatch_logs:_resource_policies",
    "ministack.services.eventbridge:_dispatch_to_event_bus",
    "ministack.services.eventbridge:_dispatch_to_stepfunctions",
    "ministack.services.eventbridge:_invoke_target",
    "ministack.services.eventbridge:_pattern_event_view",
)

_logs: Any = importlib.import_module("ministack.services.cloudwatch_logs")
_EVENTS = "events.amazonaws.com"


def install() -> None:
    """Check role or policy before each call; install it before ``resource_policy``, which remembers the rule."""
    extend(eventbridge, "_dispatch_to_stepfunctions", _to_state_machine)
    extend(eventbridge, "_dispatch_to_event_bus", _to_bus)
    extend(eventbridge, "_invoke_target", _to_log_group)


def _to_state_machine(dispatch: Callable[..., None], arn: str, payload: str) -> None:
    resource_policy.dispatch_if(
        lambda rule: _role_may("states:StartExecution", arn, rule), payload, lambda: dispatch(arn, payload)
    )


def _to_bus(dispatch: Callable[..., None], spec: Any, event: dict[str, Any], *args: Any) -> None:
    resource_policy.dispatch_if(
        lambda rule: _role_may("events:PutEvents", str(spec), rule),
        _text(event),
        lambda: dispatch(spec, event, *args),
    )


def _role_may(action: str, resource: str, rule: str) -> bool:
    """Return whether the target has a role that trusts EventBridge for the rule and allows the action."""
    role = resource_policy.current_target().get("RoleArn")
    return (
        role is not None
        and iam_role.trusts(role, _EVENTS, rule)
        and iam_role.may(iam_role.assume(role, "EventBridge"), action, resource)
    )


def _to_log_group(
    invoke: Callable[..., None], target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], *args: Any
) -> None:
    """Write the event to the log group, or pass on for another target."""
    arn = target["Arn"].removesuffix(":*")
    if arn.split(":")[2] != "logs":
        invoke(target, event, rule, *args)
        return
    group, text = arn.partition(":log-group:")[2], _text(event)
    # In a thread, because this one may be the server's event loop, and writing calls the server.
    writer = threading.Thread(target=_write, args=(iam_role.client("logs", iam_role.root()), group, text), daemon=True)
    resource_policy.dispatch_if(lambda source: _logs_let_in(arn, source), text, writer.start)


def _logs_let_in(arn: str, source: str) -> bool:
    """Return whether a resource policy lets EventBridge make a stream in the log group and write to it."""
    account = responses.get_account_id()
    documents = [json.loads(policy["policyDocument"]) for policy in _logs._resource_policies.values()]
    return all(
        any(
            iam_role.policy_allows_service(each, _EVENTS, action, f"{arn}:log-stream:new", source, account)
            for each in documents
        )
        for action in ("logs:CreateLogStream", "logs:PutLogEvents")
    )


def _write(logs: Any, group: str, text: str) -> None:
    stream = str(uuid.uuid4())
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": int(time.time() * 1000), "message": text}],
    )


def _text(event: dict[str, Any]) -> str:
    return json.dumps(eventbridge._pattern_event_view(event).event_with_detail())
