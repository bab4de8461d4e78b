"""Chalice's record of what it deployed, kept in the account itself.

Chalice writes ``.chalice/deployed/<stage>.json`` beside the code. Without it a fresh checkout would make a second REST
API with a new address, so it is fetched from Parameter Store before each deploy and stored after it. Compressed, since
a standard parameter (which is free) holds 4 KB: https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
"""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.settings import Stage
from ops.errors import unless

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient


def parameter(stage: Stage) -> str:
    return f"{stage.parameters}/deployed"


def read(ssm: SSMClient, stage: Stage) -> dict[str, Any] | None:
    """What is deployed according to the account, or None."""
    with unless("ParameterNotFound"):
        value = ssm.get_parameter(Name=parameter(stage))["Parameter"]["Value"]
        record: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(value)))
        return record
    return None


def fetch(ssm: SSMClient, stage: Stage, root: Path) -> bool:
    """Put the account's record where Chalice looks for it; whatever lay there from elsewhere goes."""
    path = _path(root, stage)
    record = read(ssm, stage)
    if record is None:
        path.unlink(missing_ok=True)
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2), encoding="utf-8")
    return True


def store(ssm: SSMClient, stage: Stage, root: Path) -> None:
    """Keep Chalice's record in the account; no record, no parameter."""
    path = _path(root, stage)
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if not record.get("resources"):
        forget(ssm, stage)
        return
    packed = base64.b64encode(zlib.compress(json.dumps(record, separators=(",", ":")).encode(), 9)).decode()
    ssm.put_parameter(Name=parameter(stage), Value=packed, Type="String", Overwrite=True)


def forget(ssm: SSMClient, stage: Stage) -> None:
    with unless("ParameterNotFound"):
        ssm.delete_parameter(Name=parameter(stage))


def rest_api_id(record: dict[str, Any] | None) -> str | None:
    """The id of the REST API that Chalice made."""
    for resource in (record or {}).get("resources", []):
        if resource.get("resource_type") == "rest_api":
            return str(resource["rest_api_id"])
    return None


def _path(root: Path, stage: Stage) -> Path:
    return root / ".chalice" / "deployed" / f"{stage.name}.json"
