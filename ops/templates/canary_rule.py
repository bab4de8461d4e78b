"""The rule for canaries that arrived, which runs ``on_success``: part of the wiring template.

It matches nothing else, so EventBridge's count of its runs is the number of canaries that arrived. The alarm
``canary-missing`` watches it (``ops/templates/alarms.py``).
"""

from __future__ import annotations

from typing import Any

from chalicelib.functions import CANARY_ARRIVED, SUCCESS
from chalicelib.logic.message_kinds import KIND_CANARY
from chalicelib.settings import Stage
from ops.templates.common_resources import event_rule, invoke_permission, local_arn

NO_CANARY: dict[str, Any] = {
    "Records": {"Sns": {"MessageAttributes": {"kind": {"Value": [{"anything-but": [KIND_CANARY]}, {"exists": False}]}}}}
}
"""Matches the request of every event that is not a canary's, with or without a kind."""


def rule(stage: Stage) -> str:
    """The rule's name."""
    return f"{stage.bus}-canary-arrived"


def resources(stage: Stage) -> dict[str, Any]:
    """The rule, and its permission to run ``on_success``."""
    on_success = stage.function("on_success")
    return {
        "CanaryRule": event_rule(
            stage.bus,
            rule(stage),
            "Canaries that arrived; the alarm canary-missing watches how often it runs",
            {"source": ["lambda"], "detail": {**SUCCESS, "responsePayload": CANARY_ARRIVED}},
            ("on_success", local_arn("lambda", f"function:{on_success}")),
        ),
        "CanaryPermission": invoke_permission(on_success, "events", {"Fn::GetAtt": ["CanaryRule", "Arn"]}),
    }
