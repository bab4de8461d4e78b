"""The examples are sound: templates and state machine by AWS's own linter, programs by the compiler."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters import invoke
from chalicelib.functions import FUNCTIONS
from tests.contracts import validator

ROLE = "arn:aws:iam::123456789012:role/notify"


@pytest.fixture(scope="module")
def machine(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "examples/state-machine/notify.asl.json").read_text(encoding="utf-8"))
    return found


def linted(template: str) -> list[str]:
    # Imported here alone: it takes a second, in each of the processes that collect this file.
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    return [str(match) for match in lint(template, config=ManualArgs(regions=["eu-central-1"]))]


def faults(definition: dict[str, Any]) -> list[str]:
    properties = {"RoleArn": ROLE, "Definition": definition, "DefinitionSubstitutions": {"Notifier": "herald"}}
    resources = {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}
    return linted(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}))


@pytest.mark.full
def test_the_state_machine_is_of_the_states_language(machine: dict[str, Any]) -> None:
    assert faults(machine) == []
    broken = json.loads(json.dumps(machine))
    broken["States"]["Notify"]["Retry"][0]["IntervalSeconds"] = "soon"
    assert faults(broken)


def test_the_state_machine_asks_as_the_contract_says_and_knows_every_error_of_it(machine: dict[str, Any]) -> None:
    task = machine["States"]["Notify"]
    request = {key.removesuffix(".$"): value for key, value in task["Parameters"]["Payload"].items()}
    validator("notify", "request").validate(request)
    kinds = [kind["const"] for kind in validator_errors()]
    caught = [name for each in task["Catch"] for name in each["ErrorEquals"]]
    assert set(kinds) - set(caught) == {"ChannelUncertainError"}, "which States.ALL is for"
    assert "ChannelUncertainError" not in task["Retry"][0]["ErrorEquals"]
    assert task["TimeoutSeconds"] == invoke.READ_TIMEOUT > max(spec.timeout for spec in FUNCTIONS if spec.channel)


def validator_errors() -> list[dict[str, Any]]:
    from ops.generate.contracts import contracts

    found: list[dict[str, Any]] = contracts()["notify.v1.json"]["$defs"]["error"]["properties"]["errorType"]["oneOf"]
    return found


@pytest.mark.full
def test_what_stands_beside_cdk_and_sam_is_sound(root: Path) -> None:
    page = (root / "docs/cdk-sam-terraform.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    assert set(blocks) == {"yaml", "python", "hcl"}
    assert linted(blocks["yaml"]) == []
    assert linted(blocks["yaml"].replace("CodeUri", "Code"))
    compile(blocks["python"], "page", "exec")
