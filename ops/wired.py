"""What the wiring stack made and is not there any more: deleted or switched off by somebody, or gone with its function.

CloudFormation compares templates and not what stands, so to an unchanged template it does nothing. A function that was
made anew has neither its destinations nor the permissions by which rules run it, and nobody would hear of that. So a
deployment looks, and takes what is gone out of the stack before the stack makes it anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from chalicelib.settings import Stage
from ops import stacks
from ops.account import Account
from ops.errors import unless
from ops.permissions import Resolver


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a standing wiring stack lacks."""

    gone: tuple[str, ...]
    """Resources of the template, by their names in it."""
    disabled: tuple[tuple[str, str], ...]
    """Rules that stand and are switched off: bus and name."""

    def lines(self) -> list[str]:
        """For a person, one for each."""
        return [
            *(f"{name} is gone" for name in self.gone),
            *(f"the rule {name} is disabled" for _, name in self.disabled),
        ]


NOTHING = Lacking((), ())


def look(account: Account, stage: Stage, template: str) -> Lacking:
    """What is not as the stack made it; nothing where there is no stack, or one of another template."""
    if stacks.status(account.cloudformation, stacks.wiring(stage)) is None:
        return NOTHING
    resources = yaml.safe_load(template)["Resources"]
    standing = _names(account, stage)
    of = Resolver(resources, stage, account.where)
    gone: list[str] = []
    disabled: list[tuple[str, str]] = []
    for name, it in resources.items():
        if name not in standing:
            continue
        properties = it.get("Properties", {})
        if it["Type"] == "AWS::Events::Rule":
            bus, rule = of.text(properties["EventBusName"]), of.text(properties["Name"])
            match _state(account, bus, rule):
                case None:
                    gone.append(name)
                case "DISABLED":
                    disabled.append((bus, rule))
        elif not _is_there(account, it["Type"], properties, of):
            gone.append(name)
    return Lacking(tuple(gone), tuple(disabled))


def enable(account: Account, lacking: Lacking) -> None:
    """Switch the rules on."""
    for bus, rule in lacking.disabled:
        account.client("events").enable_rule(Name=rule, EventBusName=bus)


def without(template: str, names: Collection[str]) -> str:
    """The template without these resources, and without what refers to them."""
    found = yaml.safe_load(template)
    left_out = set(names)
    while more := {name for name, it in found["Resources"].items() if name not in left_out and _refers(it, left_out)}:
        left_out |= more
    found["Resources"] = {name: it for name, it in found["Resources"].items() if name not in left_out}
    outputs = {name: it for name, it in found.pop("Outputs", {}).items() if not _refers(it, left_out)}
    return json.dumps({**found, **({"Outputs": outputs} if outputs else {})})


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


def _names(account: Account, stage: Stage) -> set[str]:
    """What stands in the stack as it was last applied."""
    body = account.cloudformation.get_template(StackName=stacks.wiring(stage))["TemplateBody"]
    found = yaml.safe_load(body) if isinstance(body, str) else body
    return set(found["Resources"])


def _state(account: Account, bus: str, rule: str) -> str | None:
    with unless("ResourceNotFoundException"):
        state: str = account.client("events").describe_rule(Name=rule, EventBusName=bus)["State"]
        return state
    return None


def _is_there(account: Account, kind: str, properties: Mapping[str, Any], of: Resolver) -> bool:
    """Whether what hangs on a function is there; True for any other kind."""
    functions = account.functions
    with unless("ResourceNotFoundException"):
        match kind:
            case "AWS::Lambda::EventInvokeConfig":
                functions.get_function_event_invoke_config(
                    FunctionName=properties["FunctionName"], Qualifier=properties["Qualifier"]
                )
            case "AWS::Lambda::Url":
                functions.get_function_url_config(FunctionName=properties["TargetFunctionArn"])
            case "AWS::Lambda::Permission":
                return _is_permitted(account, properties["FunctionName"], of.text(properties["SourceArn"]))
        return True
    return False


def _is_permitted(account: Account, function: str, source: str) -> bool:
    policy = json.loads(account.functions.get_policy(FunctionName=function)["Policy"])
    return any(source in json.dumps(each.get("Condition", {})) for each in policy["Statement"])
