"""The releases of a stage, kept in the account: what `make rollback` puts back.

Each lies in the bucket of the foundation stack, as ``releases/<id>/release.json``, with all that was deployed, and
``package.zip``, the very package that Lambda got, with its bill of materials beside it. A parameter says which one
stands, whether a deployment has begun since that has not come to its end, and the hash of each: who can write to the
bucket alone changes nothing that is put back. Nothing of a release is run on the machine of whoever puts it back.
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
from ops.aws import cloudformation
from ops.aws.account import Account
from ops.deploy.app_description import description_file
from ops.deploy.bill_of_materials import bill
from ops.deploy.release import Release, UnreadableRelease, sha256
from ops.errors import OpsError, ignoring_aws_error
from ops.generate import render

KEPT = 10
"""How many releases are kept; older ones are deleted. Each has about 3 MB."""
BILL = "sbom.json"
"""What is in a release's package: a bill of materials."""
_PREFIX = "releases/"
_DESCRIPTION, _PACKAGE = "release.json", "package.zip"


@dataclass(frozen=True, slots=True)
class CurrentRelease:
    """What stands, as far as deployments have said it."""

    release: str | None
    """The id of the last one that was brought about whole."""
    whole: bool
    """False from the beginning of a deployment until its end."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the ``release.json`` of each release that is kept, which has that of its package."""


def bucket(account: Account, stage: Stage) -> str | None:
    """The bucket of the foundation stack; None where no such stack stands."""
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
        """Write down what stands."""
        self._write(replace(self.current(), release=release, whole=whole))

    def _write(self, current: CurrentRelease) -> None:
        value = json.dumps(asdict(current))
        self._account.ssm.put_parameter(Name=self._parameter, Value=value, Type="String", Overwrite=True)

    def ids(self) -> list[str]:
        """Newest first; none where there is no bucket."""
        recorded, found = self.current().hashes, self._bucket
        return sorted({name for name in self._in(found) if name in recorded} if found else (), reverse=True)

    @property
    def _bucket(self) -> str | None:
        return bucket(self._account, self._stage)

    def _in(self, bucket: str) -> set[str]:
        """The ids of all that lies there as releases do."""
        return {key.split("/")[1] for key in self._keys(bucket, _PREFIX)}

    def get(self, release: str) -> Release:
        """Raises :class:`OpsError` where there is none or it was changed, and :class:`UnreadableRelease`."""
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
        """Lay out what Chalice deploys a release from, in place of whatever is in the folder: data, and the package."""
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
        """Keep a release that was brought about, as the one that stands; returns its id."""
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
        """Put a template where CloudFormation can read it, with the rights of whoever asks for the stack."""
        into, key = self._bucket, f"templates/{stack}.yaml"
        if into is None:
            raise OpsError(f"the template of {stack} goes by the bucket of the foundation stack, which doesn't stand")
        self._s3.put_object(Bucket=into, Key=key, Body=template.encode())
        return f"{self._s3.meta.endpoint_url}/{into}/{key}"

    def delete_all(self) -> None:
        """Empty the bucket, as only an empty one can be deleted; forget what stands."""
        self._delete(self._bucket, "")
        with ignoring_aws_error("ParameterNotFound"):
            self._account.ssm.delete_parameter(Name=self._parameter)

    def _keys(self, bucket: str, prefix: str) -> list[str]:
        with ignoring_aws_error("NoSuchBucket"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            return [each["Key"] for page in pages for each in page.get("Contents", [])]
        return []

    def _delete(self, bucket: str | None, prefix: str) -> None:
        for key in self._keys(bucket, prefix) if bucket else []:
            self._s3.delete_object(Bucket=bucket, Key=key)

    def _read(self, release: str, part: str) -> bytes:
        with ignoring_aws_error("NoSuchKey"), ignoring_aws_error("NoSuchBucket"):
            if found := self._bucket:
                content: bytes = self._s3.get_object(Bucket=found, Key=f"{_PREFIX}{release}/{part}")["Body"].read()
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
    """The release to go back to: the one before what stands, or the last whole one where a deployment broke off."""
    if not current.whole and current.release in ids:
        return str(current.release)
    older = [each for each in ids if current.release and each < current.release]
    if not older:
        raise OpsError(f"stage {stage.name} has no earlier release to go back to; see: {_list(stage)}")
    return older[0]


def _list(stage: Stage) -> str:
    return f"./herald releases --stage {stage.name}"


def listed(found: Releases) -> list[dict[str, Any]]:
    """Every release, newest first, for a person or a script."""
    current = found.current()
    return [{"release": each, "stands": each == current.release and current.whole} for each in found.ids()]
