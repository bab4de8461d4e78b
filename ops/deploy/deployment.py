"""``make deploy``: render → data and foundation → Chalice → wiring → attributes of what Chalice owns.

Every step finds what is there and makes it what it should be, so a run that was interrupted is mended by the next.
Nothing here knows whether AWS or the local stack answers.
"""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn, cast

from chalicelib.functions import functions_of
from chalicelib.settings import APP, Stage
from ops.aws import account_guard, partitions, rest_api
from ops.aws import cloudformation as stacks
from ops.aws.account import Account
from ops.config.loader import LOCAL, StageConfig
from ops.deploy import chalice_state, drift, lock, target_policies
from ops.deploy.release import BOUNDARY, PYTHON, Release, StackPlan, data, plan
from ops.deploy.release_history import Releases, rollback_target
from ops.deploy.steps import Step, take
from ops.errors import OpsError, ignoring_aws_error, short_traceback
from ops.generate import render
from ops.templates import alarms, pipeline_roles

if TYPE_CHECKING:
    from types_boto3_apigateway.literals import GatewayResponseTypeType
    from types_boto3_cloudformation import CloudFormationClient

CHALICE = Path(__file__).with_name("chalice_entry.py")
PACKAGE = Path(".chalice/deployments/current")
"""The file in which ``chalice_cli.py`` writes the name of the package that it made or took up."""

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
    kept: bool = False
    """Whether it holds what was kept of a release, and no code that anybody should run."""

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
        target_policies.check(it.account, it.config.extensions)
        account_guard.record(it.root, it.config, it.account.where)
        render.write(it.root, render.generated(stages))
        render.write(it.root, render.policies(it.stage, it.account.where))
        it.say("rendered    policies and configuration")
        release, kept = plan(it.root, it.config, it.account.where), Releases(it.stage, it.account)
        kept.set_current(kept.current().release, whole=False)
        take(
            [
                Step("data", f"stack {stacks.data(it.stage)}: table, dead letters", lambda: _data(it)),
                *_steps(it, release),
                *([Step("canary", "the first one, at once", lambda: _canary(it))] if it.stage.canary else []),
                Step("kept", "what a rollback needs", lambda: _keep(it, release, kept)),
            ],
            it.say,
            _advice(it, "deploy"),
        )


def rollback(it: Deployment, to: str | None = None) -> None:
    """Put the code, configuration and wiring of an earlier release back; the table and what is in it stay.

    Without ``to`` it is the one before what stands, or what stood before a deployment that broke off. Nothing of the
    checkout is used, and nothing in it changes.
    """
    kept = Releases(it.stage, it.account)
    with _alone(it, "rollback"):
        target = to or rollback_target(kept.current(), kept.ids(), it.stage)
        release = kept.get(target)
        if release.python != PYTHON:
            raise OpsError(
                f"release {target} was made for {release.python}, and this is {PYTHON}. Nothing was done.\n"
                f"Run: make clean, then: make rollback STAGE={it.stage.name} PYTHON={release.python}"
            )
        if why := release.app.get("code"):
            raise OpsError(
                f"release {target} can't be put back without running code from the bucket, as {why}. Nothing was done."
                f"\nCheck its commit out and run: make deploy STAGE={it.stage.name}"
            )
        there = replace(it, root=it.root / ".herald" / "rollback" / it.stage.name, kept=True)
        kept.lay_out(target, release, there.root)
        it.say(f"fetched     release {target}, as it was deployed")
        kept.set_current(target, whole=False)
        take(
            [
                *_steps(there, release),
                Step("recorded", f"that {target} stands", lambda: kept.set_current(target, whole=True)),
            ],
            it.say,
            _advice(it, "rollback"),
        )
        it.say(f"The checkout is as it was; make deploy STAGE={it.stage.name} brings what it holds.")


def _steps(it: Deployment, release: Release) -> list[Step]:
    """What brings a release about, on top of the data stack."""
    names = [release.foundation.name, release.wiring.name]
    alarms_to = release.alarms_to
    return [
        Step("foundation", f"stack {names[0]}: topic, bus, releases", lambda: _apply(it, release.foundation)),
        *([Step("key", f"parameter {it.stage.key}", lambda: _key(it))] if it.stage.needs_key else []),
        Step("functions", "chalice deploy: functions, their roles, the API", lambda: _chalice(it, release)),
        Step("wiring", f"stack {names[1]}: rules, destinations, permissions", lambda: _wiring(it, release)),
        *([Step("alarms", "by mail", lambda: subscribe_to_alarms(it, alarms_to))] if alarms_to else []),
        Step("attributes", "what Chalice can't set", lambda: _attributes(it, release)),
    ]


def _keep(it: Deployment, release: Release, kept: Releases) -> str:
    package = it.root / ".chalice" / "deployments" / (it.root / PACKAGE).read_text(encoding="utf-8")
    return f"release {kept.keep(release.packed(package).deployed(it.root), package)}"


def destroy(it: Deployment, *, data: bool) -> None:
    """Undo :func:`deploy`; the messages stay unless ``data`` is true."""
    cloudformation, stage = it.account.cloudformation, it.stage
    with _alone(it, "destroy"):
        steps = [
            Step("wiring", f"stack {stacks.wiring(stage)}", lambda: _delete_wiring(it)),
            Step("functions", "chalice delete: functions, their roles, the API", lambda: _chalice_delete(it)),
            Step("releases", "what a rollback needs", lambda: Releases(stage, it.account).delete_all()),
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
    account_guard.confirm(it.root, it.config, where)
    it.say(f"Stage {it.stage.name} in account {where.account}, {where.region}")
    with _ends_in_order(), lock.held(it.account.ssm, it.stage, command, it.say):
        yield


@contextmanager
def _ends_in_order() -> Iterator[None]:
    """Let SIGTERM, with which a pipeline ends what it runs, do what Ctrl-C does."""

    def end(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _advice(it: Deployment, command: str) -> str:
    """What to run after an end before the end; nothing for the local stack, where ``make run`` says it."""
    if it.stage.name == LOCAL:
        return ""
    again = {
        "deploy": f"make deploy STAGE={it.stage.name}",
        "rollback": f"make rollback STAGE={it.stage.name}",
        "destroy": f"make destroy STAGE={it.stage.name}, with DATA=delete if it was given",
    }
    other = " To take all of it away instead: " + f"make destroy STAGE={it.stage.name}" if command == "deploy" else ""
    return f"Run next:   {again[command]}. Every step finds what is there and goes on from it.{other}\n"


def _chalice_delete(it: Deployment) -> str:
    ssm, stage = it.account.ssm, it.stage
    known = chalice_state.read(ssm, stage)
    api = rest_api.of_stage(it.account.apis, it.tags)
    if known is None and api is None:
        return "were not there"
    chalice_state.keep(
        ssm, stage, it.root, chalice_state.expecting(known, _schedules(stage), stage, it.account.where, api)
    )
    render.write(it.root, render.policies(stage, it.account.where))
    _run_chalice(it, "delete")
    chalice_state.forget(ssm, stage)
    return "deleted"


def _schedules(stage: Stage) -> dict[str, bool]:
    return {spec.name: spec.trigger.kind == "schedule" for spec in functions_of(stage)}


def _delete_logs(it: Deployment) -> None:
    """Of all functions that the stage ever had: one that its configuration has left keeps its log until now.

    None of them stands any more. A function of the owner's whose name begins like theirs does, and keeps its log.
    """
    first = it.stage.log_group("api_handler")
    pages = it.account.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=first)
    for group in [each["logGroupName"] for page in pages for each in page["logGroups"]]:
        if (group == first or group.startswith(f"{first}-")) and not _stands(it, group.rpartition("/")[2]):
            with ignoring_aws_error("ResourceNotFoundException"):
                it.account.logs.delete_log_group(logGroupName=group)


def _stands(it: Deployment, function: str) -> bool:
    with ignoring_aws_error("ResourceNotFoundException"):
        it.account.functions.get_function(FunctionName=function)
        return True
    return False


def _delete_data(it: Deployment, delete: bool) -> str:
    cloudformation, stage = it.account.cloudformation, it.stage
    if not delete:
        if stacks.status(cloudformation, stacks.data(stage)) is None:
            return "was not there"
        return f"kept: messages and dead letters. To delete them: make destroy STAGE={stage.name} DATA=delete"
    # The stack leaves the table, and a run that broke off may have left the table alone.
    found = stacks.delete(cloudformation, stacks.data(stage))
    _protect(it, protected=False)
    with ignoring_aws_error("ResourceNotFoundException"):
        it.account.dynamodb.delete_table(TableName=stage.table)
        found = True
    # Until it is gone, nothing of its name can be made.
    it.account.dynamodb.get_waiter("table_not_exists").wait(
        TableName=stage.table, WaiterConfig={"Delay": 2, "MaxAttempts": 150}
    )
    account_guard.forget(it.root, stage.name)
    return "deleted" if found else "was not there"


def _deleted(cloudformation: CloudFormationClient, stack: str) -> str:
    return "deleted" if stacks.delete(cloudformation, stack) else "was not there"


def _data(it: Deployment) -> str:
    """The table and the queues. CloudFormation itself must not protect the table: it undoes a creation that failed."""
    done = _apply(it, data(it.root, it.stage))
    _protect(it, protected=True)
    return done


def _protect(it: Deployment, *, protected: bool) -> None:
    """Let nobody delete the table by one call, or let it be deleted.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithTables.Basics.html
    """
    with ignoring_aws_error("ResourceNotFoundException"):
        found = it.account.dynamodb.describe_table(TableName=it.stage.table)["Table"]
        if found.get("DeletionProtectionEnabled", False) != protected:
            it.account.dynamodb.update_table(TableName=it.stage.table, DeletionProtectionEnabled=protected)
            it.account.dynamodb.get_waiter("table_exists").wait(
                TableName=it.stage.table, WaiterConfig={"Delay": 2, "MaxAttempts": 150}
            )


def _apply(it: Deployment, plan: StackPlan) -> str:
    outputs = stacks.outputs(it.account.cloudformation, stacks.data(it.stage)) if plan.of_data else {}
    parameters = {**current_parameters(it, plan), **{name: outputs[name] for name in plan.of_data}}
    upload = Releases(it.stage, it.account).upload_template
    return stacks.apply(it.account.cloudformation, plan.name, plan.template, parameters, it.tags, upload)


def current_parameters(it: Deployment, plan: StackPlan) -> dict[str, str]:
    """A stack's parameters, with the boundary that the account has now, whenever the plan was made."""
    return {**plan.parameters, **({BOUNDARY: find_boundary(it)} if BOUNDARY in plan.parameters else {})}


def find_boundary(it: Deployment) -> str:
    """The ARN of the permissions boundary of the stage's roles; empty where the stage has no pipeline to bound."""
    arn = pipeline_roles.boundary(it.stage, it.account.where)
    with ignoring_aws_error("NoSuchEntity"):
        it.account.client("iam").get_policy(PolicyArn=arn)
        return arn
    return ""


def _key(it: Deployment) -> str:
    """Make the stage's key, once: what it signed and hashed is worth nothing under another."""
    with ignoring_aws_error("ParameterAlreadyExists"):
        it.account.ssm.put_parameter(
            Name=it.stage.key,
            Description="Herald: signs challenges and hides addresses; made by the deployment",
            Value=secrets.token_hex(32),
            Type="SecureString",
        )
        return "created"
    return "unchanged"


def _chalice(it: Deployment, release: Release) -> str:
    """Have Chalice deploy, after everything that it may make is written down in the account.

    Chalice finds functions, roles, rules and subscriptions by their names, but the API by its record alone. So the API
    is made here, with tags by which it is found again, and Chalice fills it.
    """
    ssm, stage = it.account.ssm, it.stage
    known = chalice_state.read(ssm, stage)
    api = rest_api.standing(it.account.apis, chalice_state.rest_api_id(known)) or rest_api.of_stage(
        it.account.apis, it.tags
    )
    if api is None:
        api = rest_api.create(it.account.apis, it.tags | (rest_api.SAME_ADDRESS if it.stage.name == LOCAL else {}))
    chalice_state.keep(
        ssm, stage, it.root, chalice_state.expecting(known, release.schedules, stage, it.account.where, api)
    )
    boundary = find_boundary(it)
    try:
        how = [*(["--kept"] if it.kept else []), *(["--within", boundary] if boundary else [])]
        _run_chalice(it, *how, "deploy")
    finally:
        # Also after a failure: Chalice has written down what it made until then.
        chalice_state.store(ssm, stage, it.root)
    within = f"; their roles within {boundary.rpartition('/')[2]}" if boundary else ""
    return f"deployed: {', '.join(each.name for each in release.functions)}{within}"


def _run_chalice(it: Deployment, *command: str) -> None:
    """Run Chalice in a process that ends with this one, and that a Ctrl-C lets write down what it has made."""
    with tempfile.TemporaryFile("w+") as said:
        code = _run_to_its_end(it, command, said)
        said.seek(0)
        words = said.read()
    if code:
        short = short_traceback(words, it.root)
        raise OpsError(f"chalice {command[-1]} --stage {it.stage.name} failed:\n{short}\n{advice(words)}".rstrip())


def _run_to_its_end(it: Deployment, command: Sequence[str], said: IO[str]) -> int:
    """The exit status. Standard input stays open while this process lives; its own session keeps Ctrl-C away."""
    process = subprocess.Popen(
        [sys.executable, str(CHALICE), "--until-stdin-closes", *command, "--stage", it.stage.name],
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
            raise OpsError(f"chalice {command[-1]} has not come to an end within 15 minutes") from None
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


def _wiring(it: Deployment, release: Release) -> str:
    wanted = target_policies.read(release.target_policies)
    # First, so that nothing is sent that is not let in.
    changed = target_policies.grant(it.account, it.stage, wanted)
    stacks.settle(it.account.cloudformation, release.wiring.name)
    lacking = drift.detect_drift(it.account, it.stage)
    if lacking.gone:
        _apply(it, replace(release.wiring, template=drift.remove_resources(release.wiring.template, lacking.gone)))
    done = _apply(it, release.wiring)
    drift.enable_rules(it.account, lacking)
    changed += target_policies.revoke(it.account, it.stage, wanted)
    changed_at = [f"let in at {', '.join(dict.fromkeys(changed))}"] if changed else []
    return "; ".join([done, *(f"mended: {line}" for line in lacking.lines()), *changed_at])


def _delete_wiring(it: Deployment) -> str:
    done = _deleted(it.account.cloudformation, stacks.wiring(it.stage))
    target_policies.revoke(it.account, it.stage, {})
    return done


def subscribe_to_alarms(it: Deployment, address: str) -> str:
    """Say whether alarms reach their address, and ask it again for its confirmation where SNS has given up waiting.

    SNS deletes a subscription that nobody confirms within 48 hours, and CloudFormation doesn't see that:
    https://aws.amazon.com/about-aws/whats-new/2023/05/amazon-sns-automatic-deletion-unconfirmed-subscriptions/
    """
    topic = stacks.outputs(it.account.cloudformation, stacks.wiring(it.stage))[alarms.TOPIC]
    found = _subscriptions(it, topic).get(address)
    if found in (None, "Deleted"):
        found = it.account.sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)["SubscriptionArn"]
    # Until then there stands `PendingConfirmation` or `pending confirmation` in the place of an ARN.
    if found.startswith("arn:"):
        return f"go to {address}"
    return f"go to {address} ONCE the link in the mail from AWS was opened, within 48 hours"


def _attributes(it: Deployment, release: Release) -> str:
    """What belongs to Chalice's resources and Chalice can't set; a redeploy by Chalice may have dropped it."""
    stage = it.stage
    topic = stacks.outputs(it.account.cloudformation, stacks.foundation(stage))["TopicArn"]
    dead_letters = stacks.outputs(it.account.cloudformation, stacks.data(stage))["TopicDeadLettersArn"]
    for each in release.functions:
        _keep_logs(it, each.log_group, release.log_retention_days)
        if each.subscribed:
            it.account.sns.set_subscription_attributes(
                SubscriptionArn=_subscription(it, topic, it.account.where.arn("lambda", f"function:{each.function}")),
                AttributeName="RedrivePolicy",
                AttributeValue=json.dumps({"deadLetterTargetArn": dead_letters}),
            )
            _let_topic_in(it, topic, each.function)
    api = chalice_state.rest_api_id(chalice_state.read(it.account.ssm, stage))
    if api is None:
        raise OpsError("chalice deploy recorded no REST API; run the same command again")
    it.account.apis.update_stage(
        restApiId=api,
        stageName=render.API_STAGE,
        patchOperations=[
            {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": str(release.rate)},
            {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": str(release.burst)},
            {"op": "replace", "path": "/tracingEnabled", "value": str(release.xray).lower()},
        ],
    )
    for name, answer in release.answers.items():  # A deploy by Chalice drops them.
        it.account.apis.put_gateway_response(
            restApiId=api, responseType=cast("GatewayResponseTypeType", name), **answer
        )
    it.account.apis.create_deployment(restApiId=api, stageName=render.API_STAGE)
    rest_api.tag(it.account, api, it.tags)
    return "dead letters of the subscription, throttling, the gateway's own answers, log retention, tags"


def _let_topic_in(it: Deployment, topic: str, function: str) -> None:
    """Let the topic run its subscriber. Chalice does so when it subscribes a function, and not when it makes one anew
    whose subscription still stands."""
    if not drift.permits(it.account, function, topic):
        it.account.functions.add_permission(
            FunctionName=function,
            StatementId=str(uuid.uuid4()),
            Action="lambda:InvokeFunction",
            Principal="sns.amazonaws.com",
            SourceArn=topic,
        )


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


def _subscription(it: Deployment, topic: str, endpoint: str) -> str:
    found = _subscriptions(it, topic).get(endpoint)
    if found is None:
        raise OpsError(f"{endpoint} is not subscribed to {topic}; run the same command again")
    return found


def _subscriptions(it: Deployment, topic: str) -> dict[str, str]:
    """The subscriptions of a topic, by their endpoints."""
    pages = it.account.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    return {each["Endpoint"]: each["SubscriptionArn"] for page in pages for each in page["Subscriptions"]}


def _keep_logs(it: Deployment, group: str, days: int) -> None:
    with ignoring_aws_error("ResourceAlreadyExistsException"):
        it.account.logs.create_log_group(logGroupName=group, tags=it.tags)
    it.account.logs.put_retention_policy(logGroupName=group, retentionInDays=days)
