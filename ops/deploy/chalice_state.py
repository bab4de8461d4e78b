"""Keep Chalice's record of what it deployed in the account itself.

Chalice writes ``.chalice/deployed/<stage>.json`` beside the code. A checkout without that file would make a second
REST API with a new address. So the record is read from Parameter Store before each deployment and stored after it.
Before, everything that the deployment is about to make is added, so that no run can make what no record knows.

It is compressed, as a standard parameter (which is free) holds 4 KB:
https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.settings import APP, Stage
from ops.errors import ignoring_aws_error
from ops.naming import AwsLocation

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient


def parameter(stage: Stage) -> str:
    return f"{stage.parameters}/deployed"


def read(ssm: SSMClient, stage: Stage) -> dict[str, Any] | None:
    """The record in the account; None where there is none."""
    with ignoring_aws_error("ParameterNotFound"):
        value = ssm.get_parameter(Name=parameter(stage))["Parameter"]["Value"]
        record: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(value)))
        return record
    return None


def expecting(
    known: dict[str, Any] | None, schedules: Mapping[str, bool], stage: Stage, where: AwsLocation, api: str | None
) -> dict[str, Any]:
    """The record with everything added that Chalice is about to make.

    ``schedules`` says whether a schedule invokes each function, by its name. An entry for a function that was never
    made does no harm: Chalice finds that it does not exist.
    """
    resources = {each["name"]: each for each in (known or {}).get("resources", [])}
    for name, scheduled in schedules.items():
        # As Chalice 1.34 names what it deploys; tests/functional/test_chalice_cli.py compares.
        role, function = stage.role(name), stage.function(name)
        expected: list[dict[str, Any]] = [
            {
                "name": f"{name}_role",
                "resource_type": "iam_role",
                "role_arn": f"arn:{where.partition}:iam::{where.account}:role/{role}",
                "role_name": role,
            },
            {
                "name": name,
                "resource_type": "lambda_function",
                "lambda_arn": where.arn("lambda", f"function:{function}"),
            },
        ]
        if scheduled:
            expected.append(
                {
                    "name": f"{name}-event",
                    "resource_type": "cloudwatch_event",
                    "rule_name": f"{APP}-{stage.name}-{name}-event",
                }
            )
        for each in expected:
            resources.setdefault(str(each["name"]), each)
    if api:
        resources["rest_api"] = {**resources.get("rest_api", {}), "name": "rest_api", "resource_type": "rest_api"}
        resources["rest_api"]["rest_api_id"] = api
    return {"resources": list(resources.values()), "schema_version": "2.0", "backend": "api"}


def keep(ssm: SSMClient, stage: Stage, root: Path, record: dict[str, Any]) -> None:
    """Store a record in the account, and in the file where Chalice reads it."""
    _put(ssm, stage, record)
    path = _path(root, stage)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2), encoding="utf-8")


def store(ssm: SSMClient, stage: Stage, root: Path) -> None:
    """Store the record that Chalice wrote in the account; delete the parameter where there is none."""
    path = _path(root, stage)
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if not record.get("resources"):
        forget(ssm, stage)
        return
    _put(ssm, stage, record)


def _put(ssm: SSMClient, stage: Stage, record: dict[str, Any]) -> None:
    packed = base64.b64encode(zlib.compress(json.dumps(record, separators=(",", ":")).encode(), 9)).decode()
    ssm.put_parameter(Name=parameter(stage), Value=packed, Type="String", Overwrite=True)


def forget(ssm: SSMClient, stage: Stage) -> None:
    with ignoring_aws_error("ParameterNotFound"):
        ssm.delete_parameter(Name=parameter(stage))


def rest_api_id(record: dict[str, Any] | None) -> str | None:
    """The id of the recorded REST API; None where there is none."""
    for resource in (record or {}).get("resources", []):
        if resource.get("resource_type") == "rest_api":
            return str(resource["rest_api_id"])
    return None


def _path(root: Path, stage: Stage) -> Path:
    return root / ".chalice" / "deployed" / f"{stage.name}.json"
