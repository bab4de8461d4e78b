"""Lambda reads a stream for a function with its role, and gives a failed batch up (ops/local/aws/event_source.py)."""

from __future__ import annotations

import uuid
from typing import Any

from tests.local_stack.local_aws import ACCOUNT, REGION, LocalAws, wait_for

READS = ["DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards"]
FAILS = "def handler(event, context): raise ValueError('no')"


def stream(aws: LocalAws) -> tuple[str, str]:
    name = f"clicks-{uuid.uuid4().hex[:8]}"
    aws.client("kinesis").create_stream(StreamName=name, ShardCount=1)
    return name, f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"


def reads(arn: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [f"kinesis:{name}" for name in READS], "Resource": arn}


def mapped(aws: LocalAws, function: str, arn: str, **settings: Any) -> str:
    mapping: str = aws.client("lambda").create_event_source_mapping(
        FunctionName=function, EventSourceArn=arn, StartingPosition="TRIM_HORIZON", **settings
    )["UUID"]
    return mapping


def test_a_role_without_one_of_the_rights_reads_nothing(aws: LocalAws) -> None:
    name, arn = stream(aws)
    rights = reads(arn)
    function = aws.function(FAILS, {**rights, "Action": rights["Action"][:-1]})
    mapping = mapped(aws, function, arn)
    aws.client("kinesis").put_record(StreamName=name, Data=b"x", PartitionKey="1")

    def result() -> str:
        return str(aws.client("lambda").get_event_source_mapping(UUID=mapping)["LastProcessingResult"])

    wait_for(lambda: "PROBLEM: the function's role may not kinesis:ListShards" in result())
    assert aws.log(function) == []


def test_a_batch_that_fails_too_often_is_told_to_the_destination_as_the_documentation_says(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html"""
    name, arn = stream(aws)
    url, queue = aws.queue()
    sends = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue}
    function = aws.function(FAILS, reads(arn), sends)
    mapped(aws, function, arn, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": queue}})
    put = aws.client("kinesis").put_record(StreamName=name, Data=b"x", PartitionKey="1")
    record = aws.body(url)
    assert record.keys() == {"requestContext", "responseContext", "version", "timestamp", "KinesisBatchInfo"}
    assert record["requestContext"].keys() == {"requestId", "functionArn", "condition", "approximateInvokeCount"}
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    info = record["KinesisBatchInfo"]
    assert info.keys() == {
        "shardId",
        "startSequenceNumber",
        "endSequenceNumber",
        "approximateArrivalOfFirstRecord",
        "approximateArrivalOfLastRecord",
        "batchSize",
        "streamArn",
    }
    assert (info["shardId"], info["startSequenceNumber"]) == (put["ShardId"], put["SequenceNumber"])
    assert (info["batchSize"], info["streamArn"]) == (1, arn)
