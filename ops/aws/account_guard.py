"""Which account and region a stage is in, so that no command works on another by mistake.

``herald.toml`` may say it, for every checkout. Where it doesn't, the first deployment from a checkout writes it down in
that checkout; the file is not committed, as an account's number is nobody else's business.
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
    """Raise an :class:`OpsError` where the account or the region is not the recorded one."""
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
        + ". Nothing was done.\nSet AWS_PROFILE and AWS_REGION to where the stage is. If it is to stand elsewhere, "
        f"change what is recorded in {' and '.join(sorted(places))}."
    )


def record(root: Path, config: StageConfig, where: AwsLocation) -> None:
    """Write down where the stage is deployed from this checkout; the local stack needs no such record."""
    if config.endpoint:
        return
    path = root / file(config.stage.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"account": where.account, "region": where.region}) + "\n", encoding="utf-8")


def forget(root: Path, stage: str) -> None:
    """What is gone may be made anew anywhere."""
    (root / file(stage)).unlink(missing_ok=True)


def _written(root: Path, stage: str) -> dict[str, str]:
    path = root / file(stage)
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise OpsError(f"{path} can't be read; it holds account and region of stage {stage}. Delete it") from None
    return {str(name): str(value) for name, value in found.items()}
