"""``make smoke``: send a message and a test event of each kind through a deployed stage, and check every step.

Asks IAM's policy simulator about every permission. The owner's real channels get one notification.
It shows what no emulator can: docs/aws-readiness.md says what each check stands for.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import requests

from chalicelib.functions import functions_of
from chalicelib.logic import message_kinds
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.recorded_timeline import StepKind
from chalicelib.settings import Stage
from ops import naming
from ops.aws import rest_api
from ops.aws.account import Account
from ops.deploy import chalice_state
from ops.errors import OpsError
from ops.generate.render import API_STAGE
from ops.naming import AwsLocation
from ops.operations import logs, test_message
from ops.operations.stage_operations import Operations
from ops.operations.trace import ENDED
from ops.templates.function_policies import Statement, statements

PATIENCE = 420
"""Seconds to wait for a step. Lambda retries a failed event after one and two minutes before it gives up:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""
_PAUSE = 2.0
_TIMEOUT = 30

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    well: bool
    found: str


class Smoke:
    """The checks of one deployed stage."""

    def __init__(
        self, operations: Operations, urls: Mapping[str, str], patience: float = PATIENCE, pause: float = _PAUSE
    ) -> None:
        self._operations = operations
        self._stage: Stage = operations.stage
        self._account: Account = operations.account
        self._urls = urls
        self._patience, self._pause = patience, pause

    def checks(self) -> Iterator[Check]:
        """Each check as soon as it is made."""
        yield self._health()
        yield from self._message()
        yield from self._event("", "on_success")
        yield from self._event("fail", "on_failure")
        yield self._own_answer()
        yield from self.kept()
        yield from self.permissions()

    def _health(self) -> Check:
        try:
            answer = requests.get(f"{self._urls['api']}/health", timeout=_TIMEOUT)
        except requests.RequestException as error:
            return Check("GET /health", False, str(error))
        return Check("GET /health", answer.ok, str(answer.status_code))

    def _message(self) -> Iterator[Check]:
        site = self._stage.sites["default"]
        fields = test_message.form(site, f"smoke test {uuid.uuid4()}") | {"source": "Herald's smoke test"}
        try:
            message_id = test_message.post(f"{self._urls['api']}/contact", site, fields)
        except OpsError as error:
            yield Check("POST /contact is accepted", False, str(error))
            return
        yield Check("POST /contact is accepted", True, message_id)
        state = self._wait(lambda: self._ended(message_id))
        # A site with proof of work puts a message without one into quarantine.
        well = state in (MessageState.DELIVERED, MessageState.QUARANTINED, MessageState.SUMMARIZED)
        yield Check("the message is stored and delivered", well, f"{message_id} {state or 'has not ended'}")
        action = self._wait(lambda: self._logged_action(message_id))
        yield Check("the bus runs on_success", action is not None, str(action or "no line in its log"))

    def _ended(self, message_id: str) -> MessageState | None:
        trace = self._operations.trace(message_id, logs=False)
        return trace.state if trace.state in ENDED else None

    def _logged_action(self, message_id: str) -> str | None:
        steps = self._operations.trace(message_id).steps
        logged = [step for step in steps if step.kind is StepKind.TOLD and step.source == "on_success"]
        return str(logged[0].details.get("action", "logged")) if logged else None

    def _event(self, mode: str, function: str) -> Iterator[Check]:
        name = f"GET /SendEvent{'?mode=fail' if mode else ''} reaches {function}"
        if "send_event" not in self._urls:
            yield Check(name, True, "not checked: this stage has no send_event")
            return
        since = time.time() - 5
        seen = {line.id for line in self._lines(function, since)}
        try:
            answer = requests.get(self._urls["send_event"], params={"mode": mode} if mode else None, timeout=_TIMEOUT)
        except requests.RequestException as error:
            yield Check(name, False, str(error))
            return
        if not answer.ok:
            yield Check(name, False, f"{answer.status_code} {answer.text[:200]}")
            return
        line = self._wait(lambda: next((each for each in self._lines(function, since) if each.id not in seen), None))
        yield Check(name, line is not None, str(line.entry.get("condition")) if line else "no line in its log")

    def _lines(self, function: str, since: float) -> Iterator[logs.Line]:
        found = logs.lines(self._account.logs, self._stage, function, since, time.time() + 60)
        return (line for line in found if line.entry.get("kind") == message_kinds.KIND_TEST_EVENT)

    def _own_answer(self) -> Check:
        """Check an answer that no function makes: Chalice's import drops them, and Herald sets them after it."""
        name = "API Gateway itself answers where there is nothing"
        try:
            answer = requests.get(f"{self._urls['api']}/there/is/nothing", timeout=_TIMEOUT)
        except requests.RequestException as error:
            return Check(name, False, str(error))
        kind = answer.headers.get("Content-Type", "")
        return Check(
            name, (answer.status_code, kind) == (404, "application/problem+json"), f"{answer.status_code} {kind}"
        )

    def kept(self) -> Iterator[Check]:
        """Check what a deployment sets and its later calls must not undo."""
        account, stage = self._account, self._stage
        api = chalice_state.rest_api_id(chalice_state.read(account.ssm, stage))
        limit: Mapping[str, Any] = {}
        if api:
            limit = account.apis.get_stage(restApiId=api, stageName=API_STAGE).get("methodSettings", {}).get("*/*", {})
        rate, burst = limit.get("throttlingRateLimit"), limit.get("throttlingBurstLimit")
        yield Check(
            "the throttling outlives a deployment of the API", rate is not None, f"{rate} a second, burst {burst}"
        )
        tagged = rest_api.of_stage(account.apis, naming.tags(stage))
        yield Check("the API is found by its tags", api is not None and tagged == api, str(tagged))
        if account.endpoint:
            yield Check("the table's earlier states are kept", True, "not looked at: the local stack keeps none")
            return
        backups = account.dynamodb.describe_continuous_backups(TableName=stage.table)["ContinuousBackupsDescription"]
        status = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
        yield Check("the table's earlier states are kept", status == "ENABLED", str(status))

    def permissions(self) -> Iterator[Check]:
        """Check that each role may do what its policy allows, and nothing that only other functions may do."""
        where = self._account.where
        asked = {spec.name: list(statements(spec, self._stage, where)) for spec in functions_of(self._stage)}
        for name, found in asked.items():
            wrong = []
            for each in found:
                results = self._simulate(name, each.actions, each.resources, context(each.condition))
                wrong += [f"{one} is {decision}" for one, decision in results if decision != "allowed"]
            denied = 0
            for action, resources, condition in of_others(asked, name):
                results = self._simulate(name, (action,), resources, context(condition))
                wrong += [f"{one} is {decision}" for one, decision in results if decision == "allowed"]
                denied += len(resources)
            count = f"{sum(len(each.actions) for each in found)} allowed, {denied} of other functions denied"
            yield Check(f"permissions of {name}", not wrong, "; ".join(wrong) or count)

    def _simulate(
        self, name: str, actions: Any, resources: Any, entries: list[dict[str, Any]]
    ) -> list[tuple[str, str]]:
        """https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html"""
        pages = (
            self._account.client("iam")
            .get_paginator("simulate_principal_policy")
            .paginate(
                PolicySourceArn=role_arn(self._stage, name, self._account.where),
                ActionNames=list(actions),
                ResourceArns=list(resources),
                ContextEntries=entries,
            )
        )
        return [decided for page in pages for each in page["EvaluationResults"] for decided in _decisions(each)]

    def _wait(self, look: Callable[[], Found | None]) -> Found | None:
        deadline = time.monotonic() + self._patience
        while (found := look()) is None and time.monotonic() < deadline:
            time.sleep(self._pause)
        return found


def role_arn(stage: Stage, function: str, where: AwsLocation) -> str:
    return f"arn:{where.partition}:iam::{where.account}:role/{stage.role(function)}"


def _decisions(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The simulator's decision for an action on each resource; the decision above these is for all of them."""
    specific = [
        (each["EvalResourceName"], each["EvalResourceDecision"]) for each in result.get("ResourceSpecificResults", [])
    ]
    for resource, decision in specific or [(result.get("EvalResourceName", "*"), result["EvalDecision"])]:
        yield f"{result['EvalActionName']} on {resource}", str(decision)


def of_others(
    asked: Mapping[str, Sequence[Statement]], name: str
) -> Iterator[tuple[str, tuple[str, ...], Mapping[str, Any]]]:
    """What other functions may do and this one may not: each action, with the resources of the others.

    One action at a time, as the simulator accepts only some actions together.
    """
    own = {(action, resource) for each in asked[name] for action in each.actions for resource in each.resources}
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for each in (each for other, theirs in asked.items() if other != name for each in theirs):
        for action in each.actions:
            if (action, "*") not in own:
                found.setdefault(action, {}).update(
                    {resource: each.condition for resource in each.resources if (action, resource) not in own}
                )
    for action, resources in sorted(found.items()):
        if resources:
            yield action, tuple(resources), next(iter(resources.values()))


def context(condition: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The context of a request that a condition allows: each of its keys with the values that it names."""
    return [
        {"ContextKeyName": key, "ContextKeyValues": list(values), "ContextKeyType": kind}
        for operator, keys in condition.items()
        for key, values in keys.items()
        for kind in ["stringList" if operator.startswith("For") else "string"]
        for values in [[values] if isinstance(values, str) else values]
        for values in [values if kind == "stringList" else values[:1]]
    ]


def to_add(checks: list[Check], stage: Stage, where: AwsLocation, day: str) -> str:
    """The line for the list in docs/aws-readiness.md of what has been run on AWS."""
    checked = [check.name for check in checks if "not checked" not in check.found]
    failed = [check.name for check in checks if not check.well]
    result = f"failed: {', '.join(failed)}" if failed else "all well"
    permissions = sum(name.startswith("permissions") for name in checked)
    others = [name for name in checked if not name.startswith("permissions")]
    what = f"{', '.join(others)}, permissions of {permissions} functions"
    return f"- {day}, {where.region}: `make deploy`, then `make smoke` ({what}): {result}."
