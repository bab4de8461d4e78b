"""Triggers of functions: what each needs, in its policy and in the wiring template."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.function_spec import FunctionSpec, Grant, Resource, Trigger
from chalicelib.functions import FUNCTIONS, declared_in, functions_of, grants_of
from chalicelib.settings import FileRules
from ops.config.rules_subscribers_grants import Extensions, RuleTable, SubscriberTable
from ops.errors import OpsError
from ops.generate.check import policy_faults
from ops.generate.render import function_mistakes
from ops.naming import AwsLocation, filled
from ops.templates import function_directory, pipeline_roles, trigger_resources, wiring
from ops.templates.common_resources import RULE_DEAD_LETTERS, local_arn, queue_url
from ops.templates.function_policies import policy
from tests.fakes import stage
from tests.own_functions import OWN, with_own
from tests.own_functions import TRIGGERS as KINDS

HERE = AwsLocation("aws", "eu-central-1", "123456789012")
STAGE = with_own(stage())


def spec(trigger: Trigger, *grants: Grant) -> FunctionSpec:
    return FunctionSpec("take_orders", trigger, memory=256, timeout=10, grants=grants)


def resources(kind: str) -> dict[str, Any]:
    return trigger_resources.resources(spec(KINDS[kind]), STAGE, "TakeOrders")


def allowed(trigger: Trigger, *grants: Grant) -> dict[str, list[str]]:
    """The resources of each action, without those for the log."""
    document = policy(spec(trigger, *grants), STAGE, HERE)
    return {action: each["Resource"] for each in document["Statement"][1:] for action in each["Action"]}


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (
            {"kind": "cron"},
            r"Trigger\('cron'\): expected one of http, topic, schedule, invoke, url, public_url, rule, event, s3",
        ),
        ({"kind": "sqs"}, r'needs a source, such as source="orders"'),
        ({"kind": "sqs", "source": "a.fifo"}, "source is 'a.fifo', expected a standard queue's name, such as orders"),
        ({"kind": "s3", "source": "arn:aws:s3:::b"}, "expected a bucket's name, such as uploads-{stage}-{account}"),
        ({"kind": "event"}, "needs a pattern, such as pattern="),
        ({"kind": "http", "source": "orders"}, "has no source; leave it out"),
        ({"kind": "sqs", "source": "orders", "pattern": {"a": [1]}}, "has no pattern; leave it out"),
        ({"kind": "sns", "source": "orders", "batch": 5}, "only sqs, dynamodb, kinesis have a batch"),
        ({"kind": "sqs", "source": "orders", "batch": 20_000}, "batch is 20000, expected 1 to 10000"),
        ({"kind": "sqs", "source": "orders", "prefix": "in/"}, "only s3 has a prefix"),
    ],
)
def test_a_trigger_that_can_not_be_is_refused_with_what_is_right(wrong: dict[str, Any], right: str) -> None:
    with pytest.raises(ValueError, match=right):
        Trigger(**wrong)


def test_a_template_is_filled_with_the_place_and_the_values_of_the_stage() -> None:
    assert filled("arn:{partition}:s3:::{bucket}/{stage}/*", STAGE, HERE, "x") == "arn:aws:s3:::uploads-of-mine/dev/*"


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("{buckett}", "orders: '{buckett}' names {buckett}, and stage dev knows: account, bucket, partition, region"),
        ("{bucket", "orders: '{bucket' has a brace without its other half"),
        ("{bucket!r}", "names {bucket!r}"),
    ],
)
def test_a_template_with_an_unknown_name_is_refused_with_those_that_are_known(template: str, named: str) -> None:
    with pytest.raises(OpsError) as refused:
        filled(template, STAGE, HERE, "orders")
    assert named in str(refused.value)


def test_a_bucket_runs_a_function_by_a_rule_of_the_default_bus_for_its_new_objects() -> None:
    rule = resources("s3")["TakeOrdersRule"]["Properties"]
    assert (rule["EventBusName"], rule["Name"]) == ("default", "herald-dev-take_orders")
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["uploads-of-mine"]}, "object": {"key": [{"prefix": "in/"}]}},
    }
    assert rule["Targets"][0]["DeadLetterConfig"] == {"Arn": {"Ref": "RuleDeadLettersArn"}}
    permission = resources("s3")["TakeOrdersPermission"]["Properties"]
    assert permission["SourceArn"] == {"Fn::GetAtt": ["TakeOrdersRule", "Arn"]}


def test_a_topic_runs_a_function_by_a_subscription_with_a_queue_for_what_it_can_not_deliver() -> None:
    topic = {"Fn::Sub": "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:news-dev"}
    subscription = resources("sns")["TakeOrdersSubscription"]["Properties"]
    assert subscription["TopicArn"] == topic
    assert subscription["RedrivePolicy"] == {"deadLetterTargetArn": {"Ref": "SubscriberDeadLettersArn"}}
    permission = resources("sns")["TakeOrdersPermission"]["Properties"]
    assert (permission["Principal"], permission["SourceArn"]) == ("sns.amazonaws.com", topic)


@pytest.mark.parametrize("kind", ["sqs", "dynamodb", "kinesis"])
def test_a_source_that_lambda_reads_repeats_only_what_the_function_failed_at(kind: str) -> None:
    (mapping,) = (each["Properties"] for each in resources(kind).values())
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping.get("BatchSize") == (25 if kind == "sqs" else None)
    ends: dict[str, Any] = {"MaximumRetryAttempts": 10, "BisectBatchOnFunctionError": True}
    ends["DestinationConfig"] = {"OnFailure": {"Destination": {"Ref": "RuleDeadLettersArn"}}}
    assert ends.items() <= mapping.items() if kind != "sqs" else not ends.keys() & mapping.keys()


@pytest.mark.parametrize("kind", ["sqs", "dynamodb", "kinesis"])
@pytest.mark.parametrize(("batch", "window"), [(0, None), (10, None), (11, 1)])
def test_a_batch_over_10_has_the_window_that_lambda_wants(kind: str, batch: int, window: int | None) -> None:
    found = trigger_resources.resources(spec(replace(KINDS[kind], batch=batch)), STAGE, "TakeOrders")
    assert found["TakeOrdersSource"]["Properties"].get("MaximumBatchingWindowInSeconds") == window


def test_the_role_may_read_that_source_and_nothing_else() -> None:
    queue = [HERE.arn("sqs", "orders")]
    actions = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
    assert allowed(KINDS["sqs"]) == dict.fromkeys(actions, queue)
    dead = {"sqs:SendMessage": [HERE.arn("sqs", "herald-dev-rule-dead-letters")]}
    names = ("DescribeStream", "GetRecords", "GetShardIterator")
    table = {f"dynamodb:{name}": [HERE.arn("dynamodb", "table/orders/stream/*")] for name in names}
    assert allowed(KINDS["dynamodb"]) == dead | table | {"dynamodb:ListStreams": ["*"]}
    more = ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
    stream = {f"kinesis:{name}": [HERE.arn("kinesis", "stream/orders")] for name in more}
    assert allowed(KINDS["kinesis"]) == dead | stream


@pytest.mark.parametrize("kind", ["s3", "event", "sns"])
def test_who_is_invoked_may_only_keep_its_failed_runs(kind: str) -> None:
    assert [grant.on for grant in grants_of(spec(KINDS[kind]), STAGE)] == [Resource.RULE_DEAD_LETTERS]


def test_nothing_of_a_trigger_stands_in_a_stage_without_it() -> None:
    plain = wiring.template(stage())
    made = [each for each in plain["Resources"].values() if each["Type"] == "AWS::Events::Rule"]
    assert {each["Properties"]["EventBusName"] for each in made} == {"herald-dev"}
    types = {each["Type"] for each in plain["Resources"].values()}
    assert not types & {"AWS::Lambda::EventSourceMapping", "AWS::SNS::Subscription"}
    assert not types & {"AWS::IAM::Role", "AWS::Logs::ResourcePolicy"}, "nor of a rule's target"
    queue = {RULE_DEAD_LETTERS, queue_url(RULE_DEAD_LETTERS)}
    assert set(plain["Parameters"]) == queue | {wiring.FAILED_EVENTS, function_directory.API_ADDRESS}
    assert trigger_resources.parameters(stage()) == {}
    assert pipeline_roles.deploying_more(stage()) == []


def test_a_grant_may_name_any_arn_by_a_template() -> None:
    invoked = Trigger("invoke")
    grant = Grant("ReadUploads", ("s3:GetObject",), "arn:{partition}:s3:::{bucket}/*", "read them")
    assert allowed(invoked, grant) == {"s3:GetObject": ["arn:aws:s3:::uploads-of-mine/*"]}
    with pytest.raises(OpsError, match=r"take_orders: '\{bucket\}/\*' is no ARN, such as arn:\{partition\}:s3"):
        allowed(invoked, replace(grant, on="{bucket}/*"))


@pytest.mark.parametrize("function", OWN, ids=lambda spec: spec.name)
def test_parliament_finds_no_fault_in_the_policy_of_any_trigger(function: FunctionSpec) -> None:
    assert policy_faults(json.dumps(policy(function, STAGE, HERE))) == []


@pytest.mark.parametrize("name", ["failed_events", "table", "api", "topic", "bus", "alarms", "canary", "rule_logs"])
def test_no_name_of_an_own_function_replaces_anything_of_heralds(name: str) -> None:
    rules = Extensions(rules={"all": RuleTable.model_validate({"to": "logs:/aws/events/forms"})})
    everything = stage()._replace(function_url=True, inbox=True, canary=24)
    heralds = wiring.template(everything, with_alarms=True, extensions=rules)
    for trigger in (*KINDS.values(), Trigger("invoke"), Trigger("url"), Trigger("public_url")):
        found = wiring.function_resources(replace(spec(trigger), name=name), STAGE)
        assert not found.keys() & {*heralds["Resources"], *heralds["Parameters"]}


def test_a_stage_has_those_of_the_owners_functions_that_it_names() -> None:
    heralds = {spec.name for spec in functions_of(stage(), OWN)}
    named = {spec.name for spec in functions_of(stage()._replace(functions=("tested_s3",)), OWN)}
    assert named - heralds == {"tested_s3"}
    assert not heralds & {spec.name for spec in OWN}


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("gone", "there is no 'gone' in chalicelib/own_functions.py; it has orders, destined, Orders, orders_"),
        ("destined", "'destined' is Herald's own; choose another name in chalicelib/own_functions.py"),
        ("Orders", "'Orders' is no function's name: up to 40 of a-z, 0-9 and _, the first a letter"),
        (
            "orders_",
            "'orders_' and 'orders' are one name in CloudFormation, which has no _ and writes a letter after it large;"
            " choose another in chalicelib/own_functions.py",
        ),
    ],
)
def test_a_stage_names_no_function_that_it_can_not_have(name: str, mistake: str) -> None:
    own = [replace(OWN[0], name=each) for each in ("orders", "destined", "Orders", "orders_")]
    assert next(function_mistakes(stage()._replace(functions=(name, "orders")), own)) == mistake
    assert list(function_mistakes(stage()._replace(functions=("orders",)), own)) == []


@pytest.mark.parametrize(("kind", "length", "over"), [("schedule", 38, 0), ("schedule", 40, 2), ("sqs", 40, 0)])
def test_the_name_of_a_schedules_rule_is_no_longer_than_eventbridge_allows(kind: str, length: int, over: int) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html"""
    name = "a" * length
    long = stage()._replace(name="abcdefghijkl", functions=(name,))
    mistakes = list(function_mistakes(long, [replace(spec(KINDS[kind]), name=name)]))
    assert mistakes == (
        [
            f"the schedule of {name!r} needs a rule herald-abcdefghijkl-{name}-event, and EventBridge allows a name of"
            f" 64 characters; shorten the function's name by {over}"
        ]
        if over
        else []
    )


def test_a_mistake_in_a_function_is_told_with_the_file_that_declares_it() -> None:
    with pytest.raises(OpsError, match=r"^chalicelib/own_functions.py: take_orders: '.*:\{gone\}' names \{gone\}"):
        trigger_resources.resources(spec(Trigger("sqs", source="{gone}")), STAGE, "TakeOrders")
    assert declared_in(FUNCTIONS[0]) == "chalicelib/functions.py"


def senders(resources: dict[str, Any], queue: str) -> list[str]:
    """Who may send to a queue, as the wiring stack says; the rules and subscriptions that use it come after that."""
    key = f"{queue}Policy"
    kinds = ("AWS::Events::Rule", "AWS::SNS::Subscription")
    using = [it for it in resources.values() if it["Type"] in kinds and f"{queue}Arn" in json.dumps(it)]
    assert [it for it in using if key in it["DependsOn"]] == using != []
    (statement,) = resources[key]["Properties"]["PolicyDocument"]["Statement"]
    return [each["Fn::Sub"].rpartition(":")[2] for each in statement["Condition"]["ArnLike"]["aws:SourceArn"]]


def test_only_the_rules_and_topics_of_the_stage_s_own_triggers_may_send_dead_letters() -> None:
    plain = wiring.template(stage())["Resources"]
    assert senders(plain, "RuleDeadLetters") == ["rule/herald-dev/*"]
    assert "SubscriberDeadLettersPolicy" not in plain
    takes_files = stage().sites["default"]._replace(files=FileRules(3, 4_000_000, ("image",)))
    extensions = Extensions(subscribers={"one": SubscriberTable.model_validate({"to": "sqs:inbox"})})
    more = wiring.template(stage()._replace(sites={"default": takes_files}), extensions=extensions)["Resources"]
    assert senders(more, "RuleDeadLetters") == ["rule/herald-dev/*", "rule/herald-dev-examine"]
    assert senders(more, "SubscriberDeadLetters") == ["herald-dev-messages"]


def test_a_trigger_of_the_owner_s_may_send_dead_letters_by_its_rule_or_topic() -> None:
    rules = trigger_resources.rules_on_default_bus(STAGE, OWN)
    assert rules == [local_arn("events", f"rule/herald-dev-{name}") for name in ("tested_s3", "tested_event")]
    assert trigger_resources.topics(STAGE, OWN) == [local_arn("sns", "news-dev")]
