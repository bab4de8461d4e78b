"""What an owner adds to a stage in ``herald.toml``: rules on the bus, subscribers of the topic, grants for programs.

Models and their checks alone; what AWS gets of them is made in ``ops/templates/``. docs/rules.md, docs/invoke-api.md.
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
from ops.naming import AwsLocation

TABLES = ("rule", "subscriber", "grant")
"""Entries with a name each: ``[[rule]]``."""
Key = tuple[str, ...]
"""Where something is written, such as ``("rule", "inbox", "to")``."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*")
"""Such names stay different when they become the names of CloudFormation's resources, which have no hyphens."""
_LONGEST = 20
_TAKEN = "dead-letters-arn"
"""With the table before it, this is a parameter of the wiring template: no resource can have the same name."""


Source = Literal["herald.contact", "herald.event", "herald.canary"]
Action = Literal["delivered", "duplicate", "quarantined", "waiting", "undeliverable", "uncertain", "message", "arrived"]
Condition = Literal["Success", "RetriesExhausted", "EventAgeExceeded"]
Kind = Literal["contact", "event", "canary"]

Sources = Annotated[list[Source], Field(min_length=1), BeforeValidator(one_or_more)]
Actions = Annotated[list[Action], Field(min_length=1), BeforeValidator(one_or_more)]
Conditions = Annotated[list[Condition], Field(min_length=1), BeforeValidator(one_or_more)]
Kinds = Annotated[list[Kind], Field(min_length=1), BeforeValidator(one_or_more)]
Sites = Annotated[list[str], Field(min_length=1), BeforeValidator(one_or_more)]


class RuleTable(Table):
    """``[[rule]]``: which events of the bus go where. What is not named is not looked at."""

    to: RuleTarget
    source: Sources = Field(default=[])
    action: Actions = Field(default=[])
    condition: Conditions = Field(default=[])
    site: Sites = Field(default=[])
    kind: Kinds = Field(default=[])


class SubscriberTable(Table):
    """``[[subscriber]]``: who gets each message besides ``destined``. What is not named is not looked at."""

    to: SubscriberTarget
    site: Sites = Field(default=[])
    kind: Kinds = Field(default=[])
    raw: bool = False
    """Whether a queue gets the message alone, without what SNS puts around it."""


def _role(value: str) -> str:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html"""
    if not re.fullmatch(r"[A-Za-z0-9+=,.@_-]{1,64}", value):
        raise ValueError("expected the name of a role, without a path")
    return value


Role = Annotated[str, AfterValidator(_role)]


class GrantTable(Table):
    """``[[grant]]``: which functions, by their names in the directory, and who is granted them."""

    functions: list[str] = Field(min_length=1)
    roles: list[Role] = Field(default=[])
    """Roles of the account that get the policy; others may attach it by themselves."""


def grantable(stage: Stage) -> list[str]:
    """What can be granted: the functions of the Invoke API that the stage has."""
    return [spec.name for spec in functions_of(stage) if spec.trigger.kind == "invoke"]


@dataclass(frozen=True, slots=True)
class Extensions:
    """Each by its name."""

    rules: Mapping[str, RuleTable] = field(default_factory=dict)
    subscribers: Mapping[str, SubscriberTable] = field(default_factory=dict)
    grants: Mapping[str, GrantTable] = field(default_factory=dict)

    @property
    def targets(self) -> Iterator[tuple[Key, Target]]:
        """Every target, with the key that it is written at."""
        yield from ((("rule", name, "to"), rule.to) for name, rule in self.rules.items())
        yield from ((("subscriber", name, "to"), subscriber.to) for name, subscriber in self.subscribers.items())

    def mistakes(self, stage: Stage) -> Iterator[tuple[Key, str]]:
        """What no table can tell alone: where it is written, and what is wrong."""
        for key, target in self.targets:
            if target.is_heralds(stage):
                yield key, f"found {str(target)!r}, which is Herald's own; name something of yours"
        for table, tables in (("rule", self.rules), ("subscriber", self.subscribers)):
            for name, it in tables.items():
                for site in it.site:
                    if site not in stage.sites:
                        known = ", ".join(sorted(stage.sites))
                        yield (table, name, "site"), f"found {site!r}, expected one of: {known}"
        for name, subscriber in self.subscribers.items():
            if subscriber.raw and subscriber.to.service != "sqs":
                yield ("subscriber", name, "raw"), "only a queue can have messages without SNS's envelope"
        there = grantable(stage)
        for name, grant in self.grants.items():
            for function in grant.functions:
                if function not in there:
                    yield ("grant", name, "functions"), f"found {function!r}, expected one of: {', '.join(there)}"

    def foreign(self, where: AwsLocation) -> Iterator[tuple[Key, str]]:
        """Every target that is written as an ARN of another partition, region or account."""
        for key, target in self.targets:
            if not target.is_in(where):
                here = f"{where.partition}:{target.service}:{where.region}:{where.account}"
                yield key, f"found {str(target)!r}, expected an ARN that begins with arn:{here}:"


def by_name(entries: Any, table: str, mistakes: list[str]) -> dict[str, Any]:
    """The entries ``[[rule]]`` of one file or stage as tables by their names."""
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
            mistakes.append(f"{where}.name: missing; each has a name of its own")
        elif not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > _LONGEST:
            mistakes.append(
                f"{where}.name: found {name!r}; a name has up to {_LONGEST} of a-z, 0-9 and -, a letter first and"
                " after each hyphen"
            )
        elif name == _TAKEN:
            mistakes.append(
                f"{where}.name: found {name!r}, by which the {table}'s template knows a queue; choose another"
            )
        elif name in found:
            mistakes.append(f"{where}.name: there are two of the name {name!r}")
        else:
            found[name] = {key: value for key, value in entry.items() if key != "name"}
    return found
