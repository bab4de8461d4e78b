"""The resources for an owner's rules, subscribers and grants, as parts of the wiring template. docs/rules.md."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from chalicelib.logic import message_kinds
from chalicelib.settings import SITE_OF_PROGRAMS, Stage
from ops.config.rules_subscribers_grants import Extensions, GrantTable, RuleTable, SubscriberTable
from ops.config.targets import Target
from ops.naming import PSEUDO_PARAMETERS, AwsLocation, directory_entry, logical, own_arn, own_resource, prefix
from ops.templates.common_resources import (
    BOUNDARY,
    SUBSCRIBER_DEAD_LETTERS,
    SUBSCRIBER_LETTERS_POLICY,
    event_rule,
    invoke_permission,
    local_arn,
    merged,
)
from ops.templates.function_policies import VERSION

SUCCESS = "Success"
HAS_BOUNDARY = "HasBoundary"
"""The condition under which the wiring stack's roles have a boundary."""


def resources(extensions: Extensions, stage: Stage) -> dict[str, Any]:
    """All resources, by their names in the wiring template."""
    found = merged(*(_rule_resources(name, rule, stage) for name, rule in extensions.rules.items()))
    if groups := {rule.to.arn(PSEUDO_PARAMETERS) for rule in extensions.rules.values() if rule.to.service == "logs"}:
        found = merged(found, {"RuleLogs": _logs_policy(stage, sorted(groups))})
    return merged(
        found,
        *(_subscriber_resources(subscriber, stage) for subscriber in extensions.subscribers.values()),
        *(_grant_resources(name, grant, stage) for name, grant in extensions.grants.items()),
    )


def outputs(extensions: Extensions) -> dict[str, Any]:
    """The outputs of the wiring template: the ARN of each grant's policy."""
    return {output: value for name in extensions.grants for output, value in _grant_outputs(name).items()}


def pattern(rule: RuleTable) -> dict[str, Any]:
    """The event pattern of a rule.

    An event is either an answer, with a source and an action, or a failure, with a condition other than ``Success``. So
    a rule that names an action and a condition matches answers with that action and failures with that condition.
    """
    answer: dict[str, Any] = {"requestContext": {"condition": [SUCCESS]}}
    if rule.source or rule.action:
        named: dict[str, Sequence[str]] = {"source": rule.source, "action": rule.action}
        answer["responsePayload"] = {key: list(values) for key, values in named.items() if values}
    failures = [each for each in rule.condition if each != SUCCESS]
    failure = {"requestContext": {"condition": failures}}
    hears_answers = bool(rule.source or rule.action or SUCCESS in rule.condition)
    detail: dict[str, Any] = {}
    if hears_answers and failures:
        detail["$or"] = [answer, failure]
    elif hears_answers:
        detail |= answer
    elif failures:
        detail |= failure
    asked = {name: {"Value": values} for name, values in _attributes(rule).items() if values}
    if asked:
        # Records is a list, which EventBridge's patterns match by its elements.
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns-arrays.html
        detail["requestPayload"] = {"Records": {"Sns": {"MessageAttributes": asked}}}
    return {"source": ["lambda"], **({"detail": detail} if detail else {})}


def _attributes(rule: RuleTable) -> dict[str, list[Any]]:
    """The values of the attributes that match. What the scheduled retry tries again has a kind of its own, and is told
    by its site to be a form's message or a notification."""
    forms, notifications = (kind in rule.kind for kind in (message_kinds.KIND_CONTACT, message_kinds.KIND_NOTIFICATION))
    sites: list[Any] = list(rule.site)
    if not sites and forms and not notifications:
        sites = [{"anything-but": [SITE_OF_PROGRAMS]}]
    elif not sites and list(rule.kind) == [message_kinds.KIND_NOTIFICATION]:
        sites = [SITE_OF_PROGRAMS]
    return {"site": sites, "kind": [*rule.kind, *([message_kinds.KIND_RETRY] if forms or notifications else [])]}


def rule_name(name: str, stage: Stage) -> str:
    """The rule's name on the bus."""
    return f"{stage.bus}-rule-{name}"


ROLE_ACTIONS = {"states": "states:StartExecution", "events": "events:PutEvents"}
"""What EventBridge does with a role, by the target's service. Other targets have policies of their own.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-identity-based.html"""


def has_roles(extensions: Extensions) -> bool:
    """Whether a rule needs a role."""
    return any(rule.to.service in ROLE_ACTIONS for rule in extensions.rules.values())


def _rule_resources(name: str, rule: RuleTable, stage: Stage) -> dict[str, Any]:
    """The rule, and the permission to invoke a function or the role to start a state machine or put on a bus.

    For queues and topics see target_policy_statements.py.
    """
    key = own_resource("rule", name)
    target = (name, {"Fn::Sub": rule.to.arn(PSEUDO_PARAMETERS)})
    described = f"The owner's rule {name}"
    needs_role = rule.to.service in ROLE_ACTIONS
    role = {"Fn::GetAtt": [f"RoleOf{key}", "Arn"]} if needs_role else None
    found = {
        key: event_rule(stage.bus, rule_name(name, stage), described, pattern(rule), target, role),
    }
    if rule.to.service == "lambda":
        found[f"PermissionOf{key}"] = invoke_permission(rule.to.name, "events", {"Fn::GetAtt": [key, "Arn"]})
    if needs_role:
        found[f"RoleOf{key}"] = _role(name, rule.to, stage)
    return found


def _role(name: str, target: Target, stage: Stage) -> dict[str, Any]:
    """The role of one rule, for one action on one target.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/cross-service-confused-deputy-prevention.html
    """
    rule = rule_name(name, stage)
    statement = {
        "Sid": "Send",
        "Effect": "Allow",
        "Action": [ROLE_ACTIONS[target.service]],
        "Resource": [{"Fn::Sub": target.arn(PSEUDO_PARAMETERS)}],
    }
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": rule,
            "PermissionsBoundary": {"Fn::If": [HAS_BOUNDARY, {"Ref": BOUNDARY}, {"Ref": "AWS::NoValue"}]},
            "AssumeRolePolicyDocument": {
                "Version": VERSION,
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "events.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                        "Condition": {"ArnEquals": {"aws:SourceArn": local_arn("events", f"rule/{stage.bus}/{rule}")}},
                    }
                ],
            },
            "Policies": [{"PolicyName": "send", "PolicyDocument": {"Version": VERSION, "Statement": [statement]}}],
        },
    }


def _logs_policy(stage: Stage, groups: list[str]) -> dict[str, Any]:
    """One policy for all log groups: an account may have ten.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-cloudwatchlogs-permissions
    """
    statement = {
        "Sid": "StoreEvents",
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": [f"{group}:*" for group in groups],
    }
    document = json.dumps({"Version": VERSION, "Statement": [statement]})
    return {
        "Type": "AWS::Logs::ResourcePolicy",
        "Properties": {"PolicyName": f"{prefix(stage)}-rules", "PolicyDocument": {"Fn::Sub": document}},
    }


def filter_policy(subscriber: SubscriberTable) -> dict[str, list[str]]:
    """The filter of a subscription, by attributes; empty for one that gets every message."""
    wanted: dict[str, list[str]] = {"site": list(subscriber.site), "kind": list(subscriber.kind)}
    return {attribute: values for attribute, values in wanted.items() if values}


def _subscription(target: Target) -> str:
    """The name of a target's subscription in the wiring template, whatever the entry's: SNS has one subscription for a
    target and would give a second resource the same, which CloudFormation deletes with the first. It has letters and
    digits alone, so the end tells targets apart."""
    text = str(target.here)
    name = re.sub("[^A-Za-z0-9]", "", text)
    return own_resource("subscriber", f"{name}{hashlib.sha256(text.encode()).hexdigest()[:8]}")


def _subscriber_resources(subscriber: SubscriberTable, stage: Stage) -> dict[str, Any]:
    """The subscription and, for a function, the permission to invoke it; for queues see target_policy_statements.py."""
    key = _subscription(subscriber.to)
    topic = local_arn("sns", stage.topic)
    found: dict[str, Any] = {
        key: {
            "Type": "AWS::SNS::Subscription",
            "DependsOn": SUBSCRIBER_LETTERS_POLICY,
            "Properties": {
                "TopicArn": topic,
                "Protocol": subscriber.to.service,
                "Endpoint": {"Fn::Sub": subscriber.to.arn(PSEUDO_PARAMETERS)},
                # Always written, and empty for every message: of a filter that appears or goes, CloudFormation sends
                # SNS a scope of null, which it refuses: https://github.com/aws/aws-cdk/issues/24804. An empty one is
                # none: https://docs.aws.amazon.com/sns/latest/dg/message-filtering-policy-remove.html
                "FilterPolicy": filter_policy(subscriber),
                "FilterPolicyScope": "MessageAttributes",
                **({"RawMessageDelivery": True} if subscriber.raw else {}),
                "RedrivePolicy": {"deadLetterTargetArn": {"Ref": SUBSCRIBER_DEAD_LETTERS}},
            },
        }
    }
    if subscriber.to.service == "lambda":
        found[f"PermissionOf{key}"] = invoke_permission(subscriber.to.name, "sns", topic)
    return found


def policy(grant: GrantTable, stage: Stage, where: AwsLocation) -> dict[str, Any]:
    """Allow what a grant names: invoke functions, publish to the topic, find either in the directory, and its own.

    The function's ARN has no version or alias, so it does not allow a call that names one:
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html
    """
    statements = []
    for name in grant.functions:
        sid = logical("", name.replace("_", "-"))
        statements += [
            _allow(f"Invoke{sid}", "lambda:InvokeFunction", where.arn("lambda", f"function:{stage.function(name)}")),
            _allow(f"Find{sid}", "ssm:GetParameter", where.arn("ssm", f"parameter{stage.parameters}/functions/{name}")),
        ]
    for name in grant.resources:
        sid = name.capitalize()
        if name == "topic":
            statements.append(_allow(f"PublishTo{sid}", "sns:Publish", where.arn("sns", stage.topic)))
        statements.append(
            _allow(f"Find{sid}", "ssm:GetParameter", where.arn("ssm", f"parameter{directory_entry(stage, name)}"))
        )
    for number, allow in enumerate(grant.allow, 1):
        arns = [own_arn(template, stage, where, "on") for template in allow.on]
        statements.append(_statement(f"{OWN}{number}", sorted(allow.actions), arns))
    return {"Version": VERSION, "Statement": statements}


OWN = "Own"
"""The beginning of the ``Sid`` of each entry of ``allow``; its number follows."""


def with_reason(grant: GrantTable) -> list[str]:
    """The statements of :func:`policy` whose wildcards have a reason, by ``Sid``."""
    return [f"{OWN}{number}" for number, allow in enumerate(grant.allow, 1) if allow.wildcard]


def _allow(sid: str, action: str, on: str) -> dict[str, Any]:
    return _statement(sid, [action], [on])


def _statement(sid: str, actions: list[str], on: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": on}


def policy_name(name: str, stage: Stage) -> str:
    return f"{prefix(stage)}-grant-{name}"


def _grant_resources(name: str, grant: GrantTable, stage: Stage) -> dict[str, Any]:
    """The policy, attached to the named roles."""
    document = policy(grant, stage, PSEUDO_PARAMETERS)
    for statement in document["Statement"]:
        statement["Resource"] = [{"Fn::Sub": arn} if "${" in arn else arn for arn in statement["Resource"]]
    return {
        own_resource("grant", name): {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "ManagedPolicyName": policy_name(name, stage),
                "Description": f"Herald, stage {stage.name}: the grant {name}",
                "PolicyDocument": document,
                **({"Roles": list(grant.roles)} if grant.roles else {}),
            },
        }
    }


def _grant_outputs(name: str) -> dict[str, Any]:
    """The policy's ARN."""
    key = own_resource("grant", name)
    return {key: {"Value": {"Ref": key}}}
