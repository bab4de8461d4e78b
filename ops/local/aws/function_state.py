"""New and updated functions are ready at once.

"Lambda function states": a function is Pending until its resources are there, then Active; an update is InProgress,
then Successful. Nothing is provisioned here, so the wait would be for show, and Chalice looks only every 5 seconds.

https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
"""

from __future__ import annotations

from ops.local.aws.ministack_modules import lambda_svc

EXTENDS = (
    "ministack.services.lambda_svc:_functions",
    "ministack.services.lambda_svc:_schedule_state_transition",
)


def install() -> None:
    """Make the transition where MiniStack schedules it."""
    lambda_svc._schedule_state_transition = ready_at_once


def ready_at_once(func_name: str, delay: float) -> None:
    """Set the function and its versions to Active and Successful. ``delay`` is MiniStack's and unused."""
    function = lambda_svc._functions.get(func_name) or {}
    versions = [version.get("config") for version in (function.get("versions") or {}).values()]
    for config in filter(None, [function.get("config"), *versions]):
        if config.get("State") == "Pending":
            config.update(State="Active", StateReason="", StateReasonCode="")
        if config.get("LastUpdateStatus") == "InProgress":
            config.update(LastUpdateStatus="Successful", LastUpdateStatusReason="", LastUpdateStatusReasonCode="")
