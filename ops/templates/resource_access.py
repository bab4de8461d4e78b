"""List who may use a stage's resources: by the resources' own policies, and by roles that are no function's.

Read from the templates that are deployed. What Chalice adds itself follows from a function's trigger; a test compares
that with the deployed functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from chalicelib.function_spec import FunctionSpec
from chalicelib.functions import functions_of
from chalicelib.settings import Stage
from ops import naming
from ops.config.loader import LOCAL, StageConfig
from ops.naming import AwsLocation
from ops.templates import file_bucket, target_policy_statements, trigger_resources, wiring
from ops.templates.common_resources import RULE_DEAD_LETTERS, SUBSCRIBER_DEAD_LETTERS

DATA, FOUNDATION = Path("infra/data.yaml"), Path("infra/foundation.yaml")


SOURCE = "aws:SourceArn"
"""The key of the condition by which a function's policy names who may invoke it."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One statement of a resource's own policy, of a role's trust policy, or of a role that is no function's."""

    who: str
    """A service, ``*``, or the role."""
    effect: str
    actions: tuple[str, ...]
    on: str
    only: str
    """The condition; empty for none."""
    made_by: str
    """The template and resource that make it, or ``Chalice``."""


def permissions(root: Path, config: StageConfig, where: AwsLocation) -> list[Permission]:
    """All permissions of one stage, those on functions first."""
    stage = config.stage
    return [
        *_of_chalice(stage, where),
        *_of_template(
            wiring.template(stage, with_alarms=config.alarms_to is not None, extensions=config.extensions),
            "wiring",
            stage,
            where,
        ),
        *_of_owners(config, where),
        *_of_template(read(root / DATA), "data", stage, where),
        *(_of_template(file_bucket.template(stage), "files", stage, where) if stage.takes_files else []),
        *_of_template(read(root / FOUNDATION), "foundation", stage, where, without=_conditions(config)),
    ]


def _conditions(config: StageConfig) -> frozenset[str]:
    """The conditions of the foundation template that are false."""
    return frozenset(
        ([] if config.send_event else ["HasSendEvent"]) + (["EncryptedAlone"] if config.stage.name == LOCAL else [])
    )


def _of_chalice(stage: Stage, where: AwsLocation) -> Iterator[Permission]:
    for spec in functions_of(stage):
        source = _source(spec, stage, where)
        if source:
            service, arn = source
            yield Permission(
                f"{service}.amazonaws.com",
                "Allow",
                ("lambda:InvokeFunction",),
                where.arn("lambda", f"function:{stage.function(spec.name)}"),
                f"ArnLike {SOURCE} {arn}",
                "Chalice",
            )


def _of_owners(config: StageConfig, where: AwsLocation) -> Iterator[Permission]:
    """The statements that a deployment adds to the policies of the owner's own queues and topics."""
    of = Resolver({}, config.stage, where)
    for found in target_policy_statements.statements(config.extensions, config.stage, where).values():
        yield from (_permission(each, of, f"deploy: {each['Sid']}", who=_who(each, of)) for each in found)


def _source(spec: FunctionSpec, stage: Stage, where: AwsLocation) -> tuple[str, str] | None:
    match spec.trigger.kind:
        case "http":
            return "apigateway", where.arn("execute-api", "<api>/*")
        case "topic":
            return "sns", where.arn("sns", stage.topic)
        case "schedule":
            return "events", where.arn("events", f"rule/{stage.function(spec.name)}-event")
    return None


def condition_of(properties: Mapping[str, Any], of: Resolver) -> tuple[str, str, str] | None:
    """Operator, key and value of the condition that Lambda makes of a permission's properties; None if it makes none.

    https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html#urls-auth-none
    """
    if "SourceArn" in properties:
        return "ArnLike", SOURCE, of.text(properties["SourceArn"])
    if "FunctionUrlAuthType" in properties:
        return "StringEquals", "lambda:FunctionUrlAuthType", properties["FunctionUrlAuthType"]
    return ("Bool", "lambda:InvokedViaFunctionUrl", "true") if properties.get("InvokedViaFunctionUrl") else None


def _of_template(
    template: Mapping[str, Any], name: str, stage: Stage, where: AwsLocation, without: frozenset[str] = frozenset()
) -> Iterator[Permission]:
    resources = {
        key: it for key, it in template["Resources"].items() if not without or it.get("Condition") not in without
    }
    of = Resolver(resources, stage, where)
    for key, it in resources.items():
        properties, made_by = it.get("Properties", {}), f"{name}: {key}"
        match it["Type"]:
            case "AWS::Lambda::Permission":
                function = where.arn("lambda", f"function:{of.text(properties['FunctionName'])}")
                yield Permission(
                    of.text(properties["Principal"]),
                    "Allow",
                    (properties["Action"],),
                    function,
                    " ".join(condition_of(properties, of) or ()),
                    made_by,
                )
            case "AWS::IAM::Role":
                role = of.arn(key)
                trust = properties["AssumeRolePolicyDocument"]["Statement"]
                yield from (_permission(each, of, made_by, who=_who(each, of), on=role) for each in trust)
                for policy in properties.get("Policies", []):
                    found = policy["PolicyDocument"]["Statement"]
                    yield from (_permission(each, of, made_by, who=role) for each in found)
            case "AWS::IAM::ManagedPolicy":
                found = properties["PolicyDocument"]["Statement"]
                who = (
                    f"{properties['ManagedPolicyName']}: {', '.join(properties.get('Roles', ['whoever attaches it']))}"
                )
                yield from (_permission(each, of, made_by, who=who) for each in found)
            case "AWS::Logs::ResourcePolicy":
                found = json.loads(of.text(properties["PolicyDocument"]))["Statement"]
                yield from (_permission(each, of, made_by, who=_who(each, of)) for each in found)
            case _ if "PolicyDocument" in properties:
                found = properties["PolicyDocument"]["Statement"]
                yield from (_permission(each, of, made_by, who=_who(each, of)) for each in found)


def _who(statement: Mapping[str, Any], of: Resolver) -> str:
    principal = statement["Principal"]
    if not isinstance(principal, dict):
        return of.text(principal)
    return ", ".join(of.text(one) for found in principal.values() for one in listed(found))


def _permission(statement: Mapping[str, Any], of: Resolver, made_by: str, *, who: str, on: str = "") -> Permission:
    conditions = statement.get("Condition", {})
    return Permission(
        who,
        statement["Effect"],
        tuple(listed(statement["Action"])),
        on or ", ".join(of.text(each) for each in listed(statement["Resource"])),
        "; ".join(
            f"{operator} {key} {', '.join(of.text(value) for value in listed(values))}"
            for operator, keys in conditions.items()
            for key, values in keys.items()
        ),
        made_by,
    )


def listed(found: Any) -> list[Any]:
    """What a policy names: IAM takes one value in place of a list of one."""
    return found if isinstance(found, list) else [found]


class Resolver:
    """Resolves CloudFormation's references in one template."""

    def __init__(self, resources: Mapping[str, Any], stage: Stage, where: AwsLocation) -> None:
        self._resources = resources
        self._where = where
        prefix = naming.prefix(stage)
        self._values = {
            "AWS::Partition": where.partition,
            "AWS::Region": where.region,
            "AWS::AccountId": where.account,
            "TopicName": stage.topic,
            "TableName": stage.table,
            "BusName": stage.bus,
            "Prefix": prefix,
            RULE_DEAD_LETTERS: where.arn("sqs", f"{prefix}-rule-dead-letters"),
            wiring.FAILED_EVENTS: where.arn("sqs", f"{prefix}-failed-events"),
            SUBSCRIBER_DEAD_LETTERS: where.arn("sqs", f"{prefix}-subscriber-dead-letters"),
        }

    def text(self, found: Any) -> str:
        if not isinstance(found, dict):
            return str(found)
        match next(iter(found.items())):
            case "Ref", str(name):
                return self._values.get(name) or self.arn(name)
            case "Fn::GetAtt", [str(name), "Arn"]:
                return self.arn(name)
            case "Fn::Sub", str(template):
                return re.sub(r"\$\{([^}.]+)(\.Arn)?\}", self._named, template)
            case "Fn::Join", [str(between), list(parts)]:
                return between.join(map(self.text, parts))
            case "Fn::Select", _:
                return "<…>"
        return json.dumps(found)

    def _named(self, hit: re.Match[str]) -> str:
        return self.arn(hit[1]) if hit[2] else self.text({"Ref": hit[1]})

    def arn(self, name: str) -> str:
        """The ARN of a resource of this template."""
        it = self._resources.get(name, {})
        properties = it.get("Properties", {})
        match it.get("Type"):
            case "AWS::SNS::Topic":
                return self._where.arn("sns", self.text(properties["TopicName"]))
            case "AWS::SQS::Queue":
                return self._where.arn("sqs", self.text(properties["QueueName"]))
            case "AWS::Events::Rule":
                bus, rule = self.text(properties["EventBusName"]), self.text(properties["Name"])
                # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
                return self._where.arn(
                    "events", f"rule/{rule}" if bus == trigger_resources.DEFAULT_BUS else f"rule/{bus}/{rule}"
                )
            case "AWS::S3::Bucket":
                return f"arn:{self._where.partition}:s3:::{self.text(properties['BucketName'])}"
            case "AWS::IAM::Role":
                where = self._where
                return f"arn:{where.partition}:iam::{where.account}:role/{self.text(properties['RoleName'])}"
        return f"<{name}>"


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms, such as ``!Ref``, as their long forms."""


def _long_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        value = value.split(".", 1) if suffix == "GetAtt" else value
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)


def read(path: Path) -> dict[str, Any]:
    """A template with long forms in place of short ones."""
    return _parsed(path.read_text(encoding="utf-8"))


@cache
def _parsed(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(text, Loader=_Loader)  # noqa: S506
    return found
