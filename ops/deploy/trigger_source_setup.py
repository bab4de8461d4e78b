"""What a deployment looks up and sets at the sources of functions' triggers: buckets, queues, tables and others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from chalicelib.function_spec import FunctionSpec
from chalicelib.functions import functions_of
from chalicelib.own_functions import OWN
from chalicelib.settings import Stage
from ops import naming
from ops.aws.account import Account
from ops.errors import OpsError, ignoring_aws_error
from ops.naming import AwsLocation
from ops.templates import trigger_resources

_MISSING = (
    "NoSuchBucket",
    "NotFound",
    "QueueDoesNotExist",
    # SQS still uses the error code of its older protocol.
    "AWS.SimpleQueueService.NonExistentQueue",
    "ResourceNotFoundException",
)


def check(account: Account, stage: Stage, own: Sequence[FunctionSpec] = OWN) -> None:
    """Raise :class:`OpsError` that names every source which does not exist, or every queue that shows a message again
    while its function still runs, before anything is changed.

    Sources whose names begin like the stage's own are left out, as the deployment may be about to make them.
    """
    where = account.where
    missing = [
        f"  {function}: there is no {kind} {source} in account {where.account}, {where.region}"
        for kind in dict.fromkeys(spec.trigger.kind for spec in functions_of(stage, own) if spec.trigger.source)
        for function, source in _standing(stage, where, kind, own)
        if not _is_there(account, kind, source)
    ]
    if missing:
        raise OpsError("\n".join(["chalicelib/own_functions.py names sources of events that don't exist:", *missing]))
    if early := list(_shown_too_early(account, stage, own)):
        raise OpsError(
            "\n".join(["Lambda takes no queue that shows a message again while its function may run:", *early])
        )
    for table in trigger_resources.sources(stage, where, "dynamodb", own=own).values():
        stream(account, table)


def stream(account: Account, table: str) -> str:
    """The ARN of a table's stream; raises :class:`OpsError` where it has none."""
    with ignoring_aws_error("ResourceNotFoundException"):
        described = account.dynamodb.describe_table(TableName=table)["Table"]
        if described.get("StreamSpecification", {}).get("StreamEnabled"):
            return described["LatestStreamArn"]
    raise OpsError(
        f"table {table} has no stream to run a function by. Switch it on: aws dynamodb update-table --table-name"
        f" {table} --stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES"
    )


def send_to_eventbridge(account: Account, buckets: Sequence[str]) -> list[str]:
    """Have each bucket send its events to EventBridge, beside what it sends elsewhere; returns those that didn't yet.

    This is never undone: another rule may rely on it by now.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-event-notifications-eventbridge.html
    """
    s3 = account.client("s3")
    changed = []
    for bucket in buckets:
        found = s3.get_bucket_notification_configuration(Bucket=bucket)
        if "EventBridgeConfiguration" not in found:
            kept = {key: value for key, value in found.items() if key != "ResponseMetadata"}
            s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration={**kept, "EventBridgeConfiguration": {}}
            )
            changed.append(bucket)
    return changed


def _standing(stage: Stage, where: AwsLocation, kind: str, own: Sequence[FunctionSpec]) -> list[tuple[str, str]]:
    """The functions with a trigger of a kind, and its source, without those that the deployment may make."""
    found = trigger_resources.sources(stage, where, kind, own=own).items()
    return [(function, source) for function, source in found if not source.startswith(f"{naming.prefix(stage)}-")]


def _shown_too_early(account: Account, stage: Stage, own: Sequence[FunctionSpec]) -> Iterator[str]:
    """A line for each queue whose visibility timeout is below the function's timeout: Lambda makes no mapping of it,
    and advises six times the function's.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    timeouts = {spec.name: spec.timeout for spec in functions_of(stage, own)}
    for function, queue in _standing(stage, account.where, "sqs", own):
        sqs = account.client("sqs")
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
        if (hidden := int(found["VisibilityTimeout"])) < timeouts[function]:
            yield (
                f"  {function}: its timeout is {timeouts[function]} s, and the visibility timeout of queue {queue} is"
                f" {hidden} s. Set it: aws sqs set-queue-attributes --queue-url {url} --attributes"
                f" VisibilityTimeout={6 * timeouts[function]}"
            )


def _is_there(account: Account, kind: str, name: str) -> bool:
    with ExitStack() as ignored:
        for code in _MISSING:
            ignored.enter_context(ignoring_aws_error(code))
        match kind:
            case "s3":
                account.client("s3").get_bucket_notification_configuration(Bucket=name)
            case "sqs":
                account.client("sqs").get_queue_url(QueueName=name)
            case "sns":
                account.sns.get_topic_attributes(TopicArn=account.where.arn("sns", name))
            case "dynamodb":
                account.dynamodb.describe_table(TableName=name)
            case "kinesis":
                account.client("kinesis").describe_stream_summary(StreamName=name)
        return True
    return False
