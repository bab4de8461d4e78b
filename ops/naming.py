"""Names and ARNs of a stage's resources, and values that several layers share."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from chalicelib.settings import APP, Stage
from ops.errors import OpsError


@dataclass(frozen=True, slots=True)
class AwsLocation:
    """An account and region."""

    partition: str
    region: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


PSEUDO_PARAMETERS = AwsLocation("${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}")
"""CloudFormation's pseudo parameters in place of an account and region."""


def version() -> str:
    """Herald's own version, which stands in ``pyproject.toml`` alone."""
    text = Path(__file__).resolve().parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8")
    found: str = tomllib.loads(text)["project"]["version"]
    return found


IN_TEMPLATES = ("partition", "region", "account", "stage")
"""The names that every template of an ARN or a name may use, beside the keys of ``[values]``."""


def filled(template: str, stage: Stage, where: AwsLocation, place: str) -> str:
    """Fill in ``{partition}``, ``{region}``, ``{account}``, ``{stage}`` and the stage's ``[values]``.

    Raises :class:`OpsError`, which names the ``place`` of the template, for another name or a single brace.
    """
    known = dict(zip(IN_TEMPLATES, (where.partition, where.region, where.account, stage.name), strict=True))
    known |= stage.values

    def value(match: re.Match[str]) -> str:
        if match[1] not in known:
            names = ", ".join(sorted(known))
            raise OpsError(
                f"{place}: {template!r} names {match[0]}, and stage {stage.name} knows: {names}. Others are set in"
                " [values] of herald.toml"
            )
        return known[match[1]]

    if re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", template)):
        raise OpsError(f"{place}: {template!r} has a brace without its other half")
    return re.sub(r"\{([^{}]*)\}", value, template)


def own_arn(template: str, stage: Stage, where: AwsLocation, place: str) -> str:
    """The ARN that a template makes; raises :class:`OpsError`, which names its ``place``, where that is none."""
    arn = filled(template, stage, where, place)
    parts = re.sub(r"\{[^{}]*\}", "x", template)
    if template != "*" and not re.fullmatch(r"arn:[^:]+:[a-z0-9-]+:[^:]*:[^:]*:.+", parts):
        raise OpsError(f"{place}: {template!r} is no ARN, such as arn:{{partition}}:s3:::{{bucket}}/*")
    return arn


def prefix(stage: Stage) -> str:
    """The beginning of the names of a stage's resources."""
    return f"{APP}-{stage.name}"


def directory_entry(stage: Stage, resource: str) -> str:
    """The parameter that says where one of :data:`RESOURCES` is."""
    return f"{stage.parameters}/resources/{resource}"


def tags(stage: Stage) -> dict[str, str]:
    """What everything of a stage is tagged with, but roles."""
    return {"app": APP, "stage": stage.name}


def logical(table: str, name: str) -> str:
    """The name of an entry without hyphens, such as ``RuleInbox``."""
    return "".join(part.capitalize() for part in (table, *name.split("-")))


def own_resource(table: str, name: str) -> str:
    """The name in the wiring template of the resource for something of the owner's, such as ``OwnRuleInbox``. Nothing
    of Herald's begins like it, so no name of the owner's can replace anything of Herald's."""
    return f"Own{logical(table, name)}"


RESOURCES = ("topic", "bus", "table", "api")
"""What the directory in Parameter Store has beside functions: ARNs, and the address of the API."""


QUEUES = {
    "topic-dead-letters": "SNS could not deliver an accepted message to `destined`. No notification was sent.",
    "failed-events": "Lambda's attempts at a message are over; its event is kept here. Perhaps nobody was notified.",
    "rule-dead-letters": "A rule of the bus, or the function that it runs, failed for good. An outcome was lost.",
    "subscriber-dead-letters": "SNS could not deliver a message to a subscriber of yours. Channels are not affected.",
}
"""The queues of infra/data.yaml, and what a letter in each means."""

CANARY_MAY_BE_LATE = 2
"""Hours."""
MAX_CANARY_HOURS = 7 * 24 - CANARY_MAY_BE_LATE
"""The longest interval between two canaries: an alarm can look back seven days at most."""
