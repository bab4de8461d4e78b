"""``[[rule]]`` of ``herald.toml``: which events of the bus go where. docs/rules.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from chalicelib.logic import events
from chalicelib.settings import Stage
from ops import templates
from ops.additions.targets import RuleTarget, logical, one_or_more
from ops.policies import ANYWHERE
from ops.tables import Table

SUCCESS = "Success"

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
    """What is not named is not looked at."""

    to: RuleTarget
    source: Sources = Field(default=[])
    action: Actions = Field(default=[])
    condition: Conditions = Field(default=[])
    site: Sites = Field(default=[])
    kind: Kinds = Field(default=[])


def pattern(rule: RuleTable) -> dict[str, Any]:
    """The events that a rule matches.

    An event tells either of an answer, which has a source and an action, or of a failure, which has a condition other
    than ``Success`` and neither. So the two are alternatives: a rule that names an action and a condition hears the
    answers with that action, and the failures with that condition.
    """
    answer: dict[str, Any] = {"requestContext": {"condition": [SUCCESS]}}
    if rule.source or rule.action:
        named: dict[str, Sequence[str]] = {"source": rule.source, "action": rule.action}
        answer["responsePayload"] = {key: list(values) for key, values in named.items() if values}
    failures = [each for each in rule.condition if each != SUCCESS]
    failure = {"requestContext": {"condition": failures}}
    hears_answers = bool(rule.source or rule.action or SUCCESS in rule.condition)
    detail: dict[str, Any] = {}
    if hears_answers and failures:
        detail["$or"] = [answer, failure]
    elif hears_answers:
        detail |= answer
    elif failures:
        detail |= failure
    attributes = {"site": list(rule.site), "kind": _kinds(rule.kind)}
    asked = {name: {"Value": values} for name, values in attributes.items() if values}
    if asked:
        # Records is a list: EventBridge looks into it by itself.
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns-arrays.html
        detail["requestPayload"] = {"Records": {"Sns": {"MessageAttributes": asked}}}
    return {"source": ["lambda"], **({"detail": detail} if detail else {})}


def _kinds(kinds: Sequence[str]) -> list[str]:
    """What the attribute ``kind`` holds: what the scheduled retry tries again is a form's message, too."""
    retried = [events.KIND_RETRY] if events.KIND_CONTACT in kinds else []
    return [*kinds, *retried]


def rule_name(name: str, stage: Stage) -> str:
    """The name that the rule has on the bus."""
    return f"{stage.bus}-rule-{name}"


def resources(name: str, rule: RuleTable, stage: Stage, dead_letters: Any) -> dict[str, Any]:
    """The rule and, for a function, the permission to run it. What queues and topics have to allow: ``let_in.py``."""
    key = logical("rule", name)
    target = (name, {"Fn::Sub": rule.to.arn(ANYWHERE)})
    described = f"The owner's rule {name}"
    found = {
        key: templates.rule(stage.bus, rule_name(name, stage), described, pattern(rule), target, dead_letters),
    }
    if rule.to.service == "lambda":
        found[f"PermissionOf{key}"] = templates.permission(rule.to.name, "events", {"Fn::GetAtt": [key, "Arn"]})
    return found
