"""Write a function's log only if its role allows that; MiniStack writes it whatever the role.

The execution role needs logs:CreateLogGroup (unless the group exists), logs:CreateLogStream and logs:PutLogEvents.
Without them the function runs, but its output is lost.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from typing import Any

from ops.local.aws import iam_role
from ops.local.aws.ministack_modules import Result, extend, lambda_runtime, lambda_svc, responses

EXTENDS = (
    "ministack.core.lambda_runtime:execution_credentials",
    "ministack.core.responses:get_account_id",
    "ministack.core.responses:get_region",
    "ministack.services.cloudwatch_logs:_log_groups",
    "ministack.services.lambda_svc:_emit_lambda_logs",
)

logger = logging.getLogger("herald.local.log_permission")

_cloudwatch_logs: Any = importlib.import_module("ministack.services.cloudwatch_logs")


def install() -> None:
    """Check the permissions of the function's role before its output is stored."""
    extend(lambda_svc, "_emit_lambda_logs", _if_allowed)


def _if_allowed(emit: Callable[..., None], func: Result, *args: Any, **kwargs: Any) -> None:
    """Store the output of an invocation, or log which permissions the role lacks."""
    config = func.get("config") or func
    group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
    arn = f"arn:aws:logs:{responses.get_region()}:{responses.get_account_id()}:log-group:{group}"
    credentials = iam_role.credentials_from_environment(lambda_runtime.execution_credentials(config))
    missing = [
        action
        for action in ("logs:CreateLogStream", "logs:PutLogEvents")
        if not iam_role.may(credentials, action, f"{arn}:log-stream:local")
    ]
    # A policy may name a log group with or without ":*". AWS accepts both.
    if group not in _cloudwatch_logs._log_groups and not any(
        iam_role.may(credentials, "logs:CreateLogGroup", each) for each in (f"{arn}:*", arn)
    ):
        missing.append("logs:CreateLogGroup")
    if missing:
        logger.warning("%s's role lacks %s on %s: no log", config["FunctionName"], ", ".join(missing), arn)
        return
    emit(func, *args, **kwargs)
