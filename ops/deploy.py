"""``make deploy``: render → data and foundation → Chalice → wiring → attributes of what Chalice owns.

Every step finds what is there and makes it what it should be, so a run that was interrupted is mended by the next.
Nothing here knows whether AWS or the local stack answers.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from chalicelib.functions import functions_of
from chalicelib.logic import gateway
from chalicelib.settings import APP, Stage
from ops import alarms, lock, partitions, record, recorded, render, rest_api, stacks, wiring
from ops.account import Account
from ops.additions import let_in
from ops.config import StageConfig
from ops.errors import OpsError, unless
from ops.steps import Step, take

if TYPE_CHECKING:
    from types_boto3_apigateway.literals import GatewayResponseTypeType
    from types_boto3_cloudformation import CloudFormationClient

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
    partitions.refuse_lacking(it.config, it.account.where)
    with _alone(it, "deploy"):
        let_in.check(it.account, it.config.additions)
        recorded.record(it.root, it.config, it.account.where)
        steps = [
            Step("rendered", "policies and configuration", lambda: _rendered(it, stages)),
            Step("data", f"stack {stacks.data(it.stage)}: table, dead letters", lambda: _data(it)),
            Step("foundation", f"stack {stacks.foundation(it.stage)}: topic, bus", lambda: _foundation(it)),
            *([Step("key", f"parameter {it.stage.key}", lambda: _key(it))] if it.stage.needs_key else []),
            Step("functions", "chalice deploy: functions, their roles, the API", lambda: _chalice(it)),
            Step("wiring", f"stack {stacks.wiring(it.stage)}: rules, destinations, permissions", lambda: _wiring(it)),
            *([Step("alarms", "by mail", lambda: subscribe_to_alarms(it))] if it.config.alarms_to else []),
            Step("attributes", "what Chalice can't set", lambda: _attributes(it)),
            *([Step("canary", "the first one, at once", lambda: _canary(it))] if it.stage.canary else []),
        ]
        take(steps, it.say, _advice(it, "deploy"))


def destroy(it: Deployment, *, data: bool) -> None:
    """Undo :func:`deploy`; the messages stay unless ``data`` is true."""
    cloudformation, stage = it.account.cloudformation, it.stage
    with _alone(it, "destroy"):
        steps = [
            Step("wiring", f"stack {stacks.wiring(stage)}", lambda: _delete_wiring(it)),
            Step("functions", "chalice delete: functions, their roles, the API", lambda: _chalice_delete(it)),
            Step("logs", "the functions' log groups", lambda: _delete_logs(it)),
            Step(
                "foundation",
                f"stack {stacks.foundation(stage)}",
                lambda: _deleted(cloudformation, stacks.foundation(stage)),
            ),
            Step("secrets", f"what you set under {stage.parameters}/ in Parameter Store", lambda: "kept"),
            Step("data", f"stack {stacks.data(stage)}: table, dead letters", lambda: _delete_data(it, data)),
        ]
        take(steps, it.say, _advice(it, "destroy"))


@contextmanager
def _alone(it: Deployment, command: str) -> Iterator[None]:
    """Work on the stage where it is recorded to be, and nobody else at the same time."""
    where = it.account.where
    recorded.confirm(it.root, it.config, where)
    it.say(f"Stage {it.stage.name} in account {where.account}, {where.region}")
    with lock.held(it.account.ssm, it.stage, command, it.say):
        yield


def _advice(it: Deployment, command: str) -> str:
    """What to run after an end before the end."""
    again = {
        "deploy": f"make deploy STAGE={it.stage.name}",
        "destroy": f"make destroy STAGE={it.stage.name}, with DATA=delete if it was given",
    }
    other = " To take all of it away instead: " + f"make destroy STAGE={it.stage.name}" if command == "deploy" else ""
    return f"Run next:   {again[command]}. Every step finds what is there and goes on from it.{other}\n"


def _rendered(it: Deployment, stages: Mapping[str, StageConfig]) -> str:
    written = render.write(it.root, render.generated(stages))
    written += render.write(it.root, render.policies(it.stage, it.account.where))
    return f"{len(written)} files written" if written else "unchanged"


def _chalice_delete(it: Deployment) -> str:
    ssm, stage = it.account.ssm, it.stage
    known = record.read(ssm, stage)
    api = rest_api.of_stage(it.account.apis, it.tags)
    if known is None and api is None:
        return "were not there"
    record.keep(ssm, stage, it.root, record.expecting(known, stage, it.account.where, api))
    render.write(it.root, render.policies(stage, it.account.where))
    _run_chalice(it, "delete")
    record.forget(ssm, stage)
    return "deleted"


def _delete_logs(it: Deployment) -> None:
    for spec in functions_of(it.stage):
        with unless("ResourceNotFoundException"):
            it.account.logs.delete_log_group(logGroupName=it.stage.log_group(spec.name))


def _delete_data(it: Deployment, delete: bool) -> str:
    cloudformation, stage = it.account.cloudformation, it.stage
    if stacks.status(cloudformation, stacks.data(stage)) is None:
        return "was not there"
    if not delete:
        return f"kept: messages and dead letters. To delete them: make destroy STAGE={stage.name} DATA=delete"
    stacks.delete(cloudformation, stacks.data(stage))
    with unless("ResourceNotFoundException"):
        it.account.dynamodb.delete_table(TableName=stage.table)
    # Until it is gone, nothing of its name can be made.
    it.account.dynamodb.get_waiter("table_not_exists").wait(
        TableName=stage.table, WaiterConfig={"Delay": 2, "MaxAttempts": 150}
    )
    recorded.forget(it.root, stage.name)
    return "deleted"


def _deleted(cloudformation: CloudFormationClient, stack: str) -> str:
    return "deleted" if stacks.delete(cloudformation, stack) else "was not there"


def _data(it: Deployment) -> str:
    stage = it.stage
    template = (it.root / "infra/data.yaml").read_text(encoding="utf-8")
    return stacks.apply(
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


def _foundation(it: Deployment) -> str:
    stage = it.stage
    template = (it.root / "infra/foundation.yaml").read_text(encoding="utf-8")
    # A deployment of API Gateway is a snapshot that nothing updates: a new template needs a new one.
    fingerprint = hashlib.sha256(template.encode()).hexdigest()[:8]
    return stacks.apply(
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


def _key(it: Deployment) -> str:
    """Make the stage's key, once: what it signed and hashed is worth nothing under another."""
    with unless("ParameterAlreadyExists"):
        it.account.ssm.put_parameter(
            Name=it.stage.key,
            Description="Herald: signs challenges and hides addresses; made by the deployment",
            Value=secrets.token_hex(32),
            Type="SecureString",
        )
        return "created"
    return "unchanged"


def _chalice(it: Deployment) -> str:
    """Have Chalice deploy, after everything that it may make is written down in the account.

    Chalice finds functions, roles, rules and subscriptions by their names, but the API by its record alone. So the API
    is made here, with tags by which it is found again, and Chalice fills it.
    """
    ssm, stage = it.account.ssm, it.stage
    known = record.read(ssm, stage)
    api = rest_api.standing(it.account.apis, record.rest_api_id(known)) or rest_api.of_stage(it.account.apis, it.tags)
    if api is None:
        api = rest_api.create(it.account.apis, it.tags)
    record.keep(ssm, stage, it.root, record.expecting(known, stage, it.account.where, api))
    try:
        _run_chalice(it, "deploy")
    finally:
        # Also after a failure: Chalice has written down what it made until then.
        record.store(ssm, stage, it.root)
    return f"deployed: {', '.join(spec.name for spec in functions_of(stage))}"


def _run_chalice(it: Deployment, command: str) -> None:
    """Run Chalice in a process that ends with this one, and that a Ctrl-C lets write down what it has made."""
    with tempfile.TemporaryFile("w+") as said:
        code = _run_to_its_end(it, command, said)
        said.seek(0)
        words = said.read()
    if code:
        raise OpsError(f"chalice {command} --stage {it.stage.name} failed:\n{words}\n{advice(words)}".rstrip())


def _run_to_its_end(it: Deployment, command: str, said: IO[str]) -> int:
    """The exit status. Standard input stays open while this process lives; its own session keeps Ctrl-C away."""
    process = subprocess.Popen(
        [sys.executable, str(CHALICE), "--until-stdin-closes", command, "--stage", it.stage.name],
        cwd=it.root,
        env=dict(it.environ),
        stdin=subprocess.PIPE,
        stdout=said,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        return process.wait(900)
    except BaseException as error:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise OpsError(f"chalice {command} has not come to an end within 15 minutes") from None
        raise
    finally:
        if process.stdin:
            process.stdin.close()


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


def _wiring(it: Deployment) -> str:
    # First, so that nothing is sent that is not let in.
    changed = let_in.settle(it.account, it.stage, it.config.additions)
    template = (it.root / render.wiring_file(it.stage.name)).read_text(encoding="utf-8")
    queues = stacks.outputs(it.account.cloudformation, stacks.data(it.stage))
    done = stacks.apply(
        it.account.cloudformation,
        stacks.wiring(it.stage),
        template,
        {name: queues[name] for name in wiring.queues(it.config.additions)}
        | ({alarms.EMAIL: it.config.alarms_to} if it.config.alarms_to else {}),
        it.tags,
    )
    return f"{done}; let in at {', '.join(changed)}" if changed else done


def _delete_wiring(it: Deployment) -> str:
    let_in.take_back(it.account, it.stage)
    return _deleted(it.account.cloudformation, stacks.wiring(it.stage))


def subscribe_to_alarms(it: Deployment) -> str | None:
    """Say whether alarms reach their address, and ask it again for its confirmation where SNS has given up waiting.

    SNS deletes a subscription that nobody confirms within 48 hours, and CloudFormation doesn't see that:
    https://aws.amazon.com/about-aws/whats-new/2023/05/amazon-sns-automatic-deletion-unconfirmed-subscriptions/
    """
    address = it.config.alarms_to
    if address is None:
        return None
    topic = stacks.outputs(it.account.cloudformation, stacks.wiring(it.stage))[alarms.TOPIC]
    found = _subscriptions(it, topic).get(address)
    if found in (None, "Deleted"):
        found = it.account.sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)["SubscriptionArn"]
    # Until then there stands `PendingConfirmation` or `pending confirmation` in the place of an ARN.
    if found.startswith("arn:"):
        return f"go to {address}"
    return f"go to {address} ONCE the link in the mail from AWS was opened, within 48 hours"


def _attributes(it: Deployment) -> str:
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
    rest_api.tag(it.account, api, it.tags)
    return "dead letters of the subscription, throttling, the gateway's own answers, log retention, tags"


def _canary(it: Deployment) -> str:
    """Send the first one now: its schedule begins with an interval, and until then the alarm would sound."""
    it.account.functions.invoke(FunctionName=it.stage.function("canary"), InvocationType="Event", Payload=_scheduled())
    return "sent; if it gets through, on_success logs it"


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
