"""In which order statements are laid and taken away, and that none is forgotten where a deployment breaks off."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from ops.aws.account import Account
from ops.config.targets import Target
from ops.deploy import target_policies
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


def test_a_stage_that_lays_nothing_writes_nothing() -> None:
    world = AccountWithQueues()
    assert (world.lay({}), world.take_away({}), world.parameters.values) == ([], [], {})
