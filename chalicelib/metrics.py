"""CloudWatch metrics, written as log lines in the embedded metric format, which needs no call and no permission.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

CloudWatch bills each combination of name and dimensions, so the only dimensions are the stage and the channel. Other
details are in the log line and can be searched. A stage with ``metrics = false`` writes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from chalicelib.settings import Stage

NAMESPACE = "Herald"


class Metric(StrEnum):
    """What is counted or measured; docs/metrics.md says when."""

    ACCEPTED = "Accepted"
    REFUSED = "Refused"
    QUARANTINED = "Quarantined"
    DUPLICATE = "Duplicate"
    REJECTED = "Rejected"
    """What was published to the topic and is no notification."""
    DELIVERED = "Delivered"
    WAITING = "Waiting"
    UNCERTAIN = "Uncertain"
    UNDELIVERABLE = "Undeliverable"
    FAILED = "Failed"
    """Counts messages, not channels: those that ``on_failure`` handled."""
    SECONDS_TO_DELIVERY = "SecondsToDelivery"
    """From the submission to the provider's acceptance."""
    QUOTA_REMAINING = "QuotaRemaining"
    """What the provider still accepts until its quota is reset."""
    AWS_CLIENT_FALLBACK = "AwsClientFallback"
    """A process in which botocore stands in for Herald's own client."""


_UNITS = {Metric.SECONDS_TO_DELIVERY: MetricUnit.Seconds}


def emit(stage: Stage, metric: Metric, details: Mapping[str, str], *, channel: str = "", value: float = 1) -> None:
    """Write one value, with ``details`` that can be searched and are no dimensions."""
    if not stage.metrics:
        return
    unit = _UNITS.get(metric, MetricUnit.Count)
    with single_metric(name=metric, unit=unit, value=value, namespace=NAMESPACE) as line:
        line.add_dimension("stage", stage.name)
        if channel:
            line.add_dimension("channel", channel)
        for name, text in details.items():
            line.add_metadata(name, text)
