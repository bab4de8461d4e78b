"""Retries and destinations of the functions that Lambda runs asynchronously.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

from typing import Any

from chalicelib.function_spec import FunctionSpec
from chalicelib.settings import Stage
from ops.templates.common_resources import RULE_DEAD_LETTERS, local_arn


def event_invoke_config(spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """How often Lambda retries the events of a function, and where it sends their outcomes."""
    properties: dict[str, Any] = {"FunctionName": stage.function(spec.name), "Qualifier": "$LATEST"}
    if spec.persistent:
        properties["MaximumRetryAttempts"] = stage.retry_times.lambda_retries
        properties["MaximumEventAgeInSeconds"] = stage.retry_times.lambda_age_seconds
    if spec.outcome_to_bus:
        bus = {"Destination": local_arn("events", f"event-bus/{stage.bus}")}
        properties["DestinationConfig"] = {"OnSuccess": bus, "OnFailure": bus}
    elif spec.trigger.keeps_failures:
        properties["DestinationConfig"] = {"OnFailure": {"Destination": {"Ref": RULE_DEAD_LETTERS}}}
    return {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": properties}
