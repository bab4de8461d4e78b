"""A function is traced only if its role may send traces (ops/local/aws/trace_permission.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.local_stack.local_aws import LocalAws, allow

SOURCE = "def handler(event, context): return event"
TRACES = allow(["xray:PutTraceSegments", "xray:PutTelemetryRecords"])
ACTIVE = {"Mode": "Active"}
REFUSAL = "does not have permissions to call PutTraceSegments on XRAY"


def test_without_permission_a_function_is_not_created_with_tracing(aws: LocalAws) -> None:
    with pytest.raises(ClientError, match=REFUSAL) as refused:
        aws.function(SOURCE, TracingConfig=ACTIVE)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert aws.invoke(aws.function(SOURCE, TracingConfig={"Mode": "PassThrough"}), 1) == (1, None)


def test_without_permission_tracing_is_not_switched_on_and_with_it_it_is(aws: LocalAws) -> None:
    client, function = aws.client("lambda"), aws.function(SOURCE)
    with pytest.raises(ClientError, match=REFUSAL):
        client.update_function_configuration(FunctionName=function, TracingConfig=ACTIVE)
    aws.let(aws.role_of(function), TRACES)
    changed = client.update_function_configuration(FunctionName=function, TracingConfig=ACTIVE)
    assert changed["TracingConfig"] == ACTIVE


def test_each_run_of_a_traced_function_asks_for_both_actions(aws: LocalAws, access_log: Path) -> None:
    function = aws.function(SOURCE, TRACES, TracingConfig=ACTIVE)
    before = access_log.stat().st_size
    assert aws.invoke(function, 1) == (1, None)
    with access_log.open(encoding="utf-8") as log:
        log.seek(before)
        asked = {(entry["action"], entry["decision"]) for entry in map(json.loads, log)}
    assert {("xray:PutTraceSegments", "Allow"), ("xray:PutTelemetryRecords", "Allow")} <= asked
