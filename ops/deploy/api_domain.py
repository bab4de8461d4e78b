"""Create the stack of a stage's own domain, which may have to wait for a DNS record that a person sets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ops.aws import cloudformation
from ops.aws.account import Account
from ops.config.schema import DomainTable
from ops.templates import domain

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient

    from chalicelib.settings import Stage

_PAUSE, _LOOKS = 5, 180
"""Seconds between two looks at a stack that waits, and how many."""
_TIMEOUT = 10


def address(account: Account, stage: Stage, wanted: DomainTable | None) -> str | None:
    """The address at the stage's own domain, once its stack stands; None before that, or for a stage without one."""
    if wanted is None:
        return None
    status = cloudformation.status(account.cloudformation, cloudformation.domain(stage)) or ""
    return f"https://{wanted.name}" if _stands(status) else None


def serves(account: Account, stage: Stage) -> bool:
    """Whether the stack of the API's domain stands. DNS may not lead there yet."""
    return _stands(cloudformation.status(account.cloudformation, cloudformation.domain(stage)) or "")


def answers(name: str) -> bool:
    """Whether Herald answers at this domain, so that its DNS record leads there; asked once, for at most
    ``_TIMEOUT`` seconds to connect and as many between two bytes."""
    # Loaded here alone: most commands import this module and never ask.
    import requests

    try:
        answer = requests.get(f"https://{name}/health", timeout=_TIMEOUT, allow_redirects=False)
        return answer.status_code == 200 and answer.json() == {"status": "ok"}
    except requests.RequestException:  # Its JSONDecodeError, too.
        return False


def set_default_address(
    account: Account, stage: Stage, api: str, only_at: str | None, answers: Callable[[str], bool] = answers
) -> str:
    """Switch off the address that API Gateway gives, if the API is to answer ``only_at`` its own domain and answers
    there; else switch it on, as every form is lost without any address. Switched off, it answers 403.

    Returns what is left to do.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-disable-default-endpoint.html"""
    off = only_at is not None and serves(account, stage) and answers(only_at)
    if account.apis.get_rest_api(restApiId=api).get("disableExecuteApiEndpoint", False) != off:
        account.apis.update_rest_api(
            restApiId=api,
            patchOperations=[{"op": "replace", "path": "/disableExecuteApiEndpoint", "value": str(off).lower()}],
        )
    if only_at is None or off:
        return ""
    return (
        f"the default address still answers, as https://{only_at}/health doesn't; the next deploy after DNS leads there"
        " switches it off"
    )


def _stands(status: str) -> bool:
    return status.endswith("_COMPLETE") and status not in (*cloudformation.NEVER_STOOD, "DELETE_COMPLETE")


def report(account: Account, stage: Stage) -> str:
    """What a person has to do for the domain, or where its DNS record leads."""
    cfn, name = account.cloudformation, cloudformation.domain(stage)
    if record := cloudformation.record_asked_for(cfn, name):
        return (
            f"waits for this DNS record: {record}\n{'':<12}Set it where your domain's DNS is. CloudFormation then goes"
            f" on by itself; afterwards run: make deploy STAGE={stage.name}"
        )
    target = cloudformation.outputs(cfn, name).get(domain.TARGET)
    return f"its DNS record must be a CNAME, or an alias, for {target}" if target else ""


def await_stack_or_record(
    cfn: CloudFormationClient, name: str, waiter: str, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Wait for the stack, but not for a DNS record that only a person can set."""
    for _ in range(_LOOKS):
        if cloudformation.record_asked_for(cfn, name):
            return
        if not (cloudformation.status(cfn, name) or "").endswith("_IN_PROGRESS"):
            break
        sleep(_PAUSE)
    cloudformation.await_stack(cfn, name, waiter)
