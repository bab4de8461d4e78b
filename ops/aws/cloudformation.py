"""Create, update and delete CloudFormation stacks; each call may be repeated after any interruption."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from chalicelib.settings import Stage
from ops import naming
from ops.errors import OpsError, ignoring_aws_error

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import StackTypeDef

LARGEST_BODY = 51_200
"""The largest template in a request, in bytes; a larger one is read from S3:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
_NO_CHANGE = "No updates are to be performed"
NEVER_STOOD = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS")
"""States of a stack that was never created successfully and can only be deleted."""
_QUEUE_NAME_TAKEN = re.compile(r"QueueDeletedRecently|wait 60 seconds")
"""Why a queue is not created; CloudFormation hands SQS's error on as a text alone:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html"""
_QUEUE_NAME_FREE = 70
"""Seconds after a queue's deletion until SQS takes its name again: its 60 were too few for
https://github.com/hashicorp/terraform-provider-aws/pull/3148"""
_RECORD = re.compile(
    r"Content of DNS Record is: \{Name: (?P<name>[^,]+?), ?Type: (?P<type>[^,]+?), ?Value: (?P<value>[^}]+?)\}"
)
_MAX_EVENTS = 5_000
"""Most events of an update that are read: ten for each of the 500 resources that a stack may have."""
_POLL = {"Delay": 2, "MaxAttempts": 450}


class _QueueNameTakenError(OpsError):
    """A queue of this name was deleted less than a minute ago."""


def data(stage: Stage) -> str:
    """The name of the stack with the table and the queues, which outlives the others."""
    return f"{naming.prefix(stage)}-data"


def foundation(stage: Stage) -> str:
    """The name of the stack that must exist before Chalice deploys."""
    return f"{naming.prefix(stage)}-foundation"


def wiring(stage: Stage) -> str:
    """The name of the stack that needs Chalice's functions."""
    return f"{naming.prefix(stage)}-wiring"


def files(stage: Stage) -> str:
    """The name of the stack with the bucket of files, which outlives the others, where the stage takes files."""
    return f"{naming.prefix(stage)}-files"


def domain(stage: Stage) -> str:
    """The name of the stack of the API's own domain, where the stage has one."""
    return f"{naming.prefix(stage)}-domain"


def _described(cloudformation: CloudFormationClient, name: str) -> StackTypeDef | None:
    with ignoring_aws_error("ValidationError"):
        return cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return None


def status(cloudformation: CloudFormationClient, name: str) -> str | None:
    """The stack's status, or None where there is no such stack."""
    stack = _described(cloudformation, name)
    return stack["StackStatus"] if stack else None


def outputs(cloudformation: CloudFormationClient, name: str) -> dict[str, str]:
    """The stack's outputs; empty where there is no such stack."""
    stack = _described(cloudformation, name)
    found = stack.get("Outputs", []) if stack else []
    return {output["OutputKey"]: output["OutputValue"] for output in found}


def parameters(cloudformation: CloudFormationClient, name: str) -> dict[str, str]:
    """The stack's parameters; empty where there is no such stack."""
    stack = _described(cloudformation, name)
    found = stack.get("Parameters", []) if stack else []
    return {each["ParameterKey"]: each["ParameterValue"] for each in found}


def apply(
    cloudformation: CloudFormationClient,
    name: str,
    template: str,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
    upload: Callable[[str, str], str],
    wait: Callable[[str], None] | None = None,
    report: Callable[[str], None] = lambda line: None,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Create or update the stack; returns ``created``, ``changed`` or ``unchanged``.

    ``upload`` gets the stack's name and a template that is too large for a request, puts it into S3 and returns its
    URL. ``wait`` takes the place of waiting for the stack, and gets the name of botocore's waiter. ``report`` gets a
    line where something else is waited for, and for each resource that an update could not delete.
    """
    wait = wait or (lambda waiter: await_stack(cloudformation, name, waiter))
    settle(cloudformation, name)
    too_large = len(template.encode()) > LARGEST_BODY
    arguments: dict[str, Any] = {
        "StackName": name,
        **({"TemplateURL": upload(name, template)} if too_large else {"TemplateBody": template}),
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }

    def create() -> None:
        # By the token CloudFormation knows a request again whose answer was lost:
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
        cloudformation.create_stack(**arguments, ClientRequestToken=str(uuid.uuid4()), OnFailure="ROLLBACK")
        wait("stack_create_complete")

    before = status(cloudformation, name)
    if before == "UPDATE_ROLLBACK_FAILED":
        # It accepts no update before its rollback has ended:
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-continueupdaterollback.html
        cloudformation.continue_update_rollback(StackName=name)
        await_stack(cloudformation, name, "stack_rollback_complete")
    if before in NEVER_STOOD:
        delete(cloudformation, name)
        before = None
    if before is None:
        try:  # When its queues were deleted, by whichever run, SQS alone knows.
            create()
        except _QueueNameTakenError:
            report(f"SQS takes the name of a deleted queue again after a minute: tries again in {_QUEUE_NAME_FREE} s …")
            delete(cloudformation, name)
            sleep(_QUEUE_NAME_FREE)
            create()
        return "created"
    token = str(uuid.uuid4())
    try:
        cloudformation.update_stack(**arguments, ClientRequestToken=token)
    except ClientError as error:
        if _NO_CHANGE in error.response["Error"].get("Message", ""):
            return "unchanged"
        raise
    wait("stack_update_complete")
    for line in _not_deleted(cloudformation, name, token):
        report(line)
    return "changed"


def _not_deleted(cloudformation: CloudFormationClient, name: str, token: str) -> list[str]:
    """A line for each resource that the update with this token could not delete.

    CloudFormation tries three times, leaves it where it is, and says UPDATE_COMPLETE all the same:
    https://repost.aws/knowledge-center/cloudformation-stack-cleanup-stuck
    """
    pages = cloudformation.get_paginator("describe_stack_events").paginate(
        StackName=name, PaginationConfig={"MaxItems": _MAX_EVENTS}
    )
    last: dict[tuple[str, str], str | None] = {}
    try:
        for event in (event for page in pages for event in page["StackEvents"]):
            if event.get("ClientRequestToken") != token:
                break  # Newest first: what follows is of earlier operations.
            resource = (event.get("LogicalResourceId", ""), event.get("PhysicalResourceId", ""))
            match event.get("ResourceStatus"):
                case "DELETE_FAILED":
                    last.setdefault(resource, event.get("ResourceStatusReason", "no reason given"))
                case "DELETE_COMPLETE":
                    last.setdefault(resource, None)
    except ClientError as error:  # The stack is changed: nothing is undone because its events may not be read.
        return [f"whether {name} left anything undeleted is not known: {error}"]
    return [
        f"{logical} could not be deleted and is in the stack no more; delete {physical} by hand: {reason}"
        for (logical, physical), reason in last.items()
        if reason
    ]


def delete(cloudformation: CloudFormationClient, name: str) -> bool:
    """Delete the stack and wait until it is gone; False where there was none.

    First wait for an operation in progress, as a stack can't be deleted during one.
    """
    settle(cloudformation, name)
    if status(cloudformation, name) is None:
        return False
    cloudformation.delete_stack(StackName=name)
    await_stack(cloudformation, name, "stack_delete_complete")
    return True


def break_off(cloudformation: CloudFormationClient, name: str) -> None:
    """Delete a stack that is being created or updated, as one whose certificate could wait for days.

    A creation may be deleted, an update only be cancelled:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeleteStack.html
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CancelUpdateStack.html
    """
    if status(cloudformation, name) == "UPDATE_IN_PROGRESS":
        cloudformation.cancel_update_stack(StackName=name)
        await_stack(cloudformation, name, "stack_rollback_complete")
    cloudformation.delete_stack(StackName=name)
    await_stack(cloudformation, name, "stack_delete_complete")


def settle(cloudformation: CloudFormationClient, name: str) -> None:
    """Wait for the end of an operation that an interrupted run began."""
    match status(cloudformation, name):
        case "CREATE_IN_PROGRESS" | "ROLLBACK_IN_PROGRESS":
            waiter = "stack_create_complete"
        case "DELETE_IN_PROGRESS":
            waiter = "stack_delete_complete"
        case str(now) if now.endswith("_IN_PROGRESS") and now != "REVIEW_IN_PROGRESS":
            waiter = "stack_update_complete"
        case _:
            return
    with suppress(WaiterError):  # It failed: the caller reads the status again.
        cloudformation.get_waiter(waiter).wait(StackName=name, WaiterConfig=_POLL)  # type: ignore[call-overload]


def await_stack(cloudformation: CloudFormationClient, name: str, waiter: str) -> None:
    """Wait for the end of an operation; raises :class:`OpsError` with the reasons where it failed."""
    try:
        cloudformation.get_waiter(waiter).wait(StackName=name, WaiterConfig=_POLL)  # type: ignore[call-overload]
    except WaiterError as error:
        reasons = _failures(cloudformation, name)
        failure = _QueueNameTakenError if any(map(_QUEUE_NAME_TAKEN.search, reasons)) else OpsError
        raise failure(
            f"the stack {name} is {status(cloudformation, name)}:\n  " + "\n  ".join(reasons[:5] or [str(error)])
        ) from error


def _failures(cloudformation: CloudFormationClient, name: str) -> list[str]:
    try:
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    except ClientError:
        return []
    return [
        f"{event.get('LogicalResourceId')}: {event.get('ResourceStatusReason')}"
        for event in events
        if event.get("ResourceStatus", "").endswith("_FAILED") and event.get("ResourceStatusReason")
    ]


def record_asked_for(cloudformation: CloudFormationClient, name: str) -> str | None:
    """The DNS record for which the stack's certificate waits, as ``name CNAME value``; None where it waits for none.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-certificatemanager-certificate.html"""
    if not (status(cloudformation, name) or "").endswith("_IN_PROGRESS"):
        return None
    for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]:
        if event.get("ResourceType") != "AWS::CertificateManager::Certificate":
            continue
        # Where an update replaces a certificate, its making counts as the update.
        if event.get("ResourceStatus") not in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
            return None  # Newest first: it is issued, or has failed.
        if found := _RECORD.search(event.get("ResourceStatusReason", "")):
            return f"{found['name']} {found['type']} {found['value']}"
    return None
