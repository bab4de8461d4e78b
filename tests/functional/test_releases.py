"""What is put back is what was deployed: a change in the bucket is found before anything is done with it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zipfile import ZipFile

import pytest
from botocore.exceptions import ClientError

from ops.aws.account import Account
from ops.deploy.release_history import KEPT, Releases
from ops.errors import OpsError
from tests.fakes import stage
from tests.functional.parameter_store import ParameterStore
from tests.unit.test_release import RELEASE


class Bucket:
    """S3, as far as releases need it."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:
        self.objects[Key] = Body

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}

    def delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:
        for named in Delete["Objects"]:
            del self.objects[named["Key"]]
        return {}

    def get_paginator(self, operation: str) -> Any:
        def paginate(Bucket: str, Prefix: str) -> list[dict[str, Any]]:
            return [{"Contents": [{"Key": key} for key in self.objects if key.startswith(Prefix)]}]

        return SimpleNamespace(paginate=paginate)


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def releases(bucket: Bucket) -> Releases:
    outputs = [{"OutputKey": "ReleasesBucket", "OutputValue": "herald-dev-releases-x"}]
    stacks = SimpleNamespace(describe_stacks=lambda StackName: {"Stacks": [{"Outputs": outputs}]})
    account = SimpleNamespace(cloudformation=stacks, ssm=ParameterStore(), client=lambda service: bucket)
    return Releases(stage("dev"), cast(Account, account))


@pytest.fixture
def keep(releases: Releases, tmp_path: Path) -> Callable[[str], str]:
    def kept(content: str) -> str:
        package = tmp_path / "made.zip"
        with ZipFile(package, "w") as archive:
            archive.writestr("app.py", content)
        return releases.keep(replace(RELEASE.packed(package), app={"name": "herald"}), package)

    return kept


def test_a_release_is_laid_out_as_data_and_the_package_that_lambda_got(
    releases: Releases, keep: Callable[[str], str], tmp_path: Path
) -> None:
    name = keep("")
    assert releases.current().release == name
    assert releases.ids() == [name]
    folder = tmp_path / "out"
    releases.lay_out(name, releases.get(name), folder)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert set(files) == {
        ".chalice/config.json",
        ".chalice/deployments/app-dev.json",
        ".chalice/deployments/package.zip",
        ".chalice/policy-dev-destined.json",
        ".chalice/policy-dev-retry_due.json",
    }
    assert json.loads(files[".chalice/policy-dev-retry_due.json"].read_text()) == {"V": "1"}
    assert files[".chalice/deployments/package.zip"].read_bytes() == (tmp_path / "made.zip").read_bytes()


@pytest.mark.parametrize("part", ["release.json", "package.zip"])
def test_what_was_changed_in_the_bucket_is_named_and_nothing_is_laid_out(
    releases: Releases, keep: Callable[[str], str], bucket: Bucket, tmp_path: Path, part: str
) -> None:
    name = keep("")
    bucket.objects[f"releases/{name}/{part}"] += b" "
    with pytest.raises(OpsError, match=rf"releases/{name}/{part} in the bucket .+ was changed .+ Nothing was done"):
        releases.lay_out(name, releases.get(name), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_release_in_place_of_one_and_one_that_was_never_deployed_are_found(
    releases: Releases, keep: Callable[[str], str], bucket: Bucket
) -> None:
    name = keep("")
    forged = "9999-01-01T00-00-00Z-abcdef"
    for part in ("release.json", "package.zip"):
        bucket.objects[f"releases/{forged}/{part}"] = bucket.objects[f"releases/{name}/{part}"]
    assert releases.ids() == [name]
    with pytest.raises(OpsError, match=f"stage dev has no release {forged}"):
        releases.get(forged)
    other = replace(releases.get(name), rate=10_000).to_json().encode()
    bucket.objects[f"releases/{name}/release.json"] = other
    with pytest.raises(OpsError, match="changed after it was deployed"):
        releases.get(name)


def test_the_last_ones_are_kept_and_what_else_is_in_the_bucket_goes(
    releases: Releases, keep: Callable[[str], str], bucket: Bucket
) -> None:
    bucket.objects["releases/2020-01-01T00-00-00Z-abcdef/package.zip"] = b"of a deployment that was killed"
    names = {keep(str(number)) for number in range(KEPT + 2)}
    assert len(releases.ids()) == KEPT
    assert set(releases.ids()) <= names
    assert {key.split("/")[1] for key in bucket.objects} == set(releases.ids())
    assert set(releases.current().hashes) == set(releases.ids())
    releases.set_current(releases.ids()[1], whole=False)
    assert len(releases.ids()) == KEPT
