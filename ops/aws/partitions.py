"""Refuse a stage that asks for what its AWS partition or region does not have, before anything is deployed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import botocore
from botocore.session import Session

from ops.config.loader import LOCAL, StageConfig
from ops.errors import OpsError
from ops.naming import AwsLocation
from ops.service_descriptions import sharing_descriptions

WITHOUT_FUNCTION_URLS = frozenset(
    (
        *("ap-south-2", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ap-east-2"),
        *("ca-west-1", "eu-south-2", "eu-central-2", "il-central-1", "me-central-1"),
    )
)
"""The regions of the partition ``aws``: https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html"""
_PARTITIONS_WITHOUT_FUNCTION_URLS = ("aws-us-gov", "aws-cn")
"""https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-lambda.html
https://docs.amazonaws.cn/en_us/aws/latest/userguide/lambda.html"""
_SES_REGIONS = "https://docs.aws.amazon.com/general/latest/gr/ses.html"


def refuse_unavailable(config: StageConfig, where: AwsLocation, report: Callable[[str], None]) -> None:
    """Raise :class:`OpsError` that names each service which partition or region does not have, and what to do.

    ``report`` gets a line where a region of a partition with SES has none as far as botocore knows, as AWS may have
    brought it there since the installed release.
    """
    stage = config.stage
    mistakes = []
    for wanted, key in ((stage.function_url, "function_url"), (stage.inbox, "inbox")):
        if wanted and (where.partition in _PARTITIONS_WITHOUT_FUNCTION_URLS or where.region in WITHOUT_FUNCTION_URLS):
            mistakes.append(f"AWS has no function URLs there: take {key} out of the stage")
    if where.partition == "aws-cn" and stage.xray:
        mistakes.append("AWS in China has no X-Ray with Lambda: take xray out of the stage")
    for wanted, sender in ((stage.uses("email"), "channels of kind email"), (bool(stage.autoreplies), "autoreply")):
        if not wanted or stage.name == LOCAL or where.region in (regions := _regions_with_ses(where.partition)):
            continue
        if regions:
            report(
                f"{'SES':<11} is not in {where.region}, as botocore {botocore.__version__} knows it: {sender} will send"
                f" nothing, unless {_SES_REGIONS} lists that region"
            )
        else:
            mistakes.append(
                f"AWS has no SES there: take {sender} out of the stage, or deploy it to a region of {_SES_REGIONS}"
            )
    if mistakes:
        raise OpsError("\n".join(f"stage {stage.name} in {where.region}: {mistake}" for mistake in mistakes))


@cache
def _regions_with_ses(partition: str) -> frozenset[str]:
    return frozenset(sharing_descriptions(Session()).get_available_regions("sesv2", partition))
