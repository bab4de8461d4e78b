"""Allow active tracing only if the function's role may send traces to X-Ray; MiniStack doesn't check the role.

"Your function needs permission to upload trace data to X-Ray": xray:PutTraceSegments and xray:PutTelemetryRecords, as
in the managed policy AWSXRayDaemonWriteAccess. Lambda refuses to enable active tracing for a role without the first. No
AWS page has the text of this error; it is taken from users' reports.

https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSXRayDaemonWriteAccess.html
https://github.com/functionalone/serverless-iam-roles-per-function/issues/39
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ops.local.aws import iam_role
from ops.local.aws.ministack_modules import extend, lambda_runtime, lambda_svc

EXTENDS = (
    "ministack.core.lambda_runtime:execution_credentials",
    "ministack.services.lambda_svc:_create_function",
    "ministack.services.lambda_svc:_emit_lambda_logs",
    "ministack.services.lambda_svc:_functions",
    "ministack.services.lambda_svc:_update_config",
    "ministack.services.lambda_svc:error_response_json",
)

logger = logging.getLogger("herald.local.trace_permission")

_REFUSAL = "The provided execution role does not have permissions to call PutTraceSegments on XRAY"
_SEGMENTS = "xray:PutTraceSegments"
_TELEMETRY = "xray:PutTelemetryRecords"


def install() -> None:
    """Check the role when tracing is enabled and after each invocation."""
    extend(lambda_svc, "_create_function", _create)
    extend(lambda_svc, "_update_config", _update)
    extend(lambda_svc, "_emit_lambda_logs", _send_trace)


def _create(create: Callable[..., Any], data: dict[str, Any]) -> Any:
    return _refused(data, data.get("Role", "")) or create(data)


def _update(update: Callable[..., Any], name: str, data: dict[str, Any]) -> Any:
    known = (lambda_svc._functions.get(name) or {}).get("config", {})
    return _refused(data, data.get("Role") or known.get("Role", "")) or update(name, data)


def _refused(data: dict[str, Any], role_arn: str) -> Any:
    """Return Lambda's error if ``data`` enables active tracing and the role may not send traces, or None."""
    if (data.get("TracingConfig") or {}).get("Mode") != "Active" or not role_arn:
        return None
    if iam_role.may(iam_role.assume(role_arn, "tracing"), _SEGMENTS, "*"):
        return None
    return lambda_svc.error_response_json("InvalidParameterValueException", _REFUSAL, 400)


def _send_trace(emit: Callable[..., None], func: dict[str, Any], *args: Any, **kwargs: Any) -> None:
    """After an invocation, log which permissions a traced function's role lacks."""
    emit(func, *args, **kwargs)
    config = func.get("config") or func
    if (config.get("TracingConfig") or {}).get("Mode") == "Active":
        credentials = iam_role.credentials_from_environment(lambda_runtime.execution_credentials(config))
        missing = [action for action in (_SEGMENTS, _TELEMETRY) if not iam_role.may(credentials, action, "*")]
        if missing:
            logger.warning("%s's role lacks %s: no trace", config["FunctionName"], ", ".join(missing))
