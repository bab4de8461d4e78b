"""Add statements to the policies of the owner's queues and topics, and remove them when they are no longer needed.

Without them a rule or Herald's topic can't send there. CloudFormation can't add a statement to a policy that is not the
stack's own: ``AWS::SQS::QueuePolicy`` and ``AWS::SNS::TopicPolicy`` replace all of it. So a deployment adds a statement
with its own ``Sid`` for each rule and subscriber before these are created, and removes it after they are deleted. The
targets are recorded in Parameter Store before any is changed. docs/decisions/0017.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

from chalicelib.settings import Stage
from ops.aws.account import Account
from ops.config.rules_subscribers_grants import Extensions
from ops.config.targets import Target
from ops.errors import OpsError, ignoring_aws_error
from ops.naming import AwsLocation
from ops.templates.resource_access import listed
from ops.templates.rules_subscribers_grants import ROLE_ACTIONS
from ops.templates.target_policy_statements import Statement, merged_policy, statements


def check(account: Account, extensions: Extensions) -> None:
    """Raise :class:`OpsError` that names every target which does not exist, before anything is changed."""
    where = account.where
    mistakes = list(extensions.foreign(where))
    if not mistakes:
        missing = f"in account {where.account}, {where.region}"
        mistakes = [
            (key, f"there is no {target.here} {missing}")
            for key, target in extensions.targets
            if not _is_there(account, target)
        ]
    if mistakes:
        lines = (f"  {'.'.join(key)}: {mistake}" for key, mistake in mistakes)
        raise OpsError("\n".join(["herald.toml names targets that can't be sent to:", *lines]))


def check_boundary(account: Account, stage: Stage, extensions: Extensions, boundary: str) -> None:
    """Raise :class:`OpsError` that names every rule whose role the stage's permissions boundary keeps from its target.

    What such a rule sends would end in the dead letters. ``boundary`` is the ARN of the one in the account.
    """
    iam = account.client("iam")
    version = iam.get_policy(PolicyArn=boundary)["Policy"]["DefaultVersionId"]
    found: Any = iam.get_policy_version(PolicyArn=boundary, VersionId=version)["PolicyVersion"]["Document"]
    may = [
        (action, arn)
        for each in found["Statement"]
        for action, arn in product(listed(each["Action"]), listed(each["Resource"]))
    ]
    beyond = [
        f"  rule.{name}.to: {rule.to}"
        for name, rule in extensions.rules.items()
        if (needed := ROLE_ACTIONS.get(rule.to.service))
        and not any(action == needed and fnmatchcase(rule.to.arn(account.where), arn) for action, arn in may)
    ]
    if beyond:
        first = f"{boundary} is the boundary of the stage's roles, and keeps rules from their targets:"
        last = f"make render; then an administrator deploys infra/pipeline-{stage.name}.yaml again: docs/pipeline.md"
        raise OpsError("\n".join([first, *beyond, last]))


def written(extensions: Extensions, stage: Stage, where: AwsLocation) -> dict[str, list[Statement]]:
    """:func:`statements` by the names of the targets, as a release keeps them."""
    return {str(target): found for target, found in statements(extensions, stage, where).items()}


def read(kept: Mapping[str, list[Statement]]) -> dict[Target, list[Statement]]:
    """The reverse of :func:`written`."""
    pairs = ((name.partition(":"), found) for name, found in kept.items())
    return {Target(service, name): found for (service, _, name), found in pairs}


WantedStatements = Mapping[Target, list[Statement]]


def grant(account: Account, stage: Stage, wanted: WantedStatements) -> list[str]:
    """Add the wanted statements and keep the stage's others; returns the targets whose policies changed.

    Call it before the wiring is applied, so that nothing is sent to a target that refuses it.
    """
    _record(account, stage, {**_recorded_targets(account, stage), **wanted})
    return [str(target) for target in wanted if _merge(account, stage, target, wanted[target], others=True)]


def revoke(account: Account, stage: Stage, wanted: WantedStatements) -> list[str]:
    """Remove the stage's statements that are not wanted; returns the targets whose policies changed.

    Call it after the wiring was applied, so that no rule still sends to a target that now refuses it.
    """
    targets = {**_recorded_targets(account, stage), **wanted}
    changed = [
        str(target) for target in targets if _merge(account, stage, target, wanted.get(target, []), others=False)
    ]
    _record(account, stage, wanted)
    return changed


def _parameter(stage: Stage) -> str:
    return f"{stage.parameters}/deployed/let-in"


def _recorded_targets(account: Account, stage: Stage) -> dict[Target, None]:
    """The targets that may have statements of the stage."""
    with ignoring_aws_error("ParameterNotFound"):
        found = account.ssm.get_parameter(Name=_parameter(stage))["Parameter"]["Value"]
        return {Target(service, name): None for service, _, name in (each.partition(":") for each in found.split())}
    return {}


def _record(account: Account, stage: Stage, targets: Iterable[Target]) -> None:
    names = " ".join(sorted(map(str, targets)))
    if names:
        account.ssm.put_parameter(Name=_parameter(stage), Value=names, Type="String", Overwrite=True)
        return
    with ignoring_aws_error("ParameterNotFound"):
        account.ssm.delete_parameter(Name=_parameter(stage))


def _merge(account: Account, stage: Stage, target: Target, wanted: Sequence[Statement], *, others: bool) -> bool:
    """Merge the wanted statements into the target's policy; returns whether it changed."""
    if not _is_there(account, target):
        return False
    before = _read(account, target)
    after = merged_policy(before, wanted, stage, others=others)
    if after == before:
        return False
    _write(account, target, after)
    return True


def _is_there(account: Account, target: Target) -> bool:
    arn = target.arn(account.where)
    match target.service:
        case "lambda":
            with ignoring_aws_error("ResourceNotFoundException"):
                return bool(account.functions.get_function_configuration(FunctionName=arn))
        case "sns":
            with ignoring_aws_error("NotFound"):
                return bool(account.sns.get_topic_attributes(TopicArn=arn))
        case "sqs":
            # SQS still uses the error code of its older protocol.
            with ignoring_aws_error("AWS.SimpleQueueService.NonExistentQueue"), ignoring_aws_error("QueueDoesNotExist"):
                return bool(_queue_url(account, target))
        case "states":
            with ignoring_aws_error("StateMachineDoesNotExist"):
                return bool(account.client("stepfunctions").describe_state_machine(stateMachineArn=arn))
        case "logs":
            found = account.logs.describe_log_groups(logGroupNamePrefix=target.name)["logGroups"]
            return any(group["logGroupName"] == target.name for group in found)
        case "events":
            with ignoring_aws_error("ResourceNotFoundException"):
                return bool(account.client("events").describe_event_bus(Name=target.name))
    return False


def _queue_url(account: Account, target: Target) -> str:
    url: str = account.client("sqs").get_queue_url(QueueName=target.name)["QueueUrl"]
    return url


def _read(account: Account, target: Target) -> dict[str, Any]:
    if target.service == "sns":
        attributes: Mapping[str, str] = account.sns.get_topic_attributes(TopicArn=target.arn(account.where))[
            "Attributes"
        ]
    else:
        attributes = (
            account.client("sqs")
            .get_queue_attributes(QueueUrl=_queue_url(account, target), AttributeNames=["Policy"])
            .get("Attributes", {})
        )
    policy: dict[str, Any] = json.loads(attributes.get("Policy") or "{}")
    return policy


def _write(account: Account, target: Target, policy: dict[str, Any]) -> None:
    # An empty text removes a queue's policy. A topic always has a statement of its own.
    text = json.dumps(policy) if policy["Statement"] else ""
    if target.service == "sns":
        account.sns.set_topic_attributes(
            TopicArn=target.arn(account.where), AttributeName="Policy", AttributeValue=text
        )
    else:
        account.client("sqs").set_queue_attributes(QueueUrl=_queue_url(account, target), Attributes={"Policy": text})
