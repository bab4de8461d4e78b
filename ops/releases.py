"""The releases of a stage, kept in the account: what `make rollback` puts back.

Each lies in the bucket of the foundation stack, as ``releases/<id>/release.json`` and ``project.zip``: the code with
Chalice's configuration and policies, and the very package that Lambda got. A parameter says which one stands, and
whether a deployment has begun since that has not come to its end.
"""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from chalicelib.settings import Stage
from ops import render, stacks
from ops.account import Account
from ops.errors import OpsError, unless
from ops.release import Release, UnreadableRelease

KEPT = 10
"""How many releases are kept; older ones are deleted. Each has about 3 MB."""
_PREFIX = "releases/"
_DEPLOYMENTS = Path(".chalice/deployments")


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands, as far as deployments have said it."""

    release: str | None
    """The id of the last one that was brought about whole."""
    whole: bool
    """False from the beginning of a deployment until its end."""


def bucket(account: Account, stage: Stage) -> str | None:
    """The bucket of the foundation stack; None where no such stack stands."""
    return stacks.outputs(account.cloudformation, stacks.foundation(stage)).get("ReleasesBucket")


class Releases:
    """The kept releases of one stage."""

    def __init__(self, stage: Stage, account: Account) -> None:
        self._stage = stage
        self._account = account
        self._s3 = account.client("s3")

    @property
    def _parameter(self) -> str:
        return f"{self._stage.parameters}/deployed/release"

    def standing(self) -> Standing:
        with unless("ParameterNotFound"):
            value = self._account.ssm.get_parameter(Name=self._parameter)["Parameter"]["Value"]
            return Standing(**json.loads(value))
        return Standing(None, whole=False)

    def say(self, standing: Standing) -> None:
        """Write down what stands."""
        value = json.dumps(asdict(standing))
        self._account.ssm.put_parameter(Name=self._parameter, Value=value, Type="String", Overwrite=True)

    def ids(self) -> list[str]:
        """Newest first; none where there is no bucket."""
        found = bucket(self._account, self._stage)
        keys = self._keys(found, _PREFIX) if found else []
        return sorted((key.split("/")[1] for key in keys if key.endswith("/release.json")), reverse=True)

    def get(self, release: str) -> Release:
        """Raises :class:`OpsError` where there is none, and :class:`UnreadableRelease`."""
        try:
            return Release.from_json(self._read(release, "release.json").decode())
        except UnreadableRelease as error:
            raise UnreadableRelease(f"release {release} can't be read: {error}") from None

    def unpack(self, release: str, folder: Path) -> Path:
        """Lay the release's project out in a folder, in place of whatever is there; returns the package in it."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with ZipFile(io.BytesIO(self._read(release, "project.zip"))) as archive:
            archive.extractall(folder)
        return next((folder / _DEPLOYMENTS).glob("*.zip"))

    def keep(self, release: Release, root: Path, package: Path) -> str:
        """Keep a release that was brought about, as the one that stands; returns its id."""
        name = f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}-{release.code.sha256[:6]}"
        name = "".join(letter if letter.isalnum() or letter == "-" else "_" for letter in name)
        # The description comes last: without it, what was uploaded in part is no release.
        into = bucket(self._account, self._stage)
        if into is None:
            raise OpsError(f"stage {self._stage.name} has no bucket for releases; run the same command again")
        for part, content in (("project.zip", _project(release, root, package)), ("release.json", release.to_json())):
            self._s3.put_object(Bucket=into, Key=f"{_PREFIX}{name}/{part}", Body=content)
        self.say(Standing(name, whole=True))
        for old in self.ids()[KEPT:]:
            self._delete(into, f"{_PREFIX}{old}/")
        return name

    def upload_template(self, stack: str, template: str) -> str:
        """Put a template where CloudFormation can read it, with the rights of whoever asks for the stack."""
        into, key = bucket(self._account, self._stage), f"templates/{stack}.yaml"
        if into is None:
            raise OpsError(f"the template of {stack} goes by the bucket of the foundation stack, which doesn't stand")
        self._s3.put_object(Bucket=into, Key=key, Body=template.encode())
        return f"{self._s3.meta.endpoint_url}/{into}/{key}"

    def delete_all(self) -> None:
        """Empty the bucket, as only an empty one can be deleted; forget what stands."""
        self._delete(bucket(self._account, self._stage), "")
        with unless("ParameterNotFound"):
            self._account.ssm.delete_parameter(Name=self._parameter)

    def _keys(self, bucket: str, prefix: str) -> list[str]:
        with unless("NoSuchBucket"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            return [each["Key"] for page in pages for each in page.get("Contents", [])]
        return []

    def _delete(self, bucket: str | None, prefix: str) -> None:
        for key in self._keys(bucket, prefix) if bucket else []:
            self._s3.delete_object(Bucket=bucket, Key=key)

    def _read(self, release: str, part: str) -> bytes:
        with unless("NoSuchKey"), unless("NoSuchBucket"):
            if found := bucket(self._account, self._stage):
                content: bytes = self._s3.get_object(Bucket=found, Key=f"{_PREFIX}{release}/{part}")["Body"].read()
                return content
        raise OpsError(f"stage {self._stage.name} has no release {release}; see: {_list(self._stage)}")


def before(standing: Standing, ids: list[str], stage: Stage) -> str:
    """The release to go back to: the one before what stands, or the last whole one where a deployment broke off."""
    if not standing.whole and standing.release in ids:
        return str(standing.release)
    older = [each for each in ids if standing.release and each < standing.release]
    if not older:
        raise OpsError(f"stage {stage.name} has no earlier release to go back to; see: {_list(stage)}")
    return older[0]


def _list(stage: Stage) -> str:
    return f"python -m ops releases --stage {stage.name}"


def _project(release: Release, root: Path, package: Path) -> bytes:
    """What Chalice deploys from, with the package that it made."""
    policies = [render.policy_file(release.stage, each.name) for each in release.functions]
    sources = [path.relative_to(root) for name in ("chalicelib", "vendor") for path in (root / name).rglob("*.py")]
    content = io.BytesIO()
    with ZipFile(content, "w", ZIP_DEFLATED) as archive:
        for path in sorted([Path("app.py"), Path("requirements.txt"), render.CHALICE_CONFIG, *policies, *sources]):
            archive.write(root / path, str(path))
        archive.write(package, str(_DEPLOYMENTS / package.name), ZIP_STORED)
    return content.getvalue()


def listed(found: Releases) -> list[dict[str, Any]]:
    """Every release, newest first, for a person or a script."""
    standing = found.standing()
    return [{"release": each, "stands": each == standing.release and standing.whole} for each in found.ids()]
