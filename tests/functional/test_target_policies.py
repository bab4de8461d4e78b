"""In which order statements are laid and taken away, and that none is forgotten where a deployment breaks off."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from ops.aws.account import Account
from ops.config.rules_subscribers_grants import Extensions, RuleTable
from ops.config.targets import Target
from ops.deploy import target_policies
from ops.errors import OpsError
from ops.naming import AwsLocation
from ops.templates import pipeline_roles
from tests.fakes import stage
from tests.functional.parameter_store import ParameterStore

INBOX, TEAM = Target("sqs", "inbox"), Target("sqs", "team")
NAME = "/herald/dev/deployed/let-in"


def statement(sid: str) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": sid}


class Queues:
    """Queues with their policies."""

    def __init__(self, *names: str) -> None:
        self.policies: dict[str, str] = dict.fromkeys(names, "")
        self.refuses = False

    def get_queue_url(self, QueueName: str) -> dict[str, str]:
        if QueueName not in self.policies:
            raise ClientError({"Error": {"Code": "QueueDoesNotExist", "Message": QueueName}}, "GetQueueUrl")
        return {"QueueUrl": QueueName}

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        return {"Attributes": {"Policy": self.policies[QueueUrl]}}

    def set_queue_attributes(self, QueueUrl: str, Attributes: dict[str, str]) -> None:
        if self.refuses:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SetQueueAttributes")
        self.policies[QueueUrl] = Attributes["Policy"]

    def sids(self, name: str) -> list[str]:
        return [each["Sid"] for each in json.loads(self.policies[name] or '{"Statement": []}')["Statement"]]


class AccountWithQueues:
    """An account with two queues."""

    def __init__(self) -> None:
        self.parameters, self.queues = ParameterStore(), Queues("inbox", "team")
        where = SimpleNamespace(arn=lambda service, name: f"arn:{service}:{name}")
        it = SimpleNamespace(where=where, ssm=self.parameters, client=lambda service: self.queues)
        self.account = cast(Account, it)

    def lay(self, wanted: target_policies.WantedStatements) -> list[str]:
        return target_policies.grant(self.account, stage(), wanted)

    def take_away(self, wanted: target_policies.WantedStatements) -> list[str]:
        return target_policies.revoke(self.account, stage(), wanted)


ONE, OTHER = {INBOX: [statement("HeraldDevRuleOne")]}, {TEAM: [statement("HeraldDevRuleOther")]}


def test_what_was_needed_until_now_stays_until_the_rules_have_changed() -> None:
    world = AccountWithQueues()
    assert world.lay(ONE) == ["sqs:inbox"]
    assert world.take_away(ONE) == []
    assert world.lay(OTHER) == ["sqs:team"]
    assert (world.queues.sids("inbox"), world.queues.sids("team")) == (["HeraldDevRuleOne"], ["HeraldDevRuleOther"])
    assert world.take_away(OTHER) == ["sqs:inbox"]
    assert (world.queues.sids("inbox"), world.queues.sids("team")) == ([], ["HeraldDevRuleOther"])


def test_what_a_deployment_laid_that_broke_off_is_found_by_the_next_and_by_destroy() -> None:
    world = AccountWithQueues()
    world.lay(ONE)  # And then the rules could not be made.
    assert world.take_away({}) == ["sqs:inbox"]
    assert world.queues.sids("inbox") == []
    assert world.parameters.values == {}


def test_where_it_may_lie_is_written_down_before_it_is_laid_and_forgotten_after_it_was_taken_away() -> None:
    world = AccountWithQueues()
    world.queues.refuses = True
    with pytest.raises(ClientError):
        world.lay(ONE)
    assert world.parameters.values == {NAME: "sqs:inbox"}
    world.queues.refuses = False
    world.lay(ONE)
    world.queues.refuses = True
    with pytest.raises(ClientError):
        world.take_away({})
    assert world.parameters.values == {NAME: "sqs:inbox"}


def test_a_rule_that_the_boundary_in_the_account_does_not_know_is_refused_before_anything_changes(
    stubbed: Any,
) -> None:
    where = AwsLocation("aws", "eu-central-1", "123456789012")
    boundary = pipeline_roles.boundary(stage(), where)
    rules = {name: RuleTable.model_validate({"to": to}) for name, to in (("machine", "states:orders"), ("q", "sqs:q"))}

    def check(statements: list[dict[str, Any]]) -> None:
        iam, stub = stubbed("iam")
        made = {"DefaultVersionId": "v2"}
        stub.add_response("get_policy", {"Policy": made}, {"PolicyArn": boundary})
        asked = {"PolicyArn": boundary, "VersionId": "v2"}
        stub.add_response("get_policy_version", {"PolicyVersion": {"Document": as_iam_has(statements)}}, asked)
        account = cast(Account, SimpleNamespace(where=where, client=lambda _: iam))
        target_policies.check_boundary(account, stage(), Extensions(rules=rules), boundary)

    def as_iam_has(statements: list[dict[str, Any]]) -> str:
        text = json.dumps({"Version": "2012-10-17", "Statement": statements})
        for name, value in (("Partition", where.partition), ("Region", where.region), ("AccountId", where.account)):
            text = text.replace(f"${{AWS::{name}}}", value)
        return quote(text)

    check([*pipeline_roles.bounding(stage()), *pipeline_roles.bounding_rules(rules)])
    with pytest.raises(OpsError) as error:
        check(pipeline_roles.bounding(stage()))
    assert "\n  rule.machine.to: states:orders\n" in str(error.value)
    assert "rule.q" not in str(error.value)
    assert "infra/pipeline-dev.yaml" in str(error.value)


def test_a_stage_that_lays_nothing_writes_nothing() -> None:
    world = AccountWithQueues()
    assert (world.lay({}), world.take_away({}), world.parameters.values) == ([], [], {})
