"""Lambda reads a stream for a function with its role, and gives a failed batch up (ops/local/aws/event_source.py)."""

from __future__ import annotations

import json
import uuid
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_stack.local_aws import ACCOUNT, LOGS, REGION, LocalAws, allow, wait_for

READS = {
    "sqs": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
    "kinesis": [
        f"kinesis:{each}"
        for each in ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
    ],
    "dynamodb": ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"],
}
"""https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html
https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html"""
FAILS = "def handler(event, context): raise ValueError('no')"


def stream(aws: LocalAws) -> tuple[str, str]:
    name = f"clicks-{uuid.uuid4().hex[:8]}"
    aws.client("kinesis").create_stream(StreamName=name, ShardCount=1)
    return name, f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"


def table(aws: LocalAws) -> tuple[str, str]:
    """A new table with a stream: its name, and the stream's ARN."""
    name = f"stock-{uuid.uuid4().hex[:8]}"
    aws.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    return name, aws.client("dynamodb").describe_table(TableName=name)["Table"]["LatestStreamArn"]


def reads(arn: str, service: str = "kinesis", without: str = "") -> dict[str, Any]:
    """A statement with the rights to read a source, perhaps without one of them."""
    actions = [action for action in READS[service] if action != without]
    # The list of streams has no resource.
    return allow(actions, [arn, "*"] if service == "dynamodb" else arn)


def result(aws: LocalAws, mapping: str) -> str:
    return str(aws.client("lambda").get_event_source_mapping(UUID=mapping)["LastProcessingResult"])


def mapped(aws: LocalAws, function: str, arn: str, **settings: Any) -> str:
    if ":sqs:" not in arn:
        settings["StartingPosition"] = "TRIM_HORIZON"
    made = aws.client("lambda").create_event_source_mapping(FunctionName=function, EventSourceArn=arn, **settings)
    return str(made["UUID"])


@pytest.mark.parametrize(
    "service", [pytest.param(each, marks=() if each == "sqs" else pytest.mark.full) for each in READS]
)
def test_a_role_without_any_one_of_the_rights_reads_nothing_and_with_all_it_does(aws: LocalAws, service: str) -> None:
    match service:
        case "sqs":
            name, arn = aws.queue()
            aws.client("sqs").send_message(QueueUrl=name, MessageBody="x")
        case "kinesis":
            name, arn = stream(aws)
            aws.client("kinesis").put_record(StreamName=name, Data=b"x", PartitionKey="1")
        case _:
            name, arn = table(aws)
            aws.client("dynamodb").put_item(TableName=name, Item={"id": {"S": "x"}})
    first, *others = READS[service]
    function = aws.function("def handler(event, context): print('taken')", reads(arn, service, without=first))
    name_of_role = aws.role_of(function)
    mapping = mapped(aws, function, arn)

    def is_told(action: str) -> bool:
        return result(aws, mapping) == f"PROBLEM: the function's role may not {action}"

    wait_for(partial(is_told, first))
    for action in others:
        aws.let(name_of_role, LOGS, reads(arn, service, without=action))
        wait_for(partial(is_told, action))
    assert aws.log(function) == []
    aws.let(name_of_role, LOGS, reads(arn, service))
    wait_for(lambda: "taken" in "".join(aws.log(function)))


def test_a_batch_over_10_needs_a_window_also_in_a_stack(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html"""
    _, arn = aws.queue()
    function = aws.function("", reads(arn, "sqs"))
    refusal = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
    with pytest.raises(ClientError, match=refusal):
        mapped(aws, function, arn, BatchSize=11)
    mapped(aws, function, arn, BatchSize=10)
    mapped(aws, function, arn, BatchSize=11, MaximumBatchingWindowInSeconds=1)
    properties = {"FunctionName": function, "EventSourceArn": arn, "BatchSize": 11}
    mapping = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}
    formation, name = aws.client("cloudformation"), f"mapping-{uuid.uuid4().hex[:8]}"
    formation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Mapping": mapping}}))
    wait_for(
        lambda: any(
            refusal in event.get("ResourceStatusReason", "")
            for event in formation.describe_stack_events(StackName=name)["StackEvents"]
        )
    )


def test_the_list_of_streams_is_allowed_for_no_table_alone(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html"""
    _, arn = table(aws)
    function = aws.function("", {**reads(arn, "dynamodb"), "Resource": arn})
    mapping = mapped(aws, function, arn)
    wait_for(lambda: result(aws, mapping) == "PROBLEM: the function's role may not dynamodb:ListStreams")


def test_a_batch_that_fails_too_often_is_told_to_the_destination_as_the_documentation_says(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html"""
    name, arn = stream(aws)
    url, queue = aws.queue()
    function = aws.function(FAILS, reads(arn), allow("sqs:SendMessage", queue))
    mapped(aws, function, arn, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": queue}})
    put = aws.client("kinesis").put_record(StreamName=name, Data=b"x", PartitionKey="1")
    record = aws.body(url)
    assert record.keys() == {"requestContext", "responseContext", "version", "timestamp", "KinesisBatchInfo"}
    assert record["requestContext"].keys() == {"requestId", "functionArn", "condition", "approximateInvokeCount"}
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    info = record["KinesisBatchInfo"]
    keys = ("shardId", "startSequenceNumber", "endSequenceNumber", "batchSize", "streamArn")
    assert info.keys() == {*keys, "approximateArrivalOfFirstRecord", "approximateArrivalOfLastRecord"}
    assert (info["shardId"], info["startSequenceNumber"]) == (put["ShardId"], put["SequenceNumber"])
    assert (info["batchSize"], info["streamArn"]) == (1, arn)
