"""Detect drift: resources of the wiring stack that were deleted or disabled by hand, or deleted with their function.

CloudFormation compares templates, not resources, so it changes nothing for an unchanged template. A function that was
created again lacks its destinations and the permissions of its rules, and nobody would notice. So a deployment detects
what is missing, removes it from the stack, and lets the stack create it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from botocore.exceptions import ClientError

from chalicelib.settings import Stage
from ops.aws import cloudformation
from ops.aws.account import Account
from ops.errors import ignoring_aws_error
from ops.templates.resource_access import SOURCE, Resolver, condition_of, listed


@dataclass(frozen=True, slots=True)
class Drift:
    """How a wiring stack's resources differ from its template."""

    gone: tuple[str, ...] = ()
    """Resources that no longer exist, by their names in the template."""
    disabled: tuple[tuple[str, str], ...] = ()
    """Bus and name of each rule that is disabled."""

    def lines(self) -> list[str]:
        """A line for each difference."""
        rules = (f"the rule {name} is disabled" for _, name in self.disabled)
        return [*(f"{name} is gone" for name in self.gone), *rules]


def detect_drift(account: Account, stage: Stage) -> Drift:
    """Compare the resources with the template that the stack has; no drift where there is no stack.

    Wait for a stack that is being updated before: a resource that it has not made yet is not drift.
    """
    name = cloudformation.wiring(stage)
    status = cloudformation.status(account.cloudformation, name)
    if status is None or status in cloudformation.NEVER_STOOD:
        return Drift()
    body = account.cloudformation.get_template(StackName=name)["TemplateBody"]
    resources = (yaml.safe_load(body) if isinstance(body, str) else body)["Resources"]
    of = Resolver(resources, stage, account.where)
    gone: list[str] = []
    disabled: list[tuple[str, str]] = []
    for logical, it in resources.items():
        properties = it.get("Properties", {})
        if it["Type"] == "AWS::Events::Rule":
            bus, rule = of.text(properties["EventBusName"]), of.text(properties["Name"])
            match _state(account, bus, rule):
                case None:
                    gone.append(logical)
                case "DISABLED":
                    disabled.append((bus, rule))
        elif not _is_there(account, it["Type"], properties, of):
            gone.append(logical)
    return Drift(tuple(gone), tuple(disabled))


def enable_rules(account: Account, lacking: Drift) -> None:
    """Enable the rules that are disabled."""
    for bus, rule in lacking.disabled:
        account.client("events").enable_rule(Name=rule, EventBusName=bus)


def resource_names(template: str) -> set[str]:
    return set(yaml.safe_load(template)["Resources"])


def remove_resources(template: str, names: Collection[str]) -> str:
    """The template without these resources and those that refer to them.

    What only comes after them (``DependsOn``) stays, as it works again once they are there.
    """
    found = yaml.safe_load(template)
    left_out = set(names)
    while more := {name for name, it in found["Resources"].items() if name not in left_out and _refers(it, left_out)}:
        left_out |= more
    found["Resources"] = {name: _after(it, left_out) for name, it in found["Resources"].items() if name not in left_out}
    outputs = {name: it for name, it in found.pop("Outputs", {}).items() if not _refers(it, left_out)}
    return json.dumps({**found, **({"Outputs": outputs} if outputs else {})})


def _after(it: dict[str, Any], left_out: Collection[str]) -> dict[str, Any]:
    """A resource that depends on none of those left out: CloudFormation refuses a name that it doesn't know.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-dependson.html
    """
    named = it.pop("DependsOn", [])
    kept = [name for name in ([named] if isinstance(named, str) else named) if name not in left_out]
    return {**it, **({"DependsOn": kept} if kept else {})}


def _refers(it: Any, names: Collection[str]) -> bool:
    match it:
        case {"Ref": str(name)}:
            return name in names
        case {"Fn::GetAtt": [str(name), *_]}:
            return name in names
        case {"Fn::Sub": str(text)}:
            return any(each.partition(".")[0] in names for each in re.findall(r"\$\{([^}]+)\}", text))
        case dict():
            return any(_refers(each, names) for each in it.values())
        case list():
            return any(_refers(each, names) for each in it)
    return False


def _state(account: Account, bus: str, rule: str) -> str | None:
    with ignoring_aws_error("ResourceNotFoundException"):
        state: str = account.client("events").describe_rule(Name=rule, EventBusName=bus)["State"]
        return state
    return None


def _is_there(account: Account, kind: str, properties: Mapping[str, Any], of: Resolver) -> bool:
    """Whether a resource that belongs to a function exists; True for every other type of resource."""
    functions = account.functions
    with ignoring_aws_error("ResourceNotFoundException"):
        match kind:
            case "AWS::Lambda::EventInvokeConfig":
                functions.get_function_event_invoke_config(
                    FunctionName=properties["FunctionName"], Qualifier=properties["Qualifier"]
                )
            case "AWS::Lambda::Url":
                functions.get_function_url_config(FunctionName=properties["TargetFunctionArn"])
            case "AWS::Lambda::Permission":
                condition = condition_of(properties, of)
                return condition is None or _is_permitted(account, properties["FunctionName"], *condition[1:])
        return True
    return False


def _is_permitted(account: Account, function: str, key: str, value: str) -> bool:
    """Whether the function's own policy lets in who fulfils the condition; True where that policy may not be read."""
    try:
        return permits(account, function, value, key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return True


def permits(account: Account, function: str, value: str, key: str = SOURCE) -> bool:
    """Whether the function has a policy that lets a source invoke it, or who fulfils another condition."""
    with ignoring_aws_error("ResourceNotFoundException"):
        policy = json.loads(account.functions.get_policy(FunctionName=function)["Policy"])
        return any(_lets_in(statement, value, key) for statement in policy["Statement"])
    return False


def _lets_in(statement: Mapping[str, Any], value: str, key: str) -> bool:
    """Whether a statement of a resource's policy allows who fulfils this condition, and for a URL everybody."""
    values = (
        each
        for keys in statement.get("Condition", {}).values()
        for name, found in keys.items()
        if name.lower() == key.lower()
        for each in listed(found)
    )
    fits = key == SOURCE or statement.get("Principal") in ("*", {"AWS": "*"})
    return statement.get("Effect") == "Allow" and fits and value in values
