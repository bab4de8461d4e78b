"""What is found to be gone of the wiring, and what is taken out of it before it is made anew."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from ops.aws import cloudformation
from ops.aws.account import Account
from ops.config.rules_subscribers_grants import Extensions, RuleTable
from ops.deploy import drift
from ops.naming import AwsLocation
from ops.templates import trigger_resources, wiring
from ops.templates.common_resources import SUBSCRIBER_DEAD_LETTERS, SUBSCRIBER_LETTERS_POLICY, queue_policy
from tests.fakes import stage
from tests.own_functions import OWN, with_own

WHERE = AwsLocation("aws", "eu-central-1", "123456789012")

TEMPLATE = json.dumps(
    {
        "Description": "kept",
        "Parameters": {"Queue": {"Type": "String"}},
        "Resources": {
            "Rule": {"Type": "AWS::Events::Rule", "Properties": {"Targets": [{"Arn": {"Ref": "Queue"}}]}},
            "Permission": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {"SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]}},
            },
            "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Text": {"Fn::Sub": "see ${Permission} there"}}},
            "Address": {"Type": "AWS::Lambda::Url", "Properties": {}},
            "Other": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "Rule"}},
        },
        "Outputs": {
            "Address": {"Value": {"Fn::GetAtt": ["Address", "FunctionUrl"]}},
            "Name": {"Value": {"Ref": "Other"}},
        },
    }
)


@pytest.mark.parametrize(
    ("gone", "resources", "outputs"),
    [
        (["Rule"], {"Address", "Other"}, {"Address", "Name"}),
        (["Permission"], {"Rule", "Address", "Other"}, {"Address", "Name"}),
        (["Address"], {"Rule", "Permission", "Alarm", "Other"}, {"Name"}),
        (["Address", "Other"], {"Rule", "Permission", "Alarm"}, set()),
        ([], {"Rule", "Permission", "Alarm", "Address", "Other"}, {"Address", "Name"}),
    ],
)
def test_what_refers_to_something_goes_with_it_and_all_else_stays(
    gone: list[str], resources: set[str], outputs: set[str]
) -> None:
    left: dict[str, Any] = json.loads(drift.remove_resources(TEMPLATE, gone))
    assert set(left["Resources"]) == resources
    assert set(left.get("Outputs", {})) == outputs
    assert ("Outputs" in left) is bool(outputs), "CloudFormation refuses an empty one"
    assert (left["Description"], left["Parameters"]) == ("kept", {"Queue": {"Type": "String"}})


def test_what_only_comes_after_something_stays_and_names_it_no_more() -> None:
    """A topic's subscription outlives the permission of its function. Of a name that it doesn't know, CloudFormation
    says: "Template format error: Unresolved resource dependencies"."""
    sns = next(spec for spec in OWN if spec.trigger.kind == "sns")
    resources = {
        SUBSCRIBER_LETTERS_POLICY: queue_policy(SUBSCRIBER_DEAD_LETTERS, "sns", []),
        **trigger_resources.resources(sns, with_own(stage()), "News"),
    }
    rule = {"Type": "AWS::Events::Rule", "DependsOn": "NewsPermission"}
    text = json.dumps({"Resources": {**resources, "Rule": rule}})
    left = json.loads(drift.remove_resources(text, ["NewsPermission"]))["Resources"]
    assert left["NewsSubscription"] == {**resources["NewsSubscription"], "DependsOn": [SUBSCRIBER_LETTERS_POLICY]}
    assert left["Rule"] == {"Type": "AWS::Events::Rule"}


def test_something_is_left_whatever_of_the_functions_is_gone() -> None:
    """A template without resources is none."""
    found = wiring.template(stage(), extensions=Extensions())
    on_functions = [name for name, it in found["Resources"].items() if it["Type"].startswith("AWS::Lambda")]
    assert on_functions
    assert json.loads(drift.remove_resources(json.dumps(found), on_functions))["Resources"]


PUBLIC: dict[str, dict[str, Any]] = {
    action: {"Effect": "Allow", "Principal": "*", "Action": action, "Condition": {operator: {key: value}}}
    for action, operator, key, value in (
        ("lambda:InvokeFunctionUrl", "StringEquals", "lambda:FunctionUrlAuthType", "NONE"),
        ("lambda:InvokeFunction", "Bool", "lambda:InvokedViaFunctionUrl", "true"),
    )
}
"""The statements of an address that everybody may ask, by action:
https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html#urls-auth-none"""


class AccountWithWiring:
    """An account in which the wiring of stage dev stands, and what was taken away since."""

    def __init__(self, template: dict[str, Any], status: str = "UPDATE_COMPLETE") -> None:
        self._template, self._status = template, status
        self.gone: set[str] = set()
        self.disabled: set[str] = set()
        self.policies: dict[str, list[dict[str, Any]]] = {}
        self.secret: set[str] = set()
        for it in template["Resources"].values():
            if it["Type"] == "AWS::Lambda::Permission":
                properties = it["Properties"]
                if "SourceArn" not in properties:
                    self.policies.setdefault(properties["FunctionName"], []).append(PUBLIC[properties["Action"]])
                    continue
                rule = template["Resources"][properties["SourceArn"]["Fn::GetAtt"][0]]["Properties"]["Name"]
                statement = self.statement(f"arn:aws:events:eu-central-1:123456789012:rule/herald-dev/{rule}")
                self.policies.setdefault(properties["FunctionName"], []).append(statement)

    @staticmethod
    def statement(source: str) -> dict[str, Any]:
        return {"Effect": "Allow", "Condition": {"ArnLike": {"AWS:SourceArn": source}}}

    def look(self) -> drift.Drift:
        it = SimpleNamespace(where=WHERE, cloudformation=self, functions=self, client=lambda service: self)
        return drift.detect_drift(cast(Account, it), stage())

    # Of AWS, what is asked

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        if not self._status:
            raise _error("ValidationError")
        return {"Stacks": [{"StackStatus": self._status}]}

    def get_template(self, StackName: str) -> dict[str, Any]:
        return {"TemplateBody": json.dumps(self._template)}

    def describe_rule(self, Name: str, EventBusName: str) -> dict[str, str]:
        self._found(Name)
        return {"State": "DISABLED" if Name in self.disabled else "ENABLED"}

    def get_function_event_invoke_config(self, FunctionName: str, Qualifier: str) -> None:
        self._found(f"outcome of {FunctionName}")

    def get_function_url_config(self, FunctionName: str) -> None:
        self._found(f"address of {FunctionName}")

    def get_policy(self, FunctionName: str) -> dict[str, str]:
        if FunctionName in self.secret:
            raise _error("AccessDeniedException")
        if not self.policies.get(FunctionName):
            raise _error("ResourceNotFoundException")
        return {"Policy": json.dumps({"Statement": self.policies[FunctionName]})}

    def _found(self, name: str) -> None:
        if name in self.gone:
            raise _error("ResourceNotFoundException")


def _error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Any")


def standing(*rules: str) -> dict[str, Any]:
    """The wiring of a stage with everything, and rules of the owner's that run one function."""
    it = stage()._replace(function_url=True, inbox=True, canary=24)
    tables = {name: RuleTable.model_validate({"to": "lambda:crm"}) for name in rules}
    return wiring.template(it, extensions=Extensions(rules=tables))


def test_where_nothing_is_gone_nothing_is_found() -> None:
    assert AccountWithWiring(standing("form")).look() == drift.Drift()


@pytest.mark.parametrize("status", ["", *cloudformation.NEVER_STOOD])
def test_a_stack_that_never_stood_lacks_nothing(status: str) -> None:
    world = AccountWithWiring(standing(), status)
    world.gone = {"outcome of herald-dev-destined"}
    assert world.look() == drift.Drift()


def test_each_kind_of_what_is_gone_is_found() -> None:
    world = AccountWithWiring(standing())
    world.gone = {"outcome of herald-dev-destined", "address of herald-dev-get_message_url", "herald-dev-on_failure"}
    world.disabled = {"herald-dev-failed-events"}
    world.policies["herald-dev-on_success"].clear()
    found = world.look()
    assert set(found.gone) == {
        "DestinedOutcome",
        "GetMessageUrlAddress",
        "OnFailureRule",
        "OnSuccessPermission",
        "CanaryPermission",
    }
    assert found.disabled == (("herald-dev", "herald-dev-failed-events"),)
    assert found.lines()[-1] == "the rule herald-dev-failed-events is disabled"


def test_of_an_inbox_that_was_made_anew_the_address_and_both_permissions_are_gone() -> None:
    world = AccountWithWiring(standing())
    world.gone = {"address of herald-dev-inbox"}
    world.policies["herald-dev-inbox"].clear()
    assert set(world.look().gone) == {"InboxAddress", "InboxVisitors", "InboxByUrl"}


@pytest.mark.parametrize(
    ("action", "gone"), [(kept, "InboxByUrl" if "Url" in kept else "InboxVisitors") for kept in PUBLIC]
)
def test_an_address_that_only_some_may_ask_or_by_one_action_lacks_a_permission(action: str, gone: str) -> None:
    world = AccountWithWiring(standing())
    some = [{**each, "Principal": {"AWS": "123456789012"}} for name, each in PUBLIC.items() if name != action]
    world.policies["herald-dev-inbox"] = [PUBLIC[action], *some]
    assert world.look().gone == (gone,)


def test_what_permits_a_rule_whose_name_begins_alike_or_denies_is_no_permission() -> None:
    world = AccountWithWiring(standing("form", "form-shop"))
    own, other = world.policies["crm"]
    for policy in ([other], [{**own, "Effect": "Deny"}, other]):
        world.policies["crm"] = policy
        assert world.look().gone == ("PermissionOfOwnRuleForm",)


def test_a_function_of_somebodys_whose_policy_may_not_be_read_is_taken_for_well() -> None:
    world = AccountWithWiring(standing("form"))
    world.secret = {"crm"}
    assert world.look() == drift.Drift()
