"""Refuse large batches without a window, read only what the function's role may, and give up on a stream's batch.

MiniStack reads with no role and repeats a failed batch of a stream for ever. Lambda reads with the execution role. It
repeats the batch MaximumRetryAttempts times, then sends a record of where it was to the mapping's failure destination,
also with that role, and goes on. A batch of which the function names failed items counts as failed. What AWS does
besides is left out: halving a batch, and repeating only from its first failed item. MiniStack takes any batch. Lambda:
"when you set BatchSize to a value greater than 10, you must set MaximumBatchingWindowInSeconds to at least 1". No page
has the text of that error; it is taken from a user's report.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
https://github.com/ansible-collections/amazon.aws/issues/1995
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html
https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/iam-policy-example-lamda-process-dynamodb-streams.html
"""

from __future__ import annotations

import datetime
import functools
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ops.local.aws import iam_role
from ops.local.aws.ministack_modules import Result, cloudformation, extend, lambda_runtime, lambda_svc, responses

EXTENDS = (
    "ministack.core.lambda_runtime:execution_credentials",
    "ministack.core.responses:new_uuid",
    "ministack.core.responses:request_scope",
    "ministack.services.cloudformation.provisioners:_RESOURCE_HANDLERS",
    "ministack.services.cloudformation.provisioners:_lambda_esm_create",
    "ministack.services.cloudformation.provisioners:_lambda_esm_update",
    "ministack.services.lambda_svc:_ESM_BACKOFF_SECONDS",
    "ministack.services.lambda_svc:_create_esm",
    "ministack.services.lambda_svc:_execute_function",
    "ministack.services.lambda_svc:_get_func_record_for_qualifier",
    "ministack.services.lambda_svc:_iter_all_esms",
    "ministack.services.lambda_svc:_poll_dynamodb_streams",
    "ministack.services.lambda_svc:_poll_kinesis",
    "ministack.services.lambda_svc:_poll_sqs",
    "ministack.services.lambda_svc:error_response_json",
)

READS = {
    "sqs": ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"),
    "kinesis": ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards"),
    "dynamodb": ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"),
}
"""The actions that the role needs on the source, by service."""
WITHOUT_RESOURCE = ("dynamodb:ListStreams",)
"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html"""
_BACKOFF_SECONDS = 0.1
"""The pause after a failed batch: a tenth of MiniStack's."""
_WITHOUT_WINDOW = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"

logger = logging.getLogger("herald.local.event_source")

_polled = threading.local()
_failures: dict[str, tuple[str, int]] = {}
"""The batch that a mapping failed at last, and how often, by the mapping's id."""


def install() -> None:
    """Check each mapping's batch, the role before each look at a source, and count the failures of streams' batches."""
    extend(lambda_svc, "_create_esm", _create)
    handlers = cloudformation._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    for change in ("create", "update"):
        handlers[change] = functools.partial(_in_stack, handlers[change])
    lambda_svc._ESM_BACKOFF_SECONDS = _BACKOFF_SECONDS
    extend(lambda_svc, "_iter_all_esms", _readable)
    extend(lambda_svc, "_execute_function", _run)


def _lacks_window(mapping: dict[str, Any]) -> bool:
    # A stack's properties may be strings.
    return int(mapping.get("BatchSize", 0)) > 10 and int(mapping.get("MaximumBatchingWindowInSeconds", 0)) < 1


def _create(create: Callable[..., Any], data: dict[str, Any]) -> Any:
    if _lacks_window(data):
        return lambda_svc.error_response_json("InvalidParameterValueException", _WITHOUT_WINDOW, 400)
    return create(data)


def _in_stack(change: Callable[..., Any], *words: Any) -> Any:
    """Create or update a stack's mapping; its new properties and the stack's name are the last of ``words``."""
    if _lacks_window(words[-2]):
        raise ValueError(_WITHOUT_WINDOW)
    return change(*words)


def _readable(mappings: Callable[[], Iterator[tuple[str, str, dict[str, Any]]]]) -> Iterator[Any]:
    """Yield the mappings whose function may read the source. MiniStack polls each before it asks for the next."""
    for account, region, mapping in mappings():
        with responses.request_scope(account, region):
            denied = _denied(mapping)
        if denied:
            mapping["LastProcessingResult"] = f"PROBLEM: the function's role may not {', '.join(denied)}"
            continue
        _polled.mapping = mapping
        yield account, region, mapping
    _polled.mapping = None


def _denied(mapping: dict[str, Any]) -> list[str]:
    source = mapping["EventSourceArn"]
    service = source.split(":")[2]
    _, config = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
    if config is None:
        return []
    credentials = iam_role.credentials_from_environment(lambda_runtime.execution_credentials(config))
    actions = (f"{service}:{name}" for name in READS.get(service, ()))
    return [
        action
        for action in actions
        if not iam_role.may(credentials, action, "*" if action in WITHOUT_RESOURCE else source)
    ]


def _run(execute: Callable[..., Result], function: dict[str, Any], event: Any) -> Result:
    """Run a function. Of a stream's batch that failed too often say that it succeeded, so that MiniStack goes on."""
    result = execute(function, event)
    mapping = getattr(_polled, "mapping", None)  # Batches of queues are run in threads of their own.
    if mapping is None or ":sqs:" in mapping["EventSourceArn"]:
        return result
    body = result.get("body")
    if isinstance(body, dict) and body.get("batchItemFailures"):
        result = {**result, "error": True}
    if not result.get("error"):
        return result
    batch = json.dumps(event)
    before, failures = _failures.get(mapping["UUID"], ("", 0))
    failures = failures + 1 if batch == before else 1
    _failures[mapping["UUID"]] = batch, failures
    retries = int(mapping.get("MaximumRetryAttempts", -1))
    if retries < 0 or failures <= retries:
        return result
    del _failures[mapping["UUID"]]
    _keep(mapping, function.get("config") or function, event["Records"], failures, result)
    return {"body": {}, "log": ""}


def _keep(
    mapping: dict[str, Any], config: dict[str, Any], records: list[dict[str, Any]], attempts: int, result: Result
) -> None:
    """Send where the batch was to the mapping's failure destination, a queue, with the function's role."""
    destination = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination", "")
    if destination.split(":")[2:3] != ["sqs"]:
        return
    of_table = "dynamodb" in records[0]
    part, number, arrival = (
        ("dynamodb", "SequenceNumber", "ApproximateCreationDateTime")
        if of_table
        else ("kinesis", "sequenceNumber", "approximateArrivalTimestamp")
    )
    first, last = records[0][part], records[-1][part]
    record = {
        "requestContext": {
            "requestId": responses.new_uuid(),
            "functionArn": config["FunctionArn"],
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": attempts,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": result.get("function_error") or "Unhandled",
        },
        "version": "1.0",
        "timestamp": _text(time.time()),
        "DDBStreamBatchInfo" if of_table else "KinesisBatchInfo": {
            "shardId": str(records[0].get("eventID", "")).partition(":")[0],
            "startSequenceNumber": first[number],
            "endSequenceNumber": last[number],
            "approximateArrivalOfFirstRecord": _text(first[arrival]),
            "approximateArrivalOfLastRecord": _text(last[arrival]),
            "batchSize": len(records),
            "streamArn": mapping["EventSourceArn"],
        },
    }
    keys = lambda_runtime.execution_credentials(config)
    client = iam_role.client("sqs", iam_role.credentials_from_environment(keys))
    account, name = destination.split(":")[4:6]
    try:
        client.send_message(
            QueueUrl=f"{os.environ['AWS_ENDPOINT_URL']}/{account}/{name}", MessageBody=json.dumps(record)
        )
    except Exception as error:
        # An AccessDenied message names the role and the missing action. It never holds the payload.
        logger.warning("%s could not be sent to %s: %s", mapping["EventSourceArn"], destination, error)


def _text(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(float(seconds), datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
