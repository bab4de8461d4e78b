"""A rule starts, puts and writes only where role or policy say so (ops/local/aws/rule_targets.py)."""

from __future__ import annotations

import json
import uuid

import pytest

from tests.local_stack.local_aws import ACCOUNT, REGION, LocalAws, allow, policy, wait_for

PASS = json.dumps({"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": True}}})
ANY = {"source": ["test"]}


def put(aws: LocalAws, bus: str) -> str:
    word = uuid.uuid4().hex
    entry = {"Source": "test", "DetailType": "t", "Detail": json.dumps({"word": word}), "EventBusName": bus}
    aws.client("events").put_events(Entries=[entry])
    return word


def machine(aws: LocalAws) -> str:
    role, name = aws.role(trusts="states.amazonaws.com"), f"machine-{uuid.uuid4().hex[:8]}"
    made = aws.client("stepfunctions").create_state_machine(name=name, definition=PASS, roleArn=role)
    return str(made["stateMachineArn"])


def started(aws: LocalAws, arn: str) -> list[str]:
    states = aws.client("stepfunctions")
    runs = states.list_executions(stateMachineArn=arn)["executions"]
    return [states.describe_execution(executionArn=run["executionArn"])["input"] for run in runs]


@pytest.mark.parametrize(
    ("actions", "trusted"), [([], "events.amazonaws.com"), (["states:StartExecution"], "lambda.amazonaws.com")]
)
def test_a_role_that_does_not_allow_it_or_trusts_another_starts_nothing(
    aws: LocalAws, actions: list[str], trusted: str
) -> None:
    url, letters = aws.queue(lets_in="events.amazonaws.com")
    target = machine(aws)
    role = aws.role(*(allow(action, target) for action in actions), trusts=trusted)
    bus, _ = aws.bus()
    aws.rule(bus, target, ANY, RoleArn=role, DeadLetterConfig={"Arn": letters})
    word = put(aws, bus)
    assert aws.body(url)["detail"]["word"] == word
    assert started(aws, target) == []


def test_a_role_that_allows_it_starts_the_machine_with_the_event(aws: LocalAws) -> None:
    target = machine(aws)
    role = aws.role(allow("states:StartExecution", target), trusts="events.amazonaws.com")
    bus, _ = aws.bus()
    aws.rule(bus, target, ANY, RoleArn=role)
    word = put(aws, bus)
    (event,) = wait_for(lambda: started(aws, target))
    assert json.loads(event)["detail"]["word"] == word


def test_a_log_group_is_written_to_once_a_resource_policy_lets_events_in(aws: LocalAws) -> None:
    logs, group = aws.client("logs"), f"/aws/events/{uuid.uuid4().hex[:8]}"
    logs.create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    url, letters = aws.queue(lets_in="events.amazonaws.com")
    bus, _ = aws.bus()
    aws.rule(bus, arn, ANY, DeadLetterConfig={"Arn": letters})
    refused = put(aws, bus)
    assert aws.body(url)["detail"]["word"] == refused
    actions, events = ["logs:CreateLogStream", "logs:PutLogEvents"], {"Service": "events.amazonaws.com"}
    document = policy(allow(actions, f"{arn}:*", Principal=events))
    logs.put_resource_policy(policyName=group.rpartition("/")[2], policyDocument=document)
    word = put(aws, bus)
    (line,) = wait_for(lambda: logs.filter_log_events(logGroupName=group)["events"])
    assert json.loads(line["message"])["detail"]["word"] == word
