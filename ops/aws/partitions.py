"""What AWS's other partitions lack of what a stage may ask for: said before anything is deployed."""

from __future__ import annotations

from ops.config.loader import StageConfig
from ops.errors import OpsError
from ops.naming import AwsLocation


def lacking(config: StageConfig, where: AwsLocation) -> list[str]:
    """What the stage asks for and its partition doesn't have, in words that say what to do."""
    stage = config.stage
    found = []
    if where.partition == "aws-us-gov" and stage.function_url:
        # https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-lambda.html
        found.append("AWS GovCloud has no function URLs: take function_url out of the stage")
    if where.partition == "aws-cn" and stage.uses("email"):
        # https://docs.aws.amazon.com/general/latest/gr/ses.html lists the regions that have SES.
        found.append("AWS in China has no SES: use another kind of channel than email in the stage")
    return found


def refuse_lacking(config: StageConfig, where: AwsLocation) -> None:
    """Raise :class:`OpsError` where the stage asks for something that its partition doesn't have."""
    found = lacking(config, where)
    if found:
        raise OpsError("\n".join(f"stage {config.stage.name} in {where.region}: {each}" for each in found))
