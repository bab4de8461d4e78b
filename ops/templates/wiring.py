"""The wiring template: resources beside Chalice's functions that need them to exist, made from the manifest.

Destinations and retries of asynchronous functions, rules on the bus and their permissions, the directory of functions
in Parameter Store, the function URL, and the owner's additions (``ops/templates/extension_resources.py``). It names no
account, region or partition, so it fits any.
"""

from __future__ import annotations

from typing import Any

from chalicelib.functions import RETRIES_OVER, FunctionSpec, functions_of
from chalicelib.settings import Stage
from ops.config.extensions import Extensions
from ops.naming import RESOURCES, directory_entry
from ops.templates import alarms, canary_rule, extension_resources, log_queries, trigger_resources
from ops.templates.common_resources import (
    BOUNDARY,
    RULE_DEAD_LETTERS,
    SUBSCRIBER_DEAD_LETTERS,
    event_rule,
    invoke_permission,
    local_arn,
)

FAILED_EVENTS = "FailedEventsArn"
"""The parameter with the queue for events whose retries are over."""
API_ADDRESS = "ApiAddress"
"""The parameter with the address of the API, which the deployment knows once Chalice has made it."""
FUNCTION_URL, INBOX = "GetMessageUrl", "Inbox"
"""The outputs with the addresses of ``get_message_url`` and ``inbox``, where the stage has them."""


def template(stage: Stage, *, with_alarms: bool = False, extensions: Extensions | None = None) -> dict[str, Any]:
    """The CloudFormation template of one stage, with its owner's additions."""
    extensions = extensions or Extensions()
    with_roles = extension_resources.has_roles(extensions)
    resources: dict[str, Any] = {
        "FailedEventsRule": _failed_events(stage),
        **_directory(stage),
        **log_queries.resources(stage),
    }
    outputs: dict[str, Any] = {}
    for spec in functions_of(stage):
        logical = _logical(spec.name)
        if spec.trigger.kind == "invoke":
            resources[f"{logical}Entry"] = _directory_entry(spec, stage)
        if spec.trigger.kind == "url":
            resources[f"{logical}Address"] = _function_url(spec, stage)
            outputs[logical] = {"Value": {"Fn::GetAtt": [f"{logical}Address", "FunctionUrl"]}}
        if spec.trigger.kind == "public_url":
            resources |= _public_url(spec, stage, logical)
            outputs[logical] = {"Value": {"Fn::GetAtt": [f"{logical}Address", "FunctionUrl"]}}
        if spec.persistent or spec.outcome_to_bus or (spec.trigger.keeps_failures and not spec.trigger.stream):
            resources[f"{logical}Outcome"] = _event_invoke_config(spec, stage)
        if spec.trigger.kind == "rule":
            resources[f"{logical}Rule"] = _rule(spec, stage)
            resources[f"{logical}Permission"] = _permission(spec, stage)
        else:
            resources |= trigger_resources.resources(spec, stage, logical)
    if stage.canary:
        resources |= canary_rule.resources(stage, RULE_DEAD_LETTERS)
    resources |= extension_resources.resources(
        extensions,
        stage,
        rule_dead_letters={"Ref": RULE_DEAD_LETTERS},
        subscriber_dead_letters={"Ref": SUBSCRIBER_DEAD_LETTERS},
    )
    outputs |= extension_resources.outputs(extensions)
    if with_alarms:
        resources |= alarms.resources(stage, with_subscribers=_has_subscribers(stage, extensions))
        outputs |= alarms.outputs()
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Herald, stage {stage.name}: destinations, rules and permissions of its functions",
        "Parameters": {
            RULE_DEAD_LETTERS: {
                "Type": "String",
                "Description": "Queue for events that a rule or its function could not handle",
            },
            FAILED_EVENTS: {
                "Type": "String",
                "Description": "Queue that keeps every event whose retries are over",
            },
            API_ADDRESS: {"Type": "String", "Description": "The address of the API, without a slash at its end"},
            **(_SUBSCRIBERS if _has_subscribers(stage, extensions) else {}),
            **trigger_resources.parameters(stage),
            **(alarms.parameters() if with_alarms else {}),
            **({BOUNDARY: _BOUNDARY} if with_roles else {}),
        },
        **({"Conditions": {extension_resources.HAS_BOUNDARY: _HAS_BOUNDARY}} if with_roles else {}),
        "Resources": resources,
        **({"Outputs": outputs} if outputs else {}),
    }


def queues(stage: Stage, extensions: Extensions) -> list[str]:
    """The parameters that are queues. Their values are outputs of the data stack with the same names."""
    return [RULE_DEAD_LETTERS, FAILED_EVENTS, *(_SUBSCRIBERS if _has_subscribers(stage, extensions) else ())]


def _has_subscribers(stage: Stage, extensions: Extensions) -> bool:
    """Whether SNS delivers to anything but ``destined``, and so needs the queue for what it can't deliver there."""
    return bool(extensions.subscribers) or bool(trigger_resources.of_kind(stage, "sns"))


_BOUNDARY = {"Type": "String", "Description": "ARN of the permissions boundary of roles; empty for none"}
_HAS_BOUNDARY = {"Fn::Not": [{"Fn::Equals": [{"Ref": BOUNDARY}, ""]}]}
_SUBSCRIBERS = {
    SUBSCRIBER_DEAD_LETTERS: {
        "Type": "String",
        "Description": "Queue for messages that a subscriber could not be given",
    }
}


def _logical(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _event_invoke_config(spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    properties: dict[str, Any] = {"FunctionName": stage.function(spec.name), "Qualifier": "$LATEST"}
    if spec.persistent:
        properties["MaximumRetryAttempts"] = stage.persistence.lambda_retries
        properties["MaximumEventAgeInSeconds"] = stage.persistence.lambda_age_seconds
    if spec.outcome_to_bus:
        bus = {"Destination": local_arn("events", f"event-bus/{stage.bus}")}
        properties["DestinationConfig"] = {"OnSuccess": bus, "OnFailure": bus}
    elif spec.trigger.keeps_failures:
        properties["DestinationConfig"] = {"OnFailure": {"Destination": {"Ref": RULE_DEAD_LETTERS}}}
    return {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": properties}


def _rule(spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    return event_rule(
        stage.bus,
        stage.function(spec.name),
        f"Outcomes for {spec.name}",
        {"source": ["lambda"], "detail": spec.trigger.pattern},
        (spec.name, local_arn("lambda", f"function:{stage.function(spec.name)}")),
        {"Ref": RULE_DEAD_LETTERS},
    )


def _failed_events(stage: Stage) -> dict[str, Any]:
    """Keep the events that ``destined`` could not even store: no message may exist in a log line alone."""
    return event_rule(
        stage.bus,
        f"{stage.bus}-failed-events",
        "Keeps every event whose retries are over",
        {
            "source": ["lambda"],
            # A canary is not worth keeping.
            "detail": RETRIES_OVER | ({"requestPayload": canary_rule.NO_CANARY} if stage.canary else {}),
        },
        ("queue", {"Ref": FAILED_EVENTS}),
        {"Ref": RULE_DEAD_LETTERS},
    )


def _directory(stage: Stage) -> dict[str, Any]:
    """Where the topic, the bus, the table and the API are."""
    values: dict[str, Any] = {
        "topic": local_arn("sns", stage.topic),
        "bus": local_arn("events", f"event-bus/{stage.bus}"),
        "table": local_arn("dynamodb", f"table/{stage.table}"),
        "api": {"Ref": API_ADDRESS},
    }
    return {
        f"{name.capitalize()}Entry": _entry(directory_entry(stage, name), f"Where the stage's {name} is", values[name])
        for name in RESOURCES
    }


def _directory_entry(spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    name = f"{stage.parameters}/functions/{spec.name}"
    value = local_arn("lambda", f"function:{stage.function(spec.name)}")
    return _entry(name, f"Where {spec.name} is, for programs that are granted it", value)


def _entry(name: str, description: str, value: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Name": name, "Type": "String", "Description": description, "Value": value},
    }


def _function_url(spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """An address of the function's own. It has no resource policy, so a caller's policy must allow both actions:
    https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"""
    return {
        "Type": "AWS::Lambda::Url",
        "Properties": {"TargetFunctionArn": stage.function(spec.name), "AuthType": "AWS_IAM"},
    }


def _public_url(spec: FunctionSpec, stage: Stage, logical: str) -> dict[str, Any]:
    """An address that everybody may ask, which needs both permissions, and a parameter that says where it is:
    https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html#urls-auth-none"""
    function, address = stage.function(spec.name), f"{logical}Address"
    return {
        address: {
            "Type": "AWS::Lambda::Url",
            "Properties": {"TargetFunctionArn": function, "AuthType": "NONE"},
        },
        f"{logical}Entry": _entry(
            f"{stage.parameters}/resources/{spec.name}",
            f"Where the stage's {spec.name} is",
            {"Fn::GetAtt": [address, "FunctionUrl"]},
        ),
        f"{logical}Visitors": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": function,
                "Action": "lambda:InvokeFunctionUrl",
                "Principal": "*",
                "FunctionUrlAuthType": "NONE",
            },
        },
        f"{logical}ByUrl": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": function,
                "Action": "lambda:InvokeFunction",
                "Principal": "*",
                "InvokedViaFunctionUrl": True,
            },
        },
    }


def _permission(spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    source = {"Fn::GetAtt": [f"{_logical(spec.name)}Rule", "Arn"]}
    return invoke_permission(stage.function(spec.name), "events", source)
