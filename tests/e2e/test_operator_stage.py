"""Does a stage work, what is wrong with it, what was written, and are its secrets right: asked at a terminal."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from ops.local.web.settings import LOCAL_TOKEN, LOCAL_USER
from tests.e2e.harness import Harness, marker, wait_for
from tests.e2e.operator import Operator
from tests.e2e.test_commands import printed, running, shell

pytestmark = pytest.mark.full

PATH = {"api_handler", "destined", "notify_pushover", "on_success"}
"""The functions that a message meets which is delivered."""


# send


def test_a_test_message_is_followed_until_its_outcome_was_told(herald: Harness, operator: Operator) -> None:
    word = marker()
    sent = operator.json("send", "--message", word)
    assert sent["state"] == "delivered"
    assert len(herald.pushes(word)) == 1
    kinds = [step["kind"] for step in sent["steps"]]
    assert sorted(kinds) == sorted(["accepted", "stored", "attempt", "ended", "told"])
    seconds = [step["seconds"] for step in sent["steps"]]
    assert seconds == sorted(seconds)
    assert 0 < seconds[-1] <= sent["seconds"]
    assert "delivered" in operator.gets("send", "--site", "default")


def test_a_test_message_that_fails_is_no_success_and_one_that_takes_too_long_is_said(
    herald: Harness, operator: Operator
) -> None:
    herald.faults({"do": "status", "status": 400})
    refused = operator.types("send", "--json")
    assert (refused.exit_code, json.loads(refused.stdout)["state"]) == (1, "undeliverable")
    herald.faults({"do": "status", "status": 500, "times": 1000})
    assert "./herald trace" in operator.fails("send", "--timeout", "1", status=3)
    assert "nowhere" in operator.fails("send", "--site", "nowhere", status=2)
    # A form without its proof of work.
    assert operator.types("send", "--site", "guarded").exit_code == 1
    assert "422" in operator.fails("send", "--message", "x" * 10_241)


# notify


def test_a_notification_is_followed_until_its_outcome_was_told(herald: Harness, operator: Operator) -> None:
    word = marker()
    options = ("--title", "Backup", "--priority", "high", "--channel", "pushover", "--key", word)
    sent = operator.json("notify", word, *options)
    (push,) = herald.pushes(word)
    assert (sent["state"], push["title"], push["priority"]) == ("delivered", "Backup", "1")
    assert {"accepted", "stored", "attempt", "told"} <= {step["kind"] for step in sent["steps"]}
    shown = operator.gets("messages", "list", "--site", "notifications")
    traced = operator.json("trace", sent["id"])
    assert traced["id"] != sent["id"], "a key gives a message an id of its own"
    assert traced["id"] in shown
    assert operator.json("messages", "show", sent["id"])["fields"]["title"] == "Backup"
    again = operator.types("notify", f"other {word}", *options, "--json")
    assert (again.exit_code, json.loads(again.stdout)["state"]) == (1, "rejected")
    assert "key: was used before" in operator.gets("messages", "show", json.loads(again.stdout)["id"])
    assert "expected a list of one or more of: " in operator.fails("notify", word, "--channel", "pager", status=2)
    assert len(herald.pushes(word)) == 1


# logs


def test_the_lines_of_a_message_come_from_every_function_that_had_it(herald: Harness, operator: Operator) -> None:
    message_id = herald.accepted(marker())
    herald.line("on_success", message_id=message_id)
    told = [json.loads(line) for line in operator.gets("logs", "--message", message_id, "--json").splitlines()]
    assert {line["function"] for line in told} == PATH
    assert [line["at"] for line in told] == sorted(line["at"] for line in told)
    shown = operator.gets("logs", "--message", message_id, "--function", "destined")
    assert "INFO Handled" in shown
    assert "api_handler" not in shown
    assert operator.gets("logs", "--message", marker()) == ""
    assert "api_handler" in operator.fails("logs", "--function", "nothing", status=2)
    operator.fails("logs", "--for", "1", status=2)


def test_followed_logs_show_each_line_once_and_what_is_written_meanwhile(herald: Harness, checkout: Path) -> None:
    first = herald.accepted(marker())
    herald.line("on_success", message_id=first)
    words = ["-m", "ops", "logs", "--stage", "local", "--project", str(checkout), "--follow", "--since", "5m", "--json"]
    with running(checkout, words, shell(herald.stack.ports)) as (process, lines):
        printed(lines, first)
        second = herald.accepted(marker())
        wait_for(lambda: _of("on_success", second, lines), "line that was written meanwhile")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    for message_id in (first, second):
        assert len(_of("on_success", message_id, lines)) == 1


def _of(function: str, message_id: str, lines: list[str]) -> list[str]:
    return [line for line in lines if f'"function": "{function}"' in line and message_id in line]


# secrets


def test_secrets_are_set_without_being_seen_and_checked_with_the_provider(herald: Harness, operator: Operator) -> None:
    ssm, parameters = herald.account.ssm, f"{herald.stage.parameters}/urgent"

    def value(name: str) -> str:
        return ssm.get_parameter(Name=f"{parameters}/{name}", WithDecryption=True)["Parameter"]["Value"]

    def urgent() -> dict[str, Any]:
        herald.restart("notify_pushover")  # Or it would keep what it has read for five minutes.
        found = json.loads(operator.types("secrets", "check", "--json").stdout)
        return next(one for one in found if one["channel"] == "urgent")

    try:
        assert "30 letters" in operator.fails("secrets", "set", "urgent", "token", typed="short\n")
        assert value("token") == LOCAL_TOKEN, "what can't be right is not set"
        wrong = "x" * 30
        said = operator.types("secrets", "set", "urgent", typed=f"{wrong}\n{LOCAL_USER}\n")
        assert (said.exit_code, value("token"), value("user")) == (0, wrong, LOCAL_USER)
        assert wrong not in said.output
        assert ssm.get_parameter(Name=f"{parameters}/token")["Parameter"]["Type"] == "SecureString"
        refused = urgent()
        assert (refused["well"], refused["missing"]) == (False, [])
        assert "token" in refused["error"]

        operator.gets("secrets", "set", "urgent", "token", typed=f"{LOCAL_TOKEN}\n")
        well = urgent()
        assert (well["well"], well["error"]) == (True, None)
        assert well["quota"]["remaining"] > 0
        assert "urgent       well" in operator.gets("secrets", "check")

        ssm.delete_parameter(Name=f"{parameters}/user")
        assert f"{parameters}/user is not set" in operator.types("secrets", "check").stdout
        assert urgent()["missing"] == [f"{parameters}/user"]
    finally:
        for name, text in (("token", LOCAL_TOKEN), ("user", LOCAL_USER)):
            ssm.put_parameter(Name=f"{parameters}/{name}", Value=text, Type="SecureString", Overwrite=True)
        herald.restart("notify_pushover")


# doctor


def findings(operator: Operator, status: int) -> dict[str, dict[str, str]]:
    result = operator.types("doctor", "--json")
    assert result.exit_code == status, result.stdout
    return {finding["what"]: finding for finding in json.loads(result.stdout)}


def test_a_stage_that_is_well_is_said_to_be_and_what_is_broken_is_named_with_its_remedy(
    herald: Harness, operator: Operator
) -> None:
    account, stage = herald.account, herald.stage
    for queue in ("failed-events", "topic-dead-letters", "rule-dead-letters"):
        herald.empty(queue)
    cloudwatch = account.client("cloudwatch")
    for sounding in cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"]:
        cloudwatch.set_alarm_state(AlarmName=sounding["AlarmName"], StateValue="OK", StateReason="of another test")
    overdue = {"id": {"S": marker()}, "due": {"S": "yes"}, "due_at": {"N": "1"}, "site": {"S": "default"}}
    well = findings(operator, 0)
    assert {finding["level"] for finding in well.values()} <= {"well", "warning"}
    assert "`destined` is subscribed" in well
    assert "rules and schedule are enabled" in well

    events, sqs = account.client("events"), account.client("sqs")
    function = account.where.arn("lambda", f"function:{stage.function('retry_due')}")
    (schedule,) = events.list_rule_names_by_target(TargetArn=function)["RuleNames"]
    url = herald.queue_url("failed-events")
    on_success = stage.function("on_success")
    alarm = "herald-local-api-errors"
    try:
        events.disable_rule(Name=schedule)
        events.disable_rule(Name=on_success, EventBusName=stage.bus)
        sqs.send_message(QueueUrl=url, MessageBody="a letter")
        account.dynamodb.put_item(TableName=stage.table, Item=overdue)
        account.ssm.delete_parameter(Name=f"{stage.parameters}/urgent/user")
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
        ill = findings(operator, 1)
    finally:
        events.enable_rule(Name=schedule)
        events.enable_rule(Name=on_success, EventBusName=stage.bus)
        herald.empty("failed-events")
        account.dynamodb.delete_item(TableName=stage.table, Key={"id": overdue["id"]})
        account.ssm.put_parameter(
            Name=f"{stage.parameters}/urgent/user", Value=LOCAL_USER, Type="SecureString", Overwrite=True
        )
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="over")

    def remedy(words: str, level: str = "wrong") -> str:
        (found,) = [finding for what, finding in ill.items() if words in what]
        assert found["level"] == level
        return found["mend"]

    assert schedule in remedy("retry_due has no enabled schedule")
    assert "make run" in remedy(f"the rule {on_success} is disabled")
    assert remedy("1 letters in failed-events", "warning") == "docs/alarms.md#failed-events"
    assert "--function retry_due" in remedy(overdue["id"]["S"])
    assert remedy("/urgent/user is not set").endswith("secrets set --stage local urgent")
    assert remedy(f"the alarm {alarm} sounds") == "docs/alarms.md#api-errors"


def test_a_stage_that_is_not_deployed_is_told_how_to_begin(operator: Operator) -> None:
    told = operator.on("dev").types("doctor")
    assert (told.exit_code, "make deploy STAGE=dev" in told.stdout) == (1, True)
