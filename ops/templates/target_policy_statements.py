"""The statements that the owner's queues and topics need in their policies, so that rules and subscribers work.

Each has a ``Sid`` of the stage's own, by which it is found among others: ``ops/deploy/target_policies.py``.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.settings import Stage
from ops.config.rules_subscribers_grants import Extensions
from ops.config.targets import Target
from ops.naming import AwsLocation, logical
from ops.templates.function_policies import VERSION
from ops.templates.rules_subscribers_grants import rule_name

Statement = dict[str, Any]


def statements(extensions: Extensions, stage: Stage, where: AwsLocation) -> dict[Target, list[Statement]]:
    """The statements for each queue and topic."""
    found: dict[Target, list[Statement]] = {}
    for name, rule in extensions.rules.items():
        source = where.arn("events", f"rule/{stage.bus}/{rule_name(name, stage)}")
        statement = _statement(rule.to, where, "events.amazonaws.com", source, _sid(stage, "rule", name))
        found.setdefault(rule.to.here, []).append(statement)
    for name, subscriber in extensions.subscribers.items():
        source = where.arn("sns", stage.topic)
        statement = _statement(subscriber.to, where, "sns.amazonaws.com", source, _sid(stage, "subscriber", name))
        found.setdefault(subscriber.to.here, []).append(statement)
    return {target: each for target, each in found.items() if target.service in ("sqs", "sns")}


def _statement(target: Target, where: AwsLocation, service: str, source: str, sid: str) -> Statement:
    """A statement for this source alone. On a topic it allows every rule of EventBridge, as AWS says: "You can't use
    Condition blocks in Amazon SNS topic policies for EventBridge" (eb-use-resource-based.html)."""
    to_topic = target.service == "sns"
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sns:Publish" if to_topic else "sqs:SendMessage",
        "Resource": target.arn(where),
        **({} if to_topic else {"Condition": {"ArnEquals": {"aws:SourceArn": source}}}),
    }


def _sid(stage: Stage, table: str, name: str) -> str:
    return f"{_ours(stage)}{logical(table, name)}"


def _ours(stage: Stage) -> str:
    """The beginning of every ``Sid`` of the stage. ``Rule`` or ``Subscriber`` follows, so it fits no other stage's."""
    return f"Herald{stage.name.capitalize()}"


def merged_policy(
    policy: Mapping[str, Any], wanted: Sequence[Statement], stage: Stage, *, others: bool = False
) -> dict[str, Any]:
    """The policy with the wanted statements, with or without ``others`` of the stage, and everything else unchanged.

    A statement that is there already with another ``Sid`` is not added again.
    """
    found = policy.get("Statement", [])
    listed: list[Statement] = found if isinstance(found, list) else [found]
    ours = tuple(f"{_ours(stage)}{table}" for table in ("Rule", "Subscriber"))
    replaced = {each["Sid"] for each in wanted}

    def stays(sid: str) -> bool:
        return not sid.startswith(ours) or (others and sid not in replaced)

    left = [each for each in listed if stays(str(each.get("Sid", "")))]
    missing = [each for each in wanted if _nameless(each) not in map(_nameless, left)]
    if [*left, *missing] == listed:
        return dict(policy)
    return {"Version": VERSION, **policy, "Statement": [*left, *missing]}


def _nameless(statement: Statement) -> Statement:
    return {key: value for key, value in statement.items() if key != "Sid"}
