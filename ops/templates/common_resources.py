"""Resources of CloudFormation that more than one part of the wiring template needs."""

from __future__ import annotations

from typing import Any

from ops.naming import PSEUDO_PARAMETERS


def here(service: str, resource: str) -> dict[str, str]:
    """The ARN of a resource of the stack's own account and region."""
    return {"Fn::Sub": PSEUDO_PARAMETERS.arn(service, resource)}


def rule(
    bus: str, name: str, description: str, pattern: dict[str, Any], target: tuple[str, Any], dead_letters: Any
) -> dict[str, Any]:
    """A rule with one target, given as its id and its ARN; what the target could not be given is kept."""
    target_id, arn = target
    return {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "Name": name,
            "Description": description,
            "EventBusName": bus,
            "EventPattern": pattern,
            "Targets": [{"Id": target_id, "Arn": arn, "DeadLetterConfig": {"Arn": dead_letters}}],
        },
    }


def permission(function: str, service: str, source: Any) -> dict[str, Any]:
    """The permission by which a service runs a function on behalf of one resource, given by its ARN."""
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": function,
            "Action": "lambda:InvokeFunction",
            "Principal": f"{service}.amazonaws.com",
            "SourceArn": source,
        },
    }
