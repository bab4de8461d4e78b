"""``[[grant]]`` of ``herald.toml``: a policy by which a program may use the Invoke API. docs/invoke-api.md."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from chalicelib.functions import functions_of
from chalicelib.settings import Stage
from ops.additions.targets import logical
from ops.policies import ANYWHERE, VERSION, Where
from ops.stacks import prefix
from ops.tables import Table


def _role(value: str) -> str:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html"""
    if not re.fullmatch(r"[A-Za-z0-9+=,.@_-]{1,64}", value):
        raise ValueError("expected the name of a role, without a path")
    return value


Role = Annotated[str, AfterValidator(_role)]


class GrantTable(Table):
    """Which functions, by their names in the directory, and who is granted them."""

    functions: list[str] = Field(min_length=1)
    roles: list[Role] = Field(default=[])
    """Roles of the account that get the policy; others may attach it by themselves."""


def functions(stage: Stage) -> list[str]:
    """What can be granted: the functions of the Invoke API that the stage has."""
    return [spec.name for spec in functions_of(stage) if spec.trigger.kind == "invoke"]


def policy(grant: GrantTable, stage: Stage, where: Where) -> dict[str, Any]:
    """For each function the call of it, and the look into the directory that finds it.

    The function's ARN has no version or alias behind it, and fits no call that names one:
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html
    """
    statements = []
    for name in grant.functions:
        sid = logical("", name.replace("_", "-"))
        statements += [
            _allow(f"Invoke{sid}", "lambda:InvokeFunction", where.arn("lambda", f"function:{stage.function(name)}")),
            _allow(f"Find{sid}", "ssm:GetParameter", where.arn("ssm", f"parameter{stage.parameters}/functions/{name}")),
        ]
    return {"Version": VERSION, "Statement": statements}


def _allow(sid: str, action: str, on: str) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": [action], "Resource": [on]}


def policy_name(name: str, stage: Stage) -> str:
    return f"{prefix(stage)}-grant-{name}"


def resources(name: str, grant: GrantTable, stage: Stage) -> dict[str, Any]:
    """The policy, attached to the roles that are named."""
    document = policy(grant, stage, ANYWHERE)
    for statement in document["Statement"]:
        statement["Resource"] = [{"Fn::Sub": arn} for arn in statement["Resource"]]
    return {
        logical("grant", name): {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "ManagedPolicyName": policy_name(name, stage),
                "Description": f"Herald, stage {stage.name}: the grant {name}",
                "PolicyDocument": document,
                **({"Roles": list(grant.roles)} if grant.roles else {}),
            },
        }
    }


def outputs(name: str) -> dict[str, Any]:
    """The policy's ARN."""
    key = logical("grant", name)
    return {key: {"Value": {"Ref": key}}}
