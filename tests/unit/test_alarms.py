"""The alarms of a stage, as the wiring template holds them: what each looks at, when it sounds, and whom it tells."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.functions import FUNCTIONS, functions_of
from chalicelib.settings import Digest, RetryTimes, Stage
from ops import naming
from ops.config.rules_subscribers_grants import Extensions, SubscriberTable
from ops.templates import alarms, wiring
from tests.fakes import stage

DEV = stage()


SUBSCRIBED = Extensions(subscribers={"copies": SubscriberTable.model_validate({"to": "sqs:copies"})})


def resources(of: Stage = DEV, extensions: Extensions | None = None) -> dict[str, Any]:
    found: dict[str, Any] = wiring.template(of, with_alarms=True, extensions=extensions)["Resources"]
    return found


def alarms_of(of: Stage = DEV, extensions: Extensions | None = None) -> dict[str, dict[str, Any]]:
    """The properties of each alarm, by its name without the stage."""
    found = [it["Properties"] for it in resources(of, extensions).values() if it["Type"] == "AWS::CloudWatch::Alarm"]
    return {it["AlarmName"].removeprefix(f"herald-{of.name}-"): it for it in found}


def what_it_watches(it: dict[str, Any]) -> tuple[str, str, dict[str, str]]:
    return it["Namespace"], it["MetricName"], {each["Name"]: each["Value"] for each in it["Dimensions"]}


def when_it_sounds(it: dict[str, Any]) -> tuple[object, ...]:
    keys = ("Statistic", "ComparisonOperator", "Threshold", "Period", "EvaluationPeriods", "DatapointsToAlarm")
    return tuple(it[key] for key in keys)


AT_LEAST, LESS = "GreaterThanOrEqualToThreshold", "LessThanThreshold"


def test_a_letter_in_any_queue_of_what_failed_sounds_its_alarm(root: Path) -> None:
    queues = re.findall(r"QueueName: !Sub \$\{Prefix\}-(\S+)", (root / "infra/data.yaml").read_text(encoding="utf-8"))
    assert len(queues) == 4
    for queue in queues:
        alarm = alarms_of(extensions=SUBSCRIBED)[queue]
        watched = ("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": f"herald-dev-{queue}"})
        assert what_it_watches(alarm) == watched
        assert when_it_sounds(alarm) == ("Maximum", AT_LEAST, 1, 300, 1, 1)


@pytest.mark.parametrize(
    ("name", "function", "metric", "when"),
    [
        ("destined-errors", "herald-dev-destined", "Errors", (AT_LEAST, 3, 900, 1, 1)),
        ("outcomes-lost", "herald-dev-destined", "DestinationDeliveryFailures", (AT_LEAST, 1, 300, 1, 1)),
        ("destined-throttled", "herald-dev-destined", "Throttles", (AT_LEAST, 1, 300, 3, 2)),
        ("retry_due-stopped", "herald-dev-retry_due", "Invocations", (LESS, 1, 300, 3, 3)),
        ("retry_due-errors", "herald-dev-retry_due", "Errors", (AT_LEAST, 3, 900, 1, 1)),
        ("api-errors", "herald-dev", "Errors", (AT_LEAST, 1, 300, 1, 1)),
        ("api-throttled", "herald-dev", "Throttles", (AT_LEAST, 1, 300, 1, 1)),
    ],
)
def test_each_alarm_on_a_function_looks_at_one_number_of_lambdas(
    name: str, function: str, metric: str, when: tuple[object, ...]
) -> None:
    alarm = alarms_of()[name]
    assert what_it_watches(alarm) == ("AWS/Lambda", metric, {"FunctionName": function})
    assert when_it_sounds(alarm) == ("Sum", *when)


def test_every_function_is_watched_whose_failure_nothing_else_tells() -> None:
    """A notifier's failure is one of `destined`; what a rule runs and fails at is a letter in `rule-dead-letters`; and
    a canary that is not sent does not get through."""
    told = {spec.name for spec in functions_of(WITH_ALL) if spec.trigger.kind in ("invoke", "rule")} | {"canary"}
    watched = {what_it_watches(it)[2].get("FunctionName") for it in alarms_of(WITH_ALL).values()} - {None}
    assert watched == {DEV.function(spec.name) for spec in functions_of(WITH_ALL) if spec.name not in told}


def test_silence_is_bad_news_of_the_scheduled_retry_running_alone() -> None:
    treated = {name: it["TreatMissingData"] for name, it in alarms_of().items()}
    assert treated.pop("retry_due-stopped") == "breaching"
    assert set(treated.values()) == {"notBreaching"}


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_what_heals_by_lambdas_retries_is_no_alarm(retries: int) -> None:
    """All attempts at one event must fail, or as many at several."""
    of = DEV._replace(retry_times=RetryTimes(lambda_retries=retries))
    assert alarms_of(of)["destined-errors"]["Threshold"] == retries + 1
    assert alarms_of(of)["retry_due-errors"]["Threshold"] == 3, "[delivery] says nothing of retry_due's own retries"


@pytest.mark.parametrize("minutes", [2, 5, 60])
def test_the_scheduled_retry_may_miss_two_of_its_runs_whatever_its_pace(minutes: int) -> None:
    alarm = alarms_of(DEV._replace(retry_times=RetryTimes(retry_minutes=minutes)))["retry_due-stopped"]
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (minutes * 60, 3, 3)


def test_the_window_of_errors_holds_every_attempt_at_one_event() -> None:
    spans = {spec.name: spec.timeout for spec in FUNCTIONS}
    for name in ("destined", "retry_due", "digest"):
        last_begins = 2 * spans[name] + (1 + 2) * 60
        assert alarms_of(WITH_ALL)[f"{name}-errors"]["Period"] > last_begins


def test_every_alarm_tells_the_topic_and_only_the_end_of_a_lasting_one_is_told_too() -> None:
    topic = [{"Ref": "AlarmsTopic"}]
    assert all(it["AlarmActions"] == topic for it in alarms_of().values())
    ends = {name: it["OKActions"] for name, it in alarms_of().items() if "OKActions" in it}
    queues = set(naming.QUEUES) - {alarms.SUBSCRIBERS_QUEUE}
    assert ends == dict.fromkeys((*queues, "retry_due-stopped"), topic)


def test_there_are_as_many_alarms_as_are_free_in_an_account() -> None:
    assert len(alarms_of()) == 10


CANARY = DEV._replace(canary=24)
WITH_ALL = CANARY._replace(digest=Digest(7))


def test_a_digest_that_fails_as_often_as_lambda_tries_is_heard() -> None:
    alarm = alarms_of(WITH_ALL)["digest-errors"]
    assert what_it_watches(alarm) == ("AWS/Lambda", "Errors", {"FunctionName": "herald-dev-digest"})
    assert when_it_sounds(alarm) == ("Sum", AT_LEAST, 3, 900, 1, 1)
    assert "digest-errors" not in alarms_of(CANARY)


def test_a_canary_that_does_not_come_is_heard_two_hours_after_it_should_have() -> None:
    alarm = alarms_of(CANARY)["canary-missing"]
    rule = wiring.template(CANARY)["Resources"]["CanaryRule"]["Properties"]
    watched = {"EventBusName": rule["EventBusName"], "RuleName": rule["Name"]}
    assert what_it_watches(alarm) == ("AWS/Events", "Invocations", watched)
    assert when_it_sounds(alarm) == ("Sum", LESS, 1, 3600, 26, 26)
    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmsTopic"}]
    assert "canary-missing" not in alarms_of()


@pytest.mark.parametrize("hours", [1, 24, naming.MAX_CANARY_HOURS])
def test_the_canarys_alarm_looks_back_no_further_than_it_may(hours: int) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html: seven days, for a
    period of an hour or more."""
    alarm = alarms_of(DEV._replace(canary=hours))["canary-missing"]
    assert alarm["Period"] >= 3600
    assert alarm["Period"] * alarm["EvaluationPeriods"] <= 604_800


def test_each_description_says_what_happened_and_where_to_read_on(root: Path) -> None:
    page = (root / "docs/alarms.md").read_text(encoding="utf-8")
    for name, it in alarms_of(WITH_ALL).items():
        says = it["AlarmDescription"]
        assert says.endswith(f"What to do: docs/alarms.md#{name}")
        assert f"\n### {name}\n" in page
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
        assert len(says) <= 1024


def test_alarms_of_this_stage_alone_may_publish_and_no_key_stands_in_their_way() -> None:
    source = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:herald-dev-*"
    statement = {
        "Sid": "AlarmsOfThisStagePublish",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": {"Ref": "AlarmsTopic"},
        "Condition": {
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
            "ArnLike": {"aws:SourceArn": {"Fn::Sub": source}},
        },
    }
    assert resources()["AlarmsTopicPolicy"]["Properties"] == {
        "Topics": [{"Ref": "AlarmsTopic"}],
        "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
    }
    assert resources()["AlarmsTopic"]["Properties"] == {"TopicName": "herald-dev-alarms", "DisplayName": "Herald dev"}
    assert all(it["AlarmName"].startswith("herald-dev-") for it in alarms_of().values())


def test_the_address_is_a_parameter_and_the_template_holds_none() -> None:
    template = wiring.template(DEV, with_alarms=True)
    assert template["Parameters"]["AlarmsEmail"] == {"Type": "String", "Description": "The address that gets alarms"}
    assert resources()["AlarmsSubscription"]["Properties"] == {
        "TopicArn": {"Ref": "AlarmsTopic"},
        "Protocol": "email",
        "Endpoint": {"Ref": "AlarmsEmail"},
    }
    assert template["Outputs"] == {"AlarmsTopicArn": {"Value": {"Ref": "AlarmsTopic"}}}
    assert not re.search(r"\w@\w", json.dumps(template))
    assert "arn:aws:" not in json.dumps(template)


def test_without_an_address_there_is_nothing_of_alarms() -> None:
    plain = wiring.template(DEV)
    assert "larm" not in json.dumps(plain)
    more = wiring.template(DEV, with_alarms=True)
    assert {name: it for name, it in more["Resources"].items() if "Alarm" not in name} == plain["Resources"]


def test_each_stage_has_alarms_of_its_own() -> None:
    ours, theirs = json.dumps(alarms_of()), json.dumps(alarms_of(stage("prod")))
    assert ours.replace("herald-dev", "herald-prod") == theirs
    assert ours != theirs
