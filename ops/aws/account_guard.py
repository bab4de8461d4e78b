"""Record the account and region of a stage, and refuse to work on another by mistake.

``herald.toml`` may name them for every checkout. Otherwise the first deployment from a checkout records them in a file,
which is not committed, as an account number is private.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ops.config.loader import FILE, StageConfig
from ops.errors import OpsError, ignoring_aws_error
from ops.naming import AwsLocation

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient


def file(stage: str) -> Path:
    return Path(f".chalice/where-{stage}.json")


def confirm(root: Path, config: StageConfig, where: AwsLocation) -> None:
    """Raise :class:`OpsError` where the account or the region is not the recorded one."""
    stage = config.stage.name
    written = _written(root, stage)
    account, region = config.account or written.get("account"), config.region or written.get("region")
    wrong = [
        (name, recorded, found)
        for name, recorded, found in (("account", account, where.account), ("region", region, where.region))
        if recorded not in (None, found)
    ]
    if not wrong:
        return
    places = {f"[stages.{stage}] of {FILE}" if getattr(config, name) else str(file(stage)) for name, _, _ in wrong}
    raise OpsError(
        f"stage {stage} is recorded for "
        + " and ".join(f"{name} {recorded}" for name, recorded, _ in wrong)
        + ", but the credentials of this shell lead to "
        + " and ".join(f"{name} {found}" for name, _, found in wrong)
        + ". Nothing was done.\nSet AWS_PROFILE and AWS_REGION to where the stage is. To deploy it elsewhere, "
        f"change what is recorded in {' and '.join(sorted(places))}."
    )


def refuse_roles_of_another_region(iam: IAMClient, config: StageConfig, where: AwsLocation) -> None:
    """Raise :class:`OpsError` where the stage's roles serve the same stage in another region of the account.

    Names of functions are a region's, names of roles the whole account's: Chalice would take these roles and give them
    this region's policies, or delete them. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    """
    if config.endpoint:
        return
    stage = config.stage
    role = stage.role("api_handler")
    with ignoring_aws_error("NoSuchEntity"):
        # Every function's policy names its log group; grants of the owner's may name what is elsewhere.
        policy = json.dumps(iam.get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"])
        found = re.search(rf":logs:([a-z0-9-]+):\d+:log-group:{re.escape(stage.log_group('api_handler'))}:", policy)
        if found and found[1] != where.region:
            raise OpsError(
                f"the roles of stage {stage.name} serve {found[1]}, and this is {where.region}. Nothing was done.\n"
                "Roles have one name in all regions of an account, so a stage can be in one of them only.\n"
                f"For {where.region}, choose another stage name. To move the stage, first destroy it where it is, with "
                f"that region recorded again: AWS_REGION={found[1]} make destroy STAGE={stage.name}"
            )


def record(root: Path, config: StageConfig, where: AwsLocation) -> None:
    """Record where the stage is deployed from this checkout; not for the local stack."""
    if config.endpoint:
        return
    path = root / file(config.stage.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"account": where.account, "region": where.region}) + "\n", encoding="utf-8")


def forget(root: Path, stage: str) -> None:
    """Delete the record, so that the stage can be deployed to another account."""
    (root / file(stage)).unlink(missing_ok=True)


def _written(root: Path, stage: str) -> dict[str, str]:
    path = root / file(stage)
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise OpsError(f"{path} can't be read; it records account and region of stage {stage}. Delete it") from None
    return {str(name): str(value) for name, value in found.items()}
