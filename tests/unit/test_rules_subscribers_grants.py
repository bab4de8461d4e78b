"""``[[rule]]``, ``[[subscriber]]`` and ``[[grant]]``: every mistake by its key, and what they become in the wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ops.config.loader import StageConfig, load
from ops.config.rules_subscribers_grants import Extensions
from ops.naming import AwsLocation
from ops.templates import rules_subscribers_grants, target_policy_statements
from ops.templates.wiring import template
from tests.fakes import stage
from tests.unit.test_config import GOOD, mistakes, write

HERE = AwsLocation("aws", "eu-central-1", "123456789012")


def entry(table: str, **keys: object) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(["", f"[[{table}]]", *lines, ""])


def rule(**keys: object) -> str:
    return entry("rule", **({"name": "mine", "to": "sqs:inbox"} | keys))


def subscriber(**keys: object) -> str:
    return entry("subscriber", **({"name": "mine", "to": "sqs:inbox"} | keys))


def allow(**keys: object) -> str:
    wanted = {"actions": ["s3:GetObject"], "on": ["arn:{partition}:s3:::uploads/*"], "why": "read them"} | keys
    inner = ", ".join(f"{key} = {json.dumps(value)}" for key, value in wanted.items())
    return f'\n[[grant]]\nname = "mine"\nallow = [{{ {inner} }}]\n'


def grant(**keys: object) -> str:
    return entry("grant", **({"name": "mine", "functions": ["list_messages"]} | keys))


def own(table: str, **keys: object) -> str:
    """An entry of stage ``dev`` alone."""
    return entry(f"stages.dev.{table}", **keys)


ARN = "arn:aws:sqs:us-east-1:%s:inbox"
ONE_OF = "expected one of sqs, sns, lambda, states, logs, events, such as sqs:inbox"
SHOULD = "Input should be"
LIKE = "expected something like"
CALLABLE = "notify_pushover, get_message, list_messages"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # Entries and their names
        ("rule = 3", "rule: expected entries such as [[rule]]"),
        ("rule = [3]", "rule[1]: found 3, expected a table [[rule]]"),
        ("[rule]\nname = 'a'", "rule: expected entries such as [[rule]]"),
        ("[stages.dev.rule]\nname = 'a'", "stages.dev.rule: expected entries such as [[stages.dev.rule]]"),
        (entry("rule", to="sqs:inbox"), "rule[1].name: missing; each needs a name of its own"),
        (rule(name=3), "rule[1].name: found 3; a name has up to 20 of a-z, 0-9 and -"),
        (rule(name="Mine"), "rule[1].name: found 'Mine'; a name has up to 20"),
        (rule(name="a_b"), "rule[1].name: found 'a_b'; a name has up to 20"),
        (rule(name="a-1"), "rule[1].name: found 'a-1'; a name has up to 20"),
        (rule(name="a" * 21), "a name has up to 20 of a-z"),
        (rule() + rule(), "rule[2].name: there are two with the name 'mine'"),
        (own("rule", name="a", to="sqs:x") * 2, "stages.dev.rule[2].name: there are two with the name 'a'"),
        # Targets
        (entry("rule", name="mine"), "rule.mine.to: missing"),
        (rule(to=3), "rule.mine.to: found 3; expected text such as sqs:inbox"),
        (rule(to="inbox"), f"rule.mine.to: found 'inbox'; {ONE_OF}"),
        (rule(to="sqs:"), "rule.mine.to: found 'sqs:'; expected something like sqs:inbox"),
        (rule(to="sqs:a b"), "rule.mine.to: found 'sqs:a b'; expected something like"),
        (rule(to="sqs:" + "a" * 81), "expected something like"),
        (rule(to="sqs:orders.fifo"), "FIFO queues and topics are not supported; name a standard one"),
        (rule(to="sns:orders.fifo"), "FIFO queues and topics are not supported"),
        (rule(to="lambda:f:$LATEST"), "rule.mine.to: found 'lambda:f:$LATEST'"),
        (rule(to="firehose:stream"), ONE_OF),
        (rule(to="arn:aws:s3:::bucket"), ONE_OF),
        (rule(to="arn:aws:lambda:eu-central-1:123456789012:layer:x"), ONE_OF),
        (rule(to="lambda:herald-dev-destined"), "found 'lambda:herald-dev-destined', which is Herald's own"),
        (rule(to="lambda:herald-dev-destined:live"), "which is Herald's own; name a target of yours"),
        (rule(to="lambda:herald-dev"), "which is Herald's own"),
        (rule(to="sns:herald-dev-messages"), "rule.mine.to: found 'sns:herald-dev-messages', which is Herald's own"),
        (rule(to="sns:herald-dev-alarms"), "which is Herald's own"),
        (rule(to="sqs:herald-dev-failed-events"), "which is Herald's own"),
        (rule(to="arn:aws:sqs:eu-central-1:123456789012:herald-dev-rule-dead-letters"), "which is Herald's own"),
        # What a rule names
        (rule(action="lost"), "rule.mine.action.0: found 'lost'; Input should be 'delivered', 'summarized'"),
        (rule(action=["delivered", "lost"]), "rule.mine.action.1: found 'lost'"),
        (rule(action=[]), "rule.mine.action: found list; List should have at least 1 item"),
        (rule(source="a"), f"rule.mine.source.0: found 'a'; {SHOULD} 'herald.contact', 'herald.notification'"),
        (
            rule(condition="No"),
            f"rule.mine.condition.0: found 'No'; {SHOULD} 'Success', 'RetriesExhausted' or 'EventAge",
        ),
        (rule(kind="x"), f"rule.mine.kind.0: found 'x'; {SHOULD} 'contact', 'notification', 'event' or 'canary'"),
        (rule(to="states:a b"), f"rule.mine.to: found 'states:a b'; {LIKE} sqs:inbox, sns:team, lambda:my"),
        (rule(to="logs:forms"), "logs:/aws/events/forms"),
        (rule(to="events:herald-dev"), "rule.mine.to: found 'events:herald-dev', which is Herald's own"),
        (rule(to="arn:aws:states:eu-central-1:123456789012:activity:a"), ONE_OF),
        (rule(site="shop"), "rule.mine.site: found 'shop', expected one of: default"),
        (rule(colour=3), "rule.mine.colour: unknown key; expected to, source, action, condition, site, kind"),
        (own("rule", name="mine", to="sqs:x", site="shop"), "stages.dev.rule.mine.site: found 'shop', expected one of"),
        (rule() + own("rule", name="mine", kind="x"), "stages.dev.rule.mine.kind.0: found 'x'"),
        # Subscribers
        (subscriber(to="sns:team"), "subscriber.mine.to: found 'sns:team'; expected one of sqs, lambda"),
        (subscriber(to="https://example.com"), "subscriber.mine.to: found 'https://example.com'; expected one of"),
        (subscriber(to="owner@example.com"), "expected one of sqs, lambda"),
        (subscriber(to="lambda:crm", raw=True), "subscriber.mine.raw: only a queue can get messages without"),
        (subscriber(to="lambda:herald-dev-destined"), "subscriber.mine.to: found 'lambda:herald-dev-destined', which"),
        (
            subscriber() + subscriber(name="more", to=ARN % "123456789012", kind="event"),
            f"subscriber.more.to: found '{ARN % '123456789012'}', which subscriber 'mine' has too; SNS has one",
        ),
        (subscriber(raw="yes"), "subscriber.mine.raw: found 'yes'"),
        (subscriber(site="shop"), "subscriber.mine.site: found 'shop', expected one of: default"),
        (subscriber(action="delivered"), "subscriber.mine.action: unknown key; expected to, site, kind, raw"),
        # Grants
        (entry("grant", name="mine"), "grant.mine: grants nothing; name functions, resources or what to allow"),
        (grant(functions=[]), "grant.mine: grants nothing"),
        (grant(resources=["queue"]), "grant.mine.resources.0: found 'queue'; Input should be"),
        (allow(actions=["Get"]), "grant.mine.allow.0.actions.0: found 'Get'; expected an action such as s3"),
        (allow(on=["{bucket}/*"]), "grant.mine.allow: on: '{bucket}/*' names {bucket}, and stage dev knows"),
        (allow(on=["orders"]), "grant.mine.allow: on: 'orders' is no ARN, such as arn:{partition}:s3:::{bucket}/*"),
        (allow(on=["*"]), "grant.mine.allow: '*' has a wildcard; write why in its key `wildcard`, or name it whole"),
        (allow(actions=["s3:Get*"]), "grant.mine.allow: 's3:Get*' has a wildcard; write why"),
        (allow(why=""), "grant.mine.allow.0.why: found ''"),
        (grant(functions=["destined"]), f"grant.mine.functions: found 'destined', expected one of: {CALLABLE}"),
        (grant(functions=["notify_email"]), f"found 'notify_email', expected one of: {CALLABLE}"),
        (grant(functions=["get_message", "get_message"]), "grant.mine.functions: found list; names 'get_"),
        (grant(roles=["arn:aws:iam::123456789012:role/x"]), "grant.mine.roles.0: found 'arn:aws:iam"),
        (grant(role="x"), "grant.mine.role: unknown key; expected functions, resources, allow, roles"),
        # The local stack's account is known.
        (
            entry("stages.local.rule", name="mine", to=ARN % "123456789012"),
            "stages.local.rule.mine.to: found 'arn:aws:sqs:us-east-1:123456789012:inbox', expected an ARN that begins"
            " with arn:aws:sqs:us-east-1:000000000000:",
        ),
    ],
)
def test_every_mistake_is_named_with_its_key_what_was_found_and_what_is_allowed(
    tmp_path: Path, text: str, said: str
) -> None:
    # What is no table of its own has to stand before the first that is.
    text = f"{GOOD}{text}" if text.lstrip().startswith("[") else GOOD.replace("version = 1", f"version = 1\n{text}")
    assert said in mistakes(tmp_path, text)


def dev(folder: Path, text: str) -> StageConfig:
    return load(write(folder, GOOD + text))["dev"]


def wired(it: StageConfig) -> dict[str, Any]:
    found: dict[str, Any] = template(it.stage, extensions=it.extensions)
    return found


def test_a_stage_lays_its_own_keys_over_the_entry_of_the_same_name_and_adds_others(tmp_path: Path) -> None:
    text = rule(action="delivered") + own("rule", name="mine", to="sqs:other") + own("rule", name="more", to="sns:t")
    found = dev(tmp_path, text).extensions.rules
    assert {name: (str(it.to), it.action) for name, it in found.items()} == {
        "mine": ("sqs:other", ["delivered"]),
        "more": ("sns:t", []),
    }


def test_the_local_stack_has_those_of_its_own_table_alone_as_it_has_nothing_of_the_owners(tmp_path: Path) -> None:
    text = rule() + subscriber() + grant()
    assert load(write(tmp_path, GOOD + text))["local"].extensions == Extensions()
    text += entry("stages.local.rule", name="here", to=ARN % "000000000000")
    assert set(load(write(tmp_path, GOOD + text))["local"].extensions.rules) == {"here"}


def test_names_that_differ_stay_different_as_resources(tmp_path: Path) -> None:
    names = ["ab", "a-b", "a", "a-permission", "permission-of-rule-a", "b2", "b-b2"]
    it = dev(tmp_path, "".join(rule(name=name, to="lambda:f") for name in names))
    added = set(wired(it)["Resources"]) - set(template(it.stage)["Resources"])
    assert len(added) == 2 * len(names)


@pytest.mark.parametrize("name", ["logs", "dead-letters-policy", "dead-letters-arn", "dead-letters-url"])
def test_no_name_of_an_entry_replaces_anything_of_heralds(tmp_path: Path, name: str) -> None:
    others = rule(name="other", to="logs:/aws/events/forms") + subscriber(name="other", to="sqs:copies")
    without = wired(dev(tmp_path, others))
    entries = rule(name=name) + subscriber(name=name) + grant(name=name)
    found = wired(dev(tmp_path, others + entries))
    assert found["Resources"].items() >= without["Resources"].items()
    assert len(found["Resources"]) == len(without["Resources"]) + 3
    assert not found["Resources"].keys() & found["Parameters"].keys()


@pytest.mark.parametrize(
    ("to", "arn"),
    [
        ("sqs:inbox", "sqs:${AWS::Region}:${AWS::AccountId}:inbox"),
        ("sns:team", "sns:${AWS::Region}:${AWS::AccountId}:team"),
        ("lambda:crm", "lambda:${AWS::Region}:${AWS::AccountId}:function:crm"),
        ("lambda:crm:live", "lambda:${AWS::Region}:${AWS::AccountId}:function:crm:live"),
        (ARN % "123456789012", "sqs:${AWS::Region}:${AWS::AccountId}:inbox"),
        (HERE.arn("lambda", "function:crm:7"), "lambda:${AWS::Region}:${AWS::AccountId}:function:crm:7"),
    ],
)
def test_a_rule_sends_to_its_target_and_what_that_refuses_to_the_rules_queue(tmp_path: Path, to: str, arn: str) -> None:
    found = wired(dev(tmp_path, rule(to=to, action="delivered")))
    assert "123456789012" not in json.dumps(found)
    properties = found["Resources"]["OwnRuleMine"]["Properties"]
    assert (properties["Name"], properties["EventBusName"]) == ("herald-dev-rule-mine", "herald-dev")
    assert properties["Targets"] == [
        {
            "Id": "mine",
            "Arn": {"Fn::Sub": f"arn:${{AWS::Partition}}:{arn}"},
            "DeadLetterConfig": {"Arn": {"Ref": "RuleDeadLettersArn"}},
        }
    ]


def test_a_function_lets_in_the_one_rule_that_names_it(tmp_path: Path) -> None:
    found = wired(dev(tmp_path, rule(to="lambda:crm:live") + rule(name="other") + rule(name="third", to="sns:team")))
    assert found["Resources"]["PermissionOfOwnRuleMine"]["Properties"] == {
        "FunctionName": "crm:live",
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        "SourceArn": {"Fn::GetAtt": ["OwnRuleMine", "Arn"]},
    }
    assert not {"PermissionOfOwnRuleOther", "PermissionOfOwnRuleThird"} & set(found["Resources"])
    assert "Outputs" not in found


def subscriptions(found: dict[str, Any]) -> dict[str, Any]:
    resources = found["Resources"].items()
    return {key: each["Properties"] for key, each in resources if each["Type"] == "AWS::SNS::Subscription"}


def test_a_subscription_stays_the_same_resource_when_its_entry_has_another_name_or_filter(tmp_path: Path) -> None:
    """SNS gives a second resource with the same target the same subscription, or refuses it."""
    first, renamed, other = (
        wired(dev(tmp_path, subscriber(to="lambda:a-b") + subscriber(name=name, to="lambda:ab", **keys)))
        for name, keys in (("one", {}), ("two", {"kind": "event"}), ("one", {"site": "default"}))
    )
    assert len(subscriptions(first)) == 2
    assert subscriptions(first).keys() == subscriptions(renamed).keys() == subscriptions(other).keys()
    changed = [each["FilterPolicy"] for found in (first, renamed, other) for each in subscriptions(found).values()]
    assert changed == [{}, {}, {}, {"kind": ["event"]}, {}, {"site": ["default"]}]
    scopes = {each["FilterPolicyScope"] for found in (first, renamed) for each in subscriptions(found).values()}
    assert scopes == {"MessageAttributes"}


def test_a_subscriber_gets_what_its_filter_lets_through_and_has_a_queue_for_the_rest(tmp_path: Path) -> None:
    found = wired(dev(tmp_path, subscriber(site="default", kind=["contact", "event"], raw=True)))
    topic = {"Fn::Sub": "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:herald-dev-messages"}
    (made,) = subscriptions(found).values()
    assert made == {
        "TopicArn": topic,
        "Protocol": "sqs",
        "Endpoint": {"Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:inbox"},
        "FilterPolicy": {"site": ["default"], "kind": ["contact", "event"]},
        "FilterPolicyScope": "MessageAttributes",
        "RawMessageDelivery": True,
        "RedrivePolicy": {"deadLetterTargetArn": {"Ref": "SubscriberDeadLettersArn"}},
    }
    assert "SubscriberDeadLettersArn" in found["Parameters"]
    plain = wired(dev(tmp_path, subscriber(to="lambda:crm")))
    ((key, made),) = subscriptions(plain).items()
    assert "RawMessageDelivery" not in made
    assert plain["Resources"][f"PermissionOf{key}"]["Properties"] == {
        "FunctionName": "crm",
        "Action": "lambda:InvokeFunction",
        "Principal": "sns.amazonaws.com",
        "SourceArn": topic,
    }
    assert "SubscriberDeadLettersArn" not in template(stage())["Parameters"]


@pytest.mark.parametrize(
    ("to", "arn", "action"),
    [
        ("states:orders", "states:${AWS::Region}:${AWS::AccountId}:stateMachine:orders", "states:StartExecution"),
        ("events:mine", "events:${AWS::Region}:${AWS::AccountId}:event-bus/mine", "events:PutEvents"),
    ],
)
def test_a_rule_has_a_role_of_its_own_for_a_state_machine_or_a_bus(
    tmp_path: Path, to: str, arn: str, action: str
) -> None:
    found = wired(dev(tmp_path, rule(to=to)))
    resources = found["Resources"]
    (target,) = resources["OwnRuleMine"]["Properties"]["Targets"]
    assert target["Arn"] == {"Fn::Sub": f"arn:${{AWS::Partition}}:{arn}"}
    assert target["RoleArn"] == {"Fn::GetAtt": ["RoleOfOwnRuleMine", "Arn"]}
    assert target["DeadLetterConfig"]
    role = resources["RoleOfOwnRuleMine"]["Properties"]
    (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
    source = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/herald-dev/herald-dev-rule-mine"
    assert trusted["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::Sub": source}}}
    (statement,) = role["Policies"][0]["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ([action], [target["Arn"]])
    assert found["Conditions"].keys() == {"HasBoundary"}
    assert "RoleBoundary" in found["Parameters"]


def test_all_log_groups_of_rules_share_one_policy_and_other_rules_have_neither_it_nor_roles(tmp_path: Path) -> None:
    other = rule(name="other", to=HERE.arn("logs", "log-group:/aws/events/b:*"))
    found = wired(dev(tmp_path, rule(to="logs:/aws/events/a") + other))
    document = json.loads(found["Resources"]["RuleLogs"]["Properties"]["PolicyDocument"]["Fn::Sub"])
    (statement,) = document["Statement"]
    assert [arn.rpartition("log-group:")[2] for arn in statement["Resource"]] == ["/aws/events/a:*", "/aws/events/b:*"]
    assert "RoleArn" not in found["Resources"]["OwnRuleMine"]["Properties"]["Targets"][0]
    plain = wired(dev(tmp_path, rule()))
    assert "RuleLogs" not in plain["Resources"]
    assert "Conditions" not in plain


def test_a_grant_is_the_call_of_each_function_and_its_entry_in_the_directory(tmp_path: Path) -> None:
    it = dev(tmp_path, grant(functions=["list_messages", "notify_pushover"], roles=["nightly"]))
    assert rules_subscribers_grants.policy(it.extensions.grants["mine"], it.stage, HERE)["Statement"] == [
        {"Sid": sid, "Effect": "Allow", "Action": [action], "Resource": [arn]}
        for name, function in (("ListMessages", "list_messages"), ("NotifyPushover", "notify_pushover"))
        for sid, action, arn in (
            (f"Invoke{name}", "lambda:InvokeFunction", HERE.arn("lambda", f"function:herald-dev-{function}")),
            (f"Find{name}", "ssm:GetParameter", HERE.arn("ssm", f"parameter/herald/dev/functions/{function}")),
        )
    ]
    found = wired(it)
    properties = found["Resources"]["OwnGrantMine"]["Properties"]
    assert (properties["ManagedPolicyName"], properties["Roles"]) == ("herald-dev-grant-mine", ["nightly"])
    assert found["Outputs"] == {"OwnGrantMine": {"Value": {"Ref": "OwnGrantMine"}}}
    assert "Roles" not in wired(dev(tmp_path, grant()))["Resources"]["OwnGrantMine"]["Properties"]


def test_a_grant_may_publish_to_the_topic_find_what_it_names_and_do_what_is_allowed(tmp_path: Path) -> None:
    text = allow(wildcard="they have no other name") + 'resources = ["topic", "api"]\n'
    it = dev(tmp_path, text)
    mine = it.extensions.grants["mine"]
    found = rules_subscribers_grants.policy(mine, it.stage, HERE)["Statement"]
    assert {each["Sid"]: (each["Action"], each["Resource"]) for each in found} == {
        "PublishToTopic": (["sns:Publish"], [HERE.arn("sns", "herald-dev-messages")]),
        "FindTopic": (["ssm:GetParameter"], [HERE.arn("ssm", "parameter/herald/dev/resources/topic")]),
        "FindApi": (["ssm:GetParameter"], [HERE.arn("ssm", "parameter/herald/dev/resources/api")]),
        "Own1": (["s3:GetObject"], ["arn:aws:s3:::uploads/*"]),
    }
    assert rules_subscribers_grants.with_reason(mine) == ["Own1"]


# What queues and topics have to allow

RULE_ARN = "arn:aws:events:eu-central-1:123456789012:rule/herald-dev/herald-dev-rule-mine"
WANTED: dict[str, Any] = {
    "Sid": "HeraldDevRuleMine",
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": "arn:aws:sqs:eu-central-1:123456789012:inbox",
    "Condition": {"ArnEquals": {"aws:SourceArn": RULE_ARN}},
}
OTHER = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sqs:*", "Resource": WANTED["Resource"]}


def test_a_queue_lets_in_one_rule_or_the_topic_and_a_topic_every_rule(tmp_path: Path) -> None:
    it = dev(tmp_path, rule() + rule(name="team", to="sns:team") + subscriber() + rule(name="f", to="lambda:f"))
    statements = target_policy_statements.statements(it.extensions, it.stage, HERE)
    found = {str(target): each for target, each in statements.items()}
    topic = "arn:aws:sns:eu-central-1:123456789012:"
    from_topic = {
        "Sid": "HeraldDevSubscriberMine",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Condition": {"ArnEquals": {"aws:SourceArn": f"{topic}herald-dev-messages"}},
    }
    assert found["sqs:inbox"] == [WANTED, WANTED | from_topic]
    # "You can't use Condition blocks in Amazon SNS topic policies for EventBridge."
    to_topic = {"Sid": "HeraldDevRuleTeam", "Action": "sns:Publish", "Resource": f"{topic}team"}
    unconditional = {key: value for key, value in WANTED.items() if key != "Condition"}
    assert found["sns:team"] == [unconditional | to_topic]
    assert set(found) == {"sqs:inbox", "sns:team"}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


OLD = {"Version": "2008-10-17", "Id": "mine"}
BY_TERRAFORM = document(WANTED | {"Sid": "ByTerraform"})
OF_DEV2 = WANTED | {"Sid": "HeraldDev2RuleMine", "Resource": "x"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, document(WANTED)),
        # All else stands: an old version, an Id, a statement that is no list.
        (OLD | {"Statement": OTHER}, OLD | {"Statement": [OTHER, WANTED]}),
        # What is there is left as it is.
        ({"Statement": [OTHER, WANTED]}, {"Statement": [OTHER, WANTED]}),
        # The same by another name, as who manages the policy has put it there.
        (BY_TERRAFORM, BY_TERRAFORM),
        # One that somebody has changed is put right, and one that is not needed any more is taken out.
        (document(WANTED | {"Effect": "Deny"}, OTHER), document(OTHER, WANTED)),
        (document(WANTED, WANTED | {"Sid": "HeraldDevSubscriberGone"}), document(WANTED)),
        # Another stage's is not ours.
        (document(OF_DEV2), document(OF_DEV2, WANTED)),
    ],
)
def test_a_statement_is_laid_beside_what_stands_there(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert target_policy_statements.merged_policy(before, [WANTED], stage()) == after


def test_before_the_rules_change_what_others_of_the_stage_need_stays() -> None:
    gone, new = WANTED | {"Sid": "HeraldDevRuleGone"}, WANTED | {"Resource": "new"}
    before = document(gone, WANTED | {"Effect": "Deny"}, OTHER)
    after = target_policy_statements.merged_policy(before, [new], stage(), others=True)
    assert after == document(gone, OTHER, new)


def test_what_is_taken_out_leaves_the_rest_and_what_is_not_ours_is_not_touched() -> None:
    assert target_policy_statements.merged_policy(document(OTHER, WANTED), [], stage()) == document(OTHER)
    assert target_policy_statements.merged_policy({"Statement": OTHER}, [], stage()) == {"Statement": OTHER}
    assert target_policy_statements.merged_policy({}, [], stage()) == {}


@pytest.mark.parametrize(
    ("partition", "region", "account"),
    [
        ("aws-cn", "eu-central-1", "123456789012"),
        ("aws", "us-east-1", "123456789012"),
        ("aws", "eu-central-1", "210987654321"),
    ],
)
def test_a_target_elsewhere_is_named(tmp_path: Path, partition: str, region: str, account: str) -> None:
    arn = f"arn:{partition}:sqs:{region}:{account}:inbox"
    extensions = dev(tmp_path, rule(to=arn)).extensions
    ((key, mistake),) = extensions.foreign(HERE)
    assert key == ("rule", "mine", "to")
    assert mistake == f"found {arn!r}, expected an ARN that begins with arn:aws:sqs:eu-central-1:123456789012:"
    assert not list(extensions.foreign(AwsLocation(partition, region, account)))
