"""Everything that a deployment deploys, as data: compared before, applied, kept, and deployed again by a rollback.

A release is made from rendered files alone, so a kept release does not depend on today's manifest and configuration.
The data stack is not part of it, because a rollback must not change stored messages.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import yaml

from chalicelib.functions import functions_of
from chalicelib.settings import Stage
from ops import naming
from ops.aws import cloudformation
from ops.config.loader import LOCAL, StageConfig
from ops.deploy import target_policies
from ops.deploy.app_description import description_file
from ops.errors import OpsError
from ops.generate import render
from ops.naming import AwsLocation
from ops.templates import (
    alarms,
    domain,
    function_directory,
    gateway_answers,
    rules_subscribers_grants,
    trigger_resources,
    wiring,
)
from ops.templates import file_bucket as file_bucket_template
from ops.templates.common_resources import BOUNDARY

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""The runtime that Chalice deploys for: the Python that runs it."""


class UnreadableRelease(OpsError):
    """A kept release can't be read."""


@dataclass(frozen=True, slots=True)
class StackPlan:
    """One CloudFormation stack to create or update."""

    name: str
    template: str
    parameters: Mapping[str, str]
    of_data: tuple[str, ...] = ()
    """The parameters whose values are outputs of the data stack, by the same names."""


@dataclass(frozen=True, slots=True)
class FunctionPlan:
    """One function to deploy, with its role."""

    name: str
    function: str
    role: str
    log_group: str
    memory: int
    timeout: int
    environment: Mapping[str, str]
    reserved: int | None
    policy: Mapping[str, Any]
    scheduled: bool
    subscribed: bool
    """Whether the topic invokes it."""


@dataclass(frozen=True, slots=True)
class Code:
    """The code of a deployment zip."""

    sha256: str
    """The hash of the zip, in the form of Lambda's ``CodeSha256``."""
    files: Mapping[str, str]
    """The hash of each file in it by name, without bytecode that lies beside its source."""

    @classmethod
    def of(cls, package: Path) -> Code:
        with ZipFile(package) as archive:
            files = {
                name: hashlib.sha256(archive.read(name)).hexdigest()[:16]
                for name in sorted(archive.namelist())
                if "__pycache__/" not in name and not name.endswith("/")
            }
        return cls(sha256(package.read_bytes()), files)


@dataclass(frozen=True, slots=True)
class Release:
    """Everything that one deployment deploys, without the data stack."""

    stage: str
    python: str
    foundation: StackPlan
    wiring: StackPlan
    functions: tuple[FunctionPlan, ...]
    rate: int
    burst: int
    answers: Mapping[str, Mapping[str, Any]]
    """The gateway's own error responses, by their type."""
    log_retention_days: int
    alarms_to: str | None
    xray: bool
    event_buckets: tuple[str, ...]
    """The buckets whose events run a function; the deployment has them send these to EventBridge."""
    target_policies: Mapping[str, list[dict[str, Any]]]
    """The statements that policies of the owner's queues and topics need, by the target's name in ``herald.toml``."""
    chalice: Mapping[str, Any]
    """Chalice's configuration for this stage alone."""
    domain: StackPlan | None = None
    """The stack of the API's own domain. The API's id is read from the account each time."""
    waits_for_record: bool = False
    """Whether a person sets the domain's DNS records."""
    domain_name: str = ""
    default_address: bool = True
    """Whether the API answers at the address that API Gateway gives, too."""
    code: Code = Code("", {})
    """Empty until the release is packed."""
    app: Mapping[str, Any] = field(default_factory=dict)
    """The app as app_description.py describes it; empty until the release is deployed."""

    @property
    def schedules(self) -> dict[str, bool]:
        """Whether a schedule invokes each function, by the function's name."""
        return {each.name: each.scheduled for each in self.functions}

    def packed(self, package: Path) -> Release:
        return replace(self, code=Code.of(package))

    def deployed(self, root: Path) -> Release:
        """The release with the description of the app that Chalice wrote when it deployed it."""
        return replace(self, app=json.loads((root / description_file(self.stage)).read_text(encoding="utf-8")))

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Release:
        """Raises :class:`UnreadableRelease` where another version of Herald wrote other fields."""
        try:
            found = json.loads(text)
            found["foundation"], found["wiring"] = (_stack(found[name]) for name in ("foundation", "wiring"))
            found["domain"] = _stack(found["domain"]) if found.get("domain") else None
            found["functions"] = tuple(FunctionPlan(**each) for each in found["functions"])
            found["code"] = Code(**found["code"])
            found["event_buckets"] = tuple(found["event_buckets"])
            return cls(**found)
        except (ValueError, TypeError, KeyError) as error:
            raise UnreadableRelease(f"it was kept by another version of Herald: {error}") from None


def sha256(content: bytes) -> str:
    """The hash in Base64, as Lambda shows it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _stack(found: dict[str, Any]) -> StackPlan:
    return StackPlan(**{**found, "of_data": tuple(found["of_data"])})


def data(root: Path, stage: Stage, where: AwsLocation) -> StackPlan:
    """The data stack: it outlives the others."""
    return StackPlan(
        cloudformation.data(stage),
        (root / "infra/data.yaml").read_text(encoding="utf-8"),
        {
            "TableName": stage.table,
            "TopicName": stage.topic,
            "BusName": stage.bus,
            "Prefix": naming.prefix(stage),
        },
    )


def file_bucket(stage: Stage) -> StackPlan | None:
    """The stack of the bucket of files, which outlives the others, too; None for a stage that takes none."""
    if not stage.takes_files:
        return None
    template = file_bucket_template.template(stage, plain_http=stage.name == LOCAL)
    return StackPlan(cloudformation.files(stage), yaml.safe_dump(template, sort_keys=False), {})


def plan(root: Path, config: StageConfig, where: AwsLocation) -> Release:
    """The release that the rendered files of a checkout make."""
    stage = config.stage
    chalice = json.loads((root / render.CHALICE_CONFIG).read_text(encoding="utf-8"))
    return Release(
        stage=stage.name,
        python=PYTHON,
        foundation=foundation(root, config),
        wiring=StackPlan(
            cloudformation.wiring(stage),
            (root / render.wiring_file(stage.name)).read_text(encoding="utf-8"),
            {
                **({alarms.EMAIL: config.alarms_to} if config.alarms_to else {}),
                **trigger_resources.streams(stage, where),
                function_directory.API_ADDRESS: "",
                **({BOUNDARY: ""} if rules_subscribers_grants.has_roles(config.extensions) else {}),
            },
            tuple(wiring.queues(stage, config.extensions)),
        ),
        functions=tuple(_functions(root, stage, chalice["stages"][stage.name])),
        rate=config.rate,
        burst=config.burst,
        answers=_answers(stage),
        log_retention_days=config.log_retention_days,
        alarms_to=config.alarms_to,
        xray=stage.xray,
        event_buckets=tuple(sorted(set(trigger_resources.sources(stage, where, "s3").values()))),
        target_policies=target_policies.written(config.extensions, stage, where),
        domain=_domain(config),
        waits_for_record=config.domain is not None and not config.domain.hosted_zone,
        domain_name=config.domain.name if config.domain else "",
        default_address=config.domain is None or config.domain.default_address,
        chalice={**chalice, "stages": {stage.name: chalice["stages"][stage.name]}},
    )


PLAIN_HTTP = "PlainHttp"
"""The parameter that lets the bucket of releases take unencrypted requests. Its value is that of the account."""


def foundation(root: Path, config: StageConfig) -> StackPlan:
    stage = config.stage
    template = (root / "infra/foundation.yaml").read_text(encoding="utf-8")
    # A deployment of API Gateway is a snapshot, so a changed template needs a deployment with a new name.
    fingerprint = hashlib.sha256(template.encode()).hexdigest()[:8]
    return StackPlan(
        cloudformation.foundation(stage),
        template.replace("SendEventDeployment", f"SendEventDeployment{fingerprint}"),
        {
            "TopicName": stage.topic,
            "BusName": stage.bus,
            "Prefix": naming.prefix(stage),
            "SendEvent": "on" if config.send_event else "off",
            PLAIN_HTTP: "off",
            "ApiStage": render.API_STAGE,
            "ThrottleRate": str(config.rate),
            "ThrottleBurst": str(config.burst),
            BOUNDARY: "",
        },
    )


def _domain(config: StageConfig) -> StackPlan | None:
    if config.domain is None:
        return None
    return StackPlan(
        cloudformation.domain(config.stage),
        yaml.safe_dump(domain.template(config.domain), sort_keys=False),
        {domain.REST_API: "", domain.API_STAGE: render.API_STAGE},
    )


def _functions(root: Path, stage: Stage, configured: Mapping[str, Any]) -> list[FunctionPlan]:
    """The functions as Chalice will make them from its configuration."""
    found = []
    for spec in functions_of(stage):
        own = configured["lambda_functions"][spec.name]
        found.append(
            FunctionPlan(
                name=spec.name,
                function=stage.function(spec.name),
                role=stage.role(spec.name),
                log_group=stage.log_group(spec.name),
                memory=own["lambda_memory_size"],
                timeout=own["lambda_timeout"],
                environment=configured["environment_variables"] | own.get("environment_variables", {}),
                reserved=own.get("reserved_concurrency"),
                policy=json.loads((root / render.policy_file(stage.name, spec.name)).read_text(encoding="utf-8")),
                scheduled=spec.trigger.kind == "schedule",
                subscribed=spec.trigger.kind == "topic",
            )
        )
    return found


def _answers(stage: Stage) -> dict[str, dict[str, Any]]:
    """The gateway's own error responses as problem documents that a page's script may read.

    The gateway doesn't know the site, so several origins, or ``null``, share ``*``. That is safe: these answers hold
    nothing private, and no request has credentials.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
    """
    origins = {origin for site in stage.sites.values() for origin in site.origins}
    several = len(origins) > 1 or any(site.loopback or site.null_origin for site in stage.sites.values())
    allowed = "*" if several else origins.pop()
    found: dict[str, dict[str, Any]] = {}
    for answer in gateway_answers.ANSWERS:
        headers = {
            "Content-Type": "application/problem+json",
            "Access-Control-Allow-Origin": allowed,
            "Access-Control-Expose-Headers": "Retry-After",
            "Vary": "Origin",
        }
        if answer.retry_after:
            headers["Retry-After"] = str(answer.retry_after)
        found[answer.code] = {
            **({"statusCode": str(answer.status)} if answer.status else {}),
            "responseParameters": {f"gatewayresponse.header.{name}": f"'{value}'" for name, value in headers.items()},
            "responseTemplates": {"application/json": json.dumps(answer.body())},
        }
    return found
