"""The alarms of a stage: CloudWatch watches AWS's own numbers and sends a mail. None of Herald's code runs for it.

Part of the wiring template where ``herald.toml`` has an address, and not there otherwise. Every alarm looks at a metric
that AWS writes by itself and without charge, so they also tell of what Herald's code can't tell of any more.
docs/alarms.md says of each what it means and what to do; a description names its section there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.settings import Stage
from ops import naming
from ops.naming import prefix
from ops.templates import canary

EMAIL = "AlarmsEmail"
"""The parameter with the address. The template that is rendered, and may be committed, holds none."""
TOPIC = "AlarmsTopicArn"
"""The output with the topic that every alarm publishes to."""

_PAGE = "docs/alarms.md"

_MINUTE = 60
_STEP = 5 * _MINUTE
"""Short enough to hear soon. Long enough that a letter which somebody looks at, and which is out of sight for half a
minute then, doesn't end its queue's alarm and begin it anew."""
_ALL_ATTEMPTS = 15 * _MINUTE
"""Holds all attempts of one event: they begin 0, 1 and 2 minutes after the one before has ended, which takes 2 minutes
at most. https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""
_LAMBDAS_RETRIES = 2
"""What Lambda does for a function that isn't told otherwise, from the same page."""

SUBSCRIBERS_QUEUE = "subscriber-dead-letters"
"""The one of them that only a stage with subscribers of the owner's sends to."""


@dataclass(frozen=True, slots=True)
class _Alarm:
    """One alarm: it sounds when ``metric`` of ``of`` is ``threshold`` or more, or with ``fewer`` less than that."""

    name: str
    says: str
    of: Mapping[str, str]
    """The dimensions and their values."""
    namespace: str
    metric: str
    threshold: int
    statistic: str = "Sum"
    fewer: bool = False
    period: int = _STEP
    periods: int = 1
    breaching: int = 1
    """In how many of the ``periods`` it must be so."""
    mended: bool = False
    """Whether the end of the alarm is news: that what was wrong has ended, and not only that nothing new came."""

    def resource(self, stage: Stage) -> dict[str, Any]:
        to_topic = [{"Ref": "AlarmsTopic"}]
        return {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": f"{prefix(stage)}-{self.name}",
                "AlarmDescription": f"{self.says} What to do: {_PAGE}#{self.name}",
                "Namespace": self.namespace,
                "MetricName": self.metric,
                "Dimensions": [{"Name": dimension, "Value": value} for dimension, value in self.of.items()],
                "Statistic": self.statistic,
                "Period": self.period,
                "EvaluationPeriods": self.periods,
                "DatapointsToAlarm": self.breaching,
                "Threshold": self.threshold,
                "ComparisonOperator": "LessThanThreshold" if self.fewer else "GreaterThanOrEqualToThreshold",
                # SQS writes nothing of a queue that lay idle for six hours, Lambda nothing of a function that didn't
                # run: nothing is nothing bad, unless it is the running itself that is watched.
                # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
                "TreatMissingData": "breaching" if self.fewer else "notBreaching",
                "AlarmActions": to_topic,
                **({"OKActions": to_topic} if self.mended else {}),
            },
        }


def resources(stage: Stage, *, with_subscribers: bool = False) -> dict[str, Any]:
    """The topic, its subscription, and each alarm, as resources of the wiring template."""
    alarms = [alarm for alarm in _alarms(stage) if with_subscribers or alarm.name != SUBSCRIBERS_QUEUE]
    return {**_topic(stage), **{_logical(alarm.name): alarm.resource(stage) for alarm in alarms}}


def parameters() -> dict[str, Any]:
    return {EMAIL: {"Type": "String", "Description": "Who is told of alarms"}}


def outputs() -> dict[str, Any]:
    return {TOPIC: {"Value": {"Ref": "AlarmsTopic"}}}


def _logical(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace("_", "-").split("-")) + "Alarm"


def _topic(stage: Stage) -> dict[str, Any]:
    return {
        # Not encrypted with a key of KMS: CloudWatch can't publish to a topic under the key alias/aws/sns, whose policy
        # nobody can change, and a key of one's own costs ten times what an alarm does. What is published are the names
        # and numbers of an alarm; nothing that a visitor wrote.
        # https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns
        "AlarmsTopic": {
            "Type": "AWS::SNS::Topic",
            "Properties": {"TopicName": f"{prefix(stage)}-alarms", "DisplayName": f"Herald {stage.name}"},
        },
        # Takes the place of the policy that SNS gives every topic: inside the account identity policies decide.
        # https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
        "AlarmsTopicPolicy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {
                "Topics": [{"Ref": "AlarmsTopic"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": "AlarmsOfThisStagePublish",
                            "Effect": "Allow",
                            "Principal": {"Service": "cloudwatch.amazonaws.com"},
                            "Action": "sns:Publish",
                            "Resource": {"Ref": "AlarmsTopic"},
                            "Condition": {
                                "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
                                # A stage's name holds no hyphen, so this is no other stage's alarm.
                                "ArnLike": {
                                    "aws:SourceArn": {
                                        "Fn::Sub": "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:"
                                        f"alarm:{prefix(stage)}-*"
                                    }
                                },
                            },
                        }
                    ],
                },
            },
        },
        "AlarmsSubscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {"TopicArn": {"Ref": "AlarmsTopic"}, "Protocol": "email", "Endpoint": {"Ref": EMAIL}},
        },
    }


def _alarms(stage: Stage) -> list[_Alarm]:
    """Ten, as many as are free in each account, and one each for what a stage may have besides."""
    return [
        *([_canary(stage)] if stage.canary else []),
        *([_digest(stage)] if stage.digest else []),
        *(
            _Alarm(
                name,
                says,
                {"QueueName": f"{prefix(stage)}-{name}"},
                "AWS/SQS",
                "ApproximateNumberOfMessagesVisible",
                threshold=1,
                statistic="Maximum",
                mended=True,
            )
            for name, says in naming.QUEUES.items()
        ),
        # One failed attempt heals by Lambda's retries and is no news. As many as one event has, within the time that
        # they take, means that one failed for good, or that several failed at once.
        _function(
            stage,
            "destined",
            "destined-errors",
            "`destined` failed as often as one message is tried. Messages are not delivered, or only in part.",
            "Errors",
            threshold=stage.persistence.lambda_retries + 1,
            period=_ALL_ATTEMPTS,
        ),
        _function(
            stage,
            "destined",
            "outcomes-lost",
            "Lambda could not put an outcome on the bus. The message was handled; neither rule nor log heard of it.",
            "DestinationDeliveryFailures",
        ),
        # Lambda tries a throttled event again for hours, after 1 second at first and every 5 minutes in the end:
        # a rush of a moment heals. https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
        _function(
            stage,
            "destined",
            "destined-throttled",
            "Lambda has had no room for `destined` for more than five minutes. Messages wait.",
            "Throttles",
            periods=3,
            breaching=2,
        ),
        _function(
            stage,
            "retry_due",
            "retry_due-stopped",
            "`retry_due` did not run three times in a row. What could not be delivered is not tried again.",
            "Invocations",
            fewer=True,
            period=stage.persistence.retry_minutes * _MINUTE,
            periods=3,
            breaching=3,
            mended=True,
        ),
        _function(
            stage,
            "retry_due",
            "retry_due-errors",
            "`retry_due` runs and fails. What could not be delivered is perhaps not tried again.",
            "Errors",
            threshold=_LAMBDAS_RETRIES + 1,
            period=_ALL_ATTEMPTS,
        ),
        # API Gateway's own 5XXError knows an API by its name alone, and Chalice gives every stage's API the same name:
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
        # Nobody repeats these for the visitor, so the first one counts.
        _function(
            stage,
            "api_handler",
            "api-errors",
            "The API function crashed or took too long. A visitor was told that the message was not sent.",
            "Errors",
        ),
        _function(
            stage,
            "api_handler",
            "api-throttled",
            "Lambda had no room for the API function. A visitor was told that the message was not sent.",
            "Throttles",
        ),
    ]


def _canary(stage: Stage) -> _Alarm:
    """Hours in which nothing arrived, two more than lie between two canaries: for what is late, and for the number
    itself, which EventBridge writes as well as it can. Of an hour or more a period may be part of up to seven days.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
    """
    hours = stage.canary + naming.CANARY_MAY_BE_LATE
    return _Alarm(
        "canary-missing",
        f"No canary got through in {hours} hours. What visitors send is perhaps not delivered.",
        {"EventBusName": stage.bus, "RuleName": canary.rule(stage)},
        "AWS/Events",
        "Invocations",
        threshold=1,
        fewer=True,
        period=60 * _MINUTE,
        periods=hours,
        breaching=hours,
        mended=True,
    )


def _digest(stage: Stage) -> _Alarm:
    return _function(
        stage,
        "digest",
        "digest-errors",
        "`digest` runs and fails. A site's owner is not told what happened in a day.",
        "Errors",
        threshold=_LAMBDAS_RETRIES + 1,
        period=_ALL_ATTEMPTS,
    )


def _function(
    stage: Stage, function: str, name: str, says: str, metric: str, threshold: int = 1, **more: Any
) -> _Alarm:
    """An alarm on one of the numbers that Lambda has of each function:
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"""
    of = {"FunctionName": stage.function(function)}
    return _Alarm(name, says, of, "AWS/Lambda", metric, threshold=threshold, **more)
