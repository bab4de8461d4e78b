"""What several parts of the wiring template need: rules, permissions to invoke, and who may send dead letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ops.naming import PSEUDO_PARAMETERS
from ops.templates.function_policies import VERSION

RULE_DEAD_LETTERS = "RuleDeadLettersArn"
"""The parameter with the queue for events that a rule or its function could not handle."""
SUBSCRIBER_DEAD_LETTERS = "SubscriberDeadLettersArn"
"""The parameter with the queue for messages that could not be delivered to a subscriber beside ``destined``."""
RULE_LETTERS_POLICY, SUBSCRIBER_LETTERS_POLICY = "RuleDeadLettersPolicy", "SubscriberDeadLettersPolicy"
"""The resources that say who may send to these queues."""


def queue_url(queue: str) -> str:
    """The parameter with the URL of the queue whose ARN is in the parameter ``queue``."""
    return f"{queue.removesuffix('Arn')}Url"


def local_arn(service: str, resource: str) -> dict[str, str]:
    """The ARN of a resource in the stack's own account and region."""
    return {"Fn::Sub": PSEUDO_PARAMETERS.arn(service, resource)}


BOUNDARY = "RoleBoundary"
"""The parameter for the permissions boundary of a stack's roles. Its value is read from the account each time."""


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """All entries of the parts; raises :class:`ValueError` where two have one name, as one would replace the other."""
    found: dict[str, Any] = {}
    for part in parts:
        if taken := found.keys() & part.keys():
            raise ValueError(f"two entries of one template have the name {', '.join(sorted(taken))}")
        found |= part
    return found


def event_rule(
    bus: str,
    name: str,
    description: str,
    pattern: dict[str, Any],
    target: tuple[str, Any],
    role: Any = None,
) -> dict[str, Any]:
    """A rule with one target, given by its id and ARN, and the queue for events that the target could not get.

    The queue's policy comes first: until its target lets it in, all that a new rule has are dead letters.

    ``role`` is the ARN of the role that EventBridge takes for a target without a policy of its own.
    """
    target_id, arn = target
    assumed = {"RoleArn": role} if role else {}
    return {
        "Type": "AWS::Events::Rule",
        "DependsOn": RULE_LETTERS_POLICY,
        "Properties": {
            "Name": name,
            "Description": description,
            "EventBusName": bus,
            "EventPattern": pattern,
            "Targets": [
                {"Id": target_id, "Arn": arn, **assumed, "DeadLetterConfig": {"Arn": {"Ref": RULE_DEAD_LETTERS}}}
            ],
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


def queue_policy(queue: str, service: str, sources: Sequence[Any]) -> dict[str, Any]:
    """Allow a service to send dead letters of these rules or topics to the queue whose ARN is in a parameter.

    It names them by their ARNs and not as resources, so that they can come after it.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/rule-dlq.html
    https://docs.aws.amazon.com/sns/latest/dg/sns-configure-dead-letter-queue.html
    """
    return {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [{"Ref": queue_url(queue)}],
            "PolicyDocument": {
                "Version": VERSION,
                "Statement": [
                    {
                        "Sid": "SendDeadLetters",
                        "Effect": "Allow",
                        "Principal": {"Service": f"{service}.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": {"Ref": queue},
                        "Condition": {"ArnLike": {"aws:SourceArn": list(sources)}},
                    }
                ],
            },
        },
    }
