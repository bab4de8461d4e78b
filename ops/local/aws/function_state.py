"""Make functions Active at once: MiniStack keeps them Pending for half a second, and Chalice polls every 5 seconds.

On AWS a new function is Pending and then Active, and an update is InProgress and then Successful. The local AWS
provisions nothing that one would have to wait for.

https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
"""

from __future__ import annotations

from ops.local.aws.ministack_modules import lambda_svc

EXTENDS = (
    "ministack.services.lambda_svc:_functions",
    "ministack.services.lambda_svc:_schedule_state_transition",
)


def install() -> None:
    """Change the state at the point where MiniStack schedules the change."""
    lambda_svc._schedule_state_transition = ready_at_once


def ready_at_once(func_name: str, delay: float) -> None:
    """Set the function and its versions to Active and Successful. ``delay`` is ignored."""
    function = lambda_svc._functions.get(func_name) or {}
    versions = [version.get("config") for version in (function.get("versions") or {}).values()]
    for config in filter(None, [function.get("config"), *versions]):
        if config.get("State") == "Pending":
            config.update(State="Active", StateReason="", StateReasonCode="")
        if config.get("LastUpdateStatus") == "InProgress":
            config.update(LastUpdateStatus="Successful", LastUpdateStatusReason="", LastUpdateStatusReasonCode="")
