"""What is taken out of the wiring before it is made anew: what is gone, and what refers to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops import wired, wiring
from ops.additions import Additions
from tests.fakes import stage

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
    left: dict[str, Any] = json.loads(wired.without(TEMPLATE, gone))
    assert set(left["Resources"]) == resources
    assert set(left.get("Outputs", {})) == outputs
    assert ("Outputs" in left) is bool(outputs), "CloudFormation refuses an empty one"
    assert (left["Description"], left["Parameters"]) == ("kept", {"Queue": {"Type": "String"}})


def test_something_is_left_whatever_of_the_functions_is_gone() -> None:
    """A template without resources is none."""
    found = wiring.template(stage(), additions=Additions())
    on_functions = [name for name, it in found["Resources"].items() if it["Type"].startswith("AWS::Lambda")]
    assert on_functions
    assert json.loads(wired.without(json.dumps(found), on_functions))["Resources"]
