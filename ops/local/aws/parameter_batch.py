"""Authorize ssm:GetParameters for each requested parameter; MiniStack authorizes it on ``*``.

With MiniStack alone, a policy that names exact ARNs is denied, although it works on AWS. The service authorization
reference lists ``parameter*`` as the required resource type of the action.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

from ops.local.aws.ministack_modules import extend, iam_evaluator

EXTENDS = (
    "ministack.core.iam_actions:extract_resource_arn",
    "ministack.core.iam_evaluator:enforce",
)

BATCH = "ssm:GetParameters"
_SEPARATOR = "\n"

_iam_actions: Any = importlib.import_module("ministack.core.iam_actions")


def install() -> None:
    """Extract the ARNs of all requested parameters and authorize each."""
    extend(_iam_actions, "extract_resource_arn", _every_parameter)
    extend(iam_evaluator, "enforce", _each)


def _every_parameter(extract: Callable[..., str], service: str, method: str, path: str, *rest: Any) -> str:
    """Return the request's resource ARN. For GetParameters, return all ARNs, separated by line breaks."""
    arn = extract(service, method, path, *rest)
    headers, body, _, region, account = rest[:5]
    if service == "ssm" and headers.get("x-amz-target", "").endswith(".GetParameters"):
        names = json.loads(body).get("Names") or []
        arns = [f"arn:aws:ssm:{region}:{account}:parameter/{name.lstrip('/')}" for name in names]
        return _SEPARATOR.join(arns) or arn
    return arn


def _each(
    enforce: Callable[..., Any],
    access_key: str,
    action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    **rest: Any,
) -> Any:
    """Authorize the action on each ARN of ``resource_arn``. Return the first denial, or None."""
    if action != BATCH:
        return enforce(access_key, action, service, region, resource_arn=resource_arn, **rest)
    for arn in resource_arn.split(_SEPARATOR):
        denied = enforce(access_key, action, service, region, resource_arn=arn, **rest)
        if denied:
            return denied
    return None
