"""The wiring template: resources beside Chalice's functions that need them to exist, made from the manifest.

Rules on the bus and their permissions are here; every other part has a module of its own. The template names no
account, region or partition, so it fits any.
"""

from __future__ import annotations

from typing import Any

from chalicelib.function_spec import FunctionSpec
from chalicelib.functions import RETRIES_OVER, functions_of
from chalicelib.settings import Stage
from ops.config.rules_subscribers_grants import Extensions
from ops.templates import alarms, canary_rule, log_queries, rules_subscribers_grants, trigger_resources
from ops.templates.async_destinations import event_invoke_config
from ops.templates.common_resources import (
    BOUNDARY,
    RULE_DEAD_LETTERS,
    RULE_LETTERS_POLICY,
    SUBSCRIBER_DEAD_LETTERS,
    SUBSCRIBER_LETTERS_POLICY,
    event_rule,
    invoke_permission,
    local_arn,
    queue_policy,
    queue_url,
)
from ops.templates.function_directory import API_ADDRESS, function_entry, resource_entries
from ops.templates.function_urls import public_url, signed_url

FAILED_EVENTS = "FailedEventsArn"
"""The parameter with the queue for events whose retries are over."""


def template(stage: Stage, *, with_alarms: bool = False, extensions: Extensions | None = None) -> dict[str, Any]:
    """The CloudFormation template of one stage, with its owner's additions."""
    extensions = extensions or Extensions()
    with_roles = rules_subscribers_grants.has_roles(extensions)
    resources: dict[str, Any] = {
        # Here and not beside the queue: only what this stage has may send, and a rollback brings it back with its rule.
        RULE_LETTERS_POLICY: queue_policy(
            RULE_DEAD_LETTERS,
            "events",
            [local_arn("events", f"rule/{stage.bus}/*"), *trigger_resources.rules_on_default_bus(stage)],
        ),
        "FailedEventsRule": _failed_events(stage),
        **resource_entries(stage),
        **log_queries.resources(stage),
    }
    if subscribed := _subscribed(stage, extensions):
        resources[SUBSCRIBER_LETTERS_POLICY] = queue_policy(SUBSCRIBER_DEAD_LETTERS, "sns", subscribed)
    outputs: dict[str, Any] = {}
    for spec in functions_of(stage):
        logical = _logical(spec.name)
        if spec.trigger.kind == "invoke":
            resources[f"{logical}Entry"] = function_entry(spec, stage)
        if spec.trigger.kind == "url":
            resources[f"{logical}Address"] = signed_url(spec, stage)
            outputs[logical] = {"Value": {"Fn::GetAtt": [f"{logical}Address", "FunctionUrl"]}}
        if spec.trigger.kind == "public_url":
            resources |= public_url(spec, stage, logical)
            outputs[logical] = {"Value": {"Fn::GetAtt": [f"{logical}Address", "FunctionUrl"]}}
        if spec.persistent or spec.outcome_to_bus or (spec.trigger.keeps_failures and not spec.trigger.stream):
            resources[f"{logical}Outcome"] = event_invoke_config(spec, stage)
        if spec.trigger.kind == "rule":
            resources[f"{logical}Rule"] = _rule(spec, stage)
            resources[f"{logical}Permission"] = _permission(spec, stage)
        else:
            resources |= trigger_resources.resources(spec, stage, logical)
    if stage.canary:
        resources |= canary_rule.resources(stage)
    resources |= rules_subscribers_grants.resources(extensions, stage)
    outputs |= rules_subscribers_grants.outputs(extensions)
    if with_alarms:
        resources |= alarms.resources(stage, with_subscribers=bool(subscribed))
        outputs |= alarms.outputs()
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Herald, stage {stage.name}: destinations, rules and permissions of its functions",
        "Parameters": {
            RULE_DEAD_LETTERS: {
                "Type": "String",
                "Description": "Queue for events that a rule or its function could not handle",
            },
            queue_url(RULE_DEAD_LETTERS): {"Type": "String", "Description": "The URL of the same queue"},
            FAILED_EVENTS: {
                "Type": "String",
                "Description": "Queue that keeps every event whose retries are over",
            },
            API_ADDRESS: {"Type": "String", "Description": "The address of the API, without a slash at its end"},
            **(_SUBSCRIBERS if subscribed else {}),
            **trigger_resources.parameters(stage),
            **(alarms.parameters() if with_alarms else {}),
            **({BOUNDARY: _BOUNDARY} if with_roles else {}),
        },
        **({"Conditions": {rules_subscribers_grants.HAS_BOUNDARY: _HAS_BOUNDARY}} if with_roles else {}),
        "Resources": resources,
        **({"Outputs": outputs} if outputs else {}),
    }


def queues(stage: Stage, extensions: Extensions) -> list[str]:
    """The parameters that are queues. Their values are outputs of the data stack with the same names."""
    subscribers = _SUBSCRIBERS if _subscribed(stage, extensions) else ()
    return [RULE_DEAD_LETTERS, queue_url(RULE_DEAD_LETTERS), FAILED_EVENTS, *subscribers]


def _subscribed(stage: Stage, extensions: Extensions) -> list[Any]:
    """The ARNs of topics that deliver to anything but ``destined``, and so need the queue for what they can't."""
    own_topic = [local_arn("sns", stage.topic)] if extensions.subscribers else []
    return [*own_topic, *trigger_resources.topics(stage)]


_BOUNDARY = {"Type": "String", "Description": "ARN of the permissions boundary of roles; empty for none"}
_HAS_BOUNDARY = {"Fn::Not": [{"Fn::Equals": [{"Ref": BOUNDARY}, ""]}]}
_SUBSCRIBERS = {
    SUBSCRIBER_DEAD_LETTERS: {
        "Type": "String",
        "Description": "Queue for messages that a subscriber could not be given",
    },
    queue_url(SUBSCRIBER_DEAD_LETTERS): {"Type": "String", "Description": "The URL of the same queue"},
}


def _logical(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _rule(spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    return event_rule(
        stage.bus,
        stage.function(spec.name),
        f"Outcomes for {spec.name}",
        {"source": ["lambda"], "detail": spec.trigger.pattern},
        (spec.name, local_arn("lambda", f"function:{stage.function(spec.name)}")),
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
    )


def _permission(spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    source = {"Fn::GetAtt": [f"{_logical(spec.name)}Rule", "Arn"]}
    return invoke_permission(stage.function(spec.name), "events", source)
