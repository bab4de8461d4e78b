"""``make deploy``: render → data and foundation → Chalice → wiring → attributes of what Chalice owns.

Every step finds what is there and makes it what it should be, so a run that was interrupted is mended by the next.
Nothing here knows whether AWS or the local stack answers.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from chalicelib.functions import functions_of
from chalicelib.logic import gateway
from chalicelib.settings import APP, Stage
from ops import alarms, record, render, stacks, wiring
from ops.account import Account
from ops.config import StageConfig
from ops.errors import OpsError, unless

if TYPE_CHECKING:
    from types_boto3_apigateway.literals import GatewayResponseTypeType

CHALICE = Path(__file__).with_name("chalice_cli.py")

Say = Callable[[str], None]
"""Takes one line for the person who watches."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One stage of one checkout in one account."""

    root: Path
    config: StageConfig
    account: Account
    environ: Mapping[str, str]
    say: Say

    @property
    def stage(self) -> Stage:
        return self.config.stage

    @property
    def tags(self) -> dict[str, str]:
        return {"app": APP, "stage": self.stage.name}


def deploy(it: Deployment, stages: Mapping[str, StageConfig]) -> None:
    """Bring one stage into the account, or up to date there."""
    stage = it.stage
    where = it.account.where
    it.say(f"Stage {stage.name} in account {where.account}, {where.region}")
    render.write(it.root, render.generated(stages))
    render.write(it.root, render.policies(stage, where))
    it.say("rendered    policies and configuration")
    _data(it)
    _foundation(it)
    _key(it)
    _chalice(it)
    _wiring(it)
    subscribe_to_alarms(it)
    _attributes(it)
    _canary(it)


def destroy(it: Deployment, *, data: bool) -> None:
    """Undo :func:`deploy`; the messages stay unless ``data`` is true."""
    cloudformation, ssm, stage = it.account.cloudformation, it.account.ssm, it.stage
    where = it.account.where
    it.say(f"Stage {stage.name} in account {where.account}, {where.region}")
    _said(it, "wiring", _deleted(stacks.delete(cloudformation, stacks.wiring(stage))))
    if record.fetch(ssm, stage, it.root):
        render.write(it.root, render.policies(stage, where))
        _run_chalice(it, "delete")
        record.forget(ssm, stage)
        _said(it, "functions", "deleted")
    else:
        _said(it, "functions", "were not there")
    for spec in functions_of(stage):
        with unless("ResourceNotFoundException"):
            it.account.logs.delete_log_group(logGroupName=stage.log_group(spec.name))
    _said(it, "foundation", _deleted(stacks.delete(cloudformation, stacks.foundation(stage))))
    _said(it, "secrets", f"kept: what you set under {stage.parameters}/ in Parameter Store")
    if stacks.status(cloudformation, stacks.data(stage)) is None:
        _said(it, "data", _deleted(False))
        return
    if not data:
        _said(
            it, "data", f"kept: messages and dead letters. To delete them: make destroy STAGE={stage.name} DATA=delete"
        )
        return
    stacks.delete(cloudformation, stacks.data(stage))
    with unless("ResourceNotFoundException"):
        it.account.dynamodb.delete_table(TableName=stage.table)
    # Until it is gone, nothing of its name can be made.
    it.account.dynamodb.get_waiter("table_not_exists").wait(
        TableName=stage.table, WaiterConfig={"Delay": 2, "MaxAttempts": 150}
    )
    _said(it, "data", "deleted")


def _deleted(there: bool) -> str:
    return "deleted" if there else "was not there"


def _said(it: Deployment, step: str, what: str) -> None:
    it.say(f"{step:<11} {what}")


def _data(it: Deployment) -> None:
    stage = it.stage
    template = (it.root / "infra/data.yaml").read_text(encoding="utf-8")
    done = stacks.apply(
        it.account.cloudformation,
        stacks.data(stage),
        template,
        {
            "TableName": stage.table,
            "TopicName": stage.topic,
            "BusName": stage.bus,
            "Prefix": stacks.prefix(stage),
        },
        it.tags,
    )
    _said(it, "data", done)


def _foundation(it: Deployment) -> None:
    stage = it.stage
    template = (it.root / "infra/foundation.yaml").read_text(encoding="utf-8")
    # A deployment of API Gateway is a snapshot that nothing updates: a new template needs a new one.
    fingerprint = hashlib.sha256(template.encode()).hexdigest()[:8]
    done = stacks.apply(
        it.account.cloudformation,
        stacks.foundation(it.stage),
        template.replace("SendEventDeployment", f"SendEventDeployment{fingerprint}"),
        {
            "TopicName": stage.topic,
            "BusName": stage.bus,
            "Prefix": stacks.prefix(stage),
            "SendEvent": "on" if it.config.send_event else "off",
            "ApiStage": render.API_STAGE,
            "ThrottleRate": str(it.config.rate),
            "ThrottleBurst": str(it.config.burst),
        },
        it.tags,
    )
    _said(it, "foundation", done)


def _key(it: Deployment) -> None:
    """Make the stage's key, once: what it signed and hashed is worth nothing under another."""
    if not it.stage.needs_key:
        return
    done = "unchanged"
    with unless("ParameterAlreadyExists"):
        it.account.ssm.put_parameter(
            Name=it.stage.key,
            Description="Herald: signs challenges and hides addresses; made by the deployment",
            Value=secrets.token_hex(32),
            Type="SecureString",
        )
        done = "created"
    _said(it, "key", done)


def _chalice(it: Deployment) -> None:
    ssm, stage = it.account.ssm, it.stage
    record.fetch(ssm, stage, it.root)
    try:
        _run_chalice(it, "deploy")
    finally:
        # Also after a failure: Chalice has written down what it made until then.
        record.store(ssm, stage, it.root)
    _said(it, "functions", f"deployed: {', '.join(spec.name for spec in functions_of(stage))}")


def _run_chalice(it: Deployment, command: str) -> None:
    ran = subprocess.run(
        [sys.executable, str(CHALICE), command, "--stage", it.stage.name],
        cwd=it.root,
        env=dict(it.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )
    if ran.returncode:
        raise OpsError(
            f"chalice {command} --stage {it.stage.name} failed:\n{ran.stdout}{ran.stderr}\n{advice(ran.stderr)}"
            "What it made until then is recorded; run the same command again once this is mended."
        )


def advice(said: str) -> str:
    """What to do about an error of Chalice that the owner's own settings cause; empty for any other.

    Lambda keeps some concurrency of an account unreserved, all that a new account has:
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    """
    if "UnreservedConcurrentExecution" not in said:
        return ""
    return (
        "This account can't reserve so much concurrency. Take `reserved` out of [delivery] in herald.toml, or ask AWS\n"
        "for more: Service Quotas, AWS Lambda, Concurrent executions.\n"
    )


def _wiring(it: Deployment) -> None:
    template = (it.root / render.wiring_file(it.stage.name)).read_text(encoding="utf-8")
    queues = stacks.outputs(it.account.cloudformation, stacks.data(it.stage))
    done = stacks.apply(
        it.account.cloudformation,
        stacks.wiring(it.stage),
        template,
        {name: queues[name] for name in (wiring.RULE_DEAD_LETTERS, wiring.FAILED_EVENTS)}
        | ({alarms.EMAIL: it.config.alarms_to} if it.config.alarms_to else {}),
        it.tags,
    )
    _said(it, "wiring", done)


def subscribe_to_alarms(it: Deployment) -> None:
    """Say whether alarms reach their address, and ask it again for its confirmation where SNS has given up waiting.

    SNS deletes a subscription that nobody confirms within 48 hours, and CloudFormation doesn't see that:
    https://aws.amazon.com/about-aws/whats-new/2023/05/amazon-sns-automatic-deletion-unconfirmed-subscriptions/
    """
    address = it.config.alarms_to
    if address is None:
        return
    topic = stacks.outputs(it.account.cloudformation, stacks.wiring(it.stage))[alarms.TOPIC]
    found = _subscriptions(it, topic).get(address)
    if found in (None, "Deleted"):
        found = it.account.sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)["SubscriptionArn"]
    # Until then there stands `PendingConfirmation` or `pending confirmation` in the place of an ARN.
    if found.startswith("arn:"):
        _said(it, "alarms", f"go to {address}")
    else:
        _said(it, "alarms", f"go to {address} ONCE the link in the mail from AWS was opened, within 48 hours")


def _attributes(it: Deployment) -> None:
    """What belongs to Chalice's resources and Chalice can't set; a redeploy by Chalice may have dropped it."""
    stage = it.stage
    topic = stacks.outputs(it.account.cloudformation, stacks.foundation(stage))["TopicArn"]
    dead_letters = stacks.outputs(it.account.cloudformation, stacks.data(stage))["TopicDeadLettersArn"]
    sns = it.account.sns
    for spec in functions_of(stage):
        if spec.trigger.kind == "topic":
            endpoint = it.account.where.arn("lambda", f"function:{stage.function(spec.name)}")
            subscription = _subscription(it, topic, endpoint)
            sns.set_subscription_attributes(
                SubscriptionArn=subscription,
                AttributeName="RedrivePolicy",
                AttributeValue=json.dumps({"deadLetterTargetArn": dead_letters}),
            )
    api = record.rest_api_id(record.read(it.account.ssm, stage))
    if api is None:
        raise OpsError("chalice deploy recorded no REST API; run the same command again")
    it.account.apis.update_stage(
        restApiId=api,
        stageName=render.API_STAGE,
        patchOperations=[
            {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": str(it.config.rate)},
            {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": str(it.config.burst)},
        ],
    )
    _gateway_answers(it, api)
    for spec in functions_of(stage):
        _keep_logs(it, stage.log_group(spec.name))
    _said(it, "attributes", "dead letters of the subscription, throttling, the gateway's own answers, log retention")


def _canary(it: Deployment) -> None:
    """Send the first one now: its schedule begins with an interval, and until then the alarm would sound."""
    if not it.stage.canary:
        return
    it.account.functions.invoke(FunctionName=it.stage.function("canary"), InvocationType="Event", Payload=_scheduled())
    _said(it, "canary", "sent; if it gets through, on_success logs it")


def _scheduled() -> bytes:
    """What a schedule runs a function with, as far as Chalice reads it:
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html"""
    texts = dict.fromkeys(("version", "id", "account", "time", "region"), "")
    named = {"detail-type": "Scheduled Event", "source": "aws.events", "resources": [], "detail": {}}
    return json.dumps(texts | named).encode()


def _gateway_answers(it: Deployment, api: str) -> None:
    """Let the gateway's own answers be problem documents that a page's script may read; a deploy by Chalice drops them.

    They come before any code of ours, so they can't know the site: several origins share ``*``, which gives away
    nothing, as these answers hold nothing and no request has credentials.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
    """
    origins = {origin for site in it.stage.sites.values() for origin in site.origins}
    allowed = origins.pop() if len(origins) == 1 else "*"
    for answer in gateway.ANSWERS:
        headers = {
            "Content-Type": "application/problem+json",
            "Access-Control-Allow-Origin": allowed,
            "Access-Control-Expose-Headers": "Retry-After",
            "Vary": "Origin",
        }
        if answer.retry_after:
            headers["Retry-After"] = str(answer.retry_after)
        it.account.apis.put_gateway_response(
            restApiId=api,
            responseType=cast("GatewayResponseTypeType", answer.code),
            **({"statusCode": str(answer.status)} if answer.status else {}),
            responseParameters={f"gatewayresponse.header.{name}": f"'{value}'" for name, value in headers.items()},
            responseTemplates={"application/json": json.dumps(answer.body())},
        )
    it.account.apis.create_deployment(restApiId=api, stageName=render.API_STAGE)


def _subscription(it: Deployment, topic: str, endpoint: str) -> str:
    found = _subscriptions(it, topic).get(endpoint)
    if found is None:
        raise OpsError(f"{endpoint} is not subscribed to {topic}; run the same command again")
    return found


def _subscriptions(it: Deployment, topic: str) -> dict[str, str]:
    """The subscriptions of a topic, by their endpoints."""
    pages = it.account.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    return {each["Endpoint"]: each["SubscriptionArn"] for page in pages for each in page["Subscriptions"]}


def _keep_logs(it: Deployment, group: str) -> None:
    with unless("ResourceAlreadyExistsException"):
        it.account.logs.create_log_group(logGroupName=group, tags=it.tags)
    it.account.logs.put_retention_policy(logGroupName=group, retentionInDays=it.config.log_retention_days)
