"""What a queue or topic of the owner's must allow, before a rule or Herald's topic can send there.

CloudFormation has no way to add to a policy that is not the stack's own: ``AWS::SQS::QueuePolicy`` and
``AWS::SNS::TopicPolicy`` set the whole of it. So a deployment lays one statement for each rule and subscriber beside
what stands there, by a ``Sid`` of its own, before rules and subscriptions are made, and takes away those that are not
needed any more when these are gone. Where any may lie is written down first, in Parameter Store. docs/decisions/0017.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chalicelib.settings import Stage
from ops.aws.account import Account
from ops.config.extensions import Extensions
from ops.config.targets import Target
from ops.errors import OpsError, ignoring_aws_error
from ops.naming import AwsLocation
from ops.templates.extension_policies import Statement, merged_policy, statements


def check(account: Account, extensions: Extensions) -> None:
    """Raise an :class:`OpsError` that names every target which is not there, before anything is changed."""
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
        raise OpsError("\n".join(["herald.toml names what can't be sent to:", *lines]))


def written(extensions: Extensions, stage: Stage, where: AwsLocation) -> dict[str, list[Statement]]:
    """:func:`statements` by the names of the targets, as a release keeps them."""
    return {str(target): found for target, found in statements(extensions, stage, where).items()}


def read(kept: Mapping[str, list[Statement]]) -> dict[Target, list[Statement]]:
    """What was :func:`written`."""
    pairs = ((name.partition(":"), found) for name, found in kept.items())
    return {Target(service, name): found for (service, _, name), found in pairs}


WantedStatements = Mapping[Target, list[Statement]]


def grant(account: Account, stage: Stage, wanted: WantedStatements) -> list[str]:
    """Lay the statements that are wanted, and leave the stage's others; the names of what was changed.

    To be called before the wiring is applied: then nothing is sent that is not let in.
    """
    _write_down(account, stage, {**_lying(account, stage), **wanted})
    return [str(target) for target in wanted if _lay(account, stage, target, wanted[target], others=True)]


def revoke(account: Account, stage: Stage, wanted: WantedStatements) -> list[str]:
    """Take the stage's statements away that are not wanted; the names of what was changed.

    To be called after the wiring was applied: then nothing is taken from what still sends.
    """
    lying = {**_lying(account, stage), **wanted}
    changed = [str(target) for target in lying if _lay(account, stage, target, wanted.get(target, []), others=False)]
    _write_down(account, stage, wanted)
    return changed


def _parameter(stage: Stage) -> str:
    return f"{stage.parameters}/deployed/let-in"


def _lying(account: Account, stage: Stage) -> dict[Target, None]:
    """Where statements of the stage may lie."""
    with ignoring_aws_error("ParameterNotFound"):
        found = account.ssm.get_parameter(Name=_parameter(stage))["Parameter"]["Value"]
        return {Target(service, name): None for service, _, name in (each.partition(":") for each in found.split())}
    return {}


def _write_down(account: Account, stage: Stage, targets: Iterable[Target]) -> None:
    names = " ".join(sorted(map(str, targets)))
    if names:
        account.ssm.put_parameter(Name=_parameter(stage), Value=names, Type="String", Overwrite=True)
        return
    with ignoring_aws_error("ParameterNotFound"):
        account.ssm.delete_parameter(Name=_parameter(stage))


def _lay(account: Account, stage: Stage, target: Target, wanted: Sequence[Statement], *, others: bool) -> bool:
    """Whether the policy had to be changed."""
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
            # Its older protocol had another name for it, which SQS still gives.
            with ignoring_aws_error("AWS.SimpleQueueService.NonExistentQueue"), ignoring_aws_error("QueueDoesNotExist"):
                return bool(_queue_url(account, target))
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
    # Without any statement it is none; the topics of SNS always have one that came before ours.
    text = json.dumps(policy) if policy["Statement"] else ""
    if target.service == "sns":
        account.sns.set_topic_attributes(
            TopicArn=target.arn(account.where), AttributeName="Policy", AttributeValue=text
        )
    else:
        account.client("sqs").set_queue_attributes(QueueUrl=_queue_url(account, target), Attributes={"Policy": text})
