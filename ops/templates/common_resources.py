"""What several parts of the wiring template need: a rule of the bus, and the permission to invoke a function."""

from __future__ import annotations

from typing import Any

from ops.naming import PSEUDO_PARAMETERS

RULE_DEAD_LETTERS = "RuleDeadLettersArn"
"""The parameter with the queue for events that a rule or its function could not handle."""
SUBSCRIBER_DEAD_LETTERS = "SubscriberDeadLettersArn"
"""The parameter with the queue for messages that could not be delivered to a subscriber beside ``destined``."""


def local_arn(service: str, resource: str) -> dict[str, str]:
    """The ARN of a resource in the stack's own account and region."""
    return {"Fn::Sub": PSEUDO_PARAMETERS.arn(service, resource)}


BOUNDARY = "RoleBoundary"
"""The parameter for the permissions boundary of a stack's roles. Its value is read from the account each time."""


def event_rule(
    bus: str,
    name: str,
    description: str,
    pattern: dict[str, Any],
    target: tuple[str, Any],
    dead_letters: Any,
    role: Any = None,
) -> dict[str, Any]:
    """A rule with one target, given by its id and ARN, and a queue for events that the target could not get.

    ``role`` is the ARN of the role that EventBridge takes for a target without a policy of its own.
    """
    target_id, arn = target
    assumed = {"RoleArn": role} if role else {}
    return {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "Name": name,
            "Description": description,
            "EventBusName": bus,
            "EventPattern": pattern,
            "Targets": [{"Id": target_id, "Arn": arn, **assumed, "DeadLetterConfig": {"Arn": dead_letters}}],
        },
    }


def invoke_permission(function: str, service: str, source: Any) -> dict[str, Any]:
    """The permission for a service to invoke a function on behalf of one resource, given by its ARN."""
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": function,
            "Action": "lambda:InvokeFunction",
            "Principal": f"{service}.amazonaws.com",
            "SourceArn": source,
        },
    }
