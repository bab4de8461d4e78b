"""Check a configuration against AWS's limits when it is rendered, before anything is deployed.

Each limit is measured as the service measures it, in the partition and region with the longest names. A limit that AWS
raises on request is used at its default.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.functions import functions_of
from ops.config.loader import FILE, ConfigError, StageConfig
from ops.naming import AwsLocation
from ops.templates import target_policy_statements
from ops.templates.function_policies import policy
from ops.templates.rules_subscribers_grants import filter_policy

READ = "2026-11-28"
"""When the pages were read."""
LONGEST = AwsLocation("aws-us-gov", "us-gov-west-1", "1" * 12)
_DOCS = "https://docs.aws.amazon.com"
_TELL_APART = "let one rule send to a topic of yours, whose subscriptions tell apart what each wants"
_OTHER_STAGE = "serve some of the sites by another stage"


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit of AWS."""

    of: str
    most: int
    unit: str
    page: str
    """Below docs.aws.amazon.com."""
    way_out: str

    @property
    def source(self) -> str:
        return f"{_DOCS}/{self.page}"


_CLOUDFORMATION = "AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"
_EVENTBRIDGE = "eventbridge/latest/userguide/eb-quota.html"
_FILTERS = "sns/latest/dg/subscription-filter-policy-constraints.html"
_IAM = "IAM/latest/UserGuide/reference_iam-quotas.html"
_LAMBDA = "lambda/latest/dg/gettingstarted-limits.html"
_SQS = "AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html"
_SSM = "systems-manager/latest/userguide/parameter-store-advanced-parameters.html"

ENVIRONMENT = Quota(
    "environment variables of a function",
    4_096,
    "bytes as JSON",
    _LAMBDA,
    f"give channels shorter names, or {_OTHER_STAGE}",
)
ROLE_POLICY = Quota(
    "policy in a function's role", 10_240, "characters", _IAM, f"let sites share channels, or {_OTHER_STAGE}"
)
GRANTS_OF_ROLE = Quota(
    "grants attached to one role", 10, "policies", _IAM, "name all the functions that the role needs in one grant"
)
RULES = Quota("rules on the stage's bus", 300, "rules", _EVENTBRIDGE, _TELL_APART)
RULES_OF_FEW = replace(RULES, of="rules on the stage's bus in af-south-1 and eu-south-1", most=100)
_REGIONS_OF_FEW = ("af-south-1", "eu-south-1")
PATTERN = Quota(
    "event pattern of a rule",
    2_048,
    "characters",
    _EVENTBRIDGE,
    "leave `site` out, or make two rules with half of the sites each",
)
FILTER = Quota(
    "combinations of values in a subscriber's filter",
    150,
    "combinations",
    _FILTERS,
    "leave `site` or `kind` out, and let the subscriber look at the message",
)
FILTERS = Quota(
    "subscribers with a filter",
    200,
    "subscribers",
    _FILTERS,
    "leave `site` and `kind` out, and let the subscriber look at the message",
)
TEMPLATE = Quota("wiring template", 1_000_000, "bytes", _CLOUDFORMATION, _TELL_APART)
RESOURCES = Quota(
    "resources of the wiring stack",
    500,
    "resources",
    _CLOUDFORMATION,
    f"{_TELL_APART}. A rule for a function counts twice",
)
OUTPUTS = Quota(
    "outputs of the wiring stack", 200, "outputs", _CLOUDFORMATION, "name more functions and roles in one grant"
)
FUNCTION_POLICY = Quota(
    "permissions to run a function of yours", 20_480, "bytes", _LAMBDA, f"name more in one rule, or {_TELL_APART}"
)
QUEUE_CONDITIONS = Quota(
    "conditions in the policy of a queue of yours", 10, "conditions", _SQS, f"name more in one rule, or {_TELL_APART}"
)
TARGETS = Quota(
    "names of the queues and topics that rules and subscribers send to", 4_096, "characters", _SSM, _TELL_APART
)
QUOTAS = tuple(each for each in list(globals().values()) if isinstance(each, Quota))


Environments = Mapping[str, Mapping[str, str]]


def check(config: StageConfig, template: Mapping[str, Any], size: int, environments: Environments) -> None:
    """Raise :class:`ConfigError` that names each limit which a stage exceeds, by how much, and what to do.

    ``template`` is the wiring template, ``size`` its size in bytes, ``environments`` the variables of each function.
    """
    passed = [
        f"  {what}: {found:,} {quota.unit}, and AWS takes {quota.most:,}. Way out: {quota.way_out}\n    {quota.source}"
        for quota, what, found in measured(config, template, size, environments)
        if found > quota.most
    ]
    if passed:
        head = f"{FILE}: stage {config.stage.name} asks for more than AWS takes:"
        raise ConfigError("\n".join([head, *passed]))


def measured(
    config: StageConfig, template: Mapping[str, Any], size: int, environments: Environments
) -> Iterator[tuple[Quota, str, int]]:
    """Each limit, what was measured, and the result."""
    stage, extensions = config.stage, config.extensions
    yield TEMPLATE, TEMPLATE.of, size
    yield RESOURCES, RESOURCES.of, len(template["Resources"])
    yield OUTPUTS, OUTPUTS.of, len(template.get("Outputs", {}))
    for spec in functions_of(stage):
        yield ENVIRONMENT, f"environment variables of {spec.name}", _size(environments[spec.name])
        yield ROLE_POLICY, f"policy of {spec.name}", _size(policy(spec, stage, LONGEST))
    for role, count in Counter(role for grant in extensions.grants.values() for role in grant.roles).items():
        yield GRANTS_OF_ROLE, f"grants attached to role {role}", count
    of_kind = {
        kind: {key: each["Properties"] for key, each in template["Resources"].items() if each["Type"] == kind}
        for kind in ("AWS::Events::Rule", "AWS::Lambda::Permission")
    }
    on_bus = RULES_OF_FEW if config.region in _REGIONS_OF_FEW else RULES
    yield on_bus, on_bus.of, len(of_kind["AWS::Events::Rule"])
    for rule in of_kind["AWS::Events::Rule"].values():
        yield PATTERN, f"event pattern of {rule['Name']}", _size(rule["EventPattern"])
    filters = {name: filter_policy(each) for name, each in extensions.subscribers.items()}
    yield FILTERS, FILTERS.of, sum(map(bool, filters.values()))
    for name, each in filters.items():
        yield FILTER, f"combinations of values in the filter of {name}", math.prod(map(len, each.values()))
    permissions = Counter(each["FunctionName"] for each in of_kind["AWS::Lambda::Permission"].values())
    for function, count in permissions.items():
        yield FUNCTION_POLICY, f"permissions to run {function}", count * _size(_permission(function))
    wanted = target_policy_statements.statements(extensions, stage, LONGEST)
    for target, statements in wanted.items():
        if target.service == "sqs":  # A topic's has no condition, and one statement for all rules.
            yield QUEUE_CONDITIONS, f"conditions in the policy of {target}", len(statements)
    yield TARGETS, TARGETS.of, len(" ".join(map(str, wanted)))


def _size(data: object) -> int:
    """The size as JSON in bytes, without white space, which IAM doesn't count and Lambda doesn't write."""
    return len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())


def _permission(function: str) -> dict[str, Any]:
    """A permission as Lambda writes it for a rule with the longest name, with an id from CloudFormation."""
    return {
        "Sid": "s" * 64,
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": LONGEST.arn("lambda", f"function:{function}"),
        "Condition": {"ArnLike": {"AWS:SourceArn": LONGEST.arn("events", f"rule/{'b' * 19}/{'r' * 45}")}},
    }


def document() -> str:
    """docs/quotas.md."""
    return "\n".join(
        [
            "<!-- Generated by `./herald render` from ops/templates/quotas.py. Do not edit. -->",
            "# Limits of AWS that a configuration can meet",
            "",
            "Whatever renders (`./herald render`, `deploy`, `diff`) measures each and names what passes it.",
            f"The pages were read on {READ}.",
            "",
            "| of | AWS takes | when there is more |",
            "| --- | --- | --- |",
            *(f"| {each.of} | [{each.most:,} {each.unit}]({each.source}) | {each.way_out} |" for each in QUOTAS),
            "",
        ]
    )
