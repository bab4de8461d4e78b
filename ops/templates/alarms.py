"""The alarms of a stage: CloudWatch watches AWS's own metrics and sends a mail, without running Herald's code.

They are part of the wiring template where ``herald.toml`` has an address for them. Every alarm uses a metric that AWS
writes without charge, so alarms also work when Herald's code does not. docs/alarms.md explains each, and the alarm's
description names its section.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.settings import Stage
from ops import naming
from ops.naming import prefix
from ops.templates import canary_rule

EMAIL = "AlarmsEmail"
"""The parameter with the address. The rendered template holds no address, so it may be committed."""
TOPIC = "AlarmsTopicArn"
"""The output with the topic to which every alarm publishes."""

_PAGE = "docs/alarms.md"

_MINUTE = 60
_STEP = 5 * _MINUTE
"""The period of most alarms: short enough to notify soon, and long enough that a letter which is hidden for half a
minute while somebody reads it doesn't restart its queue's alarm."""
_ALL_ATTEMPTS = 15 * _MINUTE
"""A period that includes all attempts at one event: each begins up to 2 minutes after the one before has ended, and
takes up to 2 minutes. https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""
_LAMBDAS_RETRIES = 2
"""Lambda's default number of retries, from the same page."""

SUBSCRIBERS_QUEUE = "subscriber-dead-letters"
"""The queue that is used only by a stage with subscribers of the owner's."""


@dataclass(frozen=True, slots=True)
class _Alarm:
    """An alarm that sounds when ``metric`` reaches ``threshold``, or with ``fewer`` when it is below."""

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
    """The number of ``periods`` in which the threshold must be breached."""
    mended: bool = False
    """Whether a mail is sent when the alarm ends: where that means that the fault has ended."""

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
                # SQS writes no metric for a queue that was idle for six hours, and Lambda none for a function that
                # didn't run. Missing data is a breach only where running itself is watched.
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
    return {EMAIL: {"Type": "String", "Description": "The address that gets alarms"}}


def outputs() -> dict[str, Any]:
    return {TOPIC: {"Value": {"Ref": "AlarmsTopic"}}}


def _logical(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace("_", "-").split("-")) + "Alarm"


def _topic(stage: Stage) -> dict[str, Any]:
    return {
        # Not encrypted with a KMS key: CloudWatch can't publish to a topic with the key alias/aws/sns, whose policy
        # nobody can change, and a key of one's own costs ten times as much as an alarm. Only names and numbers of
        # alarms are published, and nothing that a visitor wrote.
        # https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns
        "AlarmsTopic": {
            "Type": "AWS::SNS::Topic",
            "Properties": {"TopicName": f"{prefix(stage)}-alarms", "DisplayName": f"Herald {stage.name}"},
        },
        # Replaces the default policy of a topic: within the account, identity policies decide.
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
    """Ten alarms, which are free in each account, and one each for canary and digest."""
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
        # Lambda retries one failed attempt, so it raises no alarm. As many failures as one event has attempts, within
        # the time that these take, mean that one event failed for good, or that several failed at once.
        _function(
            stage,
            "destined",
            "destined-errors",
            f"`destined` failed {stage.retry_times.lambda_retries + 1} times within {_ALL_ATTEMPTS // 60} minutes: at"
            " each attempt for one message, or for several at once. Messages are not delivered, or only in part.",
            "Errors",
            threshold=stage.retry_times.lambda_retries + 1,
            period=_ALL_ATTEMPTS,
        ),
        _function(
            stage,
            "destined",
            "outcomes-lost",
            "Lambda could not put an outcome on the bus. The message was handled; rules and logs don't have it.",
            "DestinationDeliveryFailures",
        ),
        # Lambda retries a throttled event for hours, first after 1 second, later every 5 minutes, so a short peak needs
        # no alarm. https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
        _function(
            stage,
            "destined",
            "destined-throttled",
            "Lambda has throttled `destined` for more than five minutes. Messages wait.",
            "Throttles",
            periods=3,
            breaching=2,
        ),
        _function(
            stage,
            "retry_due",
            "retry_due-stopped",
            "`retry_due` did not run three times in a row. Messages that could not be delivered are not retried.",
            "Invocations",
            fewer=True,
            period=stage.retry_times.retry_minutes * _MINUTE,
            periods=3,
            breaching=3,
            mended=True,
        ),
        _function(
            stage,
            "retry_due",
            "retry_due-errors",
            "`retry_due` runs and fails. Messages are perhaps not retried, or you are not told of failures.",
            "Errors",
            threshold=_LAMBDAS_RETRIES + 1,
            period=_ALL_ATTEMPTS,
        ),
        # API Gateway's own metric 5XXError has the API's name, and Chalice gives every stage's API the same name:
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
        # Nothing retries a visitor's request, so one error is enough.
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
            "Lambda throttled the API function. A visitor was told that the message was not sent.",
            "Throttles",
        ),
    ]


def _canary(stage: Stage) -> _Alarm:
    """An alarm when no canary arrived for its interval and two hours more, as canaries and metrics may be late. Periods
    of an hour or more may cover up to seven days.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
    """
    hours = stage.canary + naming.CANARY_MAY_BE_LATE
    return _Alarm(
        "canary-missing",
        f"No canary arrived in {hours} hours. What visitors send is perhaps not delivered.",
        {"EventBusName": stage.bus, "RuleName": canary_rule.rule(stage)},
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
        "`digest` runs and fails. A site's owner gets no daily summary.",
        "Errors",
        threshold=_LAMBDAS_RETRIES + 1,
        period=_ALL_ATTEMPTS,
    )


def _function(
    stage: Stage, function: str, name: str, says: str, metric: str, threshold: int = 1, **more: Any
) -> _Alarm:
    """An alarm on a metric that Lambda has for each function:
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"""
    of = {"FunctionName": stage.function(function)}
    return _Alarm(name, says, of, "AWS/Lambda", metric, threshold=threshold, **more)
