"""Rules, subscribers and grants of ``herald.toml``: what the owner's own queues, functions, topic and role get."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.adapters.herald_client import Herald
from ops.config.rules_subscribers_grants import RuleTable
from ops.deploy import target_policies
from ops.errors import OpsError
from ops.templates import target_policy_statements
from tests.e2e import owner
from tests.e2e.harness import Harness, marker, wait_for


class Owner:
    """Looks into what the owner has."""

    def __init__(self, herald: Harness) -> None:
        self._herald = herald
        self._sqs = herald.account.client("sqs")
        self._taken: dict[str, list[str]] = {}

    def url(self, queue: str) -> str:
        url: str = self._sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        return url

    def letters(self, queue: str) -> list[str]:
        """Every letter that has come into the queue since the test began."""
        letters = self._taken.setdefault(queue, [])
        while found := self._sqs.receive_message(QueueUrl=self.url(queue), MaxNumberOfMessages=10).get("Messages"):
            for letter in found:
                letters.append(letter["Body"])
                self._sqs.delete_message(QueueUrl=self.url(queue), ReceiptHandle=letter["ReceiptHandle"])
        return letters

    def letter(self, queue: str, word: str) -> str:
        """The letter with this word in it, as soon as it is there."""
        return wait_for(
            lambda: next((each for each in self.letters(queue) if word in each), None), f"{word} in {queue}"
        )

    def ran(self, function: str, word: str) -> str:
        """What the function was run with that has this word in it, as soon as it was."""
        return wait_for(lambda: next(iter(self.runs(function, word)), None), f"run of {function} with {word}")

    def runs(self, function: str, word: str) -> list[str]:
        logs = self._herald.account.logs
        try:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function}")
            return [event["message"] for page in pages for event in page["events"] if word in event["message"]]
        except logs.exceptions.ResourceNotFoundException:
            return []

    def policy(self, queue: str) -> list[dict[str, Any]]:
        """The statements of a queue's policy."""
        answer = self._sqs.get_queue_attributes(QueueUrl=self.url(queue), AttributeNames=["Policy"])
        found = answer.get("Attributes", {})
        statements: list[dict[str, Any]] = json.loads(found.get("Policy") or '{"Statement": []}')["Statement"]
        return statements

    @contextmanager
    def without(self, queue: str, sid: str) -> Iterator[None]:
        """Take one statement out of a queue's policy, and let the next deployment put it back."""
        rest = [each for each in self.policy(queue) if each.get("Sid") != sid]
        assert len(rest) == len(self.policy(queue)) - 1
        policy = json.dumps({"Version": "2012-10-17", "Statement": rest}) if rest else ""
        self._sqs.set_queue_attributes(QueueUrl=self.url(queue), Attributes={"Policy": policy})
        try:
            yield
        finally:
            herald = self._herald
            assert target_policies.grant(herald.account, herald.stage, wanted(herald)) == [f"sqs:{queue}"]


def wanted(herald: Harness) -> target_policies.WantedStatements:
    """What the owner's queues and topics have to allow."""
    return target_policy_statements.statements(herald.config.extensions, herald.stage, herald.account.where)


@pytest.fixture
def things(herald: Harness) -> Iterator[Owner]:
    """With empty queues, before and after."""
    for queue in owner.QUEUES:
        Owner(herald).letters(queue)
    yield Owner(herald)
    for queue in owner.QUEUES:
        Owner(herald).letters(queue)


def send(herald: Harness, site: str, word: str) -> str:
    return herald.accepted(word, f"/contact/{site}")


def test_a_rule_hands_on_what_it_names_and_nothing_else(herald: Harness, things: Owner) -> None:
    other = send(herald, "default", marker())
    herald.line("on_success", message_id=other)
    wanted = send(herald, "ruled", marker())
    event = json.loads(things.letter("owner-inbox", wanted))
    assert event["detail"]["responsePayload"]["action"] == "delivered"
    assert not [each for each in things.letters("owner-inbox") if other in each]
    assert not things.runs("owner-failures", wanted)


def test_one_failure_reaches_the_queue_the_function_and_the_topic_that_ask_for_it(
    herald: Harness, things: Owner
) -> None:
    herald.faults({"do": "status", "status": 400})
    message_id = send(herald, "ruled", marker())
    for text in (
        things.letter("owner-inbox", message_id),
        things.ran("owner-failures", message_id),
        json.loads(things.letter("owner-team-copies", message_id))["Message"],
    ):
        assert json.loads(text)["detail"]["responsePayload"]["action"] == "undeliverable"


def executed(herald: Harness, message_id: str) -> bool:
    states = herald.account.client("stepfunctions")
    machine = herald.account.where.arn("states", f"stateMachine:{owner.MACHINE}")
    runs = states.list_executions(stateMachineArn=machine)["executions"]
    return any(message_id in states.describe_execution(executionArn=run["executionArn"])["input"] for run in runs)


def logged(herald: Harness, message_id: str) -> bool:
    return any(message_id in text for text in herald.texts_of(owner.GROUP))


def send_spam(herald: Harness) -> str:
    """Send a message that is quarantined; what hears of that rings nobody."""
    return herald.accepted(marker(), "/contact/ruled", _gotcha="x")


def test_an_event_starts_a_state_machine_is_logged_and_is_put_on_another_bus(herald: Harness, things: Owner) -> None:
    message_id = send_spam(herald)
    wait_for(lambda: executed(herald, message_id), "execution")
    wait_for(lambda: logged(herald, message_id), "line in the log group")
    event = json.loads(things.letter("owner-bus-copies", message_id))
    assert event["detail"]["responsePayload"]["action"] == "quarantined"


@pytest.mark.parametrize("rule", ["machine", "bus"])
def test_without_its_roles_statement_a_rule_reaches_nothing_and_the_event_is_kept(
    herald: Harness, things: Owner, rule: str
) -> None:
    iam, role = herald.account.client("iam"), f"herald-local-rule-{rule}"
    document = iam.get_role_policy(RoleName=role, PolicyName="send")["PolicyDocument"]
    herald.empty("rule-dead-letters")
    iam.delete_role_policy(RoleName=role, PolicyName="send")
    try:
        message_id = send_spam(herald)
        herald.dead_letter("rule-dead-letters", message_id)
    finally:
        iam.put_role_policy(RoleName=role, PolicyName="send", PolicyDocument=json.dumps(document))
    assert not (executed(herald, message_id) if rule == "machine" else things.letters("owner-bus-copies"))


def test_without_its_policy_a_log_group_gets_nothing_and_the_event_is_kept(herald: Harness) -> None:
    logs = herald.account.logs
    (policy,) = logs.describe_resource_policies()["resourcePolicies"]
    herald.empty("rule-dead-letters")
    logs.delete_resource_policy(policyName=policy["policyName"])
    try:
        message_id = send_spam(herald)
        herald.dead_letter("rule-dead-letters", message_id)
    finally:
        logs.put_resource_policy(policyName=policy["policyName"], policyDocument=policy["policyDocument"])
    assert not logged(herald, message_id)


def test_what_has_no_answer_is_heard_by_condition_and_site(herald: Harness, things: Owner) -> None:
    with herald.without_statement("destined", "StoreMessages"):
        message_id = send(herald, "ruled", marker())
        event = json.loads(things.ran("owner-failures", message_id))
        assert event["detail"]["requestContext"]["condition"] == "RetriesExhausted"
    assert not [each for each in things.letters("owner-inbox") if message_id in each]
    herald.empty("failed-events")


@pytest.mark.parametrize(
    ("name", "source_arn", "queue"),
    [
        ("owner-failures", ":rule/herald-local/herald-local-rule-failures", "rule-dead-letters"),
        ("owner-crm", ":herald-local-messages", "subscriber-dead-letters"),
    ],
)
def test_without_its_permission_a_function_is_not_run_and_what_it_would_get_is_kept(
    herald: Harness, things: Owner, name: str, source_arn: str, queue: str
) -> None:
    policy = json.loads(herald.account.functions.get_policy(FunctionName=name)["Policy"])
    (statement,) = policy["Statement"]
    source = {key.lower(): value for key, value in statement["Condition"]["ArnLike"].items()}["aws:sourcearn"]
    assert source.endswith(source_arn)
    herald.empty(queue)
    herald.account.functions.remove_permission(FunctionName=name, StatementId=statement["Sid"])
    herald.faults({"do": "status", "status": 400})
    try:
        message_id = send(herald, "ruled", marker())
        herald.dead_letter(queue, message_id)
    finally:
        herald.account.functions.add_permission(
            FunctionName=name,
            StatementId=statement["Sid"],
            Action=statement["Action"],
            Principal=statement["Principal"]["Service"],
            SourceArn=source,
        )
    assert not things.runs(name, message_id)


def test_without_its_statement_the_queue_gets_nothing_and_the_event_is_kept(herald: Harness, things: Owner) -> None:
    with things.without("owner-inbox", "HeraldLocalRuleInbox"):
        message_id = send(herald, "ruled", marker())
        herald.dead_letter("rule-dead-letters", message_id)
        assert not [each for each in things.letters("owner-inbox") if message_id in each]
    things.letter("owner-inbox", send(herald, "ruled", marker()))


def test_without_its_statement_the_topic_gets_nothing_and_the_event_is_kept(herald: Harness, things: Owner) -> None:
    sns, arn = herald.account.sns, herald.account.where.arn("sns", owner.TOPIC)
    policy = json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])
    rest = [each for each in policy["Statement"] if not each.get("Sid", "").startswith("Herald")]
    assert len(rest) == len(policy["Statement"]) - 1
    herald.empty("rule-dead-letters")
    herald.faults({"do": "status", "status": 400})
    without = json.dumps({**policy, "Statement": rest})
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=without)
    try:
        message_id = send(herald, "ruled", marker())
        herald.dead_letter("rule-dead-letters", message_id)
    finally:
        assert target_policies.grant(herald.account, herald.stage, wanted(herald)) == [f"sns:{owner.TOPIC}"]
    assert not [each for each in things.letters("owner-team-copies") if message_id in each]


def test_what_is_taken_back_leaves_the_owners_own_and_comes_again(herald: Harness, things: Owner) -> None:
    own, ours = things.policy("owner-inbox")
    rule = herald.account.where.arn("events", "rule/herald-local/herald-local-rule-inbox")
    assert (own["Sid"], ours["Condition"]) == ("OwnersOwn", {"ArnEquals": {"aws:SourceArn": rule}})
    assert target_policies.grant(herald.account, herald.stage, wanted(herald)) == []
    assert target_policies.revoke(herald.account, herald.stage, wanted(herald)) == []
    changed = {"sqs:owner-inbox", "sqs:owner-copies", "sns:owner-team"}
    assert set(target_policies.revoke(herald.account, herald.stage, {})) == changed
    try:
        assert things.policy("owner-inbox") == [own]
        assert things.policy("owner-copies") == []
    finally:
        assert set(target_policies.grant(herald.account, herald.stage, wanted(herald))) == changed
    assert len(things.policy("owner-inbox")) == 2


def test_a_target_that_is_not_there_is_named_before_anything_is_changed(herald: Harness) -> None:
    gone = {"queue": "sqs:gone", "topic": "sns:gone", "function": "lambda:gone"}
    there = herald.config.extensions
    target_policies.check(herald.account, there)
    rules = {name: RuleTable.model_validate({"to": to}) for name, to in gone.items()}
    with pytest.raises(OpsError) as caught:
        target_policies.check(herald.account, replace(there, rules=rules))
    assert str(caught.value).splitlines()[1:] == [
        f"  rule.{name}.to: there is no {to} in account 000000000000, us-east-1" for name, to in gone.items()
    ]


def test_a_subscriber_gets_the_message_itself_of_its_site_alone(herald: Harness, things: Owner) -> None:
    other, word = marker(), marker()
    send(herald, "default", other)
    message_id = send(herald, "ruled", word)
    assert json.loads(things.letter("owner-copies", word))["id"] == message_id
    sns = json.loads(things.ran("owner-crm", word))["Records"][0]["Sns"]
    assert sns["MessageAttributes"]["site"]["Value"] == "ruled"
    assert not [each for each in things.letters("owner-copies") if other in each]
    assert not things.runs("owner-crm", other)
    assert herald.line("on_success", message_id=message_id)["action"] == "delivered"


def test_what_a_subscriber_does_not_take_is_kept_and_the_message_is_delivered(herald: Harness, things: Owner) -> None:
    with things.without("owner-copies", "HeraldLocalSubscriberCopies"):
        word = marker()
        message_id = send(herald, "ruled", word)
        herald.dead_letter("subscriber-dead-letters", word)
    herald.line("on_success", message_id=message_id, action="delivered")
    assert len(herald.pushes(word)) == 1


@pytest.fixture
def as_granted(herald: Harness) -> Callable[[str], Any]:
    """Clients of whoever has the role that is granted ``report``."""
    account = herald.account
    role = account.client("iam").get_role(RoleName=owner.ROLE)["Role"]["Arn"]
    keys = account.sts.assume_role(RoleArn=role, RoleSessionName="report")["Credentials"]

    def client(service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=account.where.region,
            endpoint_url=account.endpoint,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )

    return client


def test_a_granted_role_may_call_what_is_granted_and_look_it_up_and_nothing_else(
    herald: Harness, as_granted: Callable[[str], Any]
) -> None:
    request = json.dumps({"version": 1, "site": "default"}).encode()

    def call(client: str, operation: str, **words: Any) -> str:
        try:
            getattr(as_granted(client), operation)(**words)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "done"

    def invoke(function: str) -> str:
        return call("lambda", "invoke", FunctionName=herald.stage.function(function), Payload=request)

    def look_up(path: str) -> str:
        return call("ssm", "get_parameter", Name=f"{herald.stage.parameters}/{path}")

    denied = "AccessDeniedException"
    assert [invoke("list_messages"), invoke("get_message"), invoke("destined")] == ["done", denied, denied]
    assert look_up("functions/list_messages") == "done"
    for path in ("functions/get_message", "pushover/token", "resources/bus"):
        assert look_up(path) == denied


def test_a_granted_role_finds_topic_and_api_publishes_and_does_what_is_allowed(
    herald: Harness, things: Owner, as_granted: Callable[[str], Any]
) -> None:
    program = Herald(herald.stage.name, directory=as_granted("ssm"))
    assert program.resource("api") == herald.urls["api"]
    attributes = {"kind": {"DataType": "String", "StringValue": "event"}}
    sent = as_granted("sns").publish(TopicArn=program.resource("topic"), Message="hello", MessageAttributes=attributes)
    herald.line("on_success", message_id=sent["MessageId"])
    word = marker()
    as_granted("sqs").send_message(QueueUrl=things.url("owner-inbox"), MessageBody=word)
    assert things.letter("owner-inbox", word) == word
    with pytest.raises(ClientError, match="AccessDenied"):
        as_granted("sqs").send_message(QueueUrl=things.url("owner-copies"), MessageBody=word)


def test_the_policy_of_a_grant_is_among_the_addresses(herald: Harness) -> None:
    attached = herald.account.client("iam").list_attached_role_policies(RoleName=owner.ROLE)["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [herald.urls["grant report"]]
