"""Refuse a stage that asks for a service which its AWS partition does not have, before anything is deployed."""

from __future__ import annotations

from ops.config.loader import StageConfig
from ops.errors import OpsError
from ops.naming import AwsLocation


def refuse_unavailable(config: StageConfig, where: AwsLocation) -> None:
    """Raise :class:`OpsError` that names each service which the partition does not have, and what to do."""
    stage = config.stage
    mistakes = []
    for wanted, key in ((stage.function_url, "function_url"), (stage.inbox, "inbox")):
        if where.partition == "aws-us-gov" and wanted:
            # https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-lambda.html
            mistakes.append(f"AWS GovCloud has no function URLs: take {key} out of the stage")
    if where.partition == "aws-cn" and stage.uses("email"):
        # https://docs.aws.amazon.com/general/latest/gr/ses.html lists the regions that have SES.
        mistakes.append("AWS in China has no SES: use another kind of channel than email in the stage")
    if mistakes:
        raise OpsError("\n".join(f"stage {stage.name} in {where.region}: {mistake}" for mistake in mistakes))
