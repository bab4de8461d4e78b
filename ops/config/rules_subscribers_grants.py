"""The tables ``[[rule]]``, ``[[subscriber]]`` and ``[[grant]]`` of ``herald.toml``: an owner's additions to a stage.

Only models and their checks; their resources are made in ``ops/templates/``. docs/rules.md, docs/invoke-api.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from chalicelib.functions import functions_of
from chalicelib.settings import Stage
from ops.config.table import Table
from ops.config.targets import RuleTarget, SubscriberTarget, Target, one_or_more
from ops.errors import OpsError
from ops.naming import PSEUDO_PARAMETERS, AwsLocation, own_arn

TABLES = ("rule", "subscriber", "grant")
"""The names of these tables."""
Key = tuple[str, ...]
"""The place of a key, such as ``("rule", "inbox", "to")``."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*")
"""Different names of this form stay different as names of CloudFormation resources, which have no hyphens."""
_LONGEST = 20


Source = Literal["herald.contact", "herald.notification", "herald.event", "herald.canary"]
Action = Literal[
    "delivered",
    "summarized",
    "duplicate",
    "unchanged",
    "quarantined",
    "waiting",
    "undeliverable",
    "uncertain",
    "rejected",
    "message",
    "arrived",
]
Condition = Literal["Success", "RetriesExhausted", "EventAgeExceeded"]
Kind = Literal["contact", "notification", "event", "canary"]

Sources = Annotated[list[Source], Field(min_length=1), BeforeValidator(one_or_more)]
Actions = Annotated[list[Action], Field(min_length=1), BeforeValidator(one_or_more)]
Conditions = Annotated[list[Condition], Field(min_length=1), BeforeValidator(one_or_more)]
Kinds = Annotated[list[Kind], Field(min_length=1), BeforeValidator(one_or_more)]
Sites = Annotated[list[str], Field(min_length=1), BeforeValidator(one_or_more)]


class RuleTable(Table):
    """``[[rule]]``: which events of the bus go to which target. A key that is left out matches every event."""

    to: RuleTarget
    """`sqs:…`, `sns:…`, `lambda:…`, `states:…` (a state machine), `logs:/aws/events/…` or `events:…` (a bus) with a
    name, or an ARN of the stage's account and region; no FIFO, nothing of Herald's own."""
    source: Sources = Field(default=[])
    """Where it comes from. Unless set, all."""
    action: Actions = Field(default=[])
    """[what each means](bus.md#actions). Unless set, all."""
    condition: Conditions = Field(default=[])
    """How Lambda's attempts ended. Unless set, all."""
    site: Sites = Field(default=[])
    """Names of `[sites.…]`. Unless set, all."""
    kind: Kinds = Field(default=[])
    """What it is. Unless set, all."""


class SubscriberTable(Table):
    """``[[subscriber]]``: a target that gets messages of the topic, beside ``destined``. A key that is left out matches
    every message."""

    to: SubscriberTarget
    """`lambda:…` or `sqs:…`, as of a rule."""
    site: Sites = Field(default=[])
    """Names of `[sites.…]`. Unless set, all."""
    kind: Kinds = Field(default=[])
    """As of a rule. Unless set, all."""
    raw: bool = False
    """Whether a queue gets the message without SNS's envelope."""


def _role(value: str) -> str:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html"""
    if not re.fullmatch(r"[A-Za-z0-9+=,.@_-]{1,64}", value):
        raise ValueError("expected the name of a role, without a path")
    return value


Role = Annotated[str, AfterValidator(_role)]


def _action(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+:[A-Za-z*?]+", value):
        raise ValueError("expected an action such as s3:GetObject")
    return value


class AllowTable(Table):
    """An entry of a grant's ``allow``: actions on resources of the owner's."""

    actions: list[Annotated[str, AfterValidator(_action)]] = Field(min_length=1)
    on: list[str] = Field(min_length=1)
    """ARNs as templates: ``arn:{partition}:s3:::{bucket}/*``."""
    why: str = Field(min_length=1)
    wildcard: str = ""
    """Why an action or a resource has a wildcard."""


class GrantTable(Table):
    """``[[grant]]``: a policy to invoke functions and find resources, named as in the directory, and to do what
    ``allow`` says."""

    functions: list[str] = Field(default=[])
    """`"get_message"`, `"list_messages"`, `"notify_<kind>"` as the stage has them."""
    resources: list[Literal["topic", "bus", "table", "api"]] = Field(default=[])
    """To publish to the topic, and to find the others."""
    allow: list[AllowTable] = Field(default=[])
    """Tables of `actions`, `on` (ARNs as [templates](own-function.md#grants)), `why` and `wildcard`."""
    roles: list[Role] = Field(default=[])
    """Names of roles that get the policy; it may be attached to others by hand."""


def grantable(stage: Stage) -> list[str]:
    """The functions that can be granted: the stage's functions of the Invoke API."""
    return [spec.name for spec in functions_of(stage) if spec.trigger.kind == "invoke"]


def _mistakes(allow: AllowTable, stage: Stage) -> Iterator[str]:
    for template in allow.on:
        try:
            own_arn(template, stage, PSEUDO_PARAMETERS, "on")
        except OpsError as error:
            yield str(error)
    wild = [each for each in (*allow.actions, *allow.on) if each == "*" or re.search(r":[^/]*[*?]", each)]
    if wild and not allow.wildcard:
        yield f"{wild[0]!r} has a wildcard; write why in its key `wildcard`, or name it whole"


@dataclass(frozen=True, slots=True)
class Extensions:
    """An owner's rules, subscribers and grants, by name."""

    rules: Mapping[str, RuleTable] = field(default_factory=dict)
    subscribers: Mapping[str, SubscriberTable] = field(default_factory=dict)
    grants: Mapping[str, GrantTable] = field(default_factory=dict)

    @property
    def targets(self) -> Iterator[tuple[Key, Target]]:
        """Every target, with the place of its key."""
        yield from ((("rule", name, "to"), rule.to) for name, rule in self.rules.items())
        yield from ((("subscriber", name, "to"), subscriber.to) for name, subscriber in self.subscribers.items())

    def mistakes(self, stage: Stage) -> Iterator[tuple[Key, str]]:
        """The mistakes that span several tables: the place of the key, and what is wrong."""
        for key, target in self.targets:
            if target.is_heralds(stage):
                yield key, f"found {str(target)!r}, which is Herald's own; name a target of yours"
        for table, tables in (("rule", self.rules), ("subscriber", self.subscribers)):
            for name, it in tables.items():
                for site in it.site:
                    if site not in stage.site_names:
                        known = ", ".join(sorted(stage.site_names))
                        yield (table, name, "site"), f"found {site!r}, expected one of: {known}"
        subscribed: dict[Target, str] = {}
        for name, subscriber in self.subscribers.items():
            # SNS: "Subscription already exists with different attributes".
            if (other := subscribed.setdefault(subscriber.to.here, name)) != name:
                yield (
                    ("subscriber", name, "to"),
                    f"found {str(subscriber.to)!r}, which subscriber {other!r} has too; SNS has one subscription for a"
                    " target, so write one entry with what both want",
                )
            if subscriber.raw and subscriber.to.service != "sqs":
                yield ("subscriber", name, "raw"), "only a queue can get messages without SNS's envelope"
        there = grantable(stage)
        for name, grant in self.grants.items():
            if not (grant.functions or grant.resources or grant.allow):
                yield ("grant", name), "grants nothing; name functions, resources or what to allow"
            for function in grant.functions:
                if function not in there:
                    yield ("grant", name, "functions"), f"found {function!r}, expected one of: {', '.join(there)}"
            for allow in grant.allow:
                for mistake in _mistakes(allow, stage):
                    yield ("grant", name, "allow"), mistake

    def foreign(self, where: AwsLocation) -> Iterator[tuple[Key, str]]:
        """Every target that is an ARN of another partition, region or account."""
        for key, target in self.targets:
            if not target.is_in(where):
                here = f"{where.partition}:{target.service}:{where.region}:{where.account}"
                yield key, f"found {str(target)!r}, expected an ARN that begins with arn:{here}:"


def by_name(entries: Any, table: str, mistakes: list[str]) -> dict[str, Any]:
    """The entries of one of these tables, by name; mistakes are added to ``mistakes``."""
    if not isinstance(entries, list):
        mistakes.append(f"{table}: expected entries such as [[{table}]]")
        return {}
    found: dict[str, Any] = {}
    for number, entry in enumerate(entries, 1):
        where = f"{table}[{number}]"
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(entry, dict):
            mistakes.append(f"{where}: found {entry!r}, expected a table [[{table}]]")
        elif name is None:
            mistakes.append(f"{where}.name: missing; each needs a name of its own")
        elif not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > _LONGEST:
            mistakes.append(
                f"{where}.name: found {name!r}; a name has up to {_LONGEST} of a-z, 0-9 and -, a letter first and"
                " after each hyphen"
            )
        elif name in found:
            mistakes.append(f"{where}.name: there are two with the name {name!r}")
        else:
            found[name] = {key: value for key, value in entry.items() if key != "name"}
    return found
