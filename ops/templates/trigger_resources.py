"""What makes a trigger of the manifest run its function: a rule of the default bus, a subscription, or a mapping.

All of it is part of the wiring template, and none of it Chalice's: Chalice sets no failure destination, reports no
single failed item of a batch, and wants at import what only the account knows. docs/decisions/0054.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.function_spec import FunctionSpec
from chalicelib.functions import declared_in, functions_of
from chalicelib.own_functions import OWN
from chalicelib.settings import Stage
from ops.naming import PSEUDO_PARAMETERS, AwsLocation, filled
from ops.templates.common_resources import (
    RULE_DEAD_LETTERS,
    SUBSCRIBER_DEAD_LETTERS,
    SUBSCRIBER_LETTERS_POLICY,
    event_rule,
    invoke_permission,
    local_arn,
)

DEFAULT_BUS = "default"
STREAM_RETRIES = 10
"""How often Lambda repeats a batch of a stream before it goes on; without a limit one record holds up its shard."""


def of_kind(stage: Stage, *kinds: str, own: Sequence[FunctionSpec] = OWN) -> list[FunctionSpec]:
    """The functions of a stage with a trigger of these kinds."""
    return [spec for spec in functions_of(stage, own) if spec.trigger.kind in kinds]


def sources(stage: Stage, where: AwsLocation, *kinds: str, own: Sequence[FunctionSpec] = OWN) -> dict[str, str]:
    """The name of each trigger's source, by its function."""
    return {spec.name: _filled(spec, spec.trigger.source, stage, where) for spec in of_kind(stage, *kinds, own=own)}


def rule_name(spec: FunctionSpec, stage: Stage) -> str:
    """The name of a trigger's rule on the default bus."""
    return stage.function(spec.name)


def streams(stage: Stage, where: AwsLocation) -> dict[str, str]:
    """The parameters with streams of tables, and the tables. A stream's ARN has the time when it was switched on, so
    the deployment looks it up."""
    return {stream_parameter(name): table for name, table in sources(stage, where, "dynamodb").items()}


STREAM = "StreamOf"
"""The beginning of the parameters with streams of tables."""


def stream_parameter(function: str) -> str:
    return f"{STREAM}{''.join(part.capitalize() for part in function.split('_'))}"


def parameters(stage: Stage) -> dict[str, Any]:
    """The parameters of the wiring template for streams of tables."""
    return {
        name: {"Type": "String", "Description": f"ARN of the stream of table {table}"}
        for name, table in streams(stage, PSEUDO_PARAMETERS).items()
    }


def rules_on_default_bus(stage: Stage, own: Sequence[FunctionSpec] = OWN) -> list[Any]:
    """The ARNs of the rules of triggers."""
    return [local_arn("events", f"rule/{rule_name(spec, stage)}") for spec in of_kind(stage, "event", "s3", own=own)]


def topics(stage: Stage, own: Sequence[FunctionSpec] = OWN) -> list[Any]:
    """The ARNs of the topics of triggers."""
    return [_topic(spec, stage) for spec in of_kind(stage, "sns", own=own)]


def _topic(spec: FunctionSpec, stage: Stage) -> Any:
    return _substituted(_filled(spec, spec.trigger.source_arn, stage))


def resources(spec: FunctionSpec, stage: Stage, logical: str) -> dict[str, Any]:
    """The resources of one function's trigger; none for a trigger that is Chalice's or needs none."""
    trigger, function = spec.trigger, stage.function(spec.name)
    match trigger.kind:
        case "event" | "s3":
            rule = event_rule(
                DEFAULT_BUS,
                rule_name(spec, stage),
                f"Runs {spec.name}",
                trigger.pattern or _object_created(spec, stage),
                (spec.name, local_arn("lambda", f"function:{function}")),
            )
            source: Any = {"Fn::GetAtt": [f"{logical}Rule", "Arn"]}
            return {f"{logical}Rule": rule, f"{logical}Permission": invoke_permission(function, "events", source)}
        case "sns":
            topic = _topic(spec, stage)
            return {
                f"{logical}Permission": invoke_permission(function, "sns", topic),
                f"{logical}Subscription": {
                    "Type": "AWS::SNS::Subscription",
                    "DependsOn": [f"{logical}Permission", SUBSCRIBER_LETTERS_POLICY],
                    "Properties": {
                        "TopicArn": topic,
                        "Protocol": "lambda",
                        "Endpoint": local_arn("lambda", f"function:{function}"),
                        "RedrivePolicy": {"deadLetterTargetArn": {"Ref": SUBSCRIBER_DEAD_LETTERS}},
                    },
                },
            }
        case "sqs" | "dynamodb" | "kinesis":
            return {f"{logical}Source": _event_source(spec, stage)}
    return {}


def _object_created(spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""
    detail: dict[str, Any] = {"bucket": {"name": [_substituted(_filled(spec, spec.trigger.source, stage))]}}
    if spec.trigger.prefix:
        detail["object"] = {"key": [{"prefix": spec.trigger.prefix}]}
    return {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}


def _event_source(spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """A mapping by which Lambda repeats only the items that the function says it failed at.

    A queue has a redrive policy of its own for what fails too often. Of a stream, Lambda halves a failed batch, repeats
    it so often, and then keeps in a queue where the failed records are.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """
    trigger = spec.trigger
    of_table = trigger.kind == "dynamodb"
    arn = {"Ref": stream_parameter(spec.name)} if of_table else _substituted(_filled(spec, trigger.source_arn, stage))
    return {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {
            "FunctionName": stage.function(spec.name),
            "EventSourceArn": arn,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            **({"BatchSize": trigger.batch} if trigger.batch else {}),
            # Lambda refuses a larger batch that it doesn't wait for:
            # https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
            **({"MaximumBatchingWindowInSeconds": 1} if trigger.batch > 10 else {}),
            **(
                {
                    # LATEST could miss what is written while the mapping comes about:
                    # https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
                    "StartingPosition": "TRIM_HORIZON",
                    "BisectBatchOnFunctionError": True,
                    "MaximumRetryAttempts": STREAM_RETRIES,
                    "DestinationConfig": {"OnFailure": {"Destination": {"Ref": RULE_DEAD_LETTERS}}},
                }
                if trigger.stream
                else {}
            ),
        },
    }


def _filled(spec: FunctionSpec, template: str, stage: Stage, where: AwsLocation = PSEUDO_PARAMETERS) -> str:
    return filled(template, stage, where, f"{declared_in(spec)}: {spec.name}")


def _substituted(text: str) -> Any:
    return {"Fn::Sub": text} if "${" in text else text
