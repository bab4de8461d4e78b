"""The rule that counts canaries which got through, and runs ``on_success`` for them: part of the wiring template.

It matches nothing else, so its number of runs, which EventBridge writes by itself, is what the alarm ``canary-missing``
watches (``ops/templates/alarms.py``): silence anywhere on the way is silence there.
"""

from __future__ import annotations

from typing import Any

from chalicelib.functions import CANARY_ARRIVED, SUCCESS
from chalicelib.logic.event_kinds import KIND_CANARY
from chalicelib.settings import Stage
from ops.templates.common_resources import event_rule, invoke_permission, local_arn

NO_CANARY: dict[str, Any] = {
    "Records": {"Sns": {"MessageAttributes": {"kind": {"Value": [{"anything-but": [KIND_CANARY]}, {"exists": False}]}}}}
}
"""Matches the request of every event but a canary's: of whatever kind, and of none."""


def rule(stage: Stage) -> str:
    """The rule's name."""
    return f"{stage.bus}-canary-arrived"


def resources(stage: Stage, rule_dead_letters: str) -> dict[str, Any]:
    """The rule and the permission by which it runs ``on_success``."""
    on_success = stage.function("on_success")
    return {
        "CanaryRule": event_rule(
            stage.bus,
            rule(stage),
            "Canaries that got through; the alarm canary-missing watches how often it runs",
            {"source": ["lambda"], "detail": {**SUCCESS, "responsePayload": CANARY_ARRIVED}},
            ("on_success", local_arn("lambda", f"function:{on_success}")),
            {"Ref": rule_dead_letters},
        ),
        "CanaryPermission": invoke_permission(on_success, "events", {"Fn::GetAtt": ["CanaryRule", "Arn"]}),
    }
