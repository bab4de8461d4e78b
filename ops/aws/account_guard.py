"""Record the account and region of a stage, and refuse to work on another by mistake.

``herald.toml`` may name them for every checkout. Otherwise the first deployment from a checkout records them in a file,
which is not committed, as an account number is private.
"""

from __future__ import annotations

import json
from pathlib import Path

from ops.config.loader import FILE, StageConfig
from ops.errors import OpsError
from ops.naming import AwsLocation


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
