"""Keep the releases of a stage in its account, so that `make rollback` can deploy one again.

The bucket of the foundation stack holds ``releases/<id>/``: ``release.json`` with everything that was deployed,
``package.zip`` as Lambda got it, and its bill of materials. A parameter holds the current release, whether a later
deployment is unfinished, and the hash of each release: write access to the bucket alone can't change what is deployed
again. A rollback runs no code of a release on the machine of the person who starts it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chalicelib.settings import Stage
from ops.aws import bucket as buckets
from ops.aws import cloudformation
from ops.aws.account import Account
from ops.deploy.app_description import description_file
from ops.deploy.bill_of_materials import bill
from ops.deploy.release import Release, UnreadableRelease, sha256
from ops.errors import OpsError, ignoring_aws_error
from ops.generate import render

KEPT = 10
"""The number of releases that are kept; older ones are deleted. Each has about 3 MB."""
BILL = "sbom.json"
"""The bill of materials of a release's package."""
_PREFIX = "releases/"
_DESCRIPTION, _PACKAGE = "release.json", "package.zip"


@dataclass(frozen=True, slots=True)
class CurrentRelease:
    """What deployments have recorded about the release that is deployed."""

    release: str | None
    """The id of the last release that was deployed completely."""
    whole: bool
    """False while a deployment runs, and after one that failed half way."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of ``release.json`` of each kept release. That file holds the hash of its package."""


def bucket(account: Account, stage: Stage) -> str | None:
    """The bucket of the foundation stack; None where there is no such stack."""
    return cloudformation.outputs(account.cloudformation, cloudformation.foundation(stage)).get("ReleasesBucket")


class Releases:
    """The kept releases of one stage."""

    def __init__(self, stage: Stage, account: Account) -> None:
        self._stage = stage
        self._account = account
        self._s3 = account.client("s3")

    @property
    def _parameter(self) -> str:
        return f"{self._stage.parameters}/deployed/release"

    def current(self) -> CurrentRelease:
        with ignoring_aws_error("ParameterNotFound"):
            value = self._account.ssm.get_parameter(Name=self._parameter)["Parameter"]["Value"]
            return CurrentRelease(**json.loads(value))
        return CurrentRelease(None, whole=False)

    def set_current(self, release: str | None, *, whole: bool) -> None:
        """Record the current release, and whether it is deployed completely."""
        self._write(replace(self.current(), release=release, whole=whole))

    def _write(self, current: CurrentRelease) -> None:
        value = json.dumps(asdict(current))
        self._account.ssm.put_parameter(Name=self._parameter, Value=value, Type="String", Overwrite=True)

    def ids(self) -> list[str]:
        """The ids of the kept releases, newest first; none where there is no bucket."""
        recorded, bucket = self.current().hashes, self._bucket
        return sorted({name for name in self._in(bucket) if name in recorded} if bucket else (), reverse=True)

    @property
    def _bucket(self) -> str | None:
        return bucket(self._account, self._stage)

    def _in(self, bucket: str) -> set[str]:
        """The ids of the releases in the bucket, whether recorded or not."""
        return {key.split("/")[1] for key in buckets.keys(self._s3, bucket, _PREFIX)}

    def _delete(self, bucket: str, prefix: str) -> None:
        buckets.delete_keys(self._s3, bucket, list(buckets.keys(self._s3, bucket, prefix)))

    def get(self, release: str) -> Release:
        """A kept release; raises :class:`OpsError` where there is none or it was changed, :class:`UnreadableRelease`
        where another version of Herald kept it."""
        expected = self.current().hashes.get(release)
        if expected is None:
            raise self._no(release)
        content = self._read(release, _DESCRIPTION)
        self._compare(release, _DESCRIPTION, hashlib.sha256(content).hexdigest(), expected, self._parameter)
        try:
            return Release.from_json(content.decode())
        except UnreadableRelease as error:
            raise UnreadableRelease(f"release {release} can't be read: {error}") from None

    def lay_out(self, name: str, release: Release, folder: Path) -> None:
        """Write the files from which Chalice deploys a release; the folder's earlier content is deleted."""
        package = self._read(name, _PACKAGE)
        self._compare(name, _PACKAGE, sha256(package), release.code.sha256, _DESCRIPTION)
        shutil.rmtree(folder, ignore_errors=True)
        deployments = folder / ".chalice" / "deployments"
        deployments.mkdir(parents=True)
        (deployments / _PACKAGE).write_bytes(package)
        documents = {
            render.CHALICE_CONFIG: release.chalice,
            description_file(release.stage): release.app,
            **{render.policy_file(release.stage, each.name): each.policy for each in release.functions},
        }
        for path, document in documents.items():
            (folder / path).write_text(json.dumps(document), encoding="utf-8")

    def keep(self, release: Release, package: Path) -> str:
        """Store a release that was deployed, and record it as the current one; returns its id."""
        name = f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}-{release.code.sha256[:6]}"
        name = "".join(letter if letter.isalnum() or letter == "-" else "_" for letter in name)
        into, content = self._bucket, release.to_json().encode()
        if into is None:
            raise OpsError(f"stage {self._stage.name} has no bucket for releases; run the same command again")
        parts = {_PACKAGE: package.read_bytes(), BILL: bill(package, name), _DESCRIPTION: content}
        for part, body in parts.items():
            self._s3.put_object(Bucket=into, Key=f"{_PREFIX}{name}/{part}", Body=body)
        hashes = {**self.current().hashes, name: hashlib.sha256(content).hexdigest()}
        hashes = {each: hashes[each] for each in sorted(hashes, reverse=True)[:KEPT]}
        self._write(CurrentRelease(name, whole=True, hashes=hashes))
        for old in self._in(into) - set(hashes):
            self._delete(into, f"{_PREFIX}{old}/")
        return name

    def upload_template(self, stack: str, template: str) -> str:
        """Put a template into the bucket, where CloudFormation reads it with the caller's rights; returns its URL."""
        into, key = self._bucket, f"templates/{stack}.yaml"
        if into is None:
            raise OpsError(f"the template of {stack} needs the bucket of the foundation stack, which doesn't exist")
        self._s3.put_object(Bucket=into, Key=key, Body=template.encode())
        return f"{self._s3.meta.endpoint_url}/{into}/{key}"

    def delete_all(self) -> None:
        """Empty the bucket, as only an empty one can be deleted, and delete the record of releases."""
        if name := self._bucket:
            buckets.empty(self._s3, name)
        with ignoring_aws_error("ParameterNotFound"):
            self._account.ssm.delete_parameter(Name=self._parameter)

    def _read(self, release: str, part: str) -> bytes:
        with ignoring_aws_error("NoSuchKey"), ignoring_aws_error("NoSuchBucket"):
            if bucket := self._bucket:
                content: bytes = self._s3.get_object(Bucket=bucket, Key=f"{_PREFIX}{release}/{part}")["Body"].read()
                return content
        raise self._no(release)

    def _no(self, release: str) -> OpsError:
        return OpsError(f"stage {self._stage.name} has no release {release}; see: {_list(self._stage)}")

    def _compare(self, release: str, part: str, found: str, expected: str, by: str) -> None:
        if found != expected:
            raise OpsError(
                f"{_PREFIX}{release}/{part} in the bucket {self._bucket} was changed after it was deployed: its SHA-256"
                f" is {found}, and {by} says {expected}. Nothing was done.\n"
                "Find out who can write to the bucket. What a checkout holds is deployed by: "
                f"make deploy STAGE={self._stage.name}"
            )


def rollback_target(current: CurrentRelease, ids: list[str], stage: Stage) -> str:
    """The release to go back to: the one before the current one, or the current one after a deployment that failed."""
    if not current.whole and current.release in ids:
        return str(current.release)
    older = [each for each in ids if current.release and each < current.release]
    if not older:
        raise OpsError(f"stage {stage.name} has no earlier release to go back to; see: {_list(stage)}")
    return older[0]


def _list(stage: Stage) -> str:
    return f"./herald releases --stage {stage.name}"


def listed(releases: Releases) -> list[dict[str, Any]]:
    """``[{"release", "current"}]`` for every kept release, newest first."""
    current = releases.current()
    return [{"release": release, "current": release == current.release and current.whole} for release in releases.ids()]
