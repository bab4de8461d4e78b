"""Deploy, roll back and destroy a stage: the steps of each, in order.

Every step finds what exists and changes it to what it should be, so the next run repairs one that was interrupted.
The same steps work on AWS and on the local stack.
"""

from __future__ import annotations

import json
import secrets
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from chalicelib.functions import functions_of
from chalicelib.settings import Stage
from ops import naming
from ops.aws import account_guard, bucket, cloudformation, partitions, rest_api
from ops.aws.account import Account
from ops.config.loader import LOCAL, StageConfig
from ops.deploy import (
    alarm_subscription,
    api_domain,
    chalice_runner,
    chalice_state,
    drift,
    lock,
    settings_beyond_chalice,
    stage_addresses,
    target_policies,
    trigger_source_setup,
)
from ops.deploy.release import PLAIN_HTTP, PYTHON, Release, StackPlan, data, file_bucket, plan
from ops.deploy.release_history import Releases, rollback_target
from ops.deploy.step_runner import Step, run_steps
from ops.errors import OpsError, ignoring_aws_error
from ops.generate import render
from ops.templates import function_directory, pipeline_roles, trigger_resources
from ops.templates.common_resources import BOUNDARY
from ops.templates.domain import REST_API
from ops.templates.rules_subscribers_grants import has_roles

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import WaiterConfigTypeDef

PACKAGE = Path(".chalice/deployments/current")
"""The file in which lambda_zip.py writes the name of the zip that it made or used again."""
_TABLE_WAIT: WaiterConfigTypeDef = {"Delay": 2, "MaxAttempts": 150}

Report = Callable[[str], None]
"""Takes one line for the person who watches."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One stage of one checkout in one account."""

    root: Path
    config: StageConfig
    account: Account
    environ: Mapping[str, str]
    report: Report
    kept: bool = False
    """Whether ``root`` holds a release that was kept, whose code must not be run here."""

    @property
    def stage(self) -> Stage:
        return self.config.stage

    @property
    def tags(self) -> dict[str, str]:
        return naming.tags(self.stage)


def deploy(deployment: Deployment, stages: Mapping[str, StageConfig]) -> None:
    """Create a stage in the account, or update it."""
    stage, account = deployment.stage, deployment.account
    partitions.refuse_unavailable(deployment.config, account.where, deployment.report)
    with _exclusively(deployment, "deploy"):
        target_policies.check(account, deployment.config.extensions)
        if has_roles(deployment.config.extensions) and (boundary := find_boundary(deployment)):
            target_policies.check_boundary(account, stage, deployment.config.extensions, boundary)
        trigger_source_setup.check(account, stage)
        account_guard.record(deployment.root, deployment.config, account.where)
        render.write(deployment.root, render.configured(stages))
        render.write(deployment.root, render.policies(stage, account.where))
        deployment.report("rendered    policies and configuration")
        release = plan(deployment.root, deployment.config, account.where)
        releases = Releases(stage, account)
        releases.set_current(releases.current().release, whole=False)
        name, kept = cloudformation.data(stage), file_bucket(stage)
        run_steps(
            [
                Step("data", f"stack {name}: table, dead letters", lambda: _apply_data(deployment)),
                *(
                    [Step("files", f"stack {kept.name}: their bucket", lambda: _apply(deployment, kept))]
                    if kept
                    else []
                ),
                *_steps(deployment, release),
                *([Step("canary", "the first one, now", lambda: _send_canary(deployment))] if stage.canary else []),
                Step("kept", "the release, for a rollback", lambda: _keep(deployment, release, releases)),
            ],
            deployment.report,
            _advice(deployment, "deploy"),
        )
        if stage.autoreplies:
            # Asking SES would take a right that deploying doesn't need otherwise.
            deployment.report(
                "autoreply   reaches no stranger while SES keeps the account in its sandbox; whether it does:"
                f" ./herald doctor --stage {stage.name}"
            )


def rollback(deployment: Deployment, to: str | None = None) -> None:
    """Deploy the code, configuration and wiring of an earlier release; the table and its messages stay.

    Without ``to`` it is the release before the current one, or the current one where a later deployment failed half
    way. Neither uses nor changes the files of the checkout.
    """
    stage = deployment.stage
    releases = Releases(stage, deployment.account)
    with _exclusively(deployment, "rollback"):
        target = to or rollback_target(releases.current(), releases.ids(), stage)
        release = releases.get(target)
        if release.python != PYTHON:
            raise OpsError(
                f"release {target} was made for {release.python}, and this is {PYTHON}. Nothing was done.\n"
                f"Run: make clean, then: make rollback STAGE={stage.name} PYTHON={release.python}"
            )
        if reason := release.app.get("code"):
            raise OpsError(
                f"release {target} can't be put back without running code from the bucket: {reason}. Nothing was done."
                f"\nCheck its commit out and run: make deploy STAGE={stage.name}"
            )
        folder = deployment.root / ".herald" / "rollback" / stage.name
        releases.lay_out(target, release, folder)
        deployment.report(f"fetched     release {target}, as it was deployed")
        releases.set_current(target, whole=False)
        run_steps(
            [
                *_steps(replace(deployment, root=folder, kept=True), release),
                Step("recorded", f"{target} as the current release", lambda: releases.set_current(target, whole=True)),
            ],
            deployment.report,
            _advice(deployment, "rollback"),
        )
        deployment.report(f"The checkout is unchanged; to deploy it: make deploy STAGE={stage.name}")


def _steps(deployment: Deployment, release: Release) -> list[Step]:
    """The steps that deploy a release once the data stack exists."""
    stage, account = deployment.stage, deployment.account
    foundation, wiring, address = release.foundation, release.wiring, release.alarms_to
    has_domain = release.domain or cloudformation.status(account.cloudformation, cloudformation.domain(stage))
    alarms = Step("alarms", "by mail", lambda: alarm_subscription.subscribe(account, stage, str(address)))
    return [
        Step("foundation", f"stack {foundation.name}: topic, bus, releases", lambda: _apply(deployment, foundation)),
        *(
            [Step("key", f"parameter {stage.spam_key_parameter}", lambda: _create_key(deployment))]
            if stage.needs_key
            else []
        ),
        Step("functions", "chalice deploy: functions, their roles, the API", lambda: _run_chalice(deployment, release)),
        # At once: what Chalice has just deployed lacks them, and a later step may fail.
        Step("attributes", "what Chalice can't set", lambda: settings_beyond_chalice.apply(deployment, release)),
        *([Step("domain", "of the API", lambda: _apply_domain(deployment, release))] if has_domain else []),
        Step("wiring", f"stack {wiring.name}: rules, destinations, permissions", lambda: _wire(deployment, release)),
        *([alarms] if address else []),
    ]


def _keep(deployment: Deployment, release: Release, releases: Releases) -> str:
    name = (deployment.root / PACKAGE).read_text(encoding="utf-8")
    package = deployment.root / ".chalice" / "deployments" / name
    return f"release {releases.keep(release.packed(package).deployed(deployment.root), package)}"


def destroy(deployment: Deployment, *, data: bool) -> None:
    """Delete everything that :func:`deploy` made; the messages stay unless ``data`` is true."""
    stage, account = deployment.stage, deployment.account
    names = cloudformation.wiring(stage), cloudformation.foundation(stage), cloudformation.data(stage)
    domain = cloudformation.domain(stage)
    with _exclusively(deployment, "destroy"):
        has_domain = cloudformation.status(account.cloudformation, domain)
        files = has_files(deployment, data)
        steps = [
            *([Step("domain", f"stack {domain}", lambda: _delete_domain(deployment))] if has_domain else []),
            Step("wiring", f"stack {names[0]}", lambda: _delete_wiring(deployment)),
            Step("functions", "chalice delete: functions, their roles, the API", lambda: _chalice_delete(deployment)),
            Step("releases", "those kept for a rollback", lambda: Releases(stage, account).delete_all()),
            Step("logs", "the functions' log groups", lambda: _delete_logs(deployment)),
            Step("foundation", f"stack {names[1]}", lambda: _delete_stack(deployment, names[1])),
            Step("secrets", f"what you set under {stage.parameters}/ in Parameter Store", lambda: "kept"),
            *([Step("files", "their bucket", lambda: delete_files(deployment, delete=data))] if files else []),
            Step("data", f"stack {names[2]}: table, dead letters", lambda: _delete_data(deployment, data)),
        ]
        run_steps(steps, deployment.report, _advice(deployment, "destroy"))


@contextmanager
def _exclusively(deployment: Deployment, command: str) -> Iterator[None]:
    """Work on the stage in the account that is recorded for it, while no other run does."""
    where = deployment.account.where
    account_guard.confirm(deployment.root, deployment.config, where)
    account_guard.refuse_roles_of_another_region(deployment.account.client("iam"), deployment.config, where)
    deployment.report(f"Stage {deployment.stage.name} in account {where.account}, {where.region}")
    ssm, stage, report = deployment.account.ssm, deployment.stage, deployment.report
    with _interrupt_on_sigterm(), lock.held(ssm, stage, command, report, deleted_at_end=command == "destroy"):
        yield


@contextmanager
def _interrupt_on_sigterm() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C: a pipeline ends its commands with it."""

    def interrupt(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _advice(deployment: Deployment, command: str) -> str:
    """The next command after an interrupted run; empty for the local stack, where ``make run`` gives its own."""
    if deployment.stage.name == LOCAL:
        return ""
    again = f"make {command} STAGE={deployment.stage.name}"
    if command == "destroy":
        again += ", with DATA=delete if it was given"
    other = f" To delete all of it instead: make destroy STAGE={deployment.stage.name}" if command == "deploy" else ""
    return f"Run next:   {again}. Every step continues from what exists.{other}\n"


def _chalice_delete(deployment: Deployment) -> str:
    account, stage = deployment.account, deployment.stage
    known = chalice_state.read(account.ssm, stage)
    api = rest_api.of_stage(account.apis, deployment.tags)
    if known is None and api is None:
        return "did not exist"
    schedules = {spec.name: spec.trigger.kind == "schedule" for spec in functions_of(stage)}
    expected = chalice_state.expecting(known, schedules, stage, account.where, api)
    chalice_state.keep(account.ssm, stage, deployment.root, expected)
    render.write(deployment.root, render.policies(stage, account.where))
    chalice_runner.run(deployment.root, deployment.environ, stage.name, "delete")
    chalice_state.forget(account.ssm, stage)
    return "deleted"


def _delete_logs(deployment: Deployment) -> None:
    """Delete the log group of every function that the stage ever had.

    A log group of the owner's may have a name that begins the same: it is kept if a function of that name exists.
    """
    account, first = deployment.account, deployment.stage.log_group("api_handler")
    pages = account.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=first)
    for group in [found["logGroupName"] for page in pages for found in page["logGroups"]]:
        function = group.rpartition("/")[2]
        if (group == first or group.startswith(f"{first}-")) and not _function_exists(account, function):
            with ignoring_aws_error("ResourceNotFoundException"):
                account.logs.delete_log_group(logGroupName=group)


def _function_exists(account: Account, function: str) -> bool:
    with ignoring_aws_error("ResourceNotFoundException"):
        account.functions.get_function(FunctionName=function)
        return True
    return False


def has_files(deployment: Deployment, delete: bool) -> bool:
    """Whether the stack of the bucket of files stands or, to ``delete``, the bucket may: an interrupted run deletes the
    stack first."""
    stage = deployment.stage
    stack = cloudformation.status(deployment.account.cloudformation, cloudformation.files(stage))
    return stack is not None or (delete and stage.takes_files)


def delete_files(deployment: Deployment, *, delete: bool) -> str:
    """Delete the bucket of files with all that is in it, if ``delete``; says what was done."""
    account, stage = deployment.account, deployment.stage
    stack, name = cloudformation.files(stage), stage.files_bucket(account.where.region, account.where.account)
    if not delete:
        return "kept, as the messages are"
    bucket.empty(account.client("s3"), name)  # First, so that no interrupted run leaves files that no stack tells of.
    cloudformation.delete(account.cloudformation, stack)
    bucket.delete(account.client("s3"), name)  # The stack retains it.
    return "deleted"


def _delete_data(deployment: Deployment, delete: bool) -> str:
    account, stage = deployment.account, deployment.stage
    if not delete:
        if cloudformation.status(account.cloudformation, cloudformation.data(stage)) is None:
            return "did not exist"
        return f"kept: messages and dead letters. To delete them: make destroy STAGE={stage.name} DATA=delete"
    # The stack retains the table, and an interrupted run may have left the table alone.
    existed = cloudformation.delete(account.cloudformation, cloudformation.data(stage))
    _set_deletion_protection(deployment, protected=False)
    with ignoring_aws_error("ResourceNotFoundException"):
        account.dynamodb.delete_table(TableName=stage.table)
        existed = True
    # No table of this name can be created before this one is gone.
    account.dynamodb.get_waiter("table_not_exists").wait(TableName=stage.table, WaiterConfig=_TABLE_WAIT)
    account_guard.forget(deployment.root, stage.name)
    return "deleted" if existed else "did not exist"


def _delete_stack(deployment: Deployment, stack: str) -> str:
    return "deleted" if cloudformation.delete(deployment.account.cloudformation, stack) else "did not exist"


def _apply_data(deployment: Deployment) -> str:
    """Create or update the table and the queues.

    The table is protected afterwards and not by the template: CloudFormation must be able to undo a failed creation.
    """
    done = _apply(deployment, data(deployment.root, deployment.stage, deployment.account.where))
    _set_deletion_protection(deployment, protected=True)
    return done


def _set_deletion_protection(deployment: Deployment, *, protected: bool) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithTables.Basics.html"""
    dynamodb, table = deployment.account.dynamodb, deployment.stage.table
    with ignoring_aws_error("ResourceNotFoundException"):
        described = dynamodb.describe_table(TableName=table)["Table"]
        if described.get("DeletionProtectionEnabled", False) != protected:
            dynamodb.update_table(TableName=table, DeletionProtectionEnabled=protected)
            dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig=_TABLE_WAIT)


def _apply_domain(deployment: Deployment, release: Release) -> str:
    """Create, update or delete the stack of the API's own domain."""
    account, stage = deployment.account, deployment.stage
    cfn, name = account.cloudformation, cloudformation.domain(stage)
    if release.domain is None:
        return _delete_domain(deployment)
    if not cloudformation.record_asked_for(cfn, name):  # Else an earlier run has begun what now waits for a person.
        wait = partial(api_domain.await_stack_or_record, cfn, name) if release.waits_for_record else None
        _apply(deployment, release.domain, wait)
    return api_domain.report(account, stage)


def _delete_domain(deployment: Deployment) -> str:
    cfn, name = deployment.account.cloudformation, cloudformation.domain(deployment.stage)
    if cloudformation.record_asked_for(cfn, name):
        cloudformation.break_off(cfn, name)
        return "deleted"
    return _delete_stack(deployment, name)


def _apply(deployment: Deployment, plan: StackPlan, wait: Callable[[str], None] | None = None) -> str:
    account, stage = deployment.account, deployment.stage
    outputs = cloudformation.outputs(account.cloudformation, cloudformation.data(stage)) if plan.of_data else {}
    parameters = {**current_parameters(deployment, plan), **{name: outputs[name] for name in plan.of_data}}
    upload = Releases(stage, account).upload_template
    return cloudformation.apply(
        account.cloudformation,
        plan.name,
        plan.template,
        parameters,
        deployment.tags,
        upload,
        wait,
        lambda line: deployment.report(f"{'':<11} {line}"),
    )


def current_parameters(deployment: Deployment, plan: StackPlan) -> dict[str, str]:
    """A stack's parameters with what the account has now, whatever a release had: boundary, API, streams.

    On this machine the local AWS knows no TLS.
    """
    found = dict(plan.parameters)
    if PLAIN_HTTP in found:
        found[PLAIN_HTTP] = "on" if (deployment.account.endpoint or "").startswith("http://") else "off"
    if BOUNDARY in found:
        found[BOUNDARY] = find_boundary(deployment)
    if REST_API in found:
        found[REST_API] = chalice_state.rest_api_id(chalice_state.read(deployment.account.ssm, deployment.stage)) or ""
    if function_directory.API_ADDRESS in found:
        found[function_directory.API_ADDRESS] = stage_addresses.api(deployment.config, deployment.account) or ""
    for name, table in plan.parameters.items():
        if name.startswith(trigger_resources.STREAM):
            found[name] = trigger_source_setup.stream(deployment.account, table)
    return found


def find_boundary(deployment: Deployment) -> str:
    """The ARN of the permissions boundary for the stage's roles; empty for a stage without a pipeline."""
    arn = pipeline_roles.boundary(deployment.stage, deployment.account.where)
    with ignoring_aws_error("NoSuchEntity"):
        deployment.account.client("iam").get_policy(PolicyArn=arn)
        return arn
    return ""


def _create_key(deployment: Deployment) -> str:
    """Create the stage's key unless it exists: what one key signed and hashed is worthless under another."""
    with ignoring_aws_error("ParameterAlreadyExists"):
        deployment.account.ssm.put_parameter(
            Name=deployment.stage.spam_key_parameter,
            Description="Herald: signs challenges and hides addresses; made by the deployment",
            Value=secrets.token_hex(32),
            Type="SecureString",
        )
        return "created"
    return "unchanged"


def _run_chalice(deployment: Deployment, release: Release) -> str:
    """Run ``chalice deploy``, after recording in the account everything that it may create.

    Chalice finds functions, roles, rules and subscriptions by name, but the API by its record alone. So the API is
    created here, with tags by which the next run finds it, and Chalice fills it.
    """
    account, stage = deployment.account, deployment.stage
    known = chalice_state.read(account.ssm, stage)
    api = rest_api.standing(account.apis, chalice_state.rest_api_id(known))
    api = api or rest_api.of_stage(account.apis, deployment.tags)
    if api is None:
        tags = rest_api.SAME_ADDRESS if stage.name == LOCAL else {}
        api = rest_api.create(account.apis, deployment.tags | tags)
    expected = chalice_state.expecting(known, release.schedules, stage, account.where, api)
    chalice_state.keep(account.ssm, stage, deployment.root, expected)
    boundary = find_boundary(deployment)
    options = [*(["--kept"] if deployment.kept else []), *(["--within", boundary] if boundary else [])]
    try:
        chalice_runner.run(deployment.root, deployment.environ, stage.name, *options, "deploy")
    finally:
        # Also after a failure: Chalice has recorded what it made until then.
        chalice_state.store(account.ssm, stage, deployment.root)
    within = f"; their roles within {boundary.rpartition('/')[2]}" if boundary else ""
    return f"deployed: {', '.join(function.name for function in release.functions)}{within}"


def _wire(deployment: Deployment, release: Release) -> str:
    account, stage = deployment.account, deployment.stage
    settings_beyond_chalice.keep_logs(deployment, release)
    wanted = target_policies.read(release.target_policies)
    # Before the stack, so that rules never send to a queue that refuses them.
    changed = target_policies.grant(account, stage, wanted)
    cloudformation.settle(account.cloudformation, release.wiring.name)
    lost = drift.detect_drift(account, stage)
    # What the new template doesn't have, an update removes from the stack by itself.
    if any(name in drift.resource_names(release.wiring.template) for name in lost.gone):
        without = drift.remove_resources(release.wiring.template, lost.gone)
        _apply(deployment, replace(release.wiring, template=without))
    done = _apply(deployment, release.wiring)
    drift.enable_rules(account, lost)
    changed += target_policies.revoke(account, stage, wanted)
    access = [f"access changed at {', '.join(dict.fromkeys(changed))}"] if changed else []
    if buckets := trigger_source_setup.send_to_eventbridge(account, release.event_buckets):
        access.append(f"events of {', '.join(buckets)} go to EventBridge")
    return "; ".join([done, *(f"repaired: {line}" for line in lost.lines()), *access])


def _delete_wiring(deployment: Deployment) -> str:
    done = _delete_stack(deployment, cloudformation.wiring(deployment.stage))
    target_policies.revoke(deployment.account, deployment.stage, {})
    return done


def _send_canary(deployment: Deployment) -> str:
    """Run the canary once: its schedule begins with an interval, and until then the alarm would sound."""
    # What a schedule runs a function with, as far as Chalice reads it:
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html
    texts = dict.fromkeys(("version", "id", "account", "time", "region"), "")
    event = texts | {"detail-type": "Scheduled Event", "source": "aws.events", "resources": [], "detail": {}}
    deployment.account.functions.invoke(
        FunctionName=deployment.stage.function("canary"), InvocationType="Event", Payload=json.dumps(event).encode()
    )
    return "sent; if it gets through, on_success logs it"
