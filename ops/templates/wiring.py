"""The wiring template: resources beside Chalice's functions that need them to exist, made from the manifest.

Rules on the bus and their permissions are here; every other part has a module of its own. The template names no
account, region or partition, so it fits any.
"""

from __future__ import annotations

from typing import Any

from chalicelib.function_spec import FunctionSpec
from chalicelib.functions import FUNCTIONS, RETRIES_OVER, functions_of
from chalicelib.settings import Stage
from ops import naming
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
    merged,
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
    subscribed = _subscribed(stage, extensions)
    # Here and not beside the queues: only what this stage has may send, and a rollback brings it back with its rule.
    letters = {
        RULE_LETTERS_POLICY: queue_policy(
            RULE_DEAD_LETTERS,
            "events",
            [local_arn("events", f"rule/{stage.bus}/*"), *trigger_resources.rules_on_default_bus(stage)],
        ),
        **({SUBSCRIBER_LETTERS_POLICY: queue_policy(SUBSCRIBER_DEAD_LETTERS, "sns", subscribed)} if subscribed else {}),
    }
    resources = merged(
        letters,
        {"FailedEventsRule": _failed_events(stage)},
        resource_entries(stage),
        log_queries.resources(stage),
        *(function_resources(spec, stage) for spec in functions_of(stage)),
        canary_rule.resources(stage) if stage.canary else {},
        rules_subscribers_grants.resources(extensions, stage),
        alarms.resources(stage, with_subscribers=bool(subscribed)) if with_alarms else {},
    )
    outputs = merged(
        *(
            {_logical(spec): {"Value": {"Fn::GetAtt": [f"{_logical(spec)}Address", "FunctionUrl"]}}}
            for spec in functions_of(stage)
            if spec.trigger.kind in ("url", "public_url")
        ),
        rules_subscribers_grants.outputs(extensions),
        alarms.outputs() if with_alarms else {},
    )
    parameters = _parameters(stage, with_alarms=with_alarms, with_roles=with_roles, with_subscribers=bool(subscribed))
    # Of resources and parameters too, CloudFormation wants different names:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
    merged(parameters, resources)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Herald, stage {stage.name}: destinations, rules and permissions of its functions",
        "Parameters": parameters,
        **({"Conditions": {rules_subscribers_grants.HAS_BOUNDARY: _HAS_BOUNDARY}} if with_roles else {}),
        "Resources": resources,
        **({"Outputs": outputs} if outputs else {}),
    }


def _parameters(stage: Stage, *, with_alarms: bool, with_roles: bool, with_subscribers: bool) -> dict[str, Any]:
    return {
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
        **(_SUBSCRIBERS if with_subscribers else {}),
        **trigger_resources.parameters(stage),
        **(alarms.parameters() if with_alarms else {}),
        **({BOUNDARY: _BOUNDARY} if with_roles else {}),
    }


def function_resources(spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """What one function has beside what Chalice makes of it."""
    logical = _logical(spec)
    found: dict[str, Any] = {}
    match spec.trigger.kind:
        case "invoke":
            found[f"{logical}Entry"] = function_entry(spec, stage)
        case "url":
            found[f"{logical}Address"] = signed_url(spec, stage)
        case "public_url":
            found |= public_url(spec, stage, logical)
    if spec.persistent or spec.outcome_to_bus or (spec.trigger.keeps_failures and not spec.trigger.stream):
        found[f"{logical}Outcome"] = event_invoke_config(spec, stage)
    if spec.trigger.kind == "rule":
        more = {f"{logical}Rule": _rule(spec, stage), f"{logical}Permission": _permission(spec, stage)}
    else:
        more = trigger_resources.resources(spec, stage, logical)
    return merged(found, more)


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


def _logical(spec: FunctionSpec) -> str:
    name = spec.name.replace("_", "-")
    return naming.logical("", name) if spec in FUNCTIONS else naming.own_resource("function", name)


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
    source = {"Fn::GetAtt": [f"{_logical(spec)}Rule", "Arn"]}
    return invoke_permission(stage.function(spec.name), "events", source)
