"""The command ``policies``: show what each function may do, and who may invoke it, before deploying."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli.options import AS_JSON, PROJECT, STAGE
from ops.opened_stage import opened
from ops.terminal import echo_json, table

if TYPE_CHECKING:
    from ops.templates.function_policies import Statement
    from ops.templates.resource_access import Permission


@click.command()
@STAGE
@click.option("--function", help="One function alone, by its name in chalicelib/functions.py.")
@AS_JSON
@PROJECT
def policies(stage: str, function: str | None, as_json: bool, root: Path) -> None:
    """Show what each function may do, by which grant and why, and who may invoke it.

    Asks no account: ARNs have CloudFormation's own names for partition, region and account. The table leaves these
    out. docs/policies.md explains how to read it.
    """
    from chalicelib.functions import functions_of
    from ops.errors import OpsError
    from ops.naming import PSEUDO_PARAMETERS
    from ops.templates.function_policies import statements
    from ops.templates.resource_access import permissions

    it = opened(root, stage)
    specs = functions_of(it.stage)
    names = [spec.name for spec in specs]
    if function is not None and function not in names:
        raise OpsError(f"stage {stage} has no function {function!r}; it has: {', '.join(names)}")
    chosen = [spec for spec in specs if function in (None, spec.name)]
    may = {spec.name: list(statements(spec, it.stage, PSEUDO_PARAMETERS)) for spec in chosen}
    lets_in = permissions(root, it.config, PSEUDO_PARAMETERS)
    if function is not None:
        arn = PSEUDO_PARAMETERS.arn("lambda", f"function:{it.stage.function(function)}")
        lets_in = [each for each in lets_in if each.on == arn]
    if as_json:
        echo_json(
            {
                "stage": stage,
                "functions": {name: [_statement(each) for each in found] for name, found in may.items()},
                "permissions": [_permission(each) for each in lets_in],
            }
        )
    else:
        _show(may, lets_in)


def _statement(it: Statement) -> dict[str, Any]:
    return {
        "grant": it.sid,
        "actions": sorted(it.actions),
        "resources": list(it.resources),
        **({"condition": dict(it.condition)} if it.condition else {}),
        "used_by": it.used_by,
        "why": it.why,
    }


def _permission(it: Permission) -> dict[str, Any]:
    return {
        "who": it.who,
        "effect": it.effect,
        "actions": list(it.actions),
        "on": it.on,
        "only": it.only,
        "made_by": it.made_by,
    }


def _show(may: dict[str, list[Statement]], lets_in: Iterable[Permission]) -> None:
    for function, found in may.items():
        rows = []
        for each in found:
            only = [f"only {operator} {json.dumps(keys)}" for operator, keys in each.condition.items()]
            # The action names the service already.
            resources = [_short(arn).partition(":")[2] or arn for arn in each.resources]
            rows.append(
                ["\n".join(sorted(each.actions)), "\n".join([*resources, *only]), each.used_by, each.sid, each.why]
            )
        table(("action", "resource", "used by", "grant", "why"), rows, whole=0, title=function)
    rows = []
    for it in lets_in:
        actions = "\n".join(action if it.effect == "Allow" else f"never {action}" for action in it.actions)
        rows.append([_short(it.who), actions, _short(it.on), _short(it.only), it.made_by])
    table(("who", "may", "on", "only", "made by"), rows, whole=0, title="Who may run it")


def _short(text: str) -> str:
    """The text without the beginning that every ARN of a stage has."""
    from ops.naming import PSEUDO_PARAMETERS

    for common in (
        f"{PSEUDO_PARAMETERS.region}:{PSEUDO_PARAMETERS.account}:",
        f":{PSEUDO_PARAMETERS.account}:",
        f"arn:{PSEUDO_PARAMETERS.partition}:",
    ):
        text = text.replace(common, "")
    return text
